# SPDX-License-Identifier: GPL-2.0-or-later
#
# prompt: a guest with a prompt, in one boot sector. It says nothing more than "press Enter" until Enter is
# pressed, then has a prompt, "> ", and knows no command: the first two lines typed are answered with
# "% not yet", all later ones with "done".

	.set	COM1, 0x3f8

	.code16
	.globl	_start
_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$_start, %sp
	movw	$greeting, %si
	call	print
	call	getline
next:	movw	$prompt, %si
	call	print
	call	getline
	testw	%cx, %cx
	jz	next
	movw	$not_yet, %si
	decb	left
	jns	answer
	movb	$0, left
	movw	$done, %si
answer:	call	print
	jmp	next

# Echo a line up to its CR; how long it was is returned in %cx.
getline:
	xorw	%cx, %cx
more:	movw	$COM1 + 5, %dx
	inb	%dx, %al
	testb	$1, %al
	jz	more
	movw	$COM1, %dx
	inb	%dx, %al
	cmpb	$'\r', %al
	je	end
	call	putc
	incw	%cx
	jmp	more
end:	movw	$newline, %si
print:	lodsb
	testb	%al, %al
	jz	out
	call	putc
	jmp	print

putc:	pushw	%ax
full:	movw	$COM1 + 5, %dx
	inb	%dx, %al
	testb	$0x20, %al
	jz	full
	popw	%ax
	movw	$COM1, %dx
	outb	%al, %dx
out:	ret

left:	.byte	2
greeting:
	.asciz	"\r\npress Enter"
newline:
	.asciz	"\r\n"
prompt:	.asciz	"> "
not_yet:
	.asciz	"% not yet\r\n"
done:	.asciz	"done\r\n"

	.org	510
	.word	0xaa55

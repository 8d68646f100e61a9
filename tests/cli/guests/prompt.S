# SPDX-License-Identifier: GPL-2.0-or-later
#
# prompt: a guest with a prompt, in one boot sector. It says nothing more than "press Enter" until Enter is
# pressed, then has a prompt, "> ", and knows no command: the first two lines typed are answered with
# "% not yet", all later ones with "done".

	.include "boot.inc"

	begin
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
more:	call	getc
	cmpb	$'\r', %al
	je	end
	call	putc
	incw	%cx
	jmp	more
end:	movw	$newline, %si
	jmp	print

	define_getc
	define_putc
	define_print

left:	.byte	2
greeting:
	.asciz	"\r\npress Enter"
newline:
	.asciz	"\r\n"
prompt:	.asciz	"> "
not_yet:
	.asciz	"% not yet\r\n"
done:	.asciz	"done\r\n"

	finish

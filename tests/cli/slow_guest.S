# SPDX-License-Identifier: GPL-2.0-or-later
#
# slow_guest: a command line as bad as they come, in one boot sector. It prompts, echoes a line, and then
# works on it for a while in which it throws away whatever is typed. Who does not wait for its prompt loses
# lines. It counts those that it got.

	.set	COM1, 0x3f8
	.set	LSR, COM1 + 5

	.code16
	.globl	_start
_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$_start, %sp
	movw	$COM1 + 2, %dx		# FIFO on
	movb	$7, %al
	outb	%al, %dx
	movw	$banner, %si
	call	print

main:	call	getc
	cmpb	$'\r', %al
	je	work
	call	putc
	jmp	main

work:	movw	$newline, %si
	call	print
	movl	$4000, %ecx
busy:	movw	$LSR, %dx
	inb	%dx, %al
	testb	$1, %al
	jz	idle
	movw	$COM1, %dx
	inb	%dx, %al
idle:	decl	%ecx
	jnz	busy
	movw	$number_end - 1, %di
carry:	incb	(%di)
	cmpb	$'9' + 1, (%di)
	jne	done
	movb	$'0', (%di)
	decw	%di
	jmp	carry
done:	movw	$line, %si
	call	print
	jmp	main

getc:	movw	$LSR, %dx
	inb	%dx, %al
	testb	$1, %al
	jz	getc
	movw	$COM1, %dx
	inb	%dx, %al
	ret

putc:	pushw	%ax
	movw	$LSR, %dx
full:	inb	%dx, %al
	testb	$0x20, %al
	jz	full
	popw	%ax
	movw	$COM1, %dx
	outb	%al, %dx
	ret

print:	lodsb
	testb	%al, %al
	jz	over
	call	putc
	jmp	print
over:	ret

banner:	.asciz	"\r\nslow guest\r\nslow# "
newline: .asciz	"\r\n"
line:	.ascii	"got "
number:	.ascii	"00000"
number_end:
	.asciz	"\r\nslow# "

	.org	510
	.word	0xaa55

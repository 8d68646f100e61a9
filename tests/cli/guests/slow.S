# SPDX-License-Identifier: GPL-2.0-or-later
#
# slow: a command line as bad as they come, in one boot sector. It prompts, echoes a line, and then
# works on it for a while in which it throws away whatever is typed. Who does not wait for its prompt loses
# lines. It counts those that it got.

	.include "boot.inc"

	begin
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

	define_getc
	define_putc
	define_print

banner:	.asciz	"\r\nslow guest\r\nslow# "
newline: .asciz	"\r\n"
line:	.ascii	"got "
number:	.ascii	"00000"
number_end:
	.asciz	"\r\nslow# "

	finish

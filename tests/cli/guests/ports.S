# SPDX-License-Identifier: GPL-2.0-or-later
#
# ports: a boot sector that greets on each of four serial ports and echoes on each what comes there.
	.include "boot.inc"

	begin
	sti

	movw	$ports, %bx
greet:	movw	(%bx), %dx
	testw	%dx, %dx
	jz	look
	movw	$greeting, %si
	call	print
	incb	digit
	addw	$2, %bx
	jmp	greet

look:	movw	$ports, %bx
each:	movw	(%bx), %dx
	testw	%dx, %dx
	jz	rest
	addw	$2, %bx
	addw	$5, %dx
	inb	%dx, %al
	subw	$5, %dx
	testb	$1, %al
	jz	each
	inb	%dx, %al
	call	putc
	jmp	look
	# Nothing came: sleep until the BIOS's timer ticks.
rest:	hlt
	jmp	look

# Send %al on port %dx when it can take it.
putc:	pushw	%ax
	addw	$5, %dx
full:	inb	%dx, %al
	testb	$0x20, %al
	jz	full
	subw	$5, %dx
	popw	%ax
	outb	%al, %dx
	ret

	define_print

ports:	.word	0x3f8, 0x2f8, 0x3e8, 0x2e8, 0
greeting:
	.ascii	"port "
digit:	.asciz	"0 echoes\r\n"

	finish

# SPDX-License-Identifier: GPL-2.0-or-later
#
# fault: a guest that ends in a triple fault when it is told to, in one boot sector. "1": once. "*": again
# and again, each time that it has booted: a byte of the clock's own memory says so across the reset, which
# the firmware leaves alone (it clears this sector's). "." that is there when it has booted ends that.

	.set	COM1, 0x3f8
	.set	CLOCK, 0x70
	.set	PLACE, 0x70		# of nothing that the firmware keeps there
	.set	MAGIC, 0xfa

	.code16
	.globl	_start
_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$_start, %sp
	movw	$banner, %si
print:	movw	$COM1 + 5, %dx
	inb	%dx, %al
	testb	$0x20, %al
	jz	print
	lodsb
	testb	%al, %al
	jz	printed
	movw	$COM1, %dx
	outb	%al, %dx
	jmp	print

printed:
	movb	$PLACE, %al
	outb	%al, $CLOCK
	inb	$CLOCK + 1, %al
	cmpb	$MAGIC, %al
	jne	key
	movw	$COM1, %dx		# what was typed meanwhile, if anything
	inb	%dx, %al
	cmpb	$'.', %al
	jne	fault
	movb	$PLACE, %al
	outb	%al, $CLOCK
	xorb	%al, %al
	outb	%al, $CLOCK + 1
key:	movw	$COM1 + 5, %dx
	inb	%dx, %al
	testb	$1, %al
	jz	key
	movw	$COM1, %dx
	inb	%dx, %al
	cmpb	$'1', %al
	je	fault
	cmpb	$'*', %al
	jne	key
	movb	$PLACE, %al
	outb	%al, $CLOCK
	movb	$MAGIC, %al
	outb	%al, $CLOCK + 1

	# No handler for the breakpoint, none for that fault, none for the fault of that.
fault:	lidt	none
	int3

none:	.word	0
	.long	0
banner:	.asciz	"\r\nfault: 1 for one, * for many\r\n"

	.org	510
	.word	0xaa55

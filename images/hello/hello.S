# SPDX-License-Identifier: GPL-2.0-or-later
#
# hello: a whole guest in one boot sector, for tests in milliseconds and for the KVM path.
#
# It prints a banner on COM1 and echoes what is typed, CR as CR LF. Two keys do more:
#   ^A  print numbered lines without end, as fast as they go out, until a key is pressed
#   ^D  power off
#
# Only plain real-mode instructions are used: where KVM emulates each of them in software it knows
# no others. Output is by port I/O, not by the BIOS. Input is awaited with hlt, so an idle guest costs
# nothing: the port raises IRQ 4, whose handler does nothing but wake us; the BIOS's 18 Hz timer
# tick would wake us too if ever an interrupt were lost.

	.set	COM1, 0x3f8
	.set	LSR, COM1 + 5
	.set	PIC, 0x20
	.set	PM1_CONTROL, 0x604	# where SeaBIOS puts ACPI's PM1a_CNT, on q35 and on pc

	.code16
	.globl	_start
_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$_start, %sp

	# 115200 baud, 8N1, FIFO on, interrupt on input, DTR, RTS and OUT2 (which lets IRQs out).
	movw	$uart, %si
	movw	$(uart_end - uart) / 2, %cx
init:	lodsb
	movw	$COM1, %dx
	addb	%al, %dl
	lodsb
	outb	%al, %dx
	loop	init

	# IRQ 4 is vector 0x0c while the PIC is as the BIOS left it.
	movw	$wake, 0x0c * 4
	movw	%ds, 0x0c * 4 + 2
	inb	$PIC + 1, %al
	andb	$0xef, %al
	outb	%al, $PIC + 1

	movw	$banner, %si
	call	print

main:	call	getc
	cmpb	$1, %al
	je	stream
	cmpb	$4, %al
	je	off
	call	putc
	cmpb	$'\r', %al
	jne	main
	movb	$'\n', %al
	call	putc
	jmp	main

	# Count in ASCII, from the last digit up.
stream:	movw	$number_end - 1, %di
carry:	incb	(%di)
	cmpb	$'9' + 1, (%di)
	jne	show
	movb	$'0', (%di)
	decw	%di
	cmpw	$number, %di
	jae	carry
show:	movw	$line, %si
	call	print
	movw	$LSR, %dx
	inb	%dx, %al
	testb	$1, %al
	jz	stream
	call	getc
	jmp	main

off:	movw	$PM1_CONTROL, %dx
	movw	$0x2000, %ax
	outw	%ax, %dx
halt:	cli
	hlt
	jmp	halt

# Wait for a byte: returned in %al. Interrupts are let in only by the sti whose next instruction is
# hlt, so none can come between the look and the sleep.
getc:	movw	$LSR, %dx
	cli
	inb	%dx, %al
	testb	$1, %al
	jnz	ready
	sti
	hlt
	jmp	getc
ready:	movw	$COM1, %dx
	inb	%dx, %al
	ret

# Send %al when the port can take it.
putc:	pushw	%ax
full:	movw	$LSR, %dx
	inb	%dx, %al
	testb	$0x20, %al
	jz	full
	popw	%ax
	movw	$COM1, %dx
	outb	%al, %dx
	ret

# Send the string at %si.
print:	lodsb
	testb	%al, %al
	jz	done
	call	putc
	jmp	print
done:	ret

wake:	pushw	%ax
	movb	$0x20, %al
	outb	%al, $PIC
	popw	%ax
	iret

# Pairs of register and value.
uart:	.byte	3, 0x80, 0, 1, 1, 0, 3, 3, 2, 7, 4, 0x0b, 1, 1
uart_end:
banner:	.asciz	"\r\nlabctl hello: type and I echo\r\n"
line:	.ascii	"line "
number:	.ascii	"00000000"
number_end:
	.asciz	"\r\n"

	.org	510
	.word	0xaa55

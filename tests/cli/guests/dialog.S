# SPDX-License-Identifier: GPL-2.0-or-later
#
# dialog: a boot sector that talks as a router without configuration does. It asks a question, wants a
# key, and then has a prompt, at which it echoes lines; it complains of those that begin with "bad".

	.include "boot.inc"

	begin
	sti
	movw	$question, %si
	call	print
	call	line
	movw	$press, %si
	call	print
	call	line
next:	movw	$prompt, %si
	call	print
	call	line
	cmpw	$0x6162, first		# "ba"
	jne	next
	movw	$complaint, %si
	call	print
	jmp	next

# Echo what is typed up to Enter; its first two bytes are left in `first`.
line:	movw	$0, first
	movw	$first, %di
again:	call	getc
	cmpb	$'\r', %al
	je	ended
	call	putc
	cmpw	$first + 2, %di
	jae	again
	stosb
	jmp	again
ended:	movw	$newline, %si
	jmp	print

# The BIOS's timer tick ends the hlt, so a byte waits 55 ms at most.
	define_getc	hlt
	define_putc
	define_print

question:
	.asciz	"\r\nEnter the configuration dialog? [yes/no]: "
press:	.asciz	"Press RETURN to get started\r\n"
prompt:	.asciz	"Router#"
complaint:
	.asciz	"% Invalid input\r\n"
newline:
	.asciz	"\r\n"
first:	.word	0

	finish

# SPDX-License-Identifier: GPL-2.0-or-later
#
# efi: an application for UEFI, header and all, assembled as one flat file. It greets on the
# firmware's console and stays.

	.code64
	.set	BASE, 0
	.globl	_start
_start:
	.ascii	"MZ"
	.org	0x3c
	.long	pe
pe:	.ascii	"PE\0\0"
	.word	0x8664			# machine
	.word	1			# sections
	.long	0, 0, 0
	.word	sections - optional
	.word	0x0206			# executable, no line numbers, no debugging
optional:
	.word	0x20b			# PE32+
	.byte	1, 0
	.long	end - text, 0, 0	# code, data, more data
	.long	main			# entry
	.long	text
	.quad	BASE
	.long	0x200, 0x200		# alignment
	.word	0, 0, 0, 0, 0, 0
	.long	0
	.long	end, text		# whole, headers
	.long	0
	.word	10			# subsystem: EFI application
	.word	0
	.quad	0x10000, 0x1000, 0x10000, 0x1000
	.long	0, 6
	.rept	6
	.quad	0
	.endr
sections:
	.ascii	".text\0\0\0"
	.long	end - text, text, end - text, text
	.long	0, 0
	.word	0, 0
	.long	0x60000020		# code, readable, executable

	.org	0x200
text:
	# The system table is in %rdx; its ConOut at 64, whose OutputString is at 8.
main:	subq	$40, %rsp
	movq	64(%rdx), %rcx
	leaq	words(%rip), %rdx
	call	*8(%rcx)
rest:	pause
	jmp	rest

words:	.string16 "labctl: efi runs\r\n"
	.org	0x400
end:

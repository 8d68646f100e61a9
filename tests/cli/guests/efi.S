# SPDX-License-Identifier: GPL-2.0-or-later
#
# efi: an application for UEFI, header and all, assembled as one flat file. It greets on the
# firmware's console, asks the TPM (at its fixed address, if there is one) for eight random bytes, says
# its answer in hexadecimal, and stays.

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
main:	subq	$216, %rsp
	movq	64(%rdx), %rbx
	movq	%rbx, %rcx
	leaq	words(%rip), %rdx
	call	*8(%rbx)

	# The registers of TIS (TCG PC Client Platform TPM Profile, 6.5.2), locality 0.
	movl	$0xfed40000, %esi
	cmpl	$-1, 0xf00(%rsi)	# no vendor: no TPM
	je	rest
	movb	$2, (%rsi)		# request the locality
1:	testb	$0x20, (%rsi)
	jz	1b
	movb	$0x40, 0x18(%rsi)	# commandReady
1:	testb	$0x40, 0x18(%rsi)
	jz	1b
	leaq	command(%rip), %rdi
	movl	$command_end - command, %ecx
1:	movb	(%rdi), %al
	movb	%al, 0x24(%rsi)
	incq	%rdi
	loop	1b
	movb	$0x20, 0x18(%rsi)	# tpmGo
1:	movb	0x18(%rsi), %al
	andb	$0x90, %al		# stsValid, dataAvail
	cmpb	$0x90, %al
	jne	1b
	leaq	64(%rsp), %rdi
	movl	$20, %ecx
1:	movb	0x24(%rsi), %dl
	movb	%dl, %al
	shrb	$4, %al
	call	digit
	movb	%dl, %al
	andb	$15, %al
	call	digit
	loop	1b
	movw	$0, (%rdi)

	movq	%rbx, %rcx
	leaq	answer(%rip), %rdx
	call	*8(%rbx)
	movq	%rbx, %rcx
	leaq	64(%rsp), %rdx
	call	*8(%rbx)
	movq	%rbx, %rcx
	leaq	newline(%rip), %rdx
	call	*8(%rbx)
rest:	pause
	jmp	rest

digit:	addb	$'0', %al
	cmpb	$'9', %al
	jbe	1f
	addb	$'a' - '9' - 1, %al
1:	xorb	%ah, %ah
	stosw
	ret

command: .byte	0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8	# TPM2_GetRandom
command_end:
words:	.string16 "labctl: efi runs\r\n"
answer:	.string16 "labctl: the TPM says "
newline: .string16 "\r\n"
	.org	0x400
end:

# Each function of a library as a jump through its slot. A first call finds the slot empty, and
# `fill` lets LIBRARY_resolve fill it, for which all registers that may hold arguments are kept.

.macro jump name, index
	.globl \name
	.type \name, @function
\name:
	movq LIBRARY_slots+8*\index(%rip), %r11
	testq %r11, %r11
	jz 1f
	jmpq *%r11
1:	movl $\index, %r11d
	jmp fill
	.size \name, .-\name
.endm

.section .note.GNU-stack, "", @progbits
.text
.hidden LIBRARY_slots
.hidden LIBRARY_resolve
fill:
	.irp register, rax, rdi, rsi, rdx, rcx, r8, r9
	pushq %\register
	.endr
	subq $128, %rsp
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7
	movups %xmm\i, 16*\i(%rsp)
	.endr
	movl %r11d, %edi
	call LIBRARY_resolve
	movq %rax, %r11
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7
	movups 16*\i(%rsp), %xmm\i
	.endr
	addq $128, %rsp
	.irp register, r9, r8, rcx, rdx, rsi, rdi, rax
	popq %\register
	.endr
	jmpq *%r11


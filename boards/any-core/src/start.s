// Turns on the floating-point unit and the MMU, with RAM as ordinary memory: elsewhere unaligned loads fault.
.section .text.start, "ax"
.global start
start:
    mov x0, #(3 << 20)
    msr cpacr_el1, x0
    adrp x0, stack_top
    mov sp, x0
    // One table: the first gigabyte is devices, the second RAM.
    adrp x0, translation
    mov x1, #0x0401
    str x1, [x0]
    mov x1, #0x0705
    movk x1, #0x4000, lsl #16
    str x1, [x0, #8]
    // Attribute 0 is a device, attribute 1 ordinary memory with caches.
    mov x1, #0xff00
    msr mair_el1, x1
    // 39 bits of address, pages of 4 KiB, inner and outer caches.
    mov x1, #0x3519
    movk x1, #0x0080, lsl #16
    msr tcr_el1, x1
    msr ttbr0_el1, x0
    isb
    mrs x1, sctlr_el1
    orr x1, x1, #1
    orr x1, x1, #4
    orr x1, x1, #0x1000
    bic x1, x1, #2
    msr sctlr_el1, x1
    isb
    bl rust_start
1:  b 1b

.section .bss
.balign 4096
translation:
    .skip 4096

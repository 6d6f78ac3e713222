/* entry.h - how the test kernels of Multiboot begin: flat segments of their own, and a task register. The GDT is theirs:
 * entry 1 is code, entry 2 data, both flat; the entry of the TSS lacks its base, which only the linker knows.
 */

/* GDTR from memory, CS = 8, DS, ES and SS = 10h. Changes EAX. */
        .macro  FLAT_SEGMENTS gdtr
        lgdt    \gdtr
        ljmp    $8, $.Lflat\@
.Lflat\@:
        mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        .endm

/* The base of `tss` into the descriptor of a selector in `gdt`, and that into TR. Changes EAX and ECX. */
        .macro  TASK_REGISTER selector
        lea     tss, %ecx
        mov     %cx, gdt + \selector + 2
        shr     $16, %ecx
        mov     %cl, gdt + \selector + 4
        mov     %ch, gdt + \selector + 7
        mov     $\selector, %eax
        ltr     %ax
        .endm

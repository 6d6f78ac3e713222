/* image.S - the tour's guest as bytes of ring3. */
        .section .rodata
        .globl  tour_guest, tour_guest_end
        .balign 16
tour_guest:
        .incbin "tour.elf"
tour_guest_end:
        .section .note.GNU-stack, "", @progbits

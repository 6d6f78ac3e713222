/* layout.h - the tour's memory, selectors and gates, for C and assembly.
 *
 *   linear                          what
 *   00000000-00ffffff               as physical, rings 0-2 only
 *     00008000 00009000             but for these two: program and data of V86 mode
 *     00100000                      the tour itself
 *     00400000-00ffffff             pages for the experiments; each run takes others, so that nothing is known of
 *                                   them (until they are used again, after hundreds of runs)
 *   08048000                        the program of ring 3, writable
 *   0804c000                        its stack
 *   08050000 and up                 its data
 */
#ifndef TOUR_LAYOUT_H
#define TOUR_LAYOUT_H

#define V86_CODE        0x8000
#define V86_DATA        0x9000
#define POOL_FIRST      0x400000
#define POOL_END        0x1000000
#define USER_CODE       0x08048000
#define USER_STACK_PAGE 0x0804c000
#define USER_STACK      0x0804d000
#define USER_DATA       0x08050000
#define USER_DEMAND     0x08060000 /* four pages that are not there until they are touched */
#define DEMAND_PAGES    4

#define KERNEL_CS    0x08
#define KERNEL_DS    0x10
#define USER_CS      0x1b
#define USER_DS      0x23
#define TSS_SELECTOR 0x28

#define VECTOR_IRQ0    0x20
#define VECTOR_SYSCALL 0x80
#define VECTOR_END     0x81 /* a program's last instruction */

#define FRAME_BYTES 76 /* of struct Frame */

#define SYS_GETPID 20
#define TOUR_PID   42

#endif

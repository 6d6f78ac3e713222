/* debuggee.h - what debuggee.c and debuggee_start.S know of each other. */
#define CODE16_SELECTOR 0x18
#define TSS_SELECTOR    0x20
#define V86_CS          0x2000 /* its code is copied to 20000 */
#define V86_SS          0x3000
#define V86_SP          0x100
#define V86_EXIT        0x40 /* INT that leads back */

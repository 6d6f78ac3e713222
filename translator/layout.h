/* layout.h - offsets into Vcpu for generated code and glue.S; _Static_asserts in exec.c and beside their uses hold them
 * true. */
#ifndef RING3_LAYOUT_H
#define RING3_LAYOUT_H

/* clang-format off */

#define VCPU_GPR(n)     ((n) * 4)
#define VCPU_EIP        32
#define VCPU_EFLAGS     36
#define VCPU_POLL       40
#define VCPU_CTX        48
#define VCPU_WINDOW     56
#define VCPU_TABLE      64
#define VCPU_HERE       72
#define VCPU_JUMP_CACHE 80
#define VCPU_HOST_RSP   88
#define VCPU_RET_RSP    96
#define VCPU_RET_BOTTOM 104
#define VCPU_EXIT_ARG   112
#define VCPU_SCRATCH    120
#define VCPU_INSNS_XLAT 136
#define VCPU_USER_TABLE 144
#define VCPU_SPILL      152
#define VCPU_CODE_MAP   168
#define VCPU_TABLE_USES 176
#define VCPU_TABLE_SLOW 184
#define VCPU_LINK_USES  192
#define VCPU_NEXT       200
#define VCPU_X87        208
#define VCPU_GDTR       380

/* TableEntry (mmu/shadow.h) */
#define ENTRY_ADD       0
#define ENTRY_READ      8
#define ENTRY_WRITE     12
#ifndef TABLE_CODE
#define TABLE_CODE      0x80000000
#endif

/* SegSite (callout.h) */
#define SITE_CTX        0
#define SITE_AFTER      8
#define SITE_GDTR       16
#define SITE_DESC       24
#define SITE_CACHE      32
#define SITE_SEL        48
#define SITE_VA         52
#define SITE_REG        56
#define SITE_POP        60
#define SITE_NEXT       64
#define SITE_SLOW       72

/* The jump cache: JUMP_CACHE_SLOTS entries of four words. Slot = low 16 bits of EIP. */
#define JUMP_CACHE_SLOTS 65536
#define JUMP_CACHE_WORDS 4
#define JUMP_KEY         0  /* negated (Vcpu.ctx | EIP); 1: empty */
#define JUMP_HPC         8  /* host code */
#define JUMP_HERE        16 /* Vcpu.here there */
#define JUMP_BLOCK       24 /* the Block, above it 16 bits of its page's number; true whatever the key says (exec.c) */

/* EFLAGS bits that live in the host's flags: OSZAPC and DF. */
#define HOST_FLAGS 0xcd5
#define FLAG_D     0x400

/* Why xlat_enter() came back. */
#define EXIT_DISPATCH 1 /* look the next block up: c->eip is right */
#define EXIT_LINK     2 /* a direct exit not yet linked: exit_arg is the Link */
#define EXIT_INDIRECT 3 /* jump cache miss: c->eip is the target */
#define EXIT_TRAP     4 /* a memory access trapped: see Xlat.trap */
#define EXIT_INTERP   5 /* interpret one instruction at c->eip */
#define EXIT_REASONS  8 /* all are below */

/* clang-format on */
#endif

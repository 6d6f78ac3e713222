/* hook_thunk.h - what hook_thunk.S and hook_guard.c share: offsets in HookAbi, bits of the flags. */
#ifndef RING3_HOOK_THUNK_H
#define RING3_HOOK_THUNK_H

#define HOOK_ABI_TARGET      0
#define HOOK_ABI_BACK        8
#define HOOK_ABI_FLAGS       16
#define HOOK_ABI_KEPT        24 /* RBX RBP R12 R13 R14 R15 RSP */
#define HOOK_ABI_FOUND       80 /* likewise, at the return */
#define HOOK_ABI_MXCSR       136
#define HOOK_ABI_MXCSR_FOUND 140
#define HOOK_ABI_FCW         144
#define HOOK_ABI_FCW_FOUND   146

#define HOOK_FLAG_DF 0x400
#define HOOK_FLAG_AC 0x40000

#endif

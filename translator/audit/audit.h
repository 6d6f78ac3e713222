/* audit.h - a second opinion about translated code: that it can reach guest memory, the Vcpu and what the translator
 * gave it, and nothing else. See audit.c.
 */
#ifndef RING3_AUDIT_H
#define RING3_AUDIT_H

#include "translator/xlat.h"

/* audit_begin - from here on each block that is translated is audited, and ring3 ends with a sentence and the block's
 * listing if it does not pass: in a debug build unless RING3_AUDIT=0 is in the environment, in others if
 * RING3_AUDIT=1 is. */
void audit_begin(void);
/* How many blocks have passed. */
u64 audit_blocks(void);

/* What host code may use besides guest memory and the Vcpu. */
enum { AUDIT_REGIONS = 8 };
typedef struct AuditRegion {
    const void *at;
    u64 bytes;
} AuditRegion;
typedef struct AuditRules {
    u64 below, above; /* what belongs to a window before and behind its base: guards, the 4 GiB */
    AuditRegion read[AUDIT_REGIONS]; /* constants of the translator's, which code reads */
    unsigned reads;
    const u8 *vcpu;
    AuditRegion count; /* ... and what it counts in (count.c) */
    const u8 *open;    /* the map of open bytes (open.c), and what it is about: guest RAM */
    const u8 *ram;
    u32 door[64]; /* where the code is entered besides its start (Block.doors): offsets */
    unsigned doors;
} AuditRules;

/* audit_code - `bytes` of host code, entered at its start, at its doors and behind each call. True: it passes; else `why` says what
 * does not, and *at is the offset of the instruction. */
enum { AUDIT_WHY_BYTES = 200 };
bool audit_code(const AuditRules *rules, const u8 *code, u32 bytes, char why[AUDIT_WHY_BYTES], u32 *at);

#endif

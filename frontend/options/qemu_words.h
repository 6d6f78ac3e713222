/* qemu_words.h - what QEMU's command line has and ring3 has not: what to make of it. See qemu_words.c. */
#ifndef RING3_QEMU_WORDS_H
#define RING3_QEMU_WORDS_H

#include "frontend/options/option_words.h"

typedef struct QemuWord {
    const char *name; /* without the dash */
    const char *
        values; /* what it takes: "" nothing; "*" any value; else the values, with '|' between, that are accepted */
    const char *why; /* what is said to others; NULL: it changes nothing here */
} QemuWord;

/* An option of QEMU's (of i386 and x86_64) that ring3 has not; NULL: QEMU has it not either. */
const QemuWord *qemu_word_find(const char *name);
bool qemu_word_takes_value(const QemuWord *w);
/* OPTIONS_RUN: accepted, since all that it asks for is so already. */
OptionsResult qemu_word_judge(const QemuWord *w, const char *value);

extern const Absent qemu_devices[];  /* of -device */
extern const Absent qemu_cpus[];     /* of -cpu */
extern const Absent qemu_features[]; /* behind -cpu's model */
/* By the reason found in qemu_features: no processor of ring3's has it, so that it may be turned off. */
bool qemu_feature_is_absent(const char *why);
#define NO_NETWORK_CARD "not one of the cards that there are: pcnet, rtl8139, ne2k_pci and ne2k_isa"

#endif

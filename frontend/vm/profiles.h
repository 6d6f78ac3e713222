/* profiles.h - what suits an operating system: `ring3 vm create --profile`. See profiles.c. */
#ifndef RING3_PROFILES_H
#define RING3_PROFILES_H

#include "cpu/base/base.h"

typedef struct Profile {
    const char *word, *title;
    u32 cim; /* its number in CIM_OperatingSystem.OSType, which OVF uses */
    u32 ram_mib;
    const char *disk;  /* the size of a new one */
    const char *words; /* further lines of machine.conf */
} Profile;

extern const Profile profiles[];
const Profile *profile_find(const char *word); /* NULL: there is none */
/* The one for a number of CIM's; never NULL: "other". */
const Profile *profile_by_cim(u32 cim);

#endif

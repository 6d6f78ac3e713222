/* host.c - see host.h. */
#include "cpu/host.h"

HostFeatures host_features;

static void host_cpuid(u32 leaf, u32 sub, u32 out[4])
{
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(sub));
}

const HostFeatures *host_features_get(void)
{
    u32 r[4];
    if (host_features.known) return &host_features;
    host_cpuid(0, 0, r);
    if (r[0] >= 7) {
        host_cpuid(7, 0, r);
        host_features.bmi2 = r[1] >> 8 & 1;
    }
    host_cpuid(0x80000001u, 0, r);
    host_features.lahf = r[2] & 1;
    host_features.known = true;
    return &host_features;
}

/* SMAP, SMEP, UMIP, RDTSCP and MOVBE, by the same tests, under the translator. */
#define GUEST_TRANSLATED
#include "cpu_smap.c"

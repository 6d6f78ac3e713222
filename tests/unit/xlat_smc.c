/* Code that is changed as it runs, by the same tests, under the translator. */
#define GUEST_TRANSLATED
#include "cpu_smc.c"

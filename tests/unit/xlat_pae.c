/* PAE and NX, by the same tests, under the translator. */
#define GUEST_TRANSLATED
#include "cpu_pae.c"

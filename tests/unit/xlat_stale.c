/* Page-table entries that change without INVLPG, by the same tests, under the translator. */
#define GUEST_TRANSLATED
#include "cpu_stale.c"

/* Checks before the first store, by the same tests, under the translator. */
#define GUEST_TRANSLATED
#include "cpu_stores.c"

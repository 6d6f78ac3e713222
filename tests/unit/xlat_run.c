/* The run loop, by the same tests, under the translator. */
#define GUEST_TRANSLATED
#include "cpu_run.c"

/* Gates, frames and debug exceptions, by the same tests, under the translator. */
#define GUEST_TRANSLATED
#include "cpu_exception.c"

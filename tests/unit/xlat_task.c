/* The hardware task switch, by the same tests, under the translator. */
#define GUEST_TRANSLATED
#include "cpu_task.c"

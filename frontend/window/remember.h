/* remember.h - what the window keeps for the next time, across machines: files of the user's. See remember.c. */
#ifndef RING3_REMEMBER_H
#define RING3_REMEMBER_H

#include <stdbool.h>
#include <stddef.h>

/* The file of this name; false: there is no place for it. */
bool remember_path(char *to, size_t bytes, const char *name);
void remember_make_folder(void); /* in which it is */
/* The key of the last answer when the window was closed; 0: none is known. */
char remember_answer(void);
void remember_keep_answer(char key);

#endif

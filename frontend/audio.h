/* audio.h - the machine's sound goes into files. See audio.c. */
#ifndef RING3_AUDIO_H
#define RING3_AUDIO_H

#include "frontend/say.h"
#include "hw/machine.h"

enum { AUDIO_CAPTURES = 4 };

/* audio_capture - what the machine plays from now on goes to a WAV file: 48,000 frames a second, stereo, 16 bits. Its
 * number, to stop it by, or -1 and *p. */
int audio_capture(Machine *m, const char *path, Problem *p);
/* The same for -audio wav: the file before there is a machine (the string is the caller's for ever), and then its
 * begin. */
bool audio_open(const char *path, Problem *p);
bool audio_begin(Machine *m, Problem *p); /* nothing was opened: true */
/* audio_stop - the file is whole; false: there is no capture of that number. */
bool audio_stop(Machine *m, unsigned n);
void audio_end(Machine *m); /* all of them */
/* audio_to_window - with a sound card: the window's process gets what is played, instead of the speaker's events. */
void audio_to_window(Machine *m);

#endif

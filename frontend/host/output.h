/* output.h - opening a file to write it anew: screenshots, saved memory, traces, serial ports. See output.c. */
#ifndef RING3_OUTPUT_H
#define RING3_OUTPUT_H

/* output_open - create or empty it; a descriptor that does not wait for a FIFO's reader. -1: *why says why, for people. */
int output_open(const char *path, const char **why);

#endif

/* timeline_json.h - the file of -trace: see timeline_json.c. */
#ifndef RING3_TIMELINE_JSON_H
#define RING3_TIMELINE_JSON_H

#include <stdio.h>

#include "cpu/base/timeline.h"
#include "frontend/say.h"

/* timeline_json_write - all recorded events to f, as one JSON document. False: not all of it could be written. */
bool timeline_json_write(FILE *f);

/* timeline_file_open - begin to record, to be written to the file at the end; until then it is a document without
 * events. Before the cage is shut. */
bool timeline_file_open(const char *path, u32 events, Problem *p);
/* timeline_file_close - write it; without a file: nothing. False: the host's disk is full, which was said. */
bool timeline_file_close(void);

#endif

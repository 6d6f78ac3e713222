/* sound.h - the PC's speaker on the host's loudspeakers. See sound.c. */
#ifndef RING3_WINDOW_SOUND_H
#define RING3_WINDOW_SOUND_H

#include "frontend/display/window_protocol.h"

/* Play what the machine has written since the last call; returns when to come again (UINT64_MAX: when there is news). */
u64 sound_follow(const WindowShared *shared, u64 now_ns);
void sound_end(void);

#endif

/* silence.h - standard descriptors that lead nowhere any more. */
#ifndef RING3_SILENCE_H
#define RING3_SILENCE_H

#include <fcntl.h>
#include <unistd.h>

/* silence - the standard descriptors from `first` to `last` become /dev/null: whoever waits for the end of ring3's output
 * (-daemonize, a pipe) does not wait for this process. Before its cage is shut. Where there is no /dev/null, they stay. */
static inline void silence(int first, int last)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = first; null >= 0 && fd <= last; fd++) dup2(null, fd);
    if (null > last) close(null);
}

#endif

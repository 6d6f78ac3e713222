/* main.c - ring3-inspect: the live page's server, in a process of its own.
 *
 * ring3 starts it with a socket to the machine as descriptor 3 and a listening socket as descriptor 4:
 *     ring3-inspect [-unsealed]
 * It says nothing and ends with the machine.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/filter.h"
#include "frontend/host/leave_signals.h"
#include "frontend/host/silence.h"
#include "frontend/inspect/confine.h"
#include "frontend/inspect/link.h"
#include "frontend/inspect/server.h"

static bool is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

int main(int argc, char **argv)
{
    if (!is_socket(INSPECT_SOCKET) || !is_socket(INSPECT_LISTENER)) {
        fprintf(stderr, "ring3-inspect: ring3 starts this program; it does nothing by itself\n");
        return 1;
    }
    leave_signals();
    silence(STDOUT_FILENO,
            filter_sanitized ? STDOUT_FILENO : STDERR_FILENO); /* a sanitizer may have to speak */
    if (!link_begin(argc > 1 && !strcmp(argv[1], "-unsealed"))) return 1;
    inspect_confine();
    server_run();
    return 0;
}

/* broker.h - a small process beside the machine's, which opens files for it and tidies up. See broker.c and
 * broker_serve.c.
 */
#ifndef RING3_BROKER_H
#define RING3_BROKER_H

#include <termios.h>

#include "frontend/host/files.h"
#include "frontend/say.h"

/* broker_start - before any thread: fork it. `named`: files that the command line names; beside them hidden ones may be
 * opened later, too. False: *p says why. */
bool broker_start(const char *const named[], unsigned count, Problem *p);
/* broker_gate - before broker_start(): the saver's (snapshot/saver.h), by which the broker hands it a connection that broker_connect()
 * asks for; the machine's process never has that. -1: nobody may ask. Without a broker the machine's process has the gate. */
extern int broker_gate;
bool broker_connect(const char *uri, Problem *p); /* migrate_address.h; false: *p */
/* broker_owns - a file that goes when ring3 ends in good order, or when the broker ends it: a socket, -pidfile's.
 * Before broker_shut(). Works without a broker, too, as does broker_leave(). */
void broker_owns(const char *path);
/* broker_background - its standard input, output and error become /dev/null. */
void broker_background(void);
/* broker_shut - files are opened by the broker from now on. `listener`: where it learns of forbidden system calls
 * (filter.h); it takes it over. 0: there is none. */
void broker_shut(int listener);
/* broker_leave - owned files go, the broker ends. More than once is harmless; on any thread. */
void broker_leave(void);

/* --- between the two processes --- */

enum { BROKER_PATH_BYTES = 4096 };
enum { BROKER_OWNED_MAX = 24 }; /* a socket of each channel and network card, and -pidfile's */

typedef enum BrokerWord {
    BROKER_OPEN, /* answered with a descriptor */
    BROKER_MAY,
    BROKER_DISCARD,
    BROKER_REPLACE, /* path: a name in the snapshot folder (files.h) */
    BROKER_REMOVE,
    BROKER_CONNECT, /* path: where to; the connection goes to the saver */
    BROKER_OWN,
    BROKER_BACKGROUND,
    BROKER_SHUT,  /* with or without a descriptor: from here on the machine is not trusted */
    BROKER_LEAVE, /* answered by the end */
} BrokerWord;

typedef struct BrokerRequest {
    u32 word, use;
    char path[BROKER_PATH_BYTES]; /* as far as it goes, with its zero */
} BrokerRequest;

typedef struct BrokerAnswer {
    s32 error;                /* errno; 0: done */
    char why[FILE_WHY_BYTES]; /* empty: the error says it */
} BrokerAnswer;

/* broker_become - a child that the machine forks calls it first: it has no signals, and of descriptors only the standard
 * ones and, as BROKER_SOCKET and BROKER_GATE, `socket` and `gate` (-1: none). Returns BROKER_GATE; -1: there is none. */
enum { BROKER_SOCKET = 3, BROKER_GATE };
int broker_become(const char *name, int socket, int gate);

/* One message, with a descriptor (-1: none). False: the other end is gone, or the message is too short. */
bool broker_send(int socket, const void *bytes, size_t n, int fd);
bool broker_receive(int socket, void *bytes, size_t n, size_t least, int *fd);

/* What the broker's process does until it ends; `machine` is its parent, which is already at work. */
typedef struct BrokerStart {
    int socket, gate, machine;
    bool has_terminal;
    struct termios terminal; /* as it was */
    const char *const *named;
    unsigned count;
} BrokerStart;
_Noreturn void broker_serve(const BrokerStart *start);
/* Remove what is owned; in either process. */
void broker_tidy(void);

#endif

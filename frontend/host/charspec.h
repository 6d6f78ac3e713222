/* charspec.h - what -serial, -parallel, -debugcon, -monitor and -gdb name, in QEMU's words. See charspec.c. */
#ifndef RING3_CHARSPEC_H
#define RING3_CHARSPEC_H

#include "cpu/base/base.h"

typedef enum CharKind {
    CHAR_NULL,
    CHAR_STDIO,
    CHAR_FILE,
    CHAR_PTY,
    CHAR_UNIX,
    CHAR_TCP,
    CHAR_KINDS
} CharKind;
typedef struct CharSpec {
    CharKind kind;
    const char *path; /* CHAR_FILE, CHAR_UNIX: of the file; CHAR_TCP: the host, "" for any */
    const char *port; /* CHAR_TCP */
    bool server;      /* listen for clients, rather than connect once */
    bool wait;        /* with server: the machine starts when the first client has come */
    bool telnet;      /* CHAR_TCP: by the Telnet protocol */
    bool reads;       /* the device takes input: a serial port, a monitor */
    bool mux;         /* a monitor shares it: Ctrl-A C switches */
} CharSpec;

/* charspec_parse - false: refused, and said so. Strings live as long as the process. */
/* USE_GDB: a server for gdb, on a socket; 127.0.0.1 unless a host is named, and it never waits. */
typedef enum CharUse { USE_OUTPUT, USE_SERIAL /* mon: is possible */, USE_MONITOR, USE_GDB } CharUse;
bool charspec_parse(CharSpec *to, const char *option, const char *value, CharUse use);

#endif

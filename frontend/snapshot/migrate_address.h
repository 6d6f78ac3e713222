/* migrate_address.h - where a machine moves to: tcp:HOST:PORT, unix:PATH or exec:COMMAND. See migrate_address.c. */
#ifndef RING3_SNAPSHOT_MIGRATE_ADDRESS_H
#define RING3_SNAPSHOT_MIGRATE_ADDRESS_H

#include "frontend/say.h"

/* migrate_listen - for -incoming, before the cage is shut: a socket that listens, and does not block. -1: *p says why. */
int migrate_listen(const char *uri, Problem *p);
/* migrate_connect - a socket on its way to be connected, which does not block either; this process makes it, which for a machine
 * in its cage is the broker (broker.h). Hosts by number, or `localhost`. -1: *p. */
int migrate_connect(const char *uri, Problem *p);
/* The path of a unix: address; NULL: it is none. */
const char *migrate_unix_path(const char *uri);
/* The command of exec:, which leads there (host/starter.h) and is none of the above; NULL: it is none. */
const char *migrate_command(const char *uri);

#endif

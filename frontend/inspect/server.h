/* server.h - browsers and what they ask. See server.c. */
#ifndef RING3_INSPECT_SERVER_H
#define RING3_INSPECT_SERVER_H

/* server_run - until the machine is gone. */
void server_run(void);

#endif

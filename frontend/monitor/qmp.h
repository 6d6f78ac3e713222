/* qmp.h - the machine driven by programs: QEMU's Machine Protocol. See qmp.c; docs/MONITOR.md has its commands.
 *
 * All on the vCPU thread.
 */
#ifndef RING3_QMP_H
#define RING3_QMP_H

#include "frontend/host/channel.h"
#include "frontend/pc.h"

/* qmp_new - one more server, on a channel (its SIDE_MONITOR). Lives as long as the process. */
void qmp_new(Channel *c);
/* qmps_service - in the service hook: read what has come and do it. */
void qmps_service(Pc *pc);

typedef enum QmpEvent {
    QMP_STOP,
    QMP_RESUME,
    QMP_RESET,
    QMP_SHUTDOWN,
    QMP_POWERDOWN,
    QMP_MIGRATION
} QmpEvent;
/* qmp_tell - something has happened: to all clients that have negotiated. reason: of QMP_RESET and QMP_SHUTDOWN, in QEMU's
 * words, which begin with "guest" or "host"; of QMP_MIGRATION its status; else NULL. */
void qmp_tell(QmpEvent e, const char *reason);

#endif

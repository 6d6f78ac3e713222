/* qmp_migrate.h - QMP's commands for a machine that moves; see monitor_migrate.c. */
#ifndef RING3_QMP_MIGRATE_H
#define RING3_QMP_MIGRATE_H

#include "frontend/monitor/qmp_commands.h"

void qmp_migrate(QmpCommand *c);
void qmp_migrate_cancel(QmpCommand *c);
void qmp_migrate_set_parameters(QmpCommand *c);
void qmp_query_migrate(QmpCommand *c);
void qmp_query_migrate_parameters(QmpCommand *c);

#endif

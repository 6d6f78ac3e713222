/* host.h - what this host offers. */
#ifndef RING3_HOST_H
#define RING3_HOST_H

#include "cpu/base.h"

/* What the host offers; found at the first use, overwritten by tests. */
typedef struct HostFeatures {
    bool known, bmi2, lahf;
} HostFeatures;
extern HostFeatures host_features;
const HostFeatures *host_features_get(void);

#endif

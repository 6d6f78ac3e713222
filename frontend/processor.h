/* processor.h - the processor as a part of the machine (hw/part.h). See processor.c. */
#ifndef RING3_PROCESSOR_H
#define RING3_PROCESSOR_H

#include "cpu/cpu.h"
#include "hw/part.h"

extern const PartKind processor_part; /* dev: a Vcpu between two instructions, its FPU state parked */

#endif

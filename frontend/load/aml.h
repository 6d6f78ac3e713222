/* aml.h - ACPI Machine Language, written piece by piece (ACPI 1.0b, chapter 16). See acpi.c for its use. */
#ifndef RING3_AML_H
#define RING3_AML_H

#include "cpu/base/base.h"

enum { AML_DEPTH = 8 };

typedef struct Aml {
    u8 *bytes;
    u32 used, room;
    u32 open[AML_DEPTH]; /* where the contents of each open package begin */
    u32 depth;
} Aml;

void aml_init(Aml *a, u8 *bytes, u32 room);
void aml_bytes(Aml *a, const void *from, u32 n);
void aml_u8(Aml *a, u8 v);
void aml_u16(Aml *a, u16 v);
void aml_u32(Aml *a, u32 v);

/* Terms. A name is a path as in ASL: 4 characters, with "\\" before it for the root. */
void aml_path(Aml *a, const char *path);
void aml_int(Aml *a, u32 v);
void aml_name(Aml *a, const char *path); /* Name(path, ...): its value follows */
void aml_name_int(Aml *a, const char *path, u32 v);
void aml_name_eisa(Aml *a, const char *path, const char *id); /* "PNP0A03" */

/* Packages: what is written until aml_end() is inside; its length is put in then. */
void aml_scope(Aml *a, const char *path);
void aml_device(Aml *a, const char *path);
void aml_package(Aml *a, u8 elements);
void aml_end(Aml *a);

/* Resource templates (ACPI 1.0b, 6.4). */
void aml_resources(Aml *a);
void aml_resources_end(Aml *a);
void aml_io(Aml *a, u16 port, u8 count);
void aml_irq(Aml *a, u8 irq);                 /* edge, active high, exclusive */
void aml_dma(Aml *a, u8 channel);             /* 8 bits, compatibility mode */
void aml_memory32(Aml *a, u32 pa, u32 bytes); /* fixed, writable */
typedef enum AmlSpace { AML_MEMORY = 0, AML_IO = 1, AML_BUS = 2 } AmlSpace;
void aml_range16(Aml *a, AmlSpace space, u16 first, u16 last); /* handed on by a bridge */
void aml_range32(Aml *a, AmlSpace space, u32 first, u32 last);

#endif

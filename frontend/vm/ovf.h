/* ovf.h - what an OVF descriptor says of a machine, as far as ring3 has the like. See ovf.c. */
#ifndef RING3_OVF_H
#define RING3_OVF_H

#include "frontend/say.h"

enum { OVF_FILES = 32, OVF_DISKS = 16, OVF_ITEMS = 128, OVF_WORD = 256, OVF_BYTES = 1 << 20 };
enum {
    OVF_CPU = 3,
    OVF_MEMORY = 4,
    OVF_IDE = 5,
    OVF_SCSI = 6,
    OVF_ETHERNET = 10,
    OVF_FLOPPY = 14,
    OVF_CD = 15,
    OVF_DVD = 16,
    OVF_DISK = 17,
    OVF_SATA = 20
}; /* CIM_ResourceAllocationSettingData.ResourceType */

typedef struct OvfFile {
    char id[OVF_WORD], href[OVF_WORD];
    bool packed; /* ovf:compression, or in chunks */
} OvfFile;
typedef struct OvfDisk {
    char id[OVF_WORD], file[OVF_WORD], units[OVF_WORD];
    u64 capacity; /* in these units */
    bool has_parent;
} OvfDisk;
typedef struct OvfItem {
    u32 type;
    u64 quantity;
    char id[OVF_WORD], parent[OVF_WORD], host[OVF_WORD], subtype[OVF_WORD], units[OVF_WORD],
        address[OVF_WORD], on_parent[OVF_WORD];
} OvfItem;

typedef struct Ovf {
    char name[OVF_WORD];
    u32 system; /* CIM's number of the operating system; 0: not said */
    OvfFile file[OVF_FILES];
    OvfDisk disk[OVF_DISKS];
    OvfItem item[OVF_ITEMS];
    unsigned files, disks, items, machines;
} Ovf;

/* ovf_read - false: it is no descriptor of one machine, or lies; *p. The caller frees nothing. */
bool ovf_read(Ovf *o, const char *text, u64 bytes, Problem *p);
/* Bytes that `count` of these units are ("byte * 2^20", "MegaBytes"; empty: `otherwise` bytes); 0: unknown, or too many. */
u64 ovf_bytes(u64 count, const char *units, u64 otherwise);

#endif

/* files.h - the page's own files, which are in the program (files.S). */
#ifndef RING3_INSPECT_FILES_H
#define RING3_INSPECT_FILES_H

#include "cpu/base/base.h"

typedef struct PageFile {
    const char *path, *type;
    const u8 *bytes;
    const u8 *end;
} PageFile;
/* NULL: there is none of that path. */
const PageFile *page_file(const char *path);

#endif

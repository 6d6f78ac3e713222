/* image_kind.h - which drive an image file is for, by what it looks like. See image_kind.c. */
#ifndef RING3_IMAGE_KIND_H
#define RING3_IMAGE_KIND_H

#include "cpu/base/base.h"

typedef enum ImageKind {
    IMAGE_OTHER, /* not to be opened, or neither a file nor a block device */
    IMAGE_DISK,
    IMAGE_CD,
    IMAGE_FLOPPY,
    IMAGE_KERNEL, /* for -kernel */
    IMAGE_FOLDER  /* a folder: a CD as dir:FOLDER (image/iso.c) */
} ImageKind;
ImageKind image_kind(const char *path);

#endif

/* img.h - `ring3 img`: image files made, looked at, converted, checked and changed, in qemu-img's words. See img.c. */
#ifndef RING3_IMG_H
#define RING3_IMG_H

#include "frontend/image/disk.h"

/* img_main - argv[0] is "img". The exit code: 0, 1, or, of check, 2 (damaged) and 3 (leaked clusters). */
int img_main(int argc, char **argv);
/* What may stand behind "img": word n; NULL: there are no more. */
const char *img_verb(unsigned n);

/* What the words of a command may say. */
typedef struct ImgWords {
    const char *command;
    const char *format, *to_format;                /* -f, -O; NULL: not given */
    const char *options, *base, *base_format;      /* -o, -b, -F */
    bool quiet, unsafe, shrink, json, chain, keep; /* -q, -u, --shrink, --output=json, --backing-chain, -d */
    DiskRepair repair;
    const char *file[2];
    int files;
} ImgWords;

/* img_show.c */
int img_info(const ImgWords *w);
int img_check(const ImgWords *w);
/* img_copy.c */
int img_convert(const ImgWords *w);
int img_commit(const ImgWords *w);
int img_rebase(const ImgWords *w);

/* img_open - locked; NULL: it has been said why. Whoever writes may be the only one to have it open. */
Disk *img_open(const DiskSpec *spec);
/* img_fail - one sentence with the file's name; returns 1. */
int img_fail(const char *path, const char *fmt, ...) PRINTF(2, 3);
/* img_error - the same for an errno of a disk_ call. */
int img_error(const char *path, const Disk *d, const char *what, int error);

#endif

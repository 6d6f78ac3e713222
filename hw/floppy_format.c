/* floppy_format.c - the formats of diskettes, by the size of an image.
 *
 * The table has the formats of PCs and those that people made to get more onto a disk. An image of another size
 * counts as the next larger format, since boot images are often cut short. The drive (floppy.c) and what tells a
 * floppy's image from a disk's (frontend/load/image_kind.c) both look here.
 */
#include "hw/floppy_format.h"

enum { DD = BIT(RATE_250K) | BIT(RATE_300K), HD = BIT(RATE_500K), ED = BIT(RATE_1M) };

static const FloppyFormat formats[] = {
    {320, 40, 1, 8, DD, CMOS_360K},    {360, 40, 1, 9, DD, CMOS_360K},    /* 160K, 180K */
    {640, 40, 2, 8, DD, CMOS_360K},    {720, 40, 2, 9, DD, CMOS_360K},    /* 320K, 360K */
    {800, 40, 2, 10, DD, CMOS_360K},   {1280, 80, 2, 8, DD, CMOS_720K},   /* 400K, 640K */
    {1440, 80, 2, 9, DD, CMOS_720K},   {1476, 82, 2, 9, DD, CMOS_720K},   /* 720K, 738K */
    {1600, 80, 2, 10, DD, CMOS_720K},  {1640, 82, 2, 10, DD, CMOS_720K},  /* 800K, 820K */
    {1660, 83, 2, 10, DD, CMOS_720K},  {2080, 80, 2, 13, DD, CMOS_720K},  /* 830K, 1040K */
    {2240, 80, 2, 14, DD, CMOS_720K},  {2400, 80, 2, 15, HD, CMOS_1200K}, /* 1120K, 1.2M */
    {2880, 80, 2, 18, HD, CMOS_1440K}, {2952, 82, 2, 18, HD, CMOS_1440K}, /* 1.44M, 1.476M */
    {2988, 83, 2, 18, HD, CMOS_1440K}, {3200, 80, 2, 20, HD, CMOS_1440K}, /* 1.494M, 1.6M */
    {3280, 82, 2, 20, HD, CMOS_1440K}, {3320, 83, 2, 20, HD, CMOS_1440K}, /* 1.64M, 1.66M */
    {3360, 80, 2, 21, HD, CMOS_1440K}, {3444, 82, 2, 21, HD, CMOS_1440K}, /* 1.68M (DMF), 1.722M */
    {3486, 83, 2, 21, HD, CMOS_1440K}, {3520, 80, 2, 22, HD, CMOS_1440K}, /* 1.743M, 1.76M */
    {3680, 80, 2, 23, HD, CMOS_1440K}, {3840, 80, 2, 24, HD, CMOS_1440K}, /* 1.84M, 1.92M */
    {5760, 80, 2, 36, ED, CMOS_2880K}, {6240, 80, 2, 39, ED, CMOS_2880K}, /* 2.88M, 3.12M */
    {6400, 80, 2, 40, ED, CMOS_2880K}, {7040, 80, 2, 44, ED, CMOS_2880K}, /* 3.2M, 3.52M */
    {7680, 80, 2, 48, ED, CMOS_2880K},
};

/* Cut images of usual sizes belong to usual formats. */
static const u16 usual[] = {320, 720, 1440, 2880, 5760, 7680};

const FloppyFormat *floppy_format_exact(u64 sectors)
{
    for (unsigned n = 0; n < ARRAY_LEN(formats); n++)
        if (formats[n].sectors == sectors) return &formats[n];
    return NULL;
}

const FloppyFormat *floppy_format_by_size(u64 sectors)
{
    const FloppyFormat *exact = floppy_format_exact(sectors);
    if (exact) return exact;
    unsigned u = 0;
    while (u + 1 < ARRAY_LEN(usual) && usual[u] < sectors) u++;
    return floppy_format_exact(usual[u]);
}

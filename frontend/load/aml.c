/* aml.c - see aml.h.
 *
 * A PkgLength stands before what it measures and has one to four bytes. So a package's contents are written first,
 * and moved up by as many bytes as the length turns out to need. Lengths are at most 1 MiB here.
 */
#include "frontend/load/aml.h"

enum {
    AML_NAME_OP = 0x08,
    AML_BYTE_PREFIX = 0x0a,
    AML_WORD_PREFIX = 0x0b,
    AML_DWORD_PREFIX = 0x0c,
    AML_SCOPE_OP = 0x10,
    AML_BUFFER_OP = 0x11,
    AML_PACKAGE_OP = 0x12,
    AML_EXT_PREFIX = 0x5b,
    AML_DEVICE_OP = 0x82, /* behind AML_EXT_PREFIX */
};

/* --- bytes ----------------------------------------------------------------------------------------------- */

void aml_init(Aml *a, u8 *bytes, u32 room) { *a = (Aml){.bytes = bytes, .room = room}; }

void aml_bytes(Aml *a, const void *from, u32 n)
{
    CHECK(n <= a->room - a->used, "no room for AML");
    memcpy(a->bytes + a->used, from, n);
    a->used += n;
}

void aml_u8(Aml *a, u8 v) { aml_bytes(a, &v, 1); }
void aml_u16(Aml *a, u16 v) { aml_bytes(a, &v, 2); }
void aml_u32(Aml *a, u32 v) { aml_bytes(a, &v, 4); }

/* --- packages -------------------------------------------------------------------------------------------- */

static void begin(Aml *a)
{
    CHECK(a->depth < AML_DEPTH, "AML nested too deeply");
    a->open[a->depth++] = a->used;
}

/* ACPI 1.0b, 16.2.3: bits 7:6 of the first byte say how many more there are; the length counts itself. */
static u32 encode_length(u8 out[4], u32 contents)
{
    u32 n = contents + 1 < 0x40 ? 1 : contents + 2 < 0x1000 ? 2 : 3, v = contents + n;
    out[0] = n == 1 ? (u8)v : (u8)((n - 1) << 6 | (v & 15));
    out[1] = (u8)(v >> 4);
    out[2] = (u8)(v >> 12);
    return n;
}

void aml_end(Aml *a)
{
    u8 length[4];
    CHECK(a->depth, "aml_end without a package");
    u32 at = a->open[--a->depth], contents = a->used - at, n = encode_length(length, contents);
    CHECK(n <= a->room - a->used, "no room for AML");
    memmove(a->bytes + at + n, a->bytes + at, contents);
    memcpy(a->bytes + at, length, n);
    a->used += n;
}

/* --- terms ----------------------------------------------------------------------------------------------- */

void aml_path(Aml *a, const char *path)
{
    if (*path == '\\') aml_u8(a, (u8)*path++);
    CHECK(strlen(path) == 4, "AML name %s", path);
    aml_bytes(a, path, 4);
}

void aml_int(Aml *a, u32 v)
{
    if (v <= 1) { /* ZeroOp, OneOp */
        aml_u8(a, (u8)v);
    } else if (v <= 0xff) {
        aml_u8(a, AML_BYTE_PREFIX);
        aml_u8(a, (u8)v);
    } else if (v <= 0xffff) {
        aml_u8(a, AML_WORD_PREFIX);
        aml_u16(a, (u16)v);
    } else {
        aml_u8(a, AML_DWORD_PREFIX);
        aml_u32(a, v);
    }
}

void aml_name(Aml *a, const char *path)
{
    aml_u8(a, AML_NAME_OP);
    aml_path(a, path);
}

void aml_name_int(Aml *a, const char *path, u32 v)
{
    aml_name(a, path);
    aml_int(a, v);
}

static u32 hex_digit(char c) { return (u32)(c <= '9' ? c - '0' : c - 'A' + 10); }

/* Three letters of five bits and four hexadecimal digits, most significant byte first. */
void aml_name_eisa(Aml *a, const char *path, const char *id)
{
    u32 v = 0;
    for (int n = 0; n < 3; n++) v = v << 5 | (u32)(id[n] - '@');
    for (int n = 3; n < 7; n++) v = v << 4 | hex_digit(id[n]);
    aml_name(a, path);
    aml_u8(a, AML_DWORD_PREFIX);
    aml_u32(a, __builtin_bswap32(v));
}

void aml_scope(Aml *a, const char *path)
{
    aml_u8(a, AML_SCOPE_OP);
    begin(a);
    aml_path(a, path);
}

void aml_device(Aml *a, const char *path)
{
    aml_u8(a, AML_EXT_PREFIX);
    aml_u8(a, AML_DEVICE_OP);
    begin(a);
    aml_path(a, path);
}

void aml_package(Aml *a, u8 elements)
{
    aml_u8(a, AML_PACKAGE_OP);
    begin(a);
    aml_u8(a, elements);
}

/* --- resources ------------------------------------------------------------------------------------------- */

/* A buffer's size, as a word, stands before its contents and is put in at the end, too. */
void aml_resources(Aml *a)
{
    aml_u8(a, AML_BUFFER_OP);
    begin(a);
    aml_u8(a, AML_WORD_PREFIX);
    aml_u16(a, 0);
}

void aml_resources_end(Aml *a)
{
    static const u8 end_tag[] = {0x79, 0};
    u32 at = a->open[a->depth - 1];
    aml_bytes(a, end_tag, sizeof end_tag);
    store16(a->bytes + at + 1, (u16)(a->used - at - 3));
    aml_end(a);
}

void aml_io(Aml *a, u16 port, u8 count)
{
    aml_u8(a, 0x47);
    aml_u8(a, 1); /* 16-bit decode */
    aml_u16(a, port);
    aml_u16(a, port);
    aml_u8(a, 1);
    aml_u8(a, count);
}

void aml_memory32(Aml *a, u32 pa, u32 bytes)
{
    aml_u8(a, 0x86);
    aml_u16(a, 9);
    aml_u8(a, 1); /* read and write */
    aml_u32(a, pa);
    aml_u32(a, bytes);
}

void aml_irq(Aml *a, u8 irq)
{
    aml_u8(a, 0x22);
    aml_u16(a, (u16)(1u << irq));
}

void aml_dma(Aml *a, u8 channel)
{
    aml_u8(a, 0x2a);
    aml_u8(a, (u8)(1u << channel));
    aml_u8(a, 0);
}

enum { RANGE_FIXED = 0x0c /* first and last address are fixed */, RANGE_WRITABLE = 1, RANGE_ALL_IO = 3 };

static u8 range_flags(AmlSpace space)
{
    return space == AML_MEMORY ? RANGE_WRITABLE : space == AML_IO ? RANGE_ALL_IO : 0;
}

static void range_head(Aml *a, u8 tag, u16 length, AmlSpace space)
{
    aml_u8(a, tag);
    aml_u16(a, length);
    aml_u8(a, (u8)space);
    aml_u8(a, RANGE_FIXED);
    aml_u8(a, range_flags(space));
}

void aml_range16(Aml *a, AmlSpace space, u16 first, u16 last)
{
    const u16 fields[] = {0, first, last, 0, (u16)(last - first + 1)};
    range_head(a, 0x88, 3 + sizeof fields, space);
    aml_bytes(a, fields, sizeof fields);
}

void aml_range32(Aml *a, AmlSpace space, u32 first, u32 last)
{
    const u32 fields[] = {0, first, last, 0, last - first + 1};
    range_head(a, 0x87, 3 + sizeof fields, space);
    aml_bytes(a, fields, sizeof fields);
}

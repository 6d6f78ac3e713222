/* tar.c - see tar.h.
 *
 * Sizes are octal, or, of 8 GiB and more, base 256 with the first bit set (as GNU and VirtualBox write them). Skipped:
 * folders and the extended headers of pax (kind x, g). Refused: links, devices, GNU's long names, headers whose sum is
 * wrong, and entries that are longer than the file.
 */
#include "frontend/vm/tar.h"

#include <stdio.h>

#include "frontend/host/bytes.h"

enum {
    MODE_AT = 100,
    SIZE_AT = 124,
    TIME_AT = 136,
    SUM_AT = 148,
    KIND_AT = 156,
    MAGIC_AT = 257,
    PREFIX_AT = 345
};

bool tar_plain_name(const char *name)
{
    if (!*name || *name == '.' || *name == '-') return false;
    for (; *name; name++)
        if ((u8)*name < ' ' || *name == 0x7f || *name == '/' || *name == '\\') return false;
    return true;
}

static bool octal(const u8 *at, u32 n, u64 *value)
{
    *value = 0;
    while (n && *at == ' ') at++, n--;
    for (; n && *at >= '0' && *at <= '7'; at++, n--) *value = *value << 3 | (u64)(*at - '0');
    return !n || !*at || *at == ' ';
}

static bool number(const u8 *at, u32 n, u64 *value)
{
    if (!(*at & 0x80)) return octal(at, n, value);
    *value = *at & 0x7f;
    for (u32 i = 1; i < n; i++) {
        if (*value >> 55) return false;
        *value = *value << 8 | at[i];
    }
    return true;
}

static u32 sum_of(const u8 *head)
{
    u32 sum = 0;
    for (u32 n = 0; n < TAR_BLOCK; n++) sum += n >= SUM_AT && n < KIND_AT - 0u ? ' ' : head[n];
    return sum;
}

/* The whole name, with what ustar keeps apart of it. */
static void take_name(const u8 *head, char to[TAR_NAME])
{
    bool has_prefix = !memcmp(head + MAGIC_AT, "ustar", 6) && head[PREFIX_AT];
    snprintf(to, TAR_NAME, "%.*s%s%.100s", has_prefix ? 150 : 0, (const char *)head + PREFIX_AT,
             has_prefix ? "/" : "", (const char *)head);
}

bool tar_next(int fd, u64 at, u64 size, TarEntry *e, bool *end, Problem *p)
{
    u8 head[TAR_BLOCK];
    u64 sum;
    for (;; at = e->next) {
        *end = at >= size;
        if (*end) return true;
        if (size - at < TAR_BLOCK || bytes_read(fd, at, head, sizeof head))
            return problem_set(p, "it is cut off");
        *end = bytes_are_zero(head, sizeof head);
        if (*end) return true;
        if (!octal(head + SUM_AT, 8, &sum) || sum != sum_of(head))
            return problem_set(p, "it is no tar file, or damaged");
        take_name(head, e->name);
        e->at = at + TAR_BLOCK;
        if (!number(head + SIZE_AT, 12, &e->bytes) || e->bytes > size - e->at)
            return problem_set(p, "it is cut off: '%.100s' should be longer", e->name);
        e->next = e->at + (e->bytes + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
        u8 kind = head[KIND_AT];
        if (!kind || kind == '0') return true;
        if (kind != '5' && kind != 'x' && kind != 'g')
            return problem_set(p, "'%.100s' in it is no plain file", e->name);
    }
}

void tar_head(u8 head[TAR_BLOCK], const char *name, u64 bytes, s64 unix_s)
{
    memset(head, 0, TAR_BLOCK);
    snprintf((char *)head, 100, "%s", name);
    memcpy(head + MODE_AT, "0000644\0000000000\0000000000", 24); /* mode, owner, group */
    if (bytes >> 33) {
        head[SIZE_AT] = 0x80;
        for (u32 n = 0; n < 8; n++) head[SIZE_AT + 4 + n] = (u8)(bytes >> (56 - 8 * n));
    } else
        snprintf((char *)head + SIZE_AT, 12, "%011llo", (unsigned long long)bytes);
    snprintf((char *)head + TIME_AT, 12, "%011llo", (unsigned long long)unix_s & 077777777777ull);
    head[KIND_AT] = '0';
    memcpy(head + MAGIC_AT, "ustar\00000", 8);
    snprintf((char *)head + SUM_AT, 8, "%06o", sum_of(head));
    head[SUM_AT + 7] = ' ';
}

/* vmdk_descriptor.c - the text that says what a VMDK disk is made of: lines of `key=value`, and one for each extent,
 *
 *   RW 4192256 SPARSE "disk-s001.vmdk"          access, sectors, kind, file; of a flat one also its first sector
 *
 * Files that it names lie beside it: a name with a slash in it is refused, since the text may come from anywhere.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/image/vmdk.h"

/* --- lines ----------------------------------------------------------------------------------------------- */

static const char *next_line(const char *s)
{
    s += strcspn(s, "\n");
    return *s ? s + 1 : NULL;
}

static const char *skip_blanks(const char *s) { return s + strspn(s, " \t"); }

/* The value of `key = "value"` at s, without its quotes; NULL: it is another key. */
static const char *value_of(const char *s, const char *key, size_t *n)
{
    size_t length = strlen(key);
    s = skip_blanks(s);
    if (strncmp(s, key, length)) return NULL;
    s = skip_blanks(s + length);
    if (*s++ != '=') return NULL;
    s = skip_blanks(s);
    bool quoted = *s == '"';
    s += quoted;
    *n = strcspn(s, quoted ? "\"\r\n" : " \t\r\n");
    return s;
}

static bool copy_name(char to[VMDK_NAME_BYTES], const char *s, size_t n)
{
    if (!n || n >= VMDK_NAME_BYTES) return false;
    memcpy(to, s, n);
    to[n] = 0;
    return true;
}

/* --- extents --------------------------------------------------------------------------------------------- */

typedef struct ExtentLine {
    bool writable;
    u64 sectors, offset;
    char kind[16], name[VMDK_NAME_BYTES];
} ExtentLine;

static bool parse_extent(const char *s, ExtentLine *l)
{
    char access[16];
    int n = 0;
    unsigned long long sectors, offset = 0;
    *l = (ExtentLine){0};
    if (sscanf(s, "%15[A-Z] %llu %15[A-Z]%n", access, &sectors, l->kind, &n) != 3 || !n) return false;
    l->writable = !strcmp(access, "RW");
    if (!l->writable && strcmp(access, "RDONLY")) return false;
    l->sectors = sectors;
    s = skip_blanks(s + n);
    if (*s != '"') return true;
    n = (int)strcspn(++s, "\"\r\n");
    if (!copy_name(l->name, s, (size_t)n) || s[n] != '"') return false;
    if (sscanf(s + n + 1, " %llu", &offset) == 1) l->offset = offset;
    return true;
}

static bool is_extent_line(const char *s)
{
    return !strncmp(s, "RW ", 3) || !strncmp(s, "RDONLY ", 7) || !strncmp(s, "NOACCESS ", 9);
}

static bool open_extent_file(Disk *d, VmdkExtent *x, const ExtentLine *l, Problem *p)
{
    Problem why;
    if (strchr(l->name, '/') || *l->name == '.')
        return problem_set(p, "names a part '%.100s' that does not lie beside it", l->name);
    char *whole = format_beside(d, l->name);
    HostFileSpec spec = {.path = whole, .writable = d->writable};
    bool good = host_file_open(x->file, &spec, &why);
    free(whole);
    if (!good) return problem_set(p, "its part '%.100s': %.200s", l->name, why.text);
    d->extents++;
    return true;
}

static bool is_word(const char *s, const char *const *words)
{
    while (*words && strcmp(*words, s)) words++;
    return *words;
}

static bool take_extent(Disk *d, Vmdk *v, const ExtentLine *l, Problem *p)
{
    static const char *const flats[] = {"FLAT", "VMFS", NULL};
    VmdkExtent *x = &v->extent[v->extents];
    *x = (VmdkExtent){.first = d->sectors, .sectors = l->sectors};
    if (!l->sectors || l->sectors > 1ull << 40)
        return problem_set(p, "is damaged: a part has an impossible size");
    d->sectors += l->sectors;
    v->extents++;
    x->kind = is_word(l->kind, flats) ? VMDK_FLAT : !strcmp(l->kind, "ZERO") ? VMDK_ZERO : VMDK_SPARSE;
    if (x->kind == VMDK_SPARSE && strcmp(l->kind, "SPARSE"))
        return problem_set(p, "has a part of the kind %s, which is not supported", l->kind);
    if (v->descriptor_offset && x->kind != VMDK_SPARSE)
        return problem_set(p, "is damaged: it has a flat part in itself");
    if (x->kind == VMDK_ZERO) return true;
    if (d->writable && !l->writable) return problem_set(p, "says that its parts are only to be read");
    x->own_file = v->descriptor_offset != 0;
    x->file = x->own_file ? &d->file : &d->extent[d->extents];
    if (!x->own_file && !open_extent_file(d, x, l, p)) return false;
    x->flat_offset = l->offset * SECTOR_BYTES;
    if (x->kind == VMDK_SPARSE) return vmdk_sparse_open(d, x, p);
    bool fits = l->offset < 1ull << 40 && x->flat_offset <= x->file->bytes &&
                x->sectors * SECTOR_BYTES <= x->file->bytes - x->flat_offset;
    return fits || problem_set(p, "its part '%.100s' is shorter than it should be", l->name);
}

static bool take_extents(Disk *d, Vmdk *v, const char *text, Problem *p)
{
    v->extent = calloc(VMDK_EXTENTS_MAX, sizeof *v->extent);
    d->extent = calloc(VMDK_EXTENTS_MAX, sizeof *d->extent);
    if (!v->extent || !d->extent) return problem_set(p, "there is no memory for its parts");
    for (const char *s = text; s; s = next_line(s)) {
        ExtentLine l;
        if (!is_extent_line(s)) continue;
        if (!parse_extent(s, &l))
            return problem_set(p, "has a part that is not understood: '%.*s'", (int)strcspn(s, "\r\n") % 80,
                               s);
        if (v->extents == VMDK_EXTENTS_MAX) return problem_set(p, "has more than %d parts", VMDK_EXTENTS_MAX);
        if (v->extents && v->descriptor_offset)
            return problem_set(p, "is damaged: it has parts beside itself");
        if (!take_extent(d, v, &l, p)) return false;
    }
    return v->extents || problem_set(p, "has no parts");
}

/* --- the parent ------------------------------------------------------------------------------------------ */

static void take_keys(Vmdk *v, const char *text)
{
    for (const char *s = text, *value; s; s = next_line(s)) {
        size_t n;
        if ((value = value_of(s, "CID", &n))) {
            v->cid = (u32)strtoul(value, NULL, 16);
            if (n == 8) v->cid_offset = v->descriptor_offset + (u64)(value - text);
        }
        if ((value = value_of(s, "parentCID", &n))) {
            v->parent_cid = (u32)strtoul(value, NULL, 16);
            v->has_parent = v->parent_cid != 0xffffffff;
        }
        if ((value = value_of(s, "parentFileNameHint", &n))) copy_name(v->parent, value, n);
    }
}

static bool open_parent(Disk *d, const Vmdk *v, Problem *p)
{
    if (!v->has_parent || d->no_backing) return true;
    if (!*v->parent) return problem_set(p, "is damaged: its parent has no name");
    if (!format_open_backing(d, v->parent, "vmdk", p)) return false;
    const Vmdk *parent = d->backing->state;
    return parent->cid == v->parent_cid ||
           problem_set(p, "its parent '%.200s' has been written since (another CID)", v->parent);
}

bool vmdk_read_descriptor(Disk *d, Vmdk *v, const char *text, Problem *p)
{
    take_keys(v, text);
    return take_extents(d, v, text, p) && open_parent(d, v, p);
}

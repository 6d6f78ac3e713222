/* ovf.c - see ovf.h.
 *
 * DMTF DSP0243 (OVF 1.x and 2.x), read by libexpat: a parser that has met hostile texts for 25 years beats one of our own.
 * What the descriptor is made of is told by local names; of namespaces only that the root is an Envelope of OVF's. Refused: a
 * document type (with it all entities of its own, and so entity bombs), more than 64 elements deep, more files, disks and
 * items than a machine has, and more than one machine. What is not known is passed over, as the standard wants it.
 */
#include "frontend/vm/ovf.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { DEPTH_MAX = 64 };
static const char envelope[] = "http://schemas.dmtf.org/ovf/envelope/";

typedef struct Reader {
    Ovf *o;
    XML_Parser parser;
    Problem *p;
    bool failed, has_root, in_item, in_system, in_collection;
    unsigned depth, system_depth;
    OvfItem item;
    char text[OVF_WORD];
    u32 count; /* of text */
} Reader;

static void refuse(Reader *r, const char *why)
{
    if (!r->failed) problem_set(r->p, "its descriptor %s", why);
    r->failed = true;
    XML_StopParser(r->parser, XML_FALSE);
}

/* Names come as NAMESPACE|NAME. */
static const char *local(const char *name)
{
    const char *bar = strrchr(name, '|');
    return bar ? bar + 1 : name;
}

static bool is(const char *name, const char *word) { return !strcmp(local(name), word); }

static const char *attribute(const char **a, const char *word)
{
    for (; *a; a += 2)
        if (is(a[0], word)) return a[1];
    return "";
}

static void keep(Reader *r, char to[OVF_WORD], const char *value)
{
    if (strlen(value) >= OVF_WORD) {
        refuse(r, "has a name that is too long");
        return;
    }
    memcpy(to, value, strlen(value) + 1);
}

static bool number(const char *text, u64 *n)
{
    char *end;
    text += strspn(text, " \t\r\n");
    if (*text < '0' || *text > '9' || strspn(text, "0123456789") > 18) return false;
    *n = strtoull(text, &end, 10);
    return !end[strspn(end, " \t\r\n")];
}

/* --- elements -------------------------------------------------------------------------------------------- */

static void take_file(Reader *r, const char **a)
{
    Ovf *o = r->o;
    if (o->files == OVF_FILES) return refuse(r, "names too many files");
    OvfFile *f = &o->file[o->files++];
    keep(r, f->id, attribute(a, "id"));
    keep(r, f->href, attribute(a, "href"));
    const char *method = attribute(a, "compression");
    f->packed = (*method && strcmp(method, "identity")) || *attribute(a, "chunkSize");
}

static void take_disk(Reader *r, const char **a)
{
    Ovf *o = r->o;
    if (o->disks == OVF_DISKS) return refuse(r, "has too many disks");
    OvfDisk *d = &o->disk[o->disks++];
    keep(r, d->id, attribute(a, "diskId"));
    keep(r, d->file, attribute(a, "fileRef"));
    keep(r, d->units, attribute(a, "capacityAllocationUnits"));
    d->has_parent = *attribute(a, "parentRef");
    if (*attribute(a, "capacity") && *attribute(a, "capacity") != '$' &&
        !number(attribute(a, "capacity"), &d->capacity))
        refuse(r, "has a disk of impossible size");
}

static void begin_system(Reader *r, const char **a)
{
    if (r->o->machines++) return refuse(r, "has several machines, and only a package of one is imported");
    r->in_system = true;
    r->system_depth = r->depth;
    keep(r, r->o->name, attribute(a, "id"));
}

static void begin(void *ctx, const char *name, const char **a)
{
    Reader *r = ctx;
    u64 n;
    if (++r->depth > DEPTH_MAX) return refuse(r, "is nested too deeply");
    r->count = 0;
    if (r->depth == 1) {
        r->has_root = is(name, "Envelope") && !strncmp(name, envelope, sizeof envelope - 1);
        if (!r->has_root) refuse(r, "is no OVF: its root is no Envelope");
    } else if (is(name, "File"))
        take_file(r, a);
    else if (is(name, "Disk") && !r->in_system)
        take_disk(r, a);
    else if (is(name, "VirtualSystem"))
        begin_system(r, a);
    else if (is(name, "OperatingSystemSection") && number(attribute(a, "id"), &n))
        r->o->system = (u32)n;
    else if (is(name, "Item") || is(name, "StorageItem") || is(name, "EthernetPortItem")) {
        r->in_item = true;
        r->item = (OvfItem){0};
    }
}

static void take_word(Reader *r, const char *name)
{
    OvfItem *i = &r->item;
    const struct {
        const char *word;
        char *to;
    } words[] = {{"InstanceID", i->id},           {"InstanceId", i->id},
                 {"Parent", i->parent},           {"HostResource", i->host},
                 {"ResourceSubType", i->subtype}, {"AllocationUnits", i->units},
                 {"Address", i->address},         {"AddressOnParent", i->on_parent}};
    u64 n = 0;
    for (unsigned w = 0; w < ARRAY_LEN(words); w++)
        if (is(name, words[w].word)) keep(r, words[w].to, r->text + strspn(r->text, " \t\r\n"));
    if (is(name, "ResourceType")) {
        if (!number(r->text, &n) || n > 65535) return refuse(r, "has an item without a type");
        i->type = (u32)n;
    }
    if (is(name, "VirtualQuantity") && !number(r->text, &i->quantity))
        refuse(r, "has an item of impossible quantity");
}

static void end(void *ctx, const char *name)
{
    Reader *r = ctx;
    r->text[r->count] = 0;
    if (r->in_item && (is(name, "Item") || is(name, "StorageItem") || is(name, "EthernetPortItem"))) {
        r->in_item = false;
        if (r->o->items == OVF_ITEMS) return refuse(r, "has too many items");
        r->o->item[r->o->items++] = r->item;
    } else if (r->in_item)
        take_word(r, name);
    else if (r->in_system && r->depth == r->system_depth + 1 && is(name, "Name") && r->count)
        keep(r, r->o->name, r->text);
    if (r->in_system && r->depth == r->system_depth) r->in_system = false;
    r->depth--;
    r->count = 0;
}

/* What is longer than any word that counts is cut: a description. */
static void characters(void *ctx, const char *text, int n)
{
    Reader *r = ctx;
    u32 room = OVF_WORD - 1 - r->count, part = (u32)n < room ? (u32)n : room;
    memcpy(r->text + r->count, text, part);
    r->count += part;
}

static void doctype(void *ctx, const char *name, const char *system, const char *public, int internal)
{
    (void)name, (void)system, (void)public, (void)internal;
    refuse(ctx, "declares a document type, which an OVF has not");
}

/* --- all ------------------------------------------------------------------------------------------------- */

bool ovf_read(Ovf *o, const char *text, u64 bytes, Problem *p)
{
    Reader r = {.o = o, .p = p, .parser = XML_ParserCreateNS(NULL, '|')};
    *o = (Ovf){.machines = 0};
    CHECK(r.parser, "no memory");
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, begin, end);
    XML_SetCharacterDataHandler(r.parser, characters);
    XML_SetStartDoctypeDeclHandler(r.parser, doctype);
    bool good = bytes <= OVF_BYTES && XML_Parse(r.parser, text, (int)bytes, XML_TRUE) == XML_STATUS_OK;
    if (!good && !r.failed && bytes > OVF_BYTES)
        problem_set(p, "its descriptor is longer than %d KiB", OVF_BYTES >> 10);
    if (!good && !r.failed && bytes <= OVF_BYTES)
        problem_set(p, "its descriptor is no XML: line %lu: %s",
                    (unsigned long)XML_GetCurrentLineNumber(r.parser),
                    XML_ErrorString(XML_GetErrorCode(r.parser)));
    XML_ParserFree(r.parser);
    if (!good || r.failed) return false;
    return o->machines || problem_set(p, "its descriptor has no machine");
}

u64 ovf_bytes(u64 count, const char *units, u64 otherwise)
{
    static const struct {
        const char *word;
        u32 shift;
    } old[] = {{"byte", 0},       {"bytes", 0},     {"kilobytes", 10}, {"kilobyte", 10},
               {"megabytes", 20}, {"megabyte", 20}, {"mb", 20},        {"gigabytes", 30},
               {"gigabyte", 30},  {"gb", 30},       {"kb", 10}};
    u32 power, shift = 64;
    char tail;
    if (!*units) return count < 1ull << 40 ? count * otherwise : 0;
    if (sscanf(units, " byte * 2^%2u %c", &power, &tail) == 1) shift = power;
    for (unsigned n = 0; n < ARRAY_LEN(old); n++)
        if (!strcasecmp(units, old[n].word)) shift = old[n].shift;
    return shift > 40 || count >> (62 - shift) ? 0 : count << shift;
}

/* img_show.c - what an image is, and whether its tables agree: `ring3 img info` and `check`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/image/format.h"
#include "frontend/image/img.h"

/* --- info ------------------------------------------------------------------------------------------------ */

static const char *size_text(u64 bytes, char to[40])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    u64 tenths = bytes < 1ull << 59 ? bytes * 10 : bytes;
    unsigned n = 0;
    for (; tenths >= 10240 && n + 1 < ARRAY_LEN(units); n++) tenths = (tenths + 512) / 1024;
    snprintf(to, 40, tenths % 10 ? "%llu.%llu %s" : "%llu%.0llu %s", (unsigned long long)tenths / 10,
             (unsigned long long)tenths % 10, units[n]);
    return to;
}

static void show_human(const char *path, const Disk *d, const DiskInfo *i)
{
    char a[40], b[40];
    printf("image: %s\nfile format: %s\n", path, disk_format(d));
    printf("virtual size: %s (%llu bytes)\ndisk size: %s\n", size_text(i->bytes, a),
           (unsigned long long)i->bytes, size_text(i->used_bytes, b));
    if (i->cluster_bytes) printf("cluster_size: %u\n", i->cluster_bytes);
    if (i->backing) printf("backing file: %s\n", i->backing);
    if (i->backing_format) printf("backing file format: %s\n", i->backing_format);
    if (i->variant) printf("variant: %s\n", i->variant);
    if (i->snapshots) printf("snapshots: %u\n", i->snapshots);
    if (i->dirty) printf("it was not closed\n");
    if (i->corrupt) printf("it is marked as damaged\n");
}

static void put_string(const char *key, const char *s)
{
    printf("    \"%s\": \"", key);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') putchar('\\');
        if ((u8)*s < ' ')
            printf("\\u%04x", *s);
        else
            putchar(*s);
    }
    printf("\",\n");
}

static void show_json(const char *path, const Disk *d, const DiskInfo *i)
{
    printf("{\n");
    put_string("filename", path);
    put_string("format", disk_format(d));
    if (i->cluster_bytes) printf("    \"cluster-size\": %u,\n", i->cluster_bytes);
    if (i->backing) put_string("backing-filename", i->backing);
    if (i->backing_format) put_string("backing-filename-format", i->backing_format);
    printf("    \"virtual-size\": %llu,\n    \"actual-size\": %llu,\n    \"dirty-flag\": %s\n}\n",
           (unsigned long long)i->bytes, (unsigned long long)i->used_bytes, i->dirty ? "true" : "false");
}

int img_info(const ImgWords *w)
{
    char *path = strdup(w->file[0]);
    const char *format = w->format;
    char known[16] = "";
    for (int depth = 0; path && depth < 40; depth++) {
        DiskSpec s = {.path = path, .format = format, .no_backing = true};
        DiskInfo i;
        Problem p;
        Disk *d = disk_open(&s, &p);
        if (!d) {
            int code = img_fail(path, "%s", p.text);
            free(path);
            return code;
        }
        disk_info(d, &i);
        if (depth) printf("\n");
        (w->json ? show_json : show_human)(path, d, &i);
        char *next = w->chain && i.backing ? format_name_beside(path, i.backing) : NULL;
        snprintf(known, sizeof known, "%s", i.backing_format ? i.backing_format : "");
        format = *known ? known : NULL;
        disk_close(d);
        free(path);
        path = next;
    }
    free(path);
    return 0;
}

/* --- check ----------------------------------------------------------------------------------------------- */

enum { CODE_DAMAGED = 2, CODE_LEAKS = 3, CODE_NO_CHECK = 63 };

static void show_check(const DiskCheck *c)
{
    if (c->fixed) printf("%llu errors were repaired.\n", (unsigned long long)c->fixed);
    if (!c->corruptions && !c->leaks) printf("No errors were found on the image.\n");
    if (c->corruptions)
        printf("%llu errors were found on the image; data may be damaged, or written to it.\n",
               (unsigned long long)c->corruptions);
    if (c->leaks)
        printf("%llu leaked clusters were found: room that is wasted, but no harm to data.\n",
               (unsigned long long)c->leaks);
    if (!c->clusters) return;
    u64 hundredths = c->allocated * 10000 / c->clusters;
    printf("%llu/%llu = %llu.%02llu%% allocated\nImage end offset: %llu\n", (unsigned long long)c->allocated,
           (unsigned long long)c->clusters, (unsigned long long)hundredths / 100,
           (unsigned long long)hundredths % 100, (unsigned long long)c->end);
}

int img_check(const ImgWords *w)
{
    DiskSpec s = {.path = w->file[0],
                  .format = w->format,
                  .writable = w->repair != REPAIR_NONE,
                  .no_backing = true,
                  .repair = true};
    DiskCheck c;
    Disk *d = img_open(&s);
    if (!d) return 1;
    int error = disk_check(d, w->repair, &c);
    int code = c.corruptions ? CODE_DAMAGED : c.leaks ? CODE_LEAKS : 0;
    if (error == ENOTSUP && !disk_trouble(d)) {
        img_fail(w->file[0], "the format %s has no check", disk_format(d));
        code = CODE_NO_CHECK;
    } else if (error)
        code = img_error(w->file[0], d, "the check", error);
    else if (!w->quiet)
        show_check(&c);
    disk_close(d);
    return code;
}

/* host_folder.c - see host_folder.h.
 *
 * Folders are read one after the other, so that a folder's children lie next to each other; sorted, so that the same
 * folder is the same disk. Left out are what is hidden (a dot in front), which a caged machine could not read anyway,
 * and what is neither a file nor a folder: no link is followed below the folder itself. What cannot be read now is
 * a problem now. A machine that runs has the broker look (files.h, FILE_FOLDER).
 */
#include "frontend/image/host_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/bytes.h"
#include "frontend/host/files.h"

/* --- nodes ----------------------------------------------------------------------------------------------- */

static FolderNode *node_add(FolderTree *t)
{
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->node = realloc(t->node, t->room * sizeof *t->node);
        CHECK(t->node, "no memory");
    }
    t->node[t->count] = (FolderNode){.name = NULL};
    return &t->node[t->count++];
}

void host_folder_free(FolderTree *t)
{
    for (u32 n = 0; n < t->count; n++) free(t->node[n].name);
    free(t->node);
    *t = (FolderTree){.node = NULL};
}

/* "FOLDER/./NAME/NAME". False: it is too long. */
static bool path_of(const FolderTree *t, u32 node, const char *folder, char to[FOLDER_PATH_BYTES])
{
    u32 chain[FOLDER_DEPTH_MAX + 1], count = 0;
    for (; node; node = t->node[node].parent) chain[count++] = node;
    int n = snprintf(to, FOLDER_PATH_BYTES, "%s/.", folder);
    while (count && n < FOLDER_PATH_BYTES)
        n += snprintf(to + n, (size_t)(FOLDER_PATH_BYTES - n), "/%s", t->node[chain[--count]].name);
    return n < FOLDER_PATH_BYTES;
}

/* --- reading a folder ------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    const char *x = ((const FolderNode *)a)->name, *y = ((const FolderNode *)b)->name;
    int order = strcasecmp(x, y);
    return order ? order : strcmp(x, y);
}

static bool refuse(Problem *p, const char *path, const char *name, const char *why)
{
    return problem_set(p, "'%.150s/%.100s' %s", path, name, why);
}

static bool child_add(FolderTree *t, u32 parent, const FileListed *e, const char *name, const char *path,
                      const FolderLimits *l, Problem *p)
{
    u8 depth = t->node[parent].depth;
    char text[80];
    if (e->error) return refuse(p, path, name, strerror(e->error));
    snprintf(text, sizeof text, "has 4 GiB or more, which %s cannot hold", l->holds);
    if (e->bytes > l->file_bytes) return refuse(p, path, name, text);
    if (t->count >= l->nodes) return problem_set(p, "has more than %u files and folders", l->nodes);
    if (depth >= FOLDER_DEPTH_MAX) return refuse(p, path, name, "lies too deep in folders");
    FolderNode *n = node_add(t);
    n->name = strdup(name);
    CHECK(n->name, "no memory");
    n->is_folder = S_ISDIR(e->mode);
    n->mode = e->mode;
    n->depth = depth + 1;
    n->parent = parent;
    n->bytes = n->is_folder ? 0 : e->bytes;
    n->modified = e->modified;
    return true;
}

/* The listing comes from the broker, which is believed, but for its form. */
static bool children_add(FolderTree *t, u32 parent, const u8 *list, u64 bytes, const char *path,
                         const FolderLimits *l, Problem *p)
{
    FileListed e;
    char name[256];
    for (u64 at = 0; bytes - at >= sizeof e; at += e.name_bytes) {
        memcpy(&e, list + at, sizeof e);
        at += sizeof e;
        if (e.name_bytes >= sizeof name || e.name_bytes > bytes - at) break;
        memcpy(name, list + at, e.name_bytes);
        name[e.name_bytes] = 0;
        if (!child_add(t, parent, &e, name, path, l, p)) return false;
    }
    return true;
}

/* All of the file; freed by the caller. NULL: it cannot be read. */
static u8 *read_whole(int fd, u64 *bytes)
{
    struct stat st;
    if (fstat(fd, &st)) return NULL;
    *bytes = (u64)st.st_size;
    u8 *to = malloc(*bytes + 1);
    if (to && !bytes_read(fd, 0, to, *bytes)) return to;
    free(to);
    return NULL;
}

static const char *why_not_listed(void)
{
    return errno == ENOTDIR ? "is no folder" : errno == E2BIG ? "has too many files" : file_problem();
}

static bool node_scan(FolderTree *t, u32 node, const char *folder, const FolderLimits *l, Problem *p)
{
    char path[FOLDER_PATH_BYTES];
    u64 bytes = 0;
    if (!path_of(t, node, folder, path)) return problem_set(p, "has names that are too long");
    int fd = file_open(FILE_FOLDER, path);
    if (fd < 0)
        return node ? refuse(p, folder, t->node[node].name, why_not_listed())
                    : problem_set(p, "%s", why_not_listed());
    u8 *list = read_whole(fd, &bytes);
    close(fd);
    if (!list) return problem_set(p, "cannot be read");
    u32 first = t->count;
    bool good = children_add(t, node, list, bytes, path, l, p);
    free(list);
    t->node[node].first_child = first;
    t->node[node].children = t->count - first;
    if (good) qsort(t->node + first, t->count - first, sizeof *t->node, by_name);
    return good;
}

bool host_folder_scan(FolderTree *t, const char *folder, const FolderLimits *l, Problem *p)
{
    struct stat st;
    FolderNode *root = node_add(t);
    root->is_folder = true;
    root->mode = S_IFDIR | 0755;
    if (!file_server && !stat(folder, &st)) root->modified = st.st_mtime;
    for (u32 n = 0; n < t->count; n++)
        if (t->node[n].is_folder && !node_scan(t, n, folder, l, p)) return false;
    for (u32 n = 1; file_server && n < t->count; n++)
        if (t->node[n].modified > t->node[0].modified) t->node[0].modified = t->node[n].modified;
    return true;
}

/* --- files ----------------------------------------------------------------------------------------------- */

void host_folder_files_init(FolderFiles *f)
{
    *f = (FolderFiles){.next = 0};
    for (u32 n = 0; n < FOLDER_OPEN_FILES; n++) f->file[n].fd = -1;
}

void host_folder_files_close(FolderFiles *f)
{
    for (u32 n = 0; n < FOLDER_OPEN_FILES; n++)
        if (f->file[n].fd >= 0) close(f->file[n].fd);
    host_folder_files_init(f);
}

static int file_of(FolderFiles *f, const FolderTree *t, const char *folder, u32 node)
{
    char path[FOLDER_PATH_BYTES];
    for (u32 n = 0; n < FOLDER_OPEN_FILES; n++)
        if (f->file[n].fd >= 0 && f->file[n].node == node) return f->file[n].fd;
    errno = ENAMETOOLONG;
    int fd = path_of(t, node, folder, path) ? file_open(FILE_BENEATH, path) : -1;
    if (fd < 0) return -1;
    u32 at = f->next++ % FOLDER_OPEN_FILES;
    if (f->file[at].fd >= 0) close(f->file[at].fd);
    f->file[at].fd = fd;
    f->file[at].node = node;
    return fd;
}

int host_folder_read(FolderFiles *f, const FolderTree *t, const char *folder, u32 node, u64 offset, void *to,
                     u64 bytes)
{
    int fd = file_of(f, t, folder, node);
    return fd < 0 ? errno : bytes_read(fd, offset, to, bytes);
}

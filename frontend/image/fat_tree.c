/* fat_tree.c - the folder that becomes a FAT disk, as it is when it is opened: names, sizes, times.
 *
 * Folders are read one after the other, so that a folder's children lie next to each other; sorted, so that the same
 * folder is the same disk. Left out are what is hidden (a dot in front), which a caged machine could not read anyway,
 * and what is neither a file nor a folder: no link is followed below the folder itself. What cannot be read now is
 * a problem now.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "frontend/image/fat.h"

/* --- nodes ----------------------------------------------------------------------------------------------- */

static FatNode *node_add(FatTree *t)
{
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->node = realloc(t->node, t->room * sizeof *t->node);
        CHECK(t->node, "no memory");
    }
    t->node[t->count] = (FatNode){.name = NULL};
    return &t->node[t->count++];
}

/* In two seconds, from 1980 on. */
static void node_time(FatNode *n, time_t at)
{
    struct tm tm;
    bool known = localtime_r(&at, &tm) && tm.tm_year >= 80 && tm.tm_year <= 207;
    n->date = known ? (u16)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday) : 1 << 5 | 1;
    n->time = known ? (u16)(tm.tm_hour << 11 | tm.tm_min << 5 | (tm.tm_sec > 59 ? 59 : tm.tm_sec) / 2) : 0;
}

void fat_tree_free(FatTree *t)
{
    for (u32 n = 0; n < t->count; n++) {
        free(t->node[n].name);
        free(t->node[n].entries);
    }
    free(t->node);
    *t = (FatTree){.node = NULL};
}

bool fat_tree_path(const FatTree *t, u32 node, const char *folder, char to[FAT_PATH_BYTES])
{
    u32 chain[FAT_DEPTH_MAX + 1], count = 0;
    for (; node; node = t->node[node].parent) chain[count++] = node;
    int n = snprintf(to, FAT_PATH_BYTES, "%s/.", folder);
    while (count && n < FAT_PATH_BYTES)
        n += snprintf(to + n, (size_t)(FAT_PATH_BYTES - n), "/%s", t->node[chain[--count]].name);
    return n < FAT_PATH_BYTES;
}

/* --- reading a folder ------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    const char *x = ((const FatNode *)a)->name, *y = ((const FatNode *)b)->name;
    int order = strcasecmp(x, y);
    return order ? order : strcmp(x, y);
}

static bool refuse(Problem *p, const char *folder, const char *name, const char *why)
{
    return problem_set(p, "'%.150s/%.100s' %s", folder, name, why);
}

static bool child_add(FatTree *t, u32 parent, int fd, const char *folder, const char *name, Problem *p)
{
    struct stat st;
    u8 depth = t->node[parent].depth;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW)) return true; /* it has just gone */
    bool is_folder = S_ISDIR(st.st_mode);
    if (!is_folder && !S_ISREG(st.st_mode)) return true;
    if (faccessat(fd, name, is_folder ? R_OK | X_OK : R_OK, 0))
        return refuse(p, folder, name, strerror(errno));
    if (st.st_size > UINT32_MAX && !is_folder)
        return refuse(p, folder, name, "has 4 GiB or more, which FAT cannot hold");
    if (t->count >= FAT_NODES_MAX) return problem_set(p, "has more than %d files and folders", FAT_NODES_MAX);
    if (depth >= FAT_DEPTH_MAX) return refuse(p, folder, name, "lies too deep in folders");
    FatNode *n = node_add(t);
    n->name = strdup(name);
    CHECK(n->name, "no memory");
    n->is_folder = is_folder;
    n->depth = depth + 1;
    n->parent = parent;
    n->bytes = is_folder ? 0 : (u32)st.st_size;
    node_time(n, st.st_mtime);
    return true;
}

static bool children_add(FatTree *t, u32 parent, DIR *dir, const char *folder, Problem *p)
{
    struct dirent *e;
    while ((e = readdir(dir)))
        if (*e->d_name != '.' && !child_add(t, parent, dirfd(dir), folder, e->d_name, p)) return false;
    return true;
}

/* The bytes of its directory: ".", "..", or the root's label; what its children take; zeros at the end. */
static bool folder_size(FatTree *t, u32 node, Problem *p)
{
    u32 entries = node ? 2 : 1;
    FatNode *n = &t->node[node];
    for (u32 k = 0; k < n->children; k++) entries += fat_names_entries(&t->node[n->first_child + k]);
    n->bytes = entries * FAT_ENTRY;
    t->folder_bytes += n->bytes;
    if (entries >= 65536) return problem_set(p, "has a folder with more names than FAT can hold");
    return t->folder_bytes <= FAT_FOLDER_BYTES ||
           problem_set(p, "has more and longer names than ring3 takes");
}

static bool folder_read(FatTree *t, u32 node, const char *folder, Problem *p)
{
    char path[FAT_PATH_BYTES];
    if (!fat_tree_path(t, node, folder, path)) return problem_set(p, "has names that are too long");
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (node ? O_NOFOLLOW : 0));
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) return problem_set(p, "'%.200s': %s", node ? path : folder, strerror(errno));
    u32 first = t->count;
    bool good = children_add(t, node, dir, path, p);
    closedir(dir);
    t->node[node].first_child = first;
    t->node[node].children = t->count - first;
    if (!good) return false;
    qsort(t->node + first, t->count - first, sizeof *t->node, by_name);
    fat_names_choose(t->node + first, t->count - first);
    return folder_size(t, node, p);
}

bool fat_tree_scan(FatTree *t, const char *folder, Problem *p)
{
    struct stat st;
    if (stat(folder, &st)) return problem_set(p, "%s", strerror(errno));
    if (!S_ISDIR(st.st_mode)) return problem_set(p, "is no folder");
    FatNode *root = node_add(t);
    root->is_folder = true;
    node_time(root, st.st_mtime);
    for (u32 n = 0; n < t->count; n++)
        if (t->node[n].is_folder && !folder_read(t, n, folder, p)) return false;
    return true;
}

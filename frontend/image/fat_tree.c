/* fat_tree.c - the folder that becomes a FAT disk: what host_folder.c found in it, with FAT's names, times and
 * directories' sizes. */
#include <stdlib.h>
#include <time.h>

#include "frontend/image/fat.h"

/* --- nodes ----------------------------------------------------------------------------------------------- */

/* In two seconds, from 1980 on. */
static void node_time(FatNode *n, s64 modified)
{
    time_t at = (time_t)modified;
    struct tm tm;
    bool known = localtime_r(&at, &tm) && tm.tm_year >= 80 && tm.tm_year <= 207;
    n->date = known ? (u16)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday) : 1 << 5 | 1;
    n->time = known ? (u16)(tm.tm_hour << 11 | tm.tm_min << 5 | (tm.tm_sec > 59 ? 59 : tm.tm_sec) / 2) : 0;
}

void fat_tree_free(FatTree *t)
{
    for (u32 n = 0; n < t->count; n++) free(t->node[n].entries);
    free(t->node);
    host_folder_free(&t->folder);
    *t = (FatTree){.node = NULL};
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

static void node_take(FatNode *to, const FolderNode *from)
{
    *to = (FatNode){.name = from->name,
                    .is_folder = from->is_folder,
                    .parent = from->parent,
                    .children = from->children,
                    .first_child = from->first_child,
                    .bytes = (u32)from->bytes};
    node_time(to, from->modified);
}

bool fat_tree_scan(FatTree *t, const char *folder, Problem *p)
{
    static const FolderLimits limits = {FAT_NODES_MAX, UINT32_MAX, "FAT"};
    if (!host_folder_scan(&t->folder, folder, &limits, p)) return false;
    t->node = calloc(t->folder.count, sizeof *t->node);
    CHECK(t->node, "no memory");
    t->count = t->folder.count;
    for (u32 n = 0; n < t->count; n++) node_take(&t->node[n], &t->folder.node[n]);
    for (u32 n = 0; n < t->count; n++) {
        if (!t->node[n].is_folder) continue;
        fat_names_choose(t->node + t->node[n].first_child, t->node[n].children);
        if (!folder_size(t, n, p)) return false;
    }
    return true;
}

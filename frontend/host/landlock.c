/* landlock.c - see landlock.h. The second lock beside seccomp's list, in another part of the kernel. */
#define _GNU_SOURCE
#include "frontend/host/landlock.h"

#include <linux/landlock.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "frontend/host/filter.h"

/* Newer than the kernel's headers may be: rights by the version of Landlock that brought them. */
enum {
    LANDLOCK_VERSION_ = 1,
    FILES_1 = 0x1fff,
    FILES_2 = 1 << 13,
    FILES_3 = 1 << 14,
    FILES_5 = 1 << 15,
    TCP_4 = 3
};
enum { ABSTRACT_SOCKETS_6 = 1 };
/* Of a folder: write, read, list, remove a folder or a file, make a folder or a file; move; cut off. */
enum { BENEATH = 2 | 4 | 8 | 0x10 | 0x20 | 0x80 | 0x100 | FILES_2 | FILES_3 };

typedef struct Rules {
    u64 files, tcp, scoped;
} Rules;

int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_);
    return version > 0 && !filter_sanitized ? (int)version : 0;
}

static void enter(int version, bool tcp, int folder)
{
    Rules r = {.files = FILES_1};
    size_t size = version >= 6 ? sizeof r : version >= 4 ? offsetof(Rules, scoped) : offsetof(Rules, tcp);
    if (version >= 2) r.files |= FILES_2;
    if (version >= 3) r.files |= FILES_3;
    if (version >= 4 && tcp) r.tcp = TCP_4;
    if (version >= 5) r.files |= FILES_5;
    if (version >= 6) r.scoped = ABSTRACT_SOCKETS_6;
    int fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
    if (fd < 0) return;
    struct landlock_path_beneath_attr beneath = {.allowed_access = r.files & BENEATH, .parent_fd = folder};
    if (folder >= 0) (void)syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    (void)syscall(SYS_landlock_restrict_self, fd, 0);
    close(fd);
}

void landlock_enter(int version, bool tcp) { enter(version, tcp, -1); }
void landlock_enter_beneath(int version, int folder) { enter(version, true, folder); }

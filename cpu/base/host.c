/* host.c - see host.h: masks, the processor, the kernel's interfaces, limits. host_cost.c measures, host_memory.c maps.
 *
 * An interface is probed by using it on a page or two of our own, never by the kernel's version: distributions bring
 * things back, and containers take them away.
 */
#define _GNU_SOURCE
#include "cpu/base/host.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Newer than the C library's headers may be. */
enum {
    HWCAP2_FSGSBASE_ = 1 << 1,
    F_SEAL_FUTURE_WRITE_ = 0x10,
    MADV_GUARD_INSTALL_ = 102,
    MADV_GUARD_REMOVE_ = 103,
    UFFD_USER_MODE_ONLY_ = 1,
};
enum { DEFAULT_MAP_COUNT = 65530 };

/* --- the lists ------------------------------------------------------------------------------------------- */

static const char *const feature_words[] = {
#define H(id, word, help) word,
    HOST_FEATURE_LIST(H)
#undef H
};
static const char *const feature_helps[] = {
#define H(id, word, help) help,
    HOST_FEATURE_LIST(H)
#undef H
};
static const struct Number {
    const char *name, *help;
    size_t offset;
} numbers[] = {
#define N(name, help) {#name, help, offsetof(Host, name)},
    HOST_NUMBER_LIST(N)
#undef N
};
_Static_assert(ARRAY_LEN(numbers) <= ARRAY_LEN(((HostMask *)0)->value), "a mask has a place for each number");

const char *host_feature_word(HostFeature f) { return feature_words[f]; }
const char *host_feature_help(HostFeature f) { return feature_helps[f]; }

static u64 *number_place(Host *h, unsigned n) { return (u64 *)(void *)((u8 *)h + numbers[n].offset); }

/* --- masks: no call of the C library, since the emitter may be the first to ask ---------------------------- */

/* `text` up to `end` is `word`. */
static bool is_word(const char *text, const char *end, const char *word)
{
    while (text < end && *text == *word && *word) text++, word++;
    return text == end && !*word;
}

static bool parse_feature(const char *text, const char *end, HostMask *m)
{
    for (unsigned n = 0; n < HOST_FEATURES; n++)
        if (is_word(text, end, feature_words[n])) {
            m->off |= BIT(n);
            return true;
        }
    return false;
}

static bool parse_value(const char *text, const char *end, u64 *v)
{
    if (text == end) return false;
    for (*v = 0; text < end; text++) {
        if (*text < '0' || *text > '9' || *v > UINT64_MAX / 10 - 1) return false;
        *v = 10 * *v + (u64)(*text - '0');
    }
    return true;
}

static bool parse_number(const char *text, const char *end, HostMask *m)
{
    const char *equals = text;
    while (equals < end && *equals != '=') equals++;
    for (unsigned n = 0; n < ARRAY_LEN(numbers) && equals < end; n++)
        if (is_word(text, equals, numbers[n].name)) {
            m->set |= 1ull << n;
            return parse_value(equals + 1, end, &m->value[n]);
        }
    return false;
}

static bool parse_word(const char *text, const char *end, HostMask *m)
{
    if (is_word(text, end, "none")) {
        m->off = BIT(HOST_FEATURES) - 1;
        return true;
    }
    return *text == '-' ? parse_feature(text + 1, end, m) : parse_number(text, end, m);
}

static void copy_word(const char *text, const char *end, char *to, size_t bytes)
{
    while (text < end && bytes > 1) *to++ = *text++, bytes--;
    if (bytes) *to = 0;
}

bool host_mask_parse(const char *text, HostMask *m, char *bad, size_t bad_bytes)
{
    *m = (HostMask){0};
    while (text && *text) {
        const char *end = text;
        while (*end && *end != ',') end++;
        if (end > text && !parse_word(text, end, m)) {
            copy_word(text, end, bad, bad_bytes);
            return false;
        }
        text = *end ? end + 1 : end;
    }
    return true;
}

static const char *mask_text(void)
{
    static const char name[] = "RING3_HOST=";
    for (char **e = environ; e && *e; e++) {
        unsigned n = 0;
        while (n < sizeof name - 1 && (*e)[n] == name[n]) n++;
        if (n == sizeof name - 1) return *e + n;
    }
    return NULL;
}

bool host_mask_ok(char *bad, size_t bad_bytes)
{
    HostMask m;
    return host_mask_parse(mask_text(), &m, bad, bad_bytes);
}

static HostMask mask_get(void)
{
    HostMask m;
    char bad[1];
    host_mask_parse(mask_text(), &m, bad, sizeof bad);
    return m;
}

bool host_masked(HostFeature f) { return mask_get().off >> f & 1; }

/* --- the processor --------------------------------------------------------------------------------------- */

static void host_cpuid(u32 leaf, u32 sub, u32 out[4])
{
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(sub));
}

static u32 find_processor(void)
{
    static const struct {
        u8 bit, feature;
    } leaf_1_ecx[] = {{0, HOST_SSE3}, {9, HOST_SSSE3}, {19, HOST_SSE41}, {20, HOST_SSE42}, {23, HOST_POPCNT}};
    u32 r[4], found = 0;
    host_cpuid(0, 0, r);
    if (r[0] >= 7) {
        host_cpuid(7, 0, r);
        if (r[1] >> 8 & 1) found |= BIT(HOST_BMI2);
    }
    host_cpuid(1, 0, r);
    for (unsigned n = 0; n < ARRAY_LEN(leaf_1_ecx); n++)
        if (r[2] >> leaf_1_ecx[n].bit & 1) found |= BIT(leaf_1_ecx[n].feature);
    host_cpuid(0x80000001u, 0, r);
    if (r[2] & 1) found |= BIT(HOST_LAHF);
    return found;
}

bool host_processor_has(HostFeature f) { return (find_processor() & ~mask_get().off) >> f & 1; }

HostFeatures host_features;

const HostFeatures *host_features_get(void)
{
    if (host_features.known) return &host_features;
    u32 has = find_processor() & ~mask_get().off;
    host_features = (HostFeatures){.known = true, .bmi2 = has & BIT(HOST_BMI2), .lahf = has & BIT(HOST_LAHF)};
    return &host_features;
}

/* --- 32-bit code ------------------------------------------------------------------------------------------ */

/* Far into the kernel's 32-bit code segment, where 0x40 is inc eax and no prefix, and back; EAX is the exit code. */
_Noreturn static void child_code32(void)
{
    enum { BACK = 16 };
    static const u8 code[] = {0x40, 0x6a, 0x33, 0x68, 0, 0, 0, 0, 0xcb};
    static const u8 back[] = {0x89, 0xc7, 0xb8, SYS_exit_group, 0, 0, 0, 0x0f, 0x05};
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGILL, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    u8 *p =
        mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (p == MAP_FAILED) _exit(0);
    memcpy(p, code, sizeof code);
    store32(p + 4, (u32)(uintptr_t)p + BACK);
    memcpy(p + BACK, back, sizeof back);
    if (mprotect(p, PAGE_BYTES, PROT_READ | PROT_EXEC) < 0) _exit(0);
    __asm__ volatile("mov %0, %%rsp\n\txor %%eax, %%eax\n\tpushq $0x23\n\tpushq %1\n\tlretq"
                     :
                     : "r"(p + 2 * PAGE_BYTES - 64), "r"(p)
                     : "rax", "memory");
    __builtin_unreachable();
}

bool host_runs_code32(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) child_code32();
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* --- the kernel's interfaces ------------------------------------------------------------------------------ */

static u32 find_memory(void)
{
    u32 found = 0;
    int fd = memfd_create("ring3-host", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return 0;
    found |= BIT(HOST_MEMFD);
    void *at = MAP_FAILED;
    if (ftruncate(fd, PAGE_BYTES) == 0)
        at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) {
        if (!madvise(at, PAGE_BYTES, HOST_MADV_POPULATE_WRITE)) found |= BIT(HOST_POPULATE);
        if (!madvise(at, PAGE_BYTES, MADV_GUARD_INSTALL_) && !madvise(at, PAGE_BYTES, MADV_GUARD_REMOVE_))
            found |= BIT(HOST_GUARD);
        munmap(at, PAGE_BYTES);
    }
    if (!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) found |= BIT(HOST_MEMFD_SEALS);
    if (!fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE_)) found |= BIT(HOST_SEAL_FUTURE_WRITE);
    close(fd);
    return found;
}

/* Without the flag the address is a wish: an older kernel maps elsewhere. */
static bool has_noreplace(void)
{
    void *at = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return false;
    void *again = mmap(at, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (again != MAP_FAILED) munmap(again, PAGE_BYTES);
    munmap(at, PAGE_BYTES);
    return again == MAP_FAILED;
}

static bool has_userfaultfd(void)
{
    long fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY_);
    if (fd < 0) fd = syscall(SYS_userfaultfd, O_CLOEXEC); /* the flag is of 5.11 */
    if (fd < 0) return false;
    close((int)fd);
    return true;
}

static u32 find_features(void)
{
    u32 found = find_processor() | find_memory();
    if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_) found |= BIT(HOST_FSGSBASE);
    if (has_noreplace()) found |= BIT(HOST_NOREPLACE);
    if (has_userfaultfd()) found |= BIT(HOST_USERFAULTFD);
    return found;
}

/* --- limits ---------------------------------------------------------------------------------------------- */

static bool read_text(const char *path, char *to, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t got = read(fd, to, bytes - 1);
    close(fd);
    to[got > 0 ? got : 0] = 0;
    return got > 0;
}

/* The number that a file begins with; HOST_NO_LIMIT: another word ("max"), or so much that it means none. */
static bool read_number(const char *path, u64 *v)
{
    char text[32];
    if (!read_text(path, text, sizeof text)) return false;
    const char *end = text;
    while (*end >= '0' && *end <= '9') end++;
    if (!parse_value(text, end, v) || *v >> 62) *v = HOST_NO_LIMIT;
    return true;
}

static u64 number_or(const char *path, u64 otherwise)
{
    u64 v;
    return read_number(path, &v) ? v : otherwise;
}

/* The least limit of a control group and those around it: `folder` is where they are mounted, `group` its path
 * there, which a container may not see; then the mount itself is its group. */
static u64 group_limit(const char *folder, char *group, const char *file)
{
    u64 least = HOST_NO_LIMIT, v;
    for (;;) {
        char path[600];
        snprintf(path, sizeof path, "%s%s/%s", folder, group, file);
        if (read_number(path, &v) && v < least) least = v;
        if (!*group) return least;
        char *slash = strrchr(group, '/');
        *(slash ? slash : group) = 0;
    }
}

/* Version 2 has one line, "0::PATH"; version 1 one for each controller, "9:memory:PATH". */
static u64 cgroup_limit(void)
{
    char text[4096];
    u64 least = HOST_NO_LIMIT, v = HOST_NO_LIMIT;
    if (!read_text("/proc/self/cgroup", text, sizeof text)) return least;
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        char *two = strstr(line, "::/"), *one = strstr(line, ":memory:/");
        if (two) v = group_limit("/sys/fs/cgroup", two + 2, "memory.max");
        if (one) v = group_limit("/sys/fs/cgroup/memory", one + 8, "memory.limit_in_bytes");
        if (v < least) least = v;
    }
    return least;
}

static u64 resource_limit(int which)
{
    struct rlimit r;
    return getrlimit(which, &r) < 0 || r.rlim_cur == RLIM_INFINITY ? HOST_NO_LIMIT : r.rlim_cur;
}

static u64 find_reserve(void)
{
    for (u64 bytes = 1ull << 40; bytes >= 1ull << 30; bytes /= 2) {
        void *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED) continue;
        munmap(at, bytes);
        return bytes;
    }
    return 0;
}

static void find_limits(Host *h)
{
    h->max_map_count = number_or("/proc/sys/vm/max_map_count", DEFAULT_MAP_COUNT);
    h->overcommit = number_or("/proc/sys/vm/overcommit_memory", 0);
    h->reserve_bytes = find_reserve();
    h->address_bytes = resource_limit(RLIMIT_AS);
    h->data_bytes = resource_limit(RLIMIT_DATA);
    h->memory_bytes = (u64)sysconf(_SC_PHYS_PAGES) * PAGE_BYTES;
    h->cgroup_bytes = cgroup_limit();
}

/* --- all of it ------------------------------------------------------------------------------------------- */

static Host host;
static bool host_known;

static void apply_numbers(Host *h, const HostMask *m)
{
    for (unsigned n = 0; n < ARRAY_LEN(numbers); n++)
        if (m->set >> n & 1) *number_place(h, n) = m->value[n];
}

const Host *host_get(void)
{
    struct utsname u;
    if (host_known) return &host;
    HostMask m = mask_get();
    host.found = find_features();
    host.masked = m.off;
    if (uname(&u) == 0)
        snprintf(host.release, sizeof host.release, "%.*s", (int)sizeof host.release - 1, u.release);
    find_limits(&host);
    host_measure(&host);
    apply_numbers(&host, &m);
    host.fault_ns = host.signal_ns + host.mmap_ns;
    apply_numbers(&host, &m); /* fault_ns itself may be set, too */
    host_known = true;
    return &host;
}

bool host_has(HostFeature f)
{
    const Host *h = host_get();
    return (h->found & ~h->masked) >> f & 1;
}

bool host_number_at(unsigned n, const char **name, const char **help, u64 *value)
{
    host_get();
    if (n >= ARRAY_LEN(numbers)) return false;
    *name = numbers[n].name;
    *help = numbers[n].help;
    *value = *number_place(&host, n);
    return true;
}

/* --- choices --------------------------------------------------------------------------------------------- */

static struct Choice {
    const char *what;
    char text[160];
} choices[24];

void host_choice(const char *what, const char *fmt, ...)
{
    struct Choice *c = choices, *end = choices + ARRAY_LEN(choices);
    va_list ap;
    while (c < end && c->what && strcmp(c->what, what) != 0) c++;
    CHECK(c < end, "too many choices to list");
    c->what = what;
    va_start(ap, fmt);
    vsnprintf(c->text, sizeof c->text, fmt, ap);
    va_end(ap);
}

bool host_choice_at(unsigned n, const char **what, const char **text)
{
    if (n >= ARRAY_LEN(choices) || !choices[n].what) return false;
    *what = choices[n].what;
    *text = choices[n].text;
    return true;
}

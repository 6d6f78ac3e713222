/* base_host.c - what is found out about the host: masks, numbers, memory without its ways, and that nothing is left
 * behind. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu/base/host.h"

/* In a process of its own, with RING3_HOST set: what `ask` answers, 0 to 255. */
static int in_child(const char *mask, int (*ask)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (mask)
            setenv("RING3_HOST", mask, 1);
        else
            unsetenv("RING3_HOST");
        host_features.known = false;
        _exit(ask());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* --- masks ----------------------------------------------------------------------------------------------- */

static void mask_words(void **state)
{
    HostMask m;
    char bad[16] = "";
    (void)state;
    assert_true(host_mask_parse(NULL, &m, bad, sizeof bad) && !m.off && !m.set);
    assert_true(host_mask_parse("", &m, bad, sizeof bad) && !m.off && !m.set);
    assert_true(host_mask_parse("-bmi2,,-guard,", &m, bad, sizeof bad));
    assert_int_equal(m.off, BIT(HOST_BMI2) | BIT(HOST_GUARD));
    assert_true(host_mask_parse("-memfd", &m, bad, sizeof bad));
    assert_int_equal(m.off, BIT(HOST_MEMFD)); /* and not memfd_seals, which begins alike */
    assert_true(host_mask_parse("none,max_map_count=1000", &m, bad, sizeof bad));
    assert_int_equal(m.off, BIT(HOST_FEATURES) - 1);
    assert_int_equal(m.set, 1);
    assert_int_equal(m.value[0], 1000);
}

static void mask_mistakes(void **state)
{
    static const char *const wrong[] = {"bmi2",  "-bmi",      "-bmi22",       "nonesuch",      "-",
                                        "-none", "signal_ns", "signal_ns=",   "signal_ns=1us", "=5",
                                        "foo=5", "signal=5",  "-signal_ns=5", "signal_ns=-5"};
    HostMask m;
    char bad[16];
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(wrong); n++) {
        char text[60];
        snprintf(text, sizeof text, "-guard,%s,-lahf", wrong[n]);
        assert_false(host_mask_parse(text, &m, bad, sizeof bad));
        assert_string_equal(bad, wrong[n]);
    }
    assert_false(host_mask_parse("a_word_that_is_longer_than_its_place", &m, bad, sizeof bad));
    assert_string_equal(bad, "a_word_that_is_");
    assert_false(host_mask_parse("max_map_count=99999999999999999999", &m, bad, sizeof bad));
}

static int count_features(void)
{
    int n = 0;
    for (int f = 0; f < HOST_FEATURES; f++) n += host_has((HostFeature)f);
    return n + host_features_get()->bmi2 + host_features_get()->lahf;
}

static int numbers_set(void)
{
    const Host *h = host_get();
    return h->max_map_count == 77 && h->signal_ns == 15000 && h->mmap_ns == 14000 && h->fault_ns == 29000;
}

static int fault_set(void) { return host_get()->fault_ns == 5; }
static int bmi2_alone(void)
{
    return !host_has(HOST_BMI2) && !host_features_get()->bmi2 &&
           host_has(HOST_LAHF) == host_features_get()->lahf;
}
static int nonsense_left_out(void) { return host_get()->fault_ns > 0; }

static void masks_hold(void **state)
{
    char bad[20];
    (void)state;
    assert_int_equal(in_child("none", count_features), 0);
    assert_true(in_child(NULL, count_features) > 0);
    assert_true(in_child("max_map_count=77,signal_ns=15000,mmap_ns=14000", numbers_set));
    assert_true(in_child("fault_ns=5", fault_set));
    assert_true(in_child("-bmi2", bmi2_alone));
    assert_true(in_child("nonsense", nonsense_left_out));
    setenv("RING3_HOST", "-bmi2,nonsense", 1);
    assert_false(host_mask_ok(bad, sizeof bad));
    assert_string_equal(bad, "nonsense");
    unsetenv("RING3_HOST");
    assert_true(host_mask_ok(bad, sizeof bad));
}

/* --- what is found --------------------------------------------------------------------------------------- */

static unsigned mappings(void)
{
    char line[600];
    unsigned n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) n++;
    if (f) fclose(f);
    return n;
}

static void on_segv(int sig) { (void)sig; }

/* First in this process to ask. SIGSEGV is ours, and blocked, as it must not be while its cost is measured. */
static void nothing_left_behind(void **state)
{
    struct sigaction ours = {.sa_handler = on_segv, .sa_flags = SA_RESTART}, after;
    sigset_t segv, mask;
    (void)state;
    sigemptyset(&segv);
    sigaddset(&segv, SIGSEGV);
    sigaddset(&segv, SIGUSR1);
    sigaction(SIGSEGV, &ours, NULL);
    sigprocmask(SIG_SETMASK, &segv, NULL);
    mappings(); /* the C library's buffers are there */
    unsigned before = mappings(), descriptor = (unsigned)dup(0);
    close((int)descriptor);
    const Host *h = host_get();
    assert_int_equal(mappings(), before);
    assert_int_equal((unsigned)dup(0), descriptor);
    close((int)descriptor);
    sigaction(SIGSEGV, NULL, &after);
    assert_ptr_equal(after.sa_handler, on_segv);
    assert_true(after.sa_flags & SA_RESTART);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    assert_true(sigismember(&mask, SIGSEGV) && sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGUSR2));
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    signal(SIGSEGV, SIG_DFL);
    assert_ptr_equal(host_get(), h);
}

static void costs_are_plausible(void **state)
{
    const Host *h = host_get();
    (void)state;
    assert_true(h->syscall_ns > 10 && h->syscall_ns < 1000000);
    assert_true(h->signal_ns > h->syscall_ns && h->signal_ns < 10000000);
    assert_true(h->mmap_ns > 100 && h->mmap_ns < 10000000);
    assert_true(h->mprotect_ns > 50 && h->mprotect_ns < 10000000);
    assert_int_equal(h->fault_ns, h->signal_ns + h->mmap_ns);
    assert_true(h->measuring_ns > 0);
    printf("measured in %u us\n", h->measuring_ns / 1000);
}

static void limits_are_plausible(void **state)
{
    const Host *h = host_get();
    const char *name, *help;
    u64 value;
    (void)state;
    assert_true(h->max_map_count > 100 && h->memory_bytes > 1 << 20 && h->overcommit <= 2);
    assert_true(h->cgroup_bytes > 1 << 20);
    assert_true(h->release[0] >= '1' && h->release[0] <= '9');
    assert_true(host_has(HOST_BMI2) == !!__builtin_cpu_supports("bmi2"));
    assert_true(host_number_at(0, &name, &help, &value));
    assert_string_equal(name, "max_map_count");
    assert_int_equal(value, h->max_map_count);
    assert_false(host_number_at(64, &name, &help, &value));
    assert_string_equal(host_feature_word(HOST_GUARD), "guard");
    host_runs_code32(); /* whatever it says, we are still there */
}

/* Two views of one memory; the hidden one is somewhere else each time, and its neighbours have no rights. */
static bool has_no_rights(const u8 *at)
{
    int out[2];
    assert_int_equal(pipe(out), 0);
    bool refused = write(out[1], at, 1) < 0;
    close(out[0]);
    close(out[1]);
    return refused;
}

static void hidden_view(void **state)
{
    enum { BYTES = 3 * PAGE_BYTES };
    unsigned before = mappings();
    (void)state;
    int fd = host_memory_open("ring3-test", BYTES, HOST_MEMORY_CODE);
    assert_true(fd >= 0);
    u8 *one = host_map_hidden(fd, BYTES), *two = host_map_hidden(fd, BYTES);
    assert_true(one && two && !((uintptr_t)one & PAGE_MASK));
    one[0] = 1, one[BYTES - 1] = 2;
    assert_true(two[0] == 1 && two[BYTES - 1] == 2);
    assert_true(has_no_rights(one - 1) && has_no_rights(one + BYTES) && !has_no_rights(one));
    u64 apart = (u64)(one > two ? one - two : two - one);
    assert_true(apart > 1 << 30); /* wrong once in 2^15, if at all */
    host_unmap_hidden(one, BYTES);
    host_unmap_hidden(two, BYTES);
    host_unmap_hidden(NULL, BYTES);
    close(fd);
    assert_int_equal(mappings(), before);
    assert_null(host_map_hidden(-1, BYTES));
    assert_int_equal(mappings(), before);
}

/* No more than `bytes` of address space from here on (sanitizers have taken a lot). The limit. */
static u64 limit_space(u64 bytes)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%llu", &pages) != 1) return 0;
    fclose(f);
    struct rlimit r = {pages * PAGE_BYTES + bytes, pages * PAGE_BYTES + bytes};
    return setrlimit(RLIMIT_AS, &r) < 0 ? 0 : r.rlim_cur;
}

static int small_space(void)
{
    u64 limit = limit_space(16ull << 30), got = host_get()->reserve_bytes;
    return got >= 1ull << 30 && got <= 16ull << 30 && host_get()->address_bytes == limit;
}

/* --- memory ---------------------------------------------------------------------------------------------- */

static int memory_works(void)
{
    int fd = host_memory_open("ring3-test", 1 << 20, HOST_MEMORY_CODE);
    if (fd < 0) return 0;
    u8 *w = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    u8 *x = mmap(NULL, 1 << 20, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (w == MAP_FAILED || x == MAP_FAILED || x[0xfffff]) return 0;
    w[0] = 0xc3;
    ((void (*)(void))(uintptr_t)x)();
    return 1;
}

static int table_works_counted(void)
{
    struct rlimit r = {64 << 20, 64 << 20};
    setrlimit(RLIMIT_DATA, &r); /* counts what overcommit 2 counts */
    u8 *t = host_table_map(1ull << 32);
    if (!t || t[123456789]) return 0;
    t[123456789] = 1;
    return t[123456789] == 1 && munmap(t, 1ull << 32) == 0;
}

static int table_refused(void)
{
    limit_space(1ull << 31);
    return !host_table_map(1ull << 32);
}

static void memory_without(void **state)
{
    (void)state;
    assert_true(in_child(NULL, memory_works));
    assert_true(in_child("-memfd", memory_works));
    assert_true(in_child(NULL, small_space));
    assert_true(in_child(NULL, table_works_counted));
    assert_true(in_child(NULL, table_refused));
}

static void choices_are_listed(void **state)
{
    const char *what, *text;
    (void)state;
    assert_false(host_choice_at(0, &what, &text));
    host_choice("windows", "%d of 4 GiB", 256);
    host_choice("cache", "64 MiB");
    host_choice("windows", "%d of 4 GiB", 16);
    assert_true(host_choice_at(0, &what, &text));
    assert_string_equal(what, "windows");
    assert_string_equal(text, "16 of 4 GiB");
    assert_true(host_choice_at(1, &what, &text));
    assert_false(host_choice_at(2, &what, &text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mask_words),          cmocka_unit_test(mask_mistakes),
        cmocka_unit_test(masks_hold), /* in children, as memory_without: nobody has asked yet */
        cmocka_unit_test(memory_without),      cmocka_unit_test(nothing_left_behind),
        cmocka_unit_test(costs_are_plausible), cmocka_unit_test(limits_are_plausible),
        cmocka_unit_test(hidden_view),         cmocka_unit_test(choices_are_listed),
    };
    unsetenv("RING3_HOST");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Escape keys, suggestions, the ring between two threads, a process in the background. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/host/daemon.h"
#include "frontend/host/ring.h"
#include "frontend/options/suggest.h"
#include "frontend/host/tty.h"

static void escape_keys(void **state)
{
    static const struct {
        u8 byte;
        TtyKey means;
    } typed[] = {
        {'a', TTY_KEY},   {3, TTY_KEY},     {1, TTY_NOTHING},   {1, TTY_KEY},      {'x', TTY_KEY},
        {1, TTY_NOTHING}, {'x', TTY_QUIT},  {1, TTY_NOTHING},   {'C', TTY_SWITCH}, {1, TTY_NOTHING},
        {'h', TTY_HELP},  {1, TTY_NOTHING}, {'z', TTY_NOTHING}, {'z', TTY_KEY},
    };
    TtyKeys k = {0};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(typed); n++)
        assert_int_equal(tty_key(&k, typed[n].byte), typed[n].means);
}

static void suggestions(void **state)
{
    Suggest s;
    (void)state;
    assert_int_equal(suggest_distance("kernel", "kernle"), 1);
    assert_int_equal(suggest_distance("", "abc"), 3);
    assert_int_equal(suggest_distance("KVM", "kvm"), 0);
    suggest_begin(&s, "pentuim3");
    suggest_offer(&s, "pentium");
    suggest_offer(&s, "pentium3");
    assert_string_equal(suggest_result(&s), "pentium3");
    suggest_begin(&s, "frobnicate");
    suggest_offer(&s, "m");
    suggest_offer(&s, "append");
    assert_null(suggest_result(&s));
    suggest_begin(&s, "gdb"); /* another letter makes another word of so short a one */
    suggest_offer(&s, "hdb");
    suggest_offer(&s, "m");
    assert_null(suggest_result(&s));
    suggest_begin(&s, "x");
    suggest_offer(&s, "m");
    assert_null(suggest_result(&s));
    suggest_begin(&s, "hbd"); /* but fingers do change places */
    suggest_offer(&s, "hdb");
    assert_string_equal(suggest_result(&s), "hdb");
    suggest_begin(&s, "sdl2"); /* half of it is different */
    suggest_offer(&s, "spice");
    assert_null(suggest_result(&s));
}

/* What -daemonize's two processes do when the machine starts, or does not. */
static _Noreturn void start_in_background(int err, bool fails)
{
    Problem p;
    dup2(err, STDERR_FILENO);
    if (!daemon_fork(&p)) _exit(9);
    daemon_detach();
    problem_set(&p, "the cage does not shut");
    if (fails)
        daemon_failed(&p);
    else
        daemon_started();
    _exit(fails ? 3 : 0);
}

static void a_start_in_the_background_says_why_it_failed(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        int ends[2], status;
        char text[200] = "";
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (!child) start_in_background(ends[1], fails);
        close(ends[1]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(read(ends[0], text, sizeof text - 1) >= 0);
        close(ends[0]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), fails ? 3 : 0);
        assert_string_equal(text, fails ? "ring3: the cage does not shut\n" : "");
    }
}

enum { COUNT = 300000 };
static Ring ring;

static void *produce(void *unused)
{
    (void)unused;
    for (u32 n = 0; n < COUNT;) {
        u8 b[100];
        u32 want = 1 + n % 100 < COUNT - n ? 1 + n % 100 : COUNT - n;
        for (u32 i = 0; i < want; i++) b[i] = (u8)((n + i) * 31 >> 2);
        n += ring_put(&ring, b, want);
    }
    return NULL;
}

static void ring_between_threads(void **state)
{
    pthread_t t;
    u32 n = 0, wrong = 0;
    (void)state;
    assert_int_equal(pthread_create(&t, NULL, produce, NULL), 0);
    while (n < COUNT) {
        u8 b[77];
        u32 got = ring_get(&ring, b, sizeof b);
        for (u32 i = 0; i < got; i++, n++) wrong += b[i] != (u8)(n * 31 >> 2);
    }
    pthread_join(t, NULL);
    assert_int_equal(wrong, 0);
    assert_int_equal(ring_used(&ring), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escape_keys),
        cmocka_unit_test(suggestions),
        cmocka_unit_test(a_start_in_the_background_says_why_it_failed),
        cmocka_unit_test(ring_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

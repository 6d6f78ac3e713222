/* net_address.c - a name that stands for several addresses: the one that answers is found, whichever it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "frontend/net/address.h"

static Addresses found;

/* A socket at a port of its own, which found.address[n] is; it listens, or nobody does. */
static int place(unsigned n, bool listens)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&found.address[n].at;
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    found.address[n].bytes = sizeof *in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)in, found.address[n].bytes), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)in, &found.address[n].bytes), 0);
    if (listens) assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void the_one_that_answers_is_taken(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 3; which++) {
        int fd[3];
        found.count = 3;
        for (unsigned n = 0; n < 3; n++) fd[n] = place(n, n == which);
        int mine = address_connect_any(&found, SOCK_STREAM);
        assert_true(mine >= 0);
        int theirs = accept(fd[which], NULL, NULL);
        assert_true(theirs >= 0);
        close(mine), close(theirs);
        for (unsigned n = 0; n < 3; n++) close(fd[n]);
    }
}

static void nobody_answers(void **state)
{
    (void)state;
    found.count = 2;
    int first = place(0, false), second = place(1, false);
    assert_int_equal(address_connect_any(&found, SOCK_STREAM), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(first), close(second);
}

static void all_addresses_are_found(void **state)
{
    NetAddress a = {.is_set = true, .path = "127.0.0.1", .port = "7"};
    Problem p;
    (void)state;
    assert_true(address_find(&a, SOCK_STREAM, &found, &p));
    assert_int_equal(found.count, 1);
    assert_int_equal(((struct sockaddr_in *)&found.address[0].at)->sin_port, htons(7));
    strcpy(a.path, "no such host");
    assert_false(address_find(&a, SOCK_STREAM, &found, &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_one_that_answers_is_taken),
                                       cmocka_unit_test(nobody_answers),
                                       cmocka_unit_test(all_addresses_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* front_vm.c - what packages of machines are made of: sums, tar headers, what OVF says. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/vm/ovf.h"
#include "frontend/vm/profiles.h"
#include "frontend/vm/sha.h"
#include "frontend/vm/tar.h"

static void expect_sum(bool is_256, const char *text, u64 times, const char *wanted)
{
    char hex[SHA_HEX];
    Sha s;
    sha_begin(&s, is_256);
    for (u64 n = 0; n < times; n++) sha_add(&s, text, strlen(text));
    sha_end(&s, hex);
    assert_string_equal(hex, wanted);
}

/* FIPS 180-4's examples, and lengths around a block's end. */
static void sums_are_those_of_the_standard(void **state)
{
    (void)state;
    expect_sum(false, "", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    expect_sum(false, "abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    expect_sum(false, "a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    expect_sum(true, "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_sum(true, "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_sum(true, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect_sum(true, "a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void headers_are_read_as_they_are_written(void **state)
{
    static const u64 sizes[] = {0, 1, 512, (1ull << 33) - 1, 1ull << 33, 5ull << 40};
    u8 head[TAR_BLOCK];
    TarEntry e;
    Problem p;
    bool end;
    (void)state;
    int fd = memfd_create("tar", MFD_CLOEXEC);
    for (unsigned n = 0; n < ARRAY_LEN(sizes); n++) {
        tar_head(head, "disk.vmdk", sizes[n], 1234567890);
        assert_int_equal(pwrite(fd, head, sizeof head, 0), TAR_BLOCK);
        assert_true(tar_next(fd, 0, sizes[n] + TAR_BLOCK, &e, &end, &p) && !end);
        assert_string_equal(e.name, "disk.vmdk");
        assert_true(e.bytes == sizes[n] && e.at == TAR_BLOCK &&
                    e.next == TAR_BLOCK + (sizes[n] + 511) / 512 * 512);
        if (sizes[n]) assert_false(tar_next(fd, 0, sizes[n] + TAR_BLOCK - 1, &e, &end, &p));
    }
    for (unsigned at = 0; at < TAR_BLOCK; at++) { /* a byte changed is noticed, but in the sum's own end */
        tar_head(head, "disk.vmdk", 100, 0);
        head[at] ^= 1;
        assert_int_equal(pwrite(fd, head, sizeof head, 0), TAR_BLOCK);
        bool good = tar_next(fd, 0, 4096, &e, &end, &p);
        assert_true(!good || (at >= 154 && at < 156));
    }
    close(fd);
}

static void only_plain_names_are_plain(void **state)
{
    static const char *const bad[] = {"",   ".",  "..",   "../a", "/a",   "a/b",
                                      ".a", "-a", "a\nb", "a\\b", "a\x7f"};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(bad); n++) assert_false(tar_plain_name(bad[n]));
    assert_true(tar_plain_name("old PC-disk1.vmdk") && tar_plain_name("a") && tar_plain_name("a..b"));
}

static void units_are_those_of_the_standard(void **state)
{
    (void)state;
    assert_true(ovf_bytes(512, "byte * 2^20", 1) == 512u << 20);
    assert_true(ovf_bytes(512, "MegaBytes", 1) == 512u << 20);
    assert_true(ovf_bytes(2, "byte*2^30", 1) == 2ull << 30 && ovf_bytes(2, "GB", 1) == 2ull << 30);
    assert_true(ovf_bytes(7, "", 1) == 7 && ovf_bytes(7, "", 1 << 20) == 7 << 20 &&
                ovf_bytes(9, "bytes", 5) == 9);
    assert_true(!ovf_bytes(1, "byte * 2^90", 1) && !ovf_bytes(1, "furlongs", 1) &&
                !ovf_bytes(~0ull, "KB", 1));
    assert_true(!ovf_bytes(1ull << 50, "byte * 2^20", 1) && !ovf_bytes(1, "byte * 2^20 x", 1));
}

static void each_profile_is_found_by_its_number(void **state)
{
    (void)state;
    for (const Profile *f = profiles; f->word; f++) {
        assert_ptr_equal(profile_find(f->word), f);
        assert_ptr_equal(profile_by_cim(f->cim), f);
    }
    assert_string_equal(profile_by_cim(9999)->word, "other");
    assert_null(profile_find("vms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_standard),
        cmocka_unit_test(headers_are_read_as_they_are_written),
        cmocka_unit_test(only_plain_names_are_plain),
        cmocka_unit_test(units_are_those_of_the_standard),
        cmocka_unit_test(each_profile_is_found_by_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

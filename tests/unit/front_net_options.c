/* front_net_options.c - frontend/options/net_options.c and net_spec.c: what -nic, -netdev, -net and -device make of their words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>

#include "frontend/options/net_options.h"
#include "frontend/options/options.h"

static NetOptions o;

static void begin(void **state)
{
    (void)state;
    net_options_init(&o);
}

static u32 address(const char *text)
{
    struct in_addr a;
    assert_int_equal(inet_pton(AF_INET, text, &a), 1);
    return a.s_addr;
}

static bool finish(void)
{
    Problem p;
    return net_options_finish(&o, true, &p);
}

static const NetSpec *spec_of(const char *words)
{
    begin(NULL);
    assert_int_equal(net_option_nic(&o, words), OPTIONS_RUN);
    assert_true(finish());
    return &o.cable[0].spec;
}

static void test_user(void **state)
{
    (void)state;
    const NetSpec *s = spec_of("user");
    assert_int_equal(s->kind, NET_USER);
    assert_int_equal(s->net.s_addr, address("10.0.2.0"));
    assert_int_equal(s->mask.s_addr, address("255.255.255.0"));
    assert_int_equal(s->host.s_addr, address("10.0.2.2"));
    assert_int_equal(s->dns.s_addr, address("10.0.2.3"));
    assert_int_equal(s->dhcp.s_addr, address("10.0.2.15"));
    s = spec_of(
        "user,net=192.168.76.0/24,restrict=y,ipv6=off,hostname=guest,dhcpstart=192.168.76.9,tftp=/a,,b");
    assert_int_equal(s->host.s_addr, address("192.168.76.2"));
    assert_int_equal(s->dhcp.s_addr, address("192.168.76.9"));
    assert_true(s->restricted && s->no_ipv6 && !s->no_ipv4);
    assert_string_equal(s->hostname, "guest");
    assert_string_equal(s->tftp, "/a,b");
    assert_int_equal(spec_of("user,net=10.1.0.0/255.255.0.0")->mask.s_addr, address("255.255.0.0"));
}

static void test_forwards(void **state)
{
    (void)state;
    const NetSpec *s =
        spec_of("user,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::5353-10.0.2.20:53,hostfwd=::80-:8080,"
                "guestfwd=tcp:10.0.2.100:7-unix:/tmp/x,guestfwd=:10.0.2.101:8-tcp:localhost:90");
    assert_int_equal(s->forwards, 5);
    assert_int_equal(s->forward[0].host.s_addr, address("127.0.0.1"));
    assert_int_equal(s->forward[0].host_port, 2222);
    assert_int_equal(s->forward[0].guest_port, 22);
    assert_true(s->forward[1].is_udp && !s->forward[0].is_udp && !s->forward[2].is_udp);
    assert_int_equal(s->forward[1].guest.s_addr, address("10.0.2.20"));
    assert_true(s->forward[3].is_guest);
    assert_string_equal(s->forward[3].target, "unix:/tmp/x");
    assert_int_equal(s->forward[4].guest.s_addr, address("10.0.2.101"));
}

static void test_others(void **state)
{
    (void)state;
    const NetSpec *s = spec_of("stream,server=on,addr.type=unix,addr.path=/tmp/sw");
    assert_true(s->kind == NET_STREAM && s->is_server && s->address.is_unix && !s->is_socket);
    s = spec_of("stream,addr.type=inet,addr.host=localhost,addr.port=1234,reconnect=3");
    assert_true(!s->address.is_unix && s->reconnect_s == 3);
    s = spec_of("dgram,local.type=unix,local.path=/a,remote.type=unix,remote.path=/b");
    assert_true(s->kind == NET_DGRAM && s->local.is_unix);
    s = spec_of("socket,listen=:1234");
    assert_true(s->kind == NET_STREAM && s->is_server && s->is_socket);
    s = spec_of("socket,udp=127.0.0.1:1,localaddr=127.0.0.1:2");
    assert_true(s->kind == NET_DGRAM);
    assert_int_equal(spec_of("tap,fd=5")->fd, 5);
    assert_string_equal(spec_of("tap,ifname=tap0,script=no,downscript=no")->ifname, "tap0");
    assert_string_equal(spec_of("vde,sock=/run/vde")->vde, "/run/vde");
}

/* ISA lines and ports are not shared. */
static void test_two_isa_cards(void **state)
{
    static const struct {
        const char *first, *second;
        bool good;
    } cases[] = {{"ne2k_isa", "ne2k_isa", false},
                 {"ne2k_isa", "ne2k_isa,iobase=0x320", false},
                 {"ne2k_isa", "ne2k_isa,irq=10", false},
                 {"ne2k_isa", "ne2k_isa,iobase=0x310,irq=10", false}, /* half of it */
                 {"ne2k_isa", "ne2k_isa,iobase=0x320,irq=10", true},
                 {"ne2k_isa", "ne2k_pci", true}};
    (void)state;
    for (u32 n = 0; n < ARRAY_LEN(cases); n++) {
        OptionsResult r;
        Problem p;
        net_options_init(&o);
        assert_true(net_option_device(&o, cases[n].first, &r) && r == OPTIONS_RUN);
        assert_true(net_option_device(&o, cases[n].second, &r) && r == OPTIONS_RUN);
        assert_int_equal(net_options_finish(&o, false, &p), cases[n].good);
    }
}

static void test_cards(void **state)
{
    static const u8 first[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
                    named[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x57},
                    third[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x58};
    begin(state);
    assert_int_equal(net_option_nic(&o, "user,model=ne2k_pci"), OPTIONS_RUN);
    OptionsResult r = OPTIONS_BAD;
    assert_true(net_option_device(&o, "ne2k_pci,netdev=b,mac=52:54:00:12:34:57,id=eth1", &r));
    assert_int_equal(r, OPTIONS_RUN);
    assert_int_equal(net_option_netdev(&o, "user,id=b,hostfwd=tcp::2-:3"), OPTIONS_RUN);
    assert_true(net_option_device(&o, "ne2k_isa,iobase=0x320,irq=10", &r) && r == OPTIONS_RUN);
    assert_true(finish());
    assert_int_equal(o.cards, 3);
    assert_int_equal(o.card[0].nic.config.model, NIC_NE2K_PCI);
    assert_int_equal(o.card[1].nic.config.model, NIC_NE2K_PCI);
    assert_int_equal(o.card[1].cable, 1);
    assert_int_equal(o.card[2].cable, -1);
    assert_int_equal(o.card[2].nic.config.iobase, 0x320);
    assert_memory_equal(o.card[0].nic.config.mac, first, 6);
    assert_memory_equal(o.card[1].nic.config.mac, named, 6);
    assert_memory_equal(o.card[2].nic.config.mac, third, 6);
}

static void test_old_words(void **state)
{
    begin(state);
    assert_int_equal(net_option_net(&o, "nic,model=ne2k_pci,macaddr=02:00:00:00:00:01"), OPTIONS_RUN);
    assert_int_equal(net_option_net(&o, "user,hostfwd=tcp::2222-:22"), OPTIONS_RUN);
    assert_true(finish());
    assert_true(o.cards == 1 && o.card[0].cable == 0 && o.card[0].nic.config.model == NIC_NE2K_PCI);
    begin(state);
    assert_int_equal(net_option_net(&o, "none"), OPTIONS_RUN);
    assert_true(finish() && o.none && !o.cards);
}

static void test_wrong_words(void **state)
{
    static const char *const wrong[] = {"",
                                        "usr",
                                        "user,hostfwd=tcp:22",
                                        "user,hostfwd=tcp::22-:0",
                                        "user,hostfwd=tcp::65536-:1",
                                        "user,hostfwd=tcp::1-:2x",
                                        "user,hostfwd=sctp::1-:2",
                                        "user,net=10.0.2.0/31",
                                        "user,net=10.0.2.0/4",
                                        "user,net=x",
                                        "user,net=10.0.2.0/24,host=10.0.3.2",
                                        "user,dns=10.0.2.2",
                                        "user,dhcpstart=10.0.2.255",
                                        "user,ipv4=off,ipv6=off",
                                        "user,restrict=perhaps",
                                        "user,smb=/x",
                                        "user,guestfwd=tcp:10.0.2.100:7-cmd:cat",
                                        "user,guestfwd=tcp:10.9.9.9:7-unix:/x",
                                        "user,guestfwd=udp:10.0.2.9:7-unix:/x",
                                        "user,mac=52:54:00:12:34",
                                        "user,mac=53:54:00:12:34:56",
                                        "user,mac=52:54:00:12:34:567",
                                        "user,model=e1000",
                                        "user,ifname=tap0",
                                        "tap",
                                        "tap,fd=1",
                                        "tap,fd=x",
                                        "tap,ifname=aaaaaaaaaaaaaaaaaaaa",
                                        "tap,ifname=t,script=/etc/up",
                                        "stream",
                                        "stream,addr.type=unix",
                                        "stream,addr.type=inet,addr.host=x",
                                        "stream,addr.type=vsock",
                                        "dgram,remote.type=unix,remote.path=/a",
                                        "dgram,local.type=inet,local.port=1,remote.type=unix,remote.path=/a",
                                        "socket",
                                        "socket,listen=1234",
                                        "socket,mcast=230.0.0.1:1234",
                                        "bridge",
                                        "hubport,hubid=1",
                                        "id=x",
                                        "user,id="};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(wrong); n++) {
        begin(NULL);
        if (net_option_nic(&o, wrong[n]) != OPTIONS_BAD) fail_msg("taken: %s", wrong[n]);
    }
}

static void test_wrong_together(void **state)
{
    OptionsResult r;
    begin(state);
    assert_int_equal(net_option_netdev(&o, "user"), OPTIONS_BAD); /* no id */
    begin(state);
    assert_int_equal(net_option_netdev(&o, "user,id=a"), OPTIONS_RUN);
    assert_int_equal(net_option_netdev(&o, "user,id=a"), OPTIONS_BAD);
    begin(state);
    assert_int_equal(net_option_netdev(&o, "user,id=a"), OPTIONS_RUN);
    assert_false(finish()); /* no card */
    assert_true(net_option_device(&o, "pcnet,netdev=a", &r));
    assert_true(net_option_device(&o, "pcnet,netdev=a", &r));
    assert_false(finish()); /* two cards */
    begin(state);
    assert_true(net_option_device(&o, "pcnet,netdev=nobody", &r));
    assert_false(finish());
    begin(state);
    assert_true(net_option_device(&o, "pcnet,mac=02:00:00:00:00:01", &r));
    assert_true(net_option_device(&o, "pcnet,mac=02:00:00:00:00:01", &r));
    assert_false(finish());
    begin(state);
    for (int n = 0; n < NICS_MAX; n++) assert_int_equal(net_option_nic(&o, "user"), OPTIONS_RUN);
    assert_int_equal(net_option_nic(&o, "user"), OPTIONS_BAD);
    begin(state);
    assert_false(net_option_device(&o, "e1000,netdev=a", &r)); /* none of ours: options.c says why */
    assert_true(net_option_device(&o, "pcnet,irq=3", &r) && r == OPTIONS_BAD);
}

/* As many as there is room for, and one more. */
static void test_many_forwards(void **state)
{
    static char words[NET_FORWARDS * 40];
    (void)state;
    strcpy(words, "user");
    for (int n = 0; n < NET_FORWARDS; n++)
        sprintf(words + strlen(words), ",hostfwd=tcp::%d-:%d", 2000 + n, n + 1);
    assert_int_equal(spec_of(words)->forwards, NET_FORWARDS);
    strcat(words, ",hostfwd=tcp::1-:2");
    begin(NULL);
    assert_int_equal(net_option_nic(&o, words), OPTIONS_BAD);
}

static void test_roms(void **state)
{
    begin(state);
    assert_int_equal(net_option_nic(&o, "user,romfile=/a,,b.rom"), OPTIONS_RUN);
    assert_int_equal(net_option_nic(&o, "user,model=rtl8139,romfile="), OPTIONS_RUN);
    assert_int_equal(net_option_nic(&o, "user,model=ne2k_isa"), OPTIONS_RUN);
    assert_true(finish());
    assert_string_equal(o.card[0].nic.romfile, "/a,b.rom");
    assert_true(o.card[1].nic.has_romfile && !*o.card[1].nic.romfile && !o.card[2].nic.has_romfile);
    begin(state);
    assert_int_equal(net_option_nic(&o, "user,model=ne2k_isa,romfile=a.rom"), OPTIONS_RUN);
    assert_false(finish()); /* no socket */
}

static bool has_default(bool no_defaults)
{
    Problem p;
    assert_true(net_options_finish(&o, no_defaults, &p));
    return o.cards;
}

static void test_default(void **state)
{
    begin(state);
    assert_true(has_default(false) && o.by_default);
    assert_int_equal(o.card[0].nic.config.model, NIC_PCNET);
    assert_int_equal(o.cable[o.card[0].cable].spec.kind, NET_USER);
    begin(state);
    assert_false(has_default(true));
    begin(state);
    assert_int_equal(net_option_nic(&o, "none"), OPTIONS_RUN);
    assert_false(has_default(false));
    begin(state);
    assert_int_equal(net_option_nic(&o, "user"), OPTIONS_RUN);
    assert_true(has_default(false) && !o.by_default && o.cards == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user),          cmocka_unit_test(test_forwards),
        cmocka_unit_test(test_others),        cmocka_unit_test(test_cards),
        cmocka_unit_test(test_two_isa_cards), cmocka_unit_test(test_old_words),
        cmocka_unit_test(test_wrong_words),   cmocka_unit_test(test_wrong_together),
        cmocka_unit_test(test_many_forwards), cmocka_unit_test(test_roms),
        cmocka_unit_test(test_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

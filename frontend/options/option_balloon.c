/* option_balloon.c - the memory balloon, in QEMU's words:
 *
 *   -device virtio-balloon-pci[,deflate-on-oom=on][,free-page-reporting=on]    also virtio-balloon
 *   -balloon virtio|none                                                       the same in old words
 */
#include "frontend/options/option_balloon.h"

#include <string.h>

#include "frontend/options/option_words.h"
#include "frontend/say.h"

static const char device[] = "-device virtio-balloon-pci";

/* A property that the device has only one value of. */
static OptionsResult take_only(const Pair *p, bool only, const char *why)
{
    bool on = only;
    OptionsResult r = pair_switch(p, device, &on);
    if (r == OPTIONS_RUN && on != only) {
        say("%s,%s=%s: %s", device, p->key, p->value, why);
        return OPTIONS_BAD;
    }
    return r;
}

static OptionsResult take_property(BalloonConfig *b, const Pair *p)
{
    static const char *const names[] = {"deflate-on-oom",
                                        "free-page-reporting",
                                        "free-page-hint",
                                        "disable-modern",
                                        "disable-legacy",
                                        "id",
                                        NULL};
    if (!strcmp(p->key, "deflate-on-oom")) return pair_switch(p, device, &b->deflate_on_oom);
    if (!strcmp(p->key, "free-page-reporting")) return pair_switch(p, device, &b->reports_free);
    if (!strcmp(p->key, "free-page-hint"))
        return take_only(p, false, "there are no hints: free-page-reporting=on gives all free pages back");
    if (!strcmp(p->key, "disable-modern")) return take_only(p, true, "it is a legacy device (virtio 0.9.5)");
    if (!strcmp(p->key, "disable-legacy")) return take_only(p, false, "it is a legacy device (virtio 0.9.5)");
    return strcmp(p->key, "id") ? pair_refuse_key(p, device, names) : OPTIONS_RUN;
}

static OptionsResult add(BalloonConfig *b, const char *rest)
{
    OptionsResult r = OPTIONS_RUN;
    Pair p;
    if (b->present) {
        say("%s: there is one already", device);
        return OPTIONS_BAD;
    }
    b->present = true;
    while (r == OPTIONS_RUN && pair_next(&rest, NULL, &p)) r = take_property(b, &p);
    return r;
}

bool balloon_option_device(BalloonConfig *b, const char *value, OptionsResult *result)
{
    static const char *const names[] = {"virtio-balloon", "virtio-balloon-pci",
                                        "virtio-balloon-pci-transitional"};
    Pair p;
    if (!pair_next(&value, "driver", &p)) return false;
    for (unsigned n = 0; n < ARRAY_LEN(names); n++) {
        if (strcmp(p.value, names[n])) continue;
        *result = add(b, value);
        return true;
    }
    return false;
}

OptionsResult balloon_option(BalloonConfig *b, const char *value)
{
    static const char *const kinds[] = {"virtio", "none"};
    unsigned kind;
    OptionsResult r = words_choose("-balloon", value, kinds, ARRAY_LEN(kinds), &kind);
    if (r != OPTIONS_RUN || kind) return r;
    return add(b, "");
}

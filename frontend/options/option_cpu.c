/* option_cpu.c - -cpu MODEL[,+FEATURE][,-FEATURE][,FEATURE=on|off]: a model of cpu/cpuid.c, and what it is given or
 * loses. A feature comes with what it builds on and goes with what builds on it. QEMU's `check` and `enforce` are
 * always on: what the host cannot do is refused. QEMU's features that ring3 has not may be turned off.
 */
#include "frontend/options/option_cpu.h"

#include <stdio.h>
#include <string.h>

#include "frontend/options/option_words.h"
#include "frontend/options/qemu_words.h"
#include "frontend/say.h"

static OptionsResult cpu_help(void)
{
    for (const CpuModel *m = cpu_models; m->name; m++) printf("  %-10s %s\n", m->name, m->about);
    printf("features, as +NAME or -NAME behind the model and a comma:\n ");
    for (const CpuFeature *f = cpu_features; f->name; f++) printf(" %s", f->name);
    u32 lacking = 0;
    for (const CpuFeature *f = cpu_features; f->name; f++) lacking |= f->need & ~cpu_features_possible();
    printf("%s", lacking ? "\nwhich this host does not have:" : "");
    for (const CpuFeature *f = cpu_features; f->name; f++)
        if (f->need & lacking) printf(" %s", f->name);
    printf("\n");
    return OPTIONS_DONE;
}

static OptionsResult choose_model(Options *o, const char *name)
{
    Words w;
    const CpuModel *model = cpu_model_find(name);
    if (model) {
        o->cpu = *model;
        return OPTIONS_RUN;
    }
    const char *why = absent_why(qemu_cpus, name);
    if (why) return absent_refuse("-cpu", name, why);
    words_begin(&w, name);
    for (const CpuModel *m = cpu_models; m->name; m++) words_offer(&w, m->name);
    return words_refuse(&w, "-cpu", name);
}

static OptionsResult unknown_feature(const char *option, const char *name, bool on)
{
    Words w;
    const char *why = absent_why(qemu_features, name);
    if (why && !on && qemu_feature_is_absent(why)) return OPTIONS_RUN;
    if (why) return absent_refuse(option, name, why);
    words_begin(&w, name);
    for (const CpuFeature *f = cpu_features; f->name; f++) words_offer(&w, f->name);
    return words_refuse(&w, option, name);
}

static OptionsResult switch_feature(Options *o, const char *name, bool on)
{
    char option[48];
    const CpuFeature *f = cpu_feature_find(name);
    snprintf(option, sizeof option, "-cpu %s,%s", o->cpu.name, on ? "+" : "-");
    if (!f) return unknown_feature(option, name, on);
    if (!on) {
        o->cpu.features = cpu_features_without(o->cpu.features, f);
        return OPTIONS_RUN;
    }
    if (!(f->need & cpu_features_possible())) {
        say("%s%s: this host's processor does not have it", option, name);
        return OPTIONS_BAD;
    }
    if (!(o->cpu.features & BIT(I486))) {
        say("%s%s: a %s has no CPUID that could announce it", option, name, o->cpu.name);
        return OPTIONS_BAD;
    }
    o->cpu.features = cpu_features_with(o->cpu.features, f);
    return OPTIONS_RUN;
}

static OptionsResult set_feature(Options *o, const Pair *p)
{
    bool on = *p->key != '-', plain = *p->key != '-' && *p->key != '+';
    if (!plain && p->is_word) return switch_feature(o, p->key + 1, on);
    OptionsResult r = pair_switch(p, "-cpu", &on);
    if (r != OPTIONS_RUN || !strcmp(p->key, "check") || !strcmp(p->key, "enforce")) return r;
    return switch_feature(o, p->key, on);
}

OptionsResult set_cpu(Options *o, const char *value)
{
    char name[64];
    Pair pair;
    size_t n = strcspn(value, ",");
    if (!strcmp(value, "help")) return cpu_help();
    snprintf(name, sizeof name, "%.*s", (int)n, value);
    OptionsResult r = choose_model(o, name);
    value += n + (value[n] == ',');
    while (r == OPTIONS_RUN && pair_next(&value, NULL, &pair)) r = set_feature(o, &pair);
    return r;
}

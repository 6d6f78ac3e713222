/* explain_why.c - an instruction's translation in words: why it may not just run in ring 3, what is done instead, and
 * what happened to its memory access.
 *
 * What is done is not guessed from the class: the translator notes it on its way (PcMap.how).
 */
#include <stdarg.h>
#include <stdio.h>

#include "translator/explain.h"

/* --- sensitive instructions -------------------------------------------------------------------------------- */

/* By the interpreter's function. The order is that of Popek and Goldberg's trouble: first what says nothing. */
static const struct {
    const char *exec, *why;
} sensitive[] = {
    /* unprivileged, and another outcome in ring 3: the 17 that made x86 hard to virtualize, and their kin */
    {"popf", "ring 3 leaves IF and IOPL as they are and says nothing"},
    {"pushf", "would show the host's IF and IOPL"},
    {"sgdt", "would store the host's GDTR"},
    {"sidt", "would store the host's IDTR"},
    {"sldt", "would store the host's LDTR"},
    {"str", "would store the host's TR"},
    {"smsw", "would show the host's CR0"},
    {"lar", "would look into the host's descriptor tables"},
    {"lsl", "would look into the host's descriptor tables"},
    {"verr", "would look into the host's descriptor tables"},
    {"verw", "would look into the host's descriptor tables"},
    {"mov_from_sreg", "would show the host's selector, ring 3 in its low bits"},
    {"push", "would show the host's selector, ring 3 in its low bits"},
    {"cpuid", "would describe the host's processor"},
    {"rdtsc", "would show the host's time; the guest's can stand still"},
    {"rdtscp", "would show the host's time and processor; the guest has its own"},
    {"rdpmc", "would show the host's counters"},
    {"cli", "a fault in ring 3; the guest's IF is a bit of the Vcpu"},
    {"sti", "a fault in ring 3; the guest's IF is a bit of the Vcpu"},
    /* segments and far transfers: through the guest's descriptor tables, not the host's */
    {"mov_to_sreg", "would load from the host's descriptor table"},
    {"pop_sreg", "would load from the host's descriptor table"},
    {"lds", "would load from the host's descriptor table"},
    {"les", "would load from the host's descriptor table"},
    {"lss", "would load from the host's descriptor table"},
    {"lfs", "would load from the host's descriptor table"},
    {"lgs", "would load from the host's descriptor table"},
    {"call_far", "would go through the host's descriptor table"},
    {"jmp_far", "would go through the host's descriptor table"},
    {"ret_far", "would take the host's selectors from the stack"},
    {"iret", "would take the host's selectors from the stack"},
    {"int", "would enter the host's kernel"},
    {"int3", "would enter the host's kernel"},
    {"int1", "would enter the host's kernel"},
    {"into", "would enter the host's kernel"},
    {"sysenter", "would enter the host's kernel"},
    {"sysexit", "a fault in ring 3"},
    /* privileged */
    {"mov_from_cr", "a fault in ring 3; the guest's control registers are the Vcpu's"},
    {"mov_to_cr", "a fault in ring 3; the guest's control registers are the Vcpu's"},
    {"mov_from_dr", "a fault in ring 3; the guest's debug registers are the Vcpu's"},
    {"mov_to_dr", "a fault in ring 3; the guest's debug registers are the Vcpu's"},
    {"clac", "AC is the guest's, and with SMAP says what ring 0 may reach"},
    {"stac", "AC is the guest's, and with SMAP says what ring 0 may reach"},
    {"clts", "a fault in ring 3; the guest's CR0 is the Vcpu's"},
    {"lmsw", "a fault in ring 3; the guest's CR0 is the Vcpu's"},
    {"lgdt", "a fault in ring 3; the guest's GDTR is the Vcpu's"},
    {"lidt", "a fault in ring 3; the guest's IDTR is the Vcpu's"},
    {"lldt", "a fault in ring 3; the guest's LDTR is the Vcpu's"},
    {"ltr", "a fault in ring 3; the guest's TR is the Vcpu's"},
    {"invlpg", "a fault in ring 3; the guest's TLB is the windows"},
    {"invd", "a fault in ring 3; the guest has no cache to empty"},
    {"wbinvd", "a fault in ring 3; the guest has no cache to empty"},
    {"rdmsr", "a fault in ring 3; the guest's MSRs are the Vcpu's"},
    {"wrmsr", "a fault in ring 3; the guest's MSRs are the Vcpu's"},
    {"rsm", "there is no SMM"},
    {"hlt", "a fault in ring 3; the machine's thread sleeps instead"},
    {"in", "a fault in ring 3; ports belong to device models in C"},
    {"out", "a fault in ring 3; ports belong to device models in C"},
    {"ins", "a fault in ring 3; ports belong to device models in C"},
    {"outs", "a fault in ring 3; ports belong to device models in C"},
};

static bool is_sensitive(unsigned cls)
{
    return cls == XC_SENS || cls == XC_PRIV || cls == XC_IO || cls == XC_SEG || cls == XC_FAR;
}

const char *explain_sensitive(const Row *row)
{
    if (!is_sensitive(row->cls)) return NULL;
    for (unsigned n = 0; n < ARRAY_LEN(sensitive); n++)
        if (!strcmp(sensitive[n].exec, x86_exec_name[row->id])) return sensitive[n].why;
    return NULL;
}

/* --- what is done ------------------------------------------------------------------------------------------ */

typedef struct Words { /* a text that grows */
    char *to;
    size_t room, used;
} Words;

PRINTF(2, 3) static void put(Words *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(w->to + w->used, w->room - w->used, fmt, ap);
    va_end(ap);
    if (n > 0) w->used = w->used + (size_t)n < w->room ? w->used + (size_t)n : w->room - 1;
}

static const char *const form_words[] = {
    [MEM_WINDOW] = "by the window",
    [MEM_WRAP] = "by the window, its address cut to 32 bits first",
    [MEM_TABLE] = "by the table",
    [MEM_USER] = "by the table of user pages",
    [MEM_OPEN] = "in guest RAM itself, if it is RAM that holds no code",
};

static const char *form_of(u16 how) { return form_words[(how & HOW_FORM) % ARRAY_LEN(form_words)]; }

/* All of it is C's. */
static void put_callout(Words *w, const PcMap *m, const char *exec)
{
    if (m->how & HOW_SITE)
        put(w, "callout to C (exec_%s), since its access kept trapping", exec);
    else if (m->how & HOW_LEARNT)
        put(w, "C repeats what the last one here did, if nothing has changed; else exec_%s", exec);
    else
        put(w, "callout to C: exec_%s", exec);
}

static void put_sensitive(Words *w, const PcMap *m, const Insn *i, const char *exec)
{
    const char *why = explain_sensitive(i->row);
    if (why) put(w, "%s: ", why);
    if (m->how & HOW_LEARNT)
        put(w, "repeats what the last one here did, if nothing has changed; else exec_%s", exec);
    else if (m->how & HOW_SLOW_C)
        put(w, "inline; what that does not cover goes to C (exec_%s)", exec);
    else
        put(w, "inline, on the Vcpu's fields");
}

static void put_flow(Words *w, const Insn *i, const char *exec)
{
    static const struct {
        const char *exec, *text;
    } words[] = {
        {"jcc", "the host's, on the same flags; taken, by a link"},
        {"jmp", "by a link"},
        {"call", "return address stored, then a host CALL for its RET"},
        {"call_ind", "as a CALL; its target is looked up in the jump cache"},
        {"jmp_ind", "its target is looked up in the jump cache"},
        {"ret", "EIP to r8d, then a host RET; where it lands, EIP is compared"},
    };
    for (unsigned n = 0; n < ARRAY_LEN(words); n++)
        if (!strcmp(words[n].exec, exec)) {
            put(w, "%s", words[n].text);
            return;
        }
    put(w, "its count, tested by JRCXZ, leaves the flags alone; taken, by a link");
    if (i->adsize == 2) put(w, " (CX is made RCX first)");
}

static void put_string(Words *w, const PcMap *m, const Insn *i)
{
    bool repeats = i->prefix & (PREFIX_REP | PREFIX_REPNE);
    put(w, "%s as loads and stores %s", repeats ? "its elements" : "one element", form_of(m->how));
    if (m->how & HOW_SLOW_C) put(w, "; many go to C, page by page");
}

static void put_same(Words *w, const PcMap *m, const Insn *i, const char *exec)
{
    if (!strcmp(exec, "lea"))
        put(w, "copied: an address, and no access");
    else if (!i->is_mem)
        put(w, "copied: the same in ring 3");
    else
        put(w, "same; memory %s", form_of(m->how));
    if (m->how & HOW_SLOW_C) put(w, "; else C (exec_%s)", exec);
}

static void put_stack(Words *w, const PcMap *m)
{
    put(w, "a move %s", form_of(m->how));
    if (m->how & HOW_WAITS) put(w, "; ESP moves later");
}

static void put_done(Words *w, const PcMap *m, const Insn *i, const char *exec)
{
    if (m->how & HOW_C) {
        const char *why = explain_sensitive(i->row);
        if (why) put(w, "%s: ", why);
        put_callout(w, m, exec);
        return;
    }
    switch (i->row->cls) {
    case XC_IDENT:
    case XC_MEM:
    case XC_FPU:
    case XC_INTERP: put_same(w, m, i, exec); break;
    case XC_STACK: put_stack(w, m); break;
    case XC_FLOW: put_flow(w, i, exec); break;
    case XC_STRING: put_string(w, m, i); break;
    default: put_sensitive(w, m, i, exec); break;
    }
    if (m->how & HOW_POLLS) put(w, "; polls for the jump behind it");
}

void explain_put_why(const PcMap *m, const Insn *insn, ExplainInsn *i)
{
    Words w = {.to = i->why, .room = sizeof i->why};
    if (!insn)
        put(&w, "no instruction: the interpreter raises #UD here");
    else if (m->how & HOW_LEFT)
        put(&w, "a breakpoint may be here: the dispatcher looks first");
    else if (m->patched)
        put(&w, "its bytes keep changing: fetched and decoded by C each time");
    else
        put_done(&w, m, insn, i->exec);
}

/* --- what happened ----------------------------------------------------------------------------------------- */

const char *explain_reason(unsigned shadow_result)
{
    return shadow_result < SHADOW_RESULTS ? trap_words[shadow_result] : "something unknown";
}

static const char *const site_words[] = {
    [SITE_WINDOW] = "as ever",
    [SITE_WRAP] = "its address is cut to 32 bits",
    [SITE_TABLE] = "looks for code beside its operand",
    [SITE_USER] = "by the table of user pages",
    [SITE_CALLOUT] = "callout",
    [SITE_PATCHED] = "fetched each time",
};

void explain_put_history(const Xlat *x, const Block *b, const PcMap *m, ExplainInsn *i)
{
    bool open = m->how & HOW_MEM && !(m->how & HOW_C) && (m->how & HOW_FORM) == MEM_OPEN;
    const struct Site *s = site_find(x, i->pa);
    Words w = {.to = i->history, .room = sizeof i->history};
    if (!s) return;
    if (s->traps)
        put(&w, "trapped at %u.%03u s on %s (%08x); ", s->trapped_ms / 1000, s->trapped_ms % 1000,
            s->code ? "a page that holds code" : explain_reason(s->reason), s->va);
    if (s->patches) put(&w, "patched %u times; ", s->patches);
    if (s->forgiven) put(&w, "forgiven %u times; ", s->forgiven);
    if (s->form || s->forgiven)
        put(&w, "%s since %u.%03u s", open ? "looks first" : site_words[s->form], s->turned_ms / 1000,
            s->turned_ms % 1000);
    else if (s->traps)
        put(&w, "once");
    if (b->sites < s->changed) put(&w, " (this block is older, and learns it when it traps)");
}

/* form.c - in which form a block reaches guest memory: by the window, or by the table.
 *
 * A window's access costs nothing but, at the first touch of a page, a signal and an mmap: 8 us on a good host, 35
 * us on a dear one. A table's access costs about three nanoseconds more each time, and a first touch a walk
 * (mmu/shadow.h). So what decides is how often a block uses memory for each page that it meets first:
 *
 *   - Under paging, ring 3's blocks start with the table, since processes come and go; those of rings 0-2 with the
 *   window.
 *   - A block that used the table as often as one hidden fault would have cost, once for each page that it missed,
 *   goes to
 *     the window. (Uses are sampled: every FORM_SAMPLE_USES look-ups the block at hand is credited with them all. A long REP, which C
 *   does in table form, counts as REP_USES.)
 *   - A block in window form goes back when it met UNPROVEN_FAULTS hidden faults without having shown its worth
 *   before; or, if
 *     it has, when PROVEN_FAULTS of them took more time than the look-ups would have: when it went to the window,
 *     their part of the time was known (and counts for less each time, since code is used in other ways later). It
 *     has to show twice as many uses then.
 *
 * Either mistake costs about as much as the other form would have. The decision is remembered by physical address, also
 * after the block is gone; a collision forgets one.
 */
#include "cpu/fpu.h"
#include "cpu/base/host.h"
#include "translator/xlat.h"

enum { FORM_HASH = 1 << 15, FORM_SAMPLE_USES = 251, MISS_SAMPLE = 8, FORM_FLIPS_MAX = 6 };
enum { UNPROVEN_FAULTS = 3, PROVEN_FAULTS = 8 };
enum { COST_SHIFT = 20, USE_PICOSECONDS = 3000 };

struct BlockForm {
    u32 pa;
    u8 table, flips;
    u32 table_cost; /* in the window by its merits: part of the time that look-ups took, << COST_SHIFT; 0: not by them */
    u64 since_ns; /* when it went there, or was looked at last */
};

/* What a hidden fault costs; measured numbers are not taken beyond reason. */
static u32 fault_ns(void)
{
    enum { MIN_NS = 3000, MAX_NS = 100000 };
    u64 ns = host_get()->fault_ns;
    return ns < MIN_NS ? MIN_NS : ns > MAX_NS ? MAX_NS : (u32)ns;
}

/* How many uses of the table cost as much. */
static u32 fault_uses(void) { return (u32)(fault_ns() * 1000ull / USE_PICOSECONDS); }

void form_choose(void)
{
    host_choice("memory form",
                "a block goes to the window after %u look-ups in the table for each page it meets",
                fault_uses());
}

bool form_init(Xlat *x)
{
    x->forms = xlat_array(FORM_HASH, sizeof *x->forms);
    x->c->table_slow = form_table_slow;
    x->c->table_uses = FORM_SAMPLE_USES;
    x->fault_ns = fault_ns();
    x->fault_uses = fault_uses();
    return x->forms;
}

void form_fini(Xlat *x) { xlat_array_free(x->forms, FORM_HASH, sizeof *x->forms); }

static struct BlockForm *form_slot(const Xlat *x, u32 pa)
{
    return &x->forms[(pa * 0x9e3779b1u) >> 17 & (FORM_HASH - 1)];
}

static bool starts_with_table(ModeKey mode) { return mode & MODE_USER && mode & MODE_PAGED; }

bool form_is_table(const Xlat *x, u32 pa)
{
    const struct BlockForm *f = form_slot(x, pa);
    if (x->form_policy != FORM_AUTO) return x->form_policy == FORM_TABLE;
    return f->pa == pa ? f->table : starts_with_table(x->mode);
}

static struct BlockForm *form_get(Xlat *x, u32 pa)
{
    struct BlockForm *f = form_slot(x, pa);
    if (f->pa != pa) *f = (struct BlockForm){.pa = pa};
    return f;
}

/* A signal that the table would have spared b. True: it was one too many. */
bool form_faulted(Xlat *x, Block *b)
{
    struct BlockForm *f = form_slot(x, b->pa);
    if (b->table || x->form_policy != FORM_AUTO) return false;
    b->faults++;
    if (f->pa != b->pa || !f->table_cost) return b->faults >= UNPROVEN_FAULTS;
    if (b->faults % PROVEN_FAULTS) return false;
    u64 now = host_now_ns(), elapsed = now - f->since_ns;
    f->since_ns = now;
    u64 saved_ns = (u64)((unsigned __int128)elapsed * f->table_cost >> COST_SHIFT);
    f->table_cost -= f->table_cost / 4; /* evidence ages */
    return (u64)PROVEN_FAULTS * x->fault_ns > saved_ns;
}

/* What part of the time the table's look-ups of b took. */
static u32 table_cost(const Block *b)
{
    u64 elapsed = host_now_ns() - b->since_ns, ns = b->uses * USE_PICOSECONDS / 1000;
    u64 cost = elapsed ? (ns << COST_SHIFT) / elapsed : 1;
    return cost < 1 ? 1 : cost > 1u << COST_SHIFT ? 1u << COST_SHIFT : (u32)cost;
}

/* The block is to be translated in the other form: at its start, and where it was left. */
void form_turn(Xlat *x, Block *b, u32 pa)
{
    bool table = !b->table;
    struct BlockForm *f = form_get(x, b->pa);
    if (table && f->flips < FORM_FLIPS_MAX) f->flips++;
    f->table = table;
    f->table_cost = table ? 0 : table_cost(b);
    f->since_ns = host_now_ns();
    struct BlockForm same = *f;
    if (pa != b->pa) {
        f = form_get(x, pa);
        *f = same;
        f->pa = pa;
    }
    x->stats.form_turns[table]++;
    if (!b->dead) block_kill(x, b);
}

/* The block used the table `uses` times more. True: it deserves the window. */
static bool used_enough(const Xlat *x, Block *b, u32 uses)
{
    const struct BlockForm *f = form_slot(x, b->pa);
    unsigned flips = f->pa == b->pa ? f->flips : 0;
    if (!b->uses) b->since_ns = host_now_ns();
    b->uses += uses;
    if (!b->table || x->form_policy != FORM_AUTO) return false;
    return b->uses > ((u64)x->fault_uses << flips) * (1u + b->faults);
}

/* What its walks, one for each page, and the call cost beside the host's own REP. */
bool form_rep(Xlat *x, Block *b)
{
    enum { REP_USES = 150 };
    return used_enough(x, b, REP_USES);
}

static u8 *leave(Xlat *x, const Block *b, const u8 *hpc)
{
    trap_place(x, b, hpc - 1);
    x->c->gpr[ESP] += (u32)x->trap.esp;
    return NULL;
}

/* The block whose call of a gate returns to hpc. */
static Block *caller(Xlat *x, const u8 *hpc)
{
    Block *b = block_at_host(x, hpc - 1);
    CHECK(b, "the table's gate was called from %p, in no block", (const void *)hpc);
    return b;
}

/* Called by the gates: guest registers are in the Vcpu. */
u8 *form_table_slow(Vcpu *c, u32 va, u32 last_page, u32 write, const u8 *hpc)
{
    Xlat *x = c->engine->ctx;
    bool sample = !c->table_uses;
    if (sample) c->table_uses = FORM_SAMPLE_USES;
    Block *b = sample || ++x->misses % MISS_SAMPLE == 0 ? caller(x, hpc) : NULL;
    if (sample && used_enough(x, b, FORM_SAMPLE_USES)) {
        x->trap = (Trap){.kind = TRAP_FORM};
        return leave(x, b, hpc);
    }
    Walk w;
    ShadowResult why;
    unsigned bytes = va >> PAGE_BITS == last_page ? 1 : PAGE_BYTES;
    u8 *hp = shadow_lookup(x->shadow, va, bytes, write, &why, &w);
    if (b && !sample && b->table && b->faults < UINT16_MAX - MISS_SAMPLE) b->faults += MISS_SAMPLE;
    context_view(x);
    bool code = why == SHADOW_WATCHED && !hp && x->mode & MODE_PAGED &&
                c->phys->watch[w.pa >> PAGE_BITS] == WATCH_CODE;
    if (code && write == 1 && open_words(x, w.pa)) hp = phys_hp(c->phys, w.pa);
    if (!hp) x->stats.traps[why]++;
    if (!hp && !b) b = caller(x, hpc);
    if (!hp && b->traps[why] < UINT16_MAX) b->traps[why]++;
    if (hp && unlikely(x->killed) &&
        caller(x, hpc)->dead) { /* an A or D bit was in its code: its start is overwritten */
        x->trap = (Trap){.kind = TRAP_INTERP};
        return leave(x, caller(x, hpc), hpc);
    }
    if (hp) {
        if (unlikely(!c->fpu_live)) fpu_unpark(c); /* a trace parked it */
        return hp;
    }
    x->trap = (Trap){
        .kind = TRAP_MEMORY, .result = why, .va = va, .write = write, .error = w.error, .looked_up = true};
    x->trap.code = code;
    return leave(x, b ? b : caller(x, hpc), hpc);
}

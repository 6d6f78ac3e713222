/* migrate.c - see migrate.h. The machine's process decides; the saver (saver.h) copies and talks: migrate_send.c,
 * migrate_receive.c.
 *
 *     source                                          target (-incoming)
 *     what machine it is, its parts' state   ---->    fits? else both say why, and nothing has happened
 *     memory, pass after pass                ---->    into its own memory
 *     the guest stands still;
 *     disks are flushed and unlocked;
 *     the last pages, the parts' state       ---->    opens and locks the disks, loads the parts
 *                                            <----    READY, or why not: then the source takes its disks back and runs on
 *     RUN                                    ---->    the guest runs
 *     postmigrate                            <----    RUNS
 *
 * Never both: who runs has the disks' locks, and the source has given its up before the target can run. After RUN it does
 * not run on by itself unless it gets all locks again and nobody has written to the disks: then the target is gone without
 * having run for as long as a write takes. Without a disk that is written to there is no such judge, and it stays held.
 * With disks that go along (migrate_disks.c) there is none either: each side has its own. The source never lets its own
 * go, and so needs nothing back.
 * Never neither: until RUN the source takes its disks back, for as long as TAKE_BACK_NS, and runs on.
 */
#define _GNU_SOURCE
#include "frontend/snapshot/migrate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cpu/base/host.h"
#include "frontend/host/broker.h"
#include "frontend/host/starter.h"
#include "frontend/image/media.h"
#include "frontend/inbox.h"
#include "frontend/monitor/monitor.h"
#include "frontend/monitor/qmp.h"
#include "frontend/options/drive_names.h"
#include "frontend/snapshot/identity.h"
#include "frontend/snapshot/migrate_address.h"
#include "frontend/snapshot/migrate_disks.h"
#include "frontend/snapshot/migrate_send.h"
#include "frontend/snapshot/saver.h"
#include "frontend/snapshot/snapshots.h"

/* How long the source tries to have its disks back. Before RUN: for longer than a target that hears nothing more waits
 * for RUN. After it, who has them is the target that runs, or one that is just about to end. */
#define TAKE_BACK_NS 12000000000ull
#define DECIDE_NS    3000000000ull

static struct {
    enum { HERE, SENDING, FINISHING, MOVED, AWAITED } phase;
    MigrateStatus status;
    bool cancelled, was_running;
    bool unsure; /* MOVED: the other side has not said that it runs */
    bool disks;  /* the source: they go along */
    u32 awaited; /* the target: bits of those that come along */
    u64 begun_ns, ended_ns, stopped_ns, downtime_ns;
    MigrateDone *done;
    void *ctx;
    Problem problem; /* MIGRATE_FAILED */
    int listener;    /* of -incoming */
    bool is_called;  /* ... is no listener: it leads to a command */
    const char *uri;
    bool start_stopped;
} v = {.listener = -1};

/* What others have written: of the saver, which talks with strangers. */
static const char *sentence(void)
{
    static char text[MIGRATE_SENTENCE];
    memcpy(text, saver_share() ? saver_share()->sentence : "", saver_share() ? sizeof text : 1);
    text[sizeof text - 1] = 0;
    for (char *at = text; *at; at++)
        if ((u8)*at < ' ' || (u8)*at > '~') *at = '?';
    return text;
}

static void set_sentence(const char *text)
{
    if (saver_share()) snprintf(saver_share()->sentence, MIGRATE_SENTENCE, "%.230s", text);
}

/* The parts' state to the saver. */
static bool give_parts(Pc *pc, Problem *p)
{
    StateBytes parts = {0};
    char problem[STATE_PROBLEM];
    MigrateShare *m = saver_share();
    if (!m) return problem_set(p, "the process that does it (ring3-saver) has gone");
    bool good = parts_save(machine_parts(pc->machine), &parts, problem) || problem_set(p, "%s", problem);
    if (good && parts.count > MIGRATE_PARTS_MAX) good = problem_set(p, "the machine's state is too large");
    if (good) memcpy(m->parts, parts.at, parts.count);
    m->parts_bytes = parts.count;
    state_bytes_free(&parts);
    return good;
}

/* ... and from it: a copy, which nobody else can change while it is looked at. NULL: *p. */
static u8 *take_parts(u32 *count, Problem *p)
{
    const MigrateShare *m = saver_share();
    u32 n = m ? *(const volatile u32 *)&m->parts_bytes : 0;
    u8 *copy = n <= MIGRATE_PARTS_MAX ? malloc(n + 1) : NULL;
    if (!copy) {
        problem_set(p, "the host has no memory");
        return NULL;
    }
    if (m) memcpy(copy, m->parts, n);
    *count = n;
    return copy;
}

/* --- the source: its end, in one way or another ----------------------------------------------------------- */

static void set_status(MigrateStatus status)
{
    v.status = status;
    qmp_tell(QMP_MIGRATION, migrate_status_word(status));
}

static void end(MigrateStatus status, const Problem *why)
{
    MigrateDone *done = v.done;
    set_status(status);
    v.ended_ns = host_now_ns();
    v.done = NULL;
    if (why) v.problem = *why;
    trace(STATS, "migrate: %s after %llu us, the guest stood still for %llu us", migrate_status_word(status),
          (unsigned long long)(v.ended_ns - v.begun_ns) / 1000, (unsigned long long)v.downtime_ns / 1000);
    if (done) done(v.ctx, why);
}

static void forget_copy(Pc *pc)
{
    const SaverRequest q = snapshots_request(pc, SAVER_FORGET);
    saver_ask(&q, -1);
}

static void stay(Pc *pc, const Problem *why)
{
    Problem p;
    v.phase = HERE;
    disks_end();
    forget_copy(pc);
    problem_set(&p, "%.350s", v.cancelled ? "it was cancelled" : why->text);
    if (v.was_running) pc_continue(pc);
    end(v.cancelled ? MIGRATE_CANCELLED : MIGRATE_FAILED, &p);
}

/* Nobody has been told to run; the other side may still be about to let the disks go. */
static bool take_back(u64 patience_ns, Problem *p)
{
    u64 until_ns = host_now_ns() + patience_ns;
    bool taken;
    while (!media_take(&taken, p)) {
        if (!taken || host_now_ns() >= until_ns) return false;
        usleep(20000);
    }
    return true;
}

/* The machine is held here, whether it runs there or not. */
static void be_gone(bool unsure)
{
    v.phase = MOVED;
    v.unsure = unsure;
    v.downtime_ns = host_now_ns() - v.stopped_ns;
    disks_end();
    if (!v.disks) snapshots_moved();
}

static void fail_unsure(Problem *p)
{
    Problem why = *p;
    be_gone(true);
    problem_set(p,
                "the other side was told to run the machine and has not said that it does (%.120s); here it "
                "is held, and 'cont' "
                "lets it go on, if it does not run there",
                why.text);
    say("migrate: %s", p->text);
    end(MIGRATE_FAILED, p);
}

/* It was told to run, and did not answer. The locks say whether it does. */
static void decide(Pc *pc, Problem *why)
{
    Problem p;
    if (v.disks || !media_are_kept()) {
        fail_unsure(why);
        return;
    }
    if (take_back(DECIDE_NS, &p)) {
        stay(pc, why);
        return;
    }
    fail_unsure(why);
}

static void finished(Pc *pc, SendEnd how)
{
    Problem why, p;
    problem_set(&why, "%.200s", sentence());
    if (how == SEND_MOVED) {
        be_gone(false);
        say("the machine has moved to %.200s; 'quit' ends what is left of it here", v.uri);
        end(MIGRATE_COMPLETED, NULL);
    } else if (how == SEND_UNSURE) {
        decide(pc, &why);
    } else if (take_back(TAKE_BACK_NS, &p)) {
        stay(pc, &why);
    } else {
        be_gone(true);
        problem_set(&why, "%.150s; and the machine does not go on here, since %.150s", sentence(), p.text);
        say("migrate: %s", why.text);
        end(MIGRATE_FAILED, &why);
    }
}

/* --- the source: on its way ------------------------------------------------------------------------------- */

static bool may_move(Pc *pc, Problem *p)
{
    for (int n = 0; n < DRIVE_COUNT; n++) {
        const Drive *d = machine_drive(pc->machine, (DriveId)n);
        if (!d->medium || d->medium->readonly) continue;
        const char *name = drive_name((DriveId)n, d->cdrom);
        if (media_forgets(d->medium))
            return problem_set(
                p, "Device '%s' forgets at the end what is written to it (snapshot=on), and cannot move",
                name);
        if (!strcmp(d->medium->format, "fat"))
            return problem_set(p, "Device '%s' is a folder of this host's (fat:rw:), which does not move",
                               name);
        if (d->floppy)
            return problem_set(p,
                               "Device '%s' is a writable floppy disk, which does not move: eject it, or put "
                               "it in with readonly=on",
                               name);
    }
    return snapshots_may_move(v.disks, p);
}

/* Little is left: the guest stands still from here on. */
static void stop_and_finish(Pc *pc)
{
    Problem p;
    SaverRequest q = snapshots_request(pc, SAVER_FINISH);
    v.was_running = !pc->paused;
    v.stopped_ns = host_now_ns();
    v.phase = FINISHING;
    set_status(MIGRATE_DEVICE);
    pc_pause(pc);
    bool good = may_move(pc, &p) && give_parts(pc, &p) && (v.disks || media_release(&p));
    if (!good) {
        stay(pc, &p);
        return;
    }
    if (!v.disks) snapshots_moved();
    saver_share()->runs = v.was_running;
    if (saver_ask(&q, -1)) return;
    set_sentence("the process that does it (ring3-saver) has gone");
    finished(pc, SEND_UNSURE);
}

/* The saver gets a connection. */
static bool connect_saver(const char *uri, Problem *p)
{
    const char *command = migrate_command(uri);
    return command ? starter_connect(command, p) : broker_connect(uri, p);
}

static bool begin(Pc *pc, const char *uri, Problem *p)
{
    SaverRequest q = snapshots_request(pc, SAVER_SEND);
    MigrateShare *m = saver_share();
    forget_copy(pc);
    _Atomic u64 *const counters[] = {&m->sent_bytes,  &m->pages,       &m->zero_pages,
                                     &m->passes,      &m->rate,        &m->dirty_rate,
                                     &m->expected_ns, &m->total_bytes, &m->remaining_bytes};
    for (unsigned n = 0; n < ARRAY_LEN(counters); n++) atomic_store(counters[n], 0);
    m->disks = 0;
    if (v.disks && !disks_begin(pc, &m->disks, p)) return false;
    if (!give_parts(pc, p) || !connect_saver(uri, p)) return false;
    q.at = migrate_command(uri) != NULL;
    snapshots_sync_images(pc);
    return saver_ask(&q, machine_phys(pc->machine)->memfd) ||
           problem_set(p, "the process that does it (ring3-saver) has gone");
}

bool migrate_begin(Pc *pc, const char *uri, bool disks, MigrateDone *done, void *ctx, Problem *p)
{
    static char uri_copy[1024];
    base_park_fpu();
    if (v.phase == SENDING || v.phase == FINISHING)
        return problem_set(p, "There's a migration process in progress");
    if (v.phase == AWAITED) return problem_set(p, "Guest is waiting for an incoming migration");
    if (v.phase == MOVED) return problem_set(p, "the machine has moved already");
    if (!saver_share()) return problem_set(p, "the process that does it (ring3-saver) is not there");
    if (pc->is_off) return problem_set(p, "the machine is off");
    if (strlen(uri) >= sizeof uri_copy) return problem_set(p, "the address is too long");
    v.disks = disks;
    if (!may_move(pc, p) || !begin(pc, uri, p)) {
        disks_end();
        return false;
    }
    memcpy(uri_copy, uri, strlen(uri) + 1);
    v.uri = uri_copy;
    v.phase = SENDING;
    set_status(MIGRATE_ACTIVE);
    v.cancelled = v.unsure = v.was_running = false;
    v.begun_ns = host_now_ns();
    v.ended_ns = v.downtime_ns = 0;
    v.done = done;
    v.ctx = ctx;
    return true;
}

void migrate_cancel(void)
{
    const SaverRequest q = {.word = SAVER_CANCEL};
    if (v.phase != SENDING && v.phase != FINISHING) return;
    v.cancelled = true;
    saver_ask(&q, -1);
}

static void answer_with_disk(const SaverAnswer *a)
{
    Problem p;
    SaverRequest q = {.word = SAVER_DISK};
    MigrateShare *m = saver_share();
    if (!m) return;
    q.at = disks_next((u32)(a->end >> 32), (u32)a->end, &m->disk, &p);
    if (!q.at) set_sentence(p.text);
    saver_ask(&q, -1);
}

static void take_source_answer(Pc *pc, const SaverAnswer *a)
{
    Problem p;
    if (!a->error && a->word == SAVER_DISK) {
        answer_with_disk(a);
    } else if (v.phase == FINISHING) {
        finished(pc, a->error || a->end > SEND_UNSURE ? SEND_UNSURE : (SendEnd)a->end);
    } else if (a->error || v.cancelled) {
        problem_set(&p, "%s",
                    a->error == EPIPE ? "the process that does it (ring3-saver) has gone" : sentence());
        stay(pc, &p);
    } else {
        stop_and_finish(pc);
    }
}

/* --- the target ------------------------------------------------------------------------------------------- */

bool migrate_open(const Options *o, Problem *p)
{
    Problem why;
    if (!o->incoming) return true;
    if (o->loadvm) return problem_set(p, "-incoming and -loadvm: a machine comes from one of the two");
    if (!saver_share())
        return problem_set(p, "-incoming: the process that does it (ring3-saver) could not be started");
    int child;
    v.uri = o->incoming;
    v.is_called = migrate_command(v.uri) != NULL;
    v.listener =
        v.is_called ? command_start(migrate_command(v.uri), &child, &why) : migrate_listen(v.uri, &why);
    return v.listener >= 0 || problem_set(p, "-incoming %s", why.text);
}

bool migrate_await(Pc *pc, bool start_stopped, Problem *p)
{
    if (v.listener < 0) return true;
    const SaverRequest with = {.word = SAVER_LISTENER, .at = v.is_called},
                       q = snapshots_request(pc, SAVER_LISTEN);
    bool good = saver_ask(&with, v.listener) && saver_ask(&q, machine_phys(pc->machine)->memfd);
    close(v.listener);
    v.listener = -1;
    v.start_stopped = start_stopped;
    v.phase = AWAITED;
    v.begun_ns = host_now_ns();
    pc_pause(pc);
    return good || problem_set(p, "-incoming: the process that does it (ring3-saver) has gone");
}

static bool load_parts(Pc *pc, Problem *p)
{
    char problem[STATE_PROBLEM];
    u32 count;
    u8 *parts = take_parts(&count, p);
    if (!parts) return false;
    bool good = identity_check(snapshots_identity(), parts, count, problem) &&
                parts_load(machine_parts(pc->machine), parts, count, problem);
    free(parts);
    return good || problem_set(p, "%s", problem);
}

/* Could it be that machine? Disks that come along are ours, and empty. */
static bool load_try(Pc *pc, Problem *p)
{
    bool taken;
    v.awaited = saver_share() ? saver_share()->disks : 0;
    return load_parts(pc, p) && (!v.awaited || (media_take(&taken, p) && disks_await(pc, v.awaited, p)));
}

static bool take_disk(Pc *pc, Problem *p)
{
    if (saver_share()) return disks_take(pc, v.awaited, &saver_share()->disk, p);
    return problem_set(p, "the process that does it (ring3-saver) has gone");
}

/* What has come is the machine's memory already. */
static bool load_all(Pc *pc, Problem *p)
{
    bool taken;
    if (!media_take(&taken, p) || !disks_settle(pc, v.awaited, p) || !load_parts(pc, p)) return false;
    phys_replaced(machine_phys(pc->machine));
    inbox_deliver(&(InboxEvent){.kind = INBOX_LOADED});
    return true;
}

static void answer(Pc *pc, u32 word)
{
    Problem p;
    SaverRequest q = {.word = word};
    base_park_fpu();
    switch (word) {
    case SAVER_FITS: q.at = load_try(pc, &p); break;
    case SAVER_DISK: q.at = take_disk(pc, &p); break;
    case SAVER_SETTLE: q.at = disks_settle(pc, v.awaited, &p); break;
    default: q.at = load_all(pc, &p); break;
    }
    if (!q.at) set_sentence(p.text);
    saver_ask(&q, -1);
}

static void take_target_answer(Pc *pc, const SaverAnswer *a)
{
    Problem p;
    bool asks =
        a->word == SAVER_FITS || a->word == SAVER_READY || a->word == SAVER_DISK || a->word == SAVER_SETTLE;
    if (!a->error && asks) {
        answer(pc, a->word);
        return;
    }
    if (a->error) {
        const char *why = a->error == EPIPE ? "the process that does it (ring3-saver) has gone" : sentence();
        problem_set(&p, "-incoming %.200s: the machine has not come: %.240s", v.uri, why);
        pc_fail(pc, &p);
        return;
    }
    v.phase = HERE;
    set_status(MIGRATE_COMPLETED);
    v.ended_ns = host_now_ns();
    if (saver_share()->runs && !v.start_stopped) pc_continue(pc);
}

void migrate_service(Pc *pc)
{
    SaverAnswer a;
    if (v.phase == HERE || v.phase == MOVED) return;
    if (!saver_answered(&a, false) && saver_is_there()) return;
    base_park_fpu();
    if (v.phase == AWAITED)
        take_target_answer(pc, &a);
    else
        take_source_answer(pc, &a);
}

/* --- what others ask -------------------------------------------------------------------------------------- */

bool migrate_lets_run(Pc *pc, Problem *p)
{
    bool taken;
    (void)pc;
    if (v.phase == AWAITED)
        return problem_set(p, "the machine has not come yet (-incoming); it runs when it has");
    if (v.phase == FINISHING)
        return problem_set(p, "the machine is moving; it runs on there, or here if that fails");
    if (v.phase != MOVED) return true;
    if (!v.unsure && (v.disks || !media_are_kept()))
        return problem_set(p, "the machine has moved to %.200s, and runs there", v.uri);
    if (!media_take(&taken, p)) return false;
    v.phase = HERE;
    return true;
}

bool migrate_lets_save(Problem *p)
{
    if (v.phase == HERE) return true;
    return problem_set(p, v.phase == MOVED ? "the machine has moved" : "the machine is moving (migrate)");
}

bool migrate_lets_reset(void) { return v.phase == HERE || v.phase == SENDING; }

const char *migrate_run_state(void)
{
    static const char *const words[] = {
        [FINISHING] = "finish-migrate", [MOVED] = "postmigrate", [AWAITED] = "inmigrate"};
    return v.phase < ARRAY_LEN(words) ? words[v.phase] : NULL;
}

const char *migrate_status_word(MigrateStatus s)
{
    static const char *const words[] = {"", "active", "device", "completed", "failed", "cancelled"};
    return words[s];
}

void migrate_info(MigrateInfo *i)
{
    MigrateShare *m = saver_share();
    bool under_way = v.phase == SENDING || v.phase == FINISHING;
    *i = (MigrateInfo){.status = v.status, .incoming = v.phase == AWAITED, .downtime_ns = v.downtime_ns};
    if (!v.begun_ns || !m) return;
    if (v.disks) {
        DisksInfo d;
        disks_info(&d);
        i->disk_bytes = d.total_bytes;
        i->disk_sent_bytes = d.sent_bytes;
        i->disk_remaining_bytes = d.remaining_bytes;
    }
    i->total_ns = (under_way ? host_now_ns() : v.ended_ns) - v.begun_ns;
    i->expected_ns = atomic_load(&m->expected_ns);
    i->sent_bytes = atomic_load(&m->sent_bytes);
    i->remaining_bytes = under_way ? atomic_load(&m->remaining_bytes) : 0;
    i->total_bytes = atomic_load(&m->total_bytes);
    i->pages = atomic_load(&m->pages);
    i->zero_pages = atomic_load(&m->zero_pages);
    i->passes = atomic_load(&m->passes);
    i->rate = atomic_load(&m->rate);
    i->dirty_rate = atomic_load(&m->dirty_rate);
    if (v.status == MIGRATE_FAILED) memcpy(i->problem, v.problem.text, sizeof i->problem);
    i->problem[sizeof i->problem - 1] = 0;
}

static struct {
    u64 bandwidth;
    u32 downtime_ms;
} limits = {0, MIGRATE_DOWNTIME_MS};

u64 migrate_bandwidth(void) { return limits.bandwidth; }
u32 migrate_downtime(void) { return limits.downtime_ms; }

void migrate_set_bandwidth(u64 bytes)
{
    limits.bandwidth = bytes;
    if (saver_share()) atomic_store(&saver_share()->max_bandwidth, bytes);
}

void migrate_set_downtime(u32 ms)
{
    limits.downtime_ms = ms;
    if (saver_share()) atomic_store(&saver_share()->downtime_limit_ns, ms * 1000000ull);
}

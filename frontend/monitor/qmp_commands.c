/* qmp_commands.c - the commands of QMP, with QEMU's names, arguments and answers. See qmp.h.
 *
 * What the monitor has a word for is carried out by that word, so that both check the same and behave the same; what it
 * says is the error. Two are ring3's own: query-screen, wait-for.
 *
 * Differences from QEMU: system_powerdown is an error when the guest has no driver that listens to its power button. A `device` is
 * called as in `info block`; `id` means the same, and node names are not known. screendump knows one screen.
 */
#include "frontend/monitor/qmp_commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/display/png.h"
#include "frontend/inbox.h"
#include "frontend/keyboard/keynames.h"
#include "frontend/monitor/monitor.h"
#include "frontend/monitor/qmp.h"
#include "frontend/monitor/qmp_migrate.h"
#include "frontend/monitor/screen_wait.h"
#include "frontend/options/drive_names.h"
#include "hw/keys.h"

enum { LINE_BYTES = 4096 };

/* --- arguments ------------------------------------------------------------------------------------------- */

const JsonNode *qmp_argument(const QmpCommand *c, const char *name)
{
    return c->args ? json_member(c->r, c->args, name) : NULL;
}

const char *qmp_text(const QmpCommand *c, const char *name)
{
    const JsonNode *n = qmp_argument(c, name);
    return n ? n->text : NULL;
}

s64 qmp_number(const QmpCommand *c, const char *name, s64 otherwise)
{
    const JsonNode *n = qmp_argument(c, name);
    return n ? n->whole : otherwise;
}

bool qmp_flag(const QmpCommand *c, const char *name)
{
    const JsonNode *n = qmp_argument(c, name);
    return n && n->is_true;
}

/* --- lines of the monitor -------------------------------------------------------------------------------- */

/* One that is built: words, and texts in quotes. */
typedef struct Line {
    char text[LINE_BYTES];
    u32 n;
    bool full;
} Line;

static void line_char(Line *l, char c)
{
    if (l->n == LINE_BYTES - 1)
        l->full = true;
    else
        l->text[l->n++] = c;
    l->text[l->n] = 0;
}

static void line_add(Line *l, const char *words)
{
    while (*words) line_char(l, *words++);
}

static void line_quote(Line *l, const char *text)
{
    line_add(l, " \"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') line_char(l, '\\');
        line_char(l, *text);
    }
    line_char(l, '"');
}

static void line_number(Line *l, s64 n)
{
    char text[32];
    snprintf(text, sizeof text, " %lld", (long long)n);
    line_add(l, text);
}

static void line_run(QmpCommand *c, const Line *l)
{
    if (l->full)
        qmp_fail(c, "the arguments are too long");
    else
        qmp_run_line(c, l->text, true);
}

static void run_word(QmpCommand *c, const char *word) { qmp_run_line(c, word, true); }

static void do_human_monitor_command(QmpCommand *c)
{
    if (qmp_number(c, "cpu-index", 0))
        qmp_fail(c, "Parameter 'cpu-index' expects a CPU number");
    else
        qmp_run_line(c, qmp_text(c, "command-line"), false);
}

/* --- the session ----------------------------------------------------------------------------------------- */

static void do_capabilities(QmpCommand *c)
{
    const JsonNode *n = qmp_argument(c, "enable");
    if (n && json_first(c->r, n))
        qmp_fail(c, "no capability was offered, so none can be enabled");
    else
        qmp_negotiated(c);
}

void qmp_put_version(Json *j, const char *key)
{
    unsigned major = 0, minor = 0, micro = 0;
    sscanf(RING3_VERSION, "%u.%u.%u", &major, &minor, &micro);
    json_object(j, key);
    json_object(j, "qemu"); /* which number that is, the package says */
    json_number(j, "micro", micro);
    json_number(j, "minor", minor);
    json_number(j, "major", major);
    json_close(j, '}');
    json_text(j, "package", "ring3 " RING3_VERSION);
    json_close(j, '}');
}

static void do_query_version(QmpCommand *c) { qmp_put_version(qmp_return(c), "return"); }

static void do_query_commands(QmpCommand *c)
{
    Json *j = qmp_return(c);
    json_array(j, "return");
    for (const QmpWord *w = qmp_words; w->name; w++) {
        json_object(j, NULL);
        json_text(j, "name", w->name);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* --- the machine ----------------------------------------------------------------------------------------- */

static void do_query_status(QmpCommand *c)
{
    Json *j = qmp_return(c);
    json_object(j, "return");
    json_text(j, "status", pc_run_state(c->pc));
    json_bool(j, "singlestep", false);
    json_bool(j, "running", !c->pc->paused);
    json_close(j, '}');
}

static void do_query_name(QmpCommand *c)
{
    Json *j = qmp_return(c);
    json_object(j, "return");
    if (c->pc->name) json_utf8(j, "name", c->pc->name);
    json_close(j, '}');
}

static void do_query_uuid(QmpCommand *c)
{
    char text[UUID_TEXT];
    pc_uuid_text(c->pc, text);
    Json *j = qmp_return(c);
    json_object(j, "return");
    json_text(j, "UUID", text);
    json_close(j, '}');
}

static void do_query_memory(QmpCommand *c)
{
    Json *j = qmp_return(c);
    json_object(j, "return");
    json_number(j, "base-memory", machine_phys(c->pc->machine)->ram_bytes);
    json_close(j, '}');
}

static const char no_balloon[] = "No balloon device has been activated";

static void do_balloon(QmpCommand *c)
{
    s64 bytes = qmp_number(c, "value", 0);
    if (bytes <= 0)
        qmp_fail(c, "Parameter 'target' expects a size");
    else if (!machine_balloon_ask(c->pc->machine, (u64)bytes))
        qmp_fail(c, no_balloon);
}

static void do_query_balloon(QmpCommand *c)
{
    BalloonInfo b;
    if (!machine_balloon_info(c->pc->machine, &b)) {
        qmp_fail(c, no_balloon);
        return;
    }
    Json *j = qmp_return(c);
    json_object(j, "return");
    json_number(j, "actual", b.guest_bytes);
    json_close(j, '}');
}

static void do_query_target(QmpCommand *c)
{
    Json *j = qmp_return(c);
    json_object(j, "return");
    json_text(j, "arch", "i386");
    json_close(j, '}');
}

static void do_query_kvm(QmpCommand *c)
{
    Json *j = qmp_return(c);
    json_object(j, "return");
    json_bool(j, "enabled", false);
    json_bool(j, "present", false);
    json_close(j, '}');
}

/* The machine's thread is the process's first. */
static void do_query_cpus_fast(QmpCommand *c)
{
    Json *j = qmp_return(c);
    json_array(j, "return");
    json_object(j, NULL);
    json_number(j, "cpu-index", 0);
    json_text(j, "qom-path", "/machine/cpu[0]");
    json_number(j, "thread-id", (u64)getpid());
    json_text(j, "target", "i386");
    json_close(j, '}');
    json_close(j, ']');
}

static void do_stop(QmpCommand *c) { run_word(c, "stop"); }
static void do_cont(QmpCommand *c) { run_word(c, "cont"); }
static void do_system_reset(QmpCommand *c) { run_word(c, "system_reset"); }
static void do_system_powerdown(QmpCommand *c) { run_word(c, "system_powerdown"); }
static void do_quit(QmpCommand *c) { run_word(c, "quit"); }
static void do_inject_nmi(QmpCommand *c) { run_word(c, "nmi"); }

/* --- drives ---------------------------------------------------------------------------------------------- */

static void put_medium(Json *j, const Medium *m)
{
    json_object(j, "inserted");
    json_bool(j, "ro", m->readonly);
    json_text(j, "drv", m->format);
    json_utf8(j, "file", m->name);
    json_object(j, "image");
    json_utf8(j, "filename", m->name);
    json_text(j, "format", m->format);
    json_number(j, "virtual-size", m->sectors * 512);
    json_close(j, '}');
    json_close(j, '}');
}

static void put_drive(Json *j, const Drive *d, DriveId id)
{
    bool removable = drive_is_removable(d);
    json_object(j, NULL);
    json_text(j, "device", drive_name(id, d->cdrom));
    json_text(j, "type", "unknown"); /* as QEMU has it */
    json_bool(j, "removable", removable);
    json_bool(j, "locked", removable && d->locked);
    if (removable) json_bool(j, "tray_open", d->tray_open);
    if (d->medium) put_medium(j, d->medium);
    json_close(j, '}');
}

static void do_query_block(QmpCommand *c)
{
    Json *j = qmp_return(c);
    json_array(j, "return");
    for (int id = 0; id < DRIVE_COUNT; id++) {
        const Drive *d = machine_drive(c->pc->machine, (DriveId)id);
        if (d->present) put_drive(j, d, (DriveId)id);
    }
    json_close(j, ']');
}

/* "device", or "id", which is meant to replace it. NULL: neither, and that was said. */
static const char *device_of(QmpCommand *c)
{
    const char *device = qmp_text(c, "device"), *id = qmp_text(c, "id");
    if (!device == !id) {
        qmp_fail(c, "Need exactly one of 'device' and 'id'");
        return NULL;
    }
    return device ? device : id;
}

static void do_eject(QmpCommand *c)
{
    Line l = {.n = 0};
    const char *device = device_of(c);
    if (!device) return;
    line_add(&l, qmp_flag(c, "force") ? "eject -f" : "eject");
    line_quote(&l, device);
    line_run(c, &l);
}

static void do_block_set_io_throttle(QmpCommand *c)
{
    static const char *const limits[] = {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"};
    Line l = {.n = 0};
    const char *device = device_of(c);
    if (!device) return;
    line_add(&l, "block_set_io_throttle");
    line_quote(&l, device);
    for (unsigned n = 0; n < ARRAY_LEN(limits); n++) line_number(&l, qmp_number(c, limits[n], 0));
    line_run(c, &l);
}

static void change(QmpCommand *c, const char *device, const char *file, const char *format, const char *mode)
{
    Line l = {.n = 0};
    line_add(&l, qmp_flag(c, "force") ? "change -f" : "change");
    line_quote(&l, device);
    line_quote(&l, file);
    if (format || mode) line_quote(&l, format ? format : "raw");
    if (mode) line_quote(&l, mode);
    line_run(c, &l);
}

static void do_blockdev_change_medium(QmpCommand *c)
{
    const char *device = device_of(c);
    if (device)
        change(c, device, qmp_text(c, "filename"), qmp_text(c, "format"), qmp_text(c, "read-only-mode"));
}

/* Gone from QEMU since 6.0, but scripts have it. */
static void do_change(QmpCommand *c)
{
    change(c, qmp_text(c, "device"), qmp_text(c, "target"), qmp_text(c, "arg"), NULL);
}

/* --- memory, screen -------------------------------------------------------------------------------------- */

static void save_memory(QmpCommand *c, const char *word)
{
    Line l = {.n = 0};
    if (qmp_number(c, "cpu-index", 0)) {
        qmp_fail(c, "Parameter 'cpu-index' expects a CPU number");
        return;
    }
    line_add(&l, word);
    line_number(&l, qmp_number(c, "val", 0));
    line_number(&l, qmp_number(c, "size", 0));
    line_quote(&l, qmp_text(c, "filename"));
    line_run(c, &l);
}

static void do_memsave(QmpCommand *c) { save_memory(c, "memsave"); }
static void do_pmemsave(QmpCommand *c) { save_memory(c, "pmemsave"); }

/* The monitor goes by the name's end. */
static void do_screendump(QmpCommand *c)
{
    const char *path = qmp_text(c, "filename"), *format = qmp_text(c, "format");
    Line l = {.n = 0};
    if (format && strcmp(format, picture_is_png(path) ? "png" : "ppm")) {
        qmp_fail(c, "format '%.20s': a name that ends with .png is of PNG, any other of PPM", format);
        return;
    }
    line_add(&l, "screendump");
    line_quote(&l, path);
    line_run(c, &l);
}

static void put_rows(Json *j, const ScreenText *t)
{
    char row[SCREEN_TEXT_ROW_BYTES];
    json_array(j, "text");
    for (u32 n = 0; n < screen_text_rows(t); n++) {
        screen_text_row(t, n, true, row);
        json_utf8(j, NULL, row);
    }
    json_close(j, ']');
}

static void put_cursor(Json *j, const Picture *p)
{
    if (!p->is_text || p->cursor_column >= p->columns) return;
    json_object(j, "cursor");
    json_number(j, "column", p->cursor_column);
    json_number(j, "row", p->cursor_row);
    json_close(j, '}');
}

/* ring3's own. */
static void do_query_screen(QmpCommand *c)
{
    ScreenLook l;
    Problem p;
    if (!screen_look(c->pc->machine, &l, &p)) {
        qmp_fail(c, "%s", p.text);
        return;
    }
    Json *j = qmp_return(c);
    json_object(j, "return");
    json_bool(j, "graphics", !l.picture->is_text);
    json_number(j, "width", l.picture->width);
    json_number(j, "height", l.picture->height);
    json_number(j, "columns", screen_text_columns(l.text));
    json_number(j, "rows", screen_text_rows(l.text));
    put_rows(j, l.text);
    put_cursor(j, l.picture);
    json_close(j, '}');
    screen_look_end(&l);
}

/* ring3's own: the monitor's word, with an answer that is an error. */
static void do_wait_for(QmpCommand *c)
{
    Line l = {.n = 0};
    line_add(&l, "wait-for");
    line_quote(&l, qmp_text(c, "text"));
    line_number(&l, qmp_number(c, "timeout", SCREEN_WAIT_SECONDS));
    line_run(c, &l);
}

/* --- keys and mouse -------------------------------------------------------------------------------------- */

static const char *member_text(const QmpCommand *c, const JsonNode *n, const char *key)
{
    const JsonNode *m = json_member(c->r, n, key);
    return m && m->kind == JSON_STRING ? m->text : NULL;
}

/* {"type": "qcode", "data": "ret"} or {"type": "number", "data": 28}: the key's code; 0: it is none, and that was said. */
static u8 key_value(QmpCommand *c, const JsonNode *n)
{
    const char *type = member_text(c, n, "type"), *name = member_text(c, n, "data");
    const JsonNode *data = json_member(c->r, n, "data");
    bool number = type && !strcmp(type, "number") && data && data->kind == JSON_NUMBER && data->is_whole;
    if (number && data->whole > 0 && data->whole < 256) return (u8)data->whole;
    if (number || !type || strcmp(type, "qcode") || !name) {
        qmp_fail(
            c,
            "a key is {\"type\": \"qcode\", \"data\": NAME} or {\"type\": \"number\", \"data\": 1 to 255}");
        return 0;
    }
    u8 key = strncmp(name, "0x", 2) ? keyname_find(name, strlen(name)) : 0;
    if (!key) qmp_fail(c, "there is no key '%.40s'", name);
    return key;
}

static void do_send_key(QmpCommand *c)
{
    u8 keys[CHORD_KEYS];
    u32 count = 0;
    s64 hold_ms = qmp_number(c, "hold-time", 100);
    if (hold_ms < 0 || hold_ms > 60000) {
        qmp_fail(c, "Parameter 'hold-time' is from 0 to 60000 ms");
        return;
    }
    for (const JsonNode *n = json_first(c->r, qmp_argument(c, "keys")); n; n = json_next(c->r, n)) {
        if (count == CHORD_KEYS) {
            qmp_fail(c, "at most %d keys at a time", CHORD_KEYS);
            return;
        }
        keys[count] = key_value(c, n);
        if (!keys[count++]) return;
    }
    if (count && !keyplay_chord(&c->pc->keys, keys, count, (u32)hold_ms))
        qmp_fail(c, "too many keys wait to be pressed");
}

typedef struct InputEvent {
    u8 key; /* 0: none */
    bool down;
    u8 button; /* MOUSE_ bit; 0: none */
    int dx, dy, dz;
    u16 *place; /* one of Pc's, which becomes `at`; NULL: it is no place */
    u16 at;
} InputEvent;

static bool take_button(QmpCommand *c, const char *name, InputEvent *e)
{
    static const struct {
        const char *name;
        u8 bit;
        int wheel;
    } buttons[] = {{"left", MOUSE_LEFT, 0}, {"right", MOUSE_RIGHT, 0}, {"middle", MOUSE_MIDDLE, 0},
                   {"side", MOUSE_SIDE, 0}, {"extra", MOUSE_EXTRA, 0}, {"wheel-up", 0, 1},
                   {"wheel-down", 0, -1}};
    for (u32 n = 0; name && n < ARRAY_LEN(buttons); n++) {
        if (strcmp(buttons[n].name, name)) continue;
        e->button = buttons[n].bit;
        e->dz = e->down ? buttons[n].wheel : 0;
        return true;
    }
    qmp_fail(c, "there is no button '%.40s'", name ? name : "");
    return false;
}

/* The event's axis, 'x' or 'y', and its value; 0: not both are there, or the value is not within its bounds. */
static char take_axis(QmpCommand *c, const JsonNode *data, s64 least, s64 most, s64 *at)
{
    const char *axis = member_text(c, data, "axis");
    const JsonNode *value = json_member(c->r, data, "value");
    if (!value || value->kind != JSON_NUMBER || !value->is_whole || value->whole < least ||
        value->whole > most)
        return 0;
    *at = value->whole;
    return axis && (!strcmp(axis, "x") || !strcmp(axis, "y")) ? *axis : 0;
}

static bool take_movement(QmpCommand *c, const JsonNode *data, InputEvent *e)
{
    enum { FURTHEST = 4096 };
    s64 counts;
    char axis = take_axis(c, data, -FURTHEST, FURTHEST, &counts);
    if (!axis) {
        qmp_fail(c, "a movement is of axis x or y, by -%d to %d", FURTHEST, FURTHEST);
        return false;
    }
    *(axis == 'x' ? &e->dx : &e->dy) = (int)counts;
    return true;
}

static bool take_place(QmpCommand *c, const JsonNode *data, InputEvent *e)
{
    enum { EDGE = 0x7fff, MACHINE_EDGE = 0xffff };
    s64 at;
    char axis = take_axis(c, data, 0, EDGE, &at);
    if (!axis) {
        qmp_fail(c, "a place is of axis x or y, at 0 to %d", EDGE);
        return false;
    }
    if (!machine_wants_pointer(c->pc->machine)) {
        qmp_fail(c, "the guest's mouse tells movements, no places (query-mice)");
        return false;
    }
    e->place = axis == 'x' ? &c->pc->pointer_x : &c->pc->pointer_y;
    e->at = (u16)((at * MACHINE_EDGE + EDGE / 2) / EDGE);
    return true;
}

/* False: it is none, and that was said. */
static bool take_event(QmpCommand *c, const JsonNode *n, InputEvent *e)
{
    const char *type = member_text(c, n, "type");
    const JsonNode *data = json_member(c->r, n, "data");
    *e = (InputEvent){.key = 0};
    if (!type || !data || data->kind != JSON_OBJECT) {
        qmp_fail(c, "an event is {\"type\": \"key\", \"btn\", \"rel\" or \"abs\", \"data\": {...}}");
        return false;
    }
    const JsonNode *down = json_member(c->r, data, "down"), *key = json_member(c->r, data, "key");
    e->down = down && down->is_true;
    if (!strcmp(type, "rel")) return take_movement(c, data, e);
    if (!strcmp(type, "abs")) return take_place(c, data, e);
    if (!strcmp(type, "btn") && down && down->kind == JSON_BOOL)
        return take_button(c, member_text(c, data, "button"), e);
    if (!strcmp(type, "key") && down && down->kind == JSON_BOOL && key) {
        e->key = key_value(c, key);
        return e->key != 0;
    }
    qmp_fail(c, "event '%.20s': not one of key, btn, rel and abs, or not all of it is there", type);
    return false;
}

static void put_in(Pc *pc, const InputEvent *e)
{
    if (e->key) {
        inbox_deliver(&(InboxEvent){.kind = INBOX_KEY, .key = {e->key, e->down}});
        return;
    }
    pc->mouse_buttons = (u8)(e->down ? pc->mouse_buttons | e->button : pc->mouse_buttons & ~e->button);
    inbox_deliver(&(InboxEvent){.kind = INBOX_MOUSE, .mouse = {e->dx, e->dy, e->dz, pc->mouse_buttons}});
}

/* The pointer goes where the events say before anything is pressed there, whatever their order: they happen at once. */
static void put_places(QmpCommand *c, const JsonNode *first)
{
    Pc *pc = c->pc;
    InputEvent e;
    bool any = false;
    for (const JsonNode *n = first; n; n = json_next(c->r, n)) {
        if (!take_event(c, n, &e) || !e.place) continue;
        any = true;
        *e.place = e.at;
    }
    if (any)
        inbox_deliver(&(InboxEvent){.kind = INBOX_POINTER,
                                    .pointer = {pc->pointer_x, pc->pointer_y, 0, pc->mouse_buttons}});
}

/* All of them, or none. */
static void do_input_send_event(QmpCommand *c)
{
    const JsonNode *first = json_first(c->r, qmp_argument(c, "events"));
    InputEvent e;
    for (const JsonNode *n = first; n; n = json_next(c->r, n))
        if (!take_event(c, n, &e)) return;
    put_places(c, first);
    for (const JsonNode *n = first; n; n = json_next(c->r, n))
        if (take_event(c, n, &e) && !e.place) put_in(c->pc, &e);
}

static void put_mouse(Json *j, const char *name, u64 index, bool current, bool absolute)
{
    json_object(j, NULL);
    json_text(j, "name", name);
    json_number(j, "index", index);
    json_bool(j, "current", current);
    json_bool(j, "absolute", absolute);
    json_close(j, '}');
}

/* As `info mice` has them. */
static void do_query_mice(QmpCommand *c)
{
    const Machine *m = c->pc->machine;
    bool places = machine_wants_pointer(m);
    Json *j = qmp_return(c);
    json_array(j, "return");
    put_mouse(j, "PS/2 Mouse", 0, !places, false);
    if (machine_has_pointer(m)) put_mouse(j, "vmmouse", 1, places, true);
    json_close(j, ']');
}

/* --- the table ------------------------------------------------------------------------------------------- */

const QmpWord qmp_words[] = {
    {"balloon", "value:i", do_balloon},
    {"block_set_io_throttle", "device?:s id?:s bps:i bps_rd:i bps_wr:i iops:i iops_rd:i iops_wr:i",
     do_block_set_io_throttle},
    {"blockdev-change-medium", "device?:s id?:s filename:s format?:s force?:b read-only-mode?:s",
     do_blockdev_change_medium},
    {"change", "device:s target:s arg?:s", do_change},
    {"cont", "", do_cont},
    {"eject", "device?:s id?:s force?:b", do_eject},
    {"human-monitor-command", "command-line:s cpu-index?:i", do_human_monitor_command},
    {"inject-nmi", "", do_inject_nmi},
    {"input-send-event", "device?:s head?:i events:a", do_input_send_event},
    {"memsave", "val:i size:i filename:s cpu-index?:i", do_memsave},
    {"migrate", "uri:s blk?:b detach?:b", qmp_migrate},
    {"migrate-set-parameters", "max-bandwidth?:i downtime-limit?:i", qmp_migrate_set_parameters},
    {"migrate_cancel", "", qmp_migrate_cancel},
    {"pmemsave", "val:i size:i filename:s", do_pmemsave},
    {"qmp_capabilities", "enable?:a", do_capabilities},
    {"query-balloon", "", do_query_balloon},
    {"query-block", "", do_query_block},
    {"query-commands", "", do_query_commands},
    {"query-cpus-fast", "", do_query_cpus_fast},
    {"query-kvm", "", do_query_kvm},
    {"query-memory-size-summary", "", do_query_memory},
    {"query-mice", "", do_query_mice},
    {"query-migrate", "", qmp_query_migrate},
    {"query-migrate-parameters", "", qmp_query_migrate_parameters},
    {"query-name", "", do_query_name},
    {"query-screen", "", do_query_screen},
    {"query-status", "", do_query_status},
    {"query-target", "", do_query_target},
    {"query-uuid", "", do_query_uuid},
    {"query-version", "", do_query_version},
    {"quit", "", do_quit},
    {"screendump", "filename:s device?:s head?:i format?:s", do_screendump},
    {"send-key", "keys:a hold-time?:i", do_send_key},
    {"stop", "", do_stop},
    {"system_powerdown", "", do_system_powerdown},
    {"system_reset", "", do_system_reset},
    {"wait-for", "text:s timeout?:i", do_wait_for},
    {NULL, NULL, NULL},
};

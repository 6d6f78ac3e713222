/* viewer.c - one viewer and its picture, by libvncserver (RFB 3.8, RFC 6143).
 *
 * The picture is the guest's own rows (what the screen shows twice is sent once), in a frame buffer of this process's; of what
 * changes, rows and columns that are equal to what is there are not told to the library. It is looked at when the viewer has
 * asked for it, at pace.h's pace. A viewer that does not know of NewFBSize keeps the size that it was told first: a larger
 * picture is cut off, a smaller one has black beside it.
 *
 * Keys: QEMU's extended key event gives their places on the keyboard. Else the keysym's character is looked up in the
 * guest's layout (-k), and Shift and AltGr are lifted or pressed for the moment if that layout has the character elsewhere.
 *
 * Mouse: where it is, if the guest asks (WINDOW_ABSOLUTE); else how far it was moved: by QEMU's pointer motion change, where
 * the viewer then tells movements itself, or from place to place.
 *
 * Nothing waits for this process. It waits for its viewer (while a picture goes over a slow line, keys wait, too) at most
 * STALLED_MS, then ends; keys come in at most KEYS_A_SLOT in
 * SLOT_NS, the rest stays in the socket.
 */
#include "frontend/vnc/viewer.h"

#include <rfb/rfb.h>
#include <rfb/rfbregion.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "frontend/vnc/confine.h"
#include "frontend/vnc/keysym.h"
#include "frontend/window/pace.h"
#include "hw/keys.h"

enum { FIRST_WIDTH = 720, FIRST_HEIGHT = 400, STALLED_MS = 20000, GREETING_S = 15, WRONG_S = 1 };
enum { ODD_LOOKS = 3, KEYS_A_SLOT = 16, SLOT_NS = 10000000, MOUSE_NS = 5000000, RELATIVE_ORIGIN = 0x7fff };
enum { ENCODING_MOTION = -257, ENCODING_EXTENDED_KEY = -258, QEMU_MESSAGE = 255, QEMU_KEY = 0 };
enum { KEY_ALTGR = KEY_E0 | KEY_ALT };

static struct {
    Session *s;
    const ViewerConfig *config;
    rfbScreenInfoPtr screen;
    rfbClientPtr client; /* NULL: it has gone */
    u32 *pixels;         /* the library's frame buffer */
    u32 width, height;
    const Picture *picture;
    u32 line_repeat, times,
        odd; /* of the picture; rows of it for one of ours; looks at which that was wrong */
    Pace pace;
    u32 keys;    /* in this slot */
    u64 slot_ns; /* when it began */
    u8 buttons;  /* that the guest knows of */
    s32 x, y;    /* where the pointer was, */
    bool placed; /* ... if it was anywhere */
    s32 moved_x, moved_y;
    bool moved;
    u64 mouse_ns; /* when the last movement was sent */
    bool knows_motion, told_absolute;
} v;

/* --- the picture -------------------------------------------------------------------------------------------- */

static bool rows_repeat(const Picture *p, u32 times)
{
    const u32 *row = p->pixels;
    for (u32 y = 0; y < p->height; y++, row += p->width)
        if (y % times && memcmp(row, row - p->width, p->width * sizeof *row) != 0) return false;
    return true;
}

/* How often each row of the guest's is in the picture. While a guest draws, two of a pair may differ for a moment. */
static u32 row_times(const Picture *p)
{
    u32 repeat = p->line_repeat > 1 && p->height % p->line_repeat == 0 ? p->line_repeat : 1;
    if (p->resized || repeat != v.line_repeat) {
        v.line_repeat = v.times = repeat;
        v.odd = 0;
    }
    if (v.times == 1 || rows_repeat(p, v.times))
        v.odd = 0;
    else if (++v.odd >= ODD_LOOKS)
        v.times = 1;
    return v.times;
}

/* The library's pixels are ours: 00RRGGBBh. */
static void set_format(void)
{
    rfbPixelFormat *f = &v.screen->serverFormat;
    f->redShift = 16;
    f->greenShift = 8;
    f->blueShift = 0;
}

static void resize(u32 width, u32 height)
{
    u32 *old = v.pixels, *pixels = calloc((size_t)width * height, sizeof *pixels);
    if (!pixels) exit(1);
    v.pixels = pixels;
    v.width = width;
    v.height = height;
    rfbNewFramebuffer(v.screen, (char *)pixels, (int)width, (int)height, 8, 3, sizeof *pixels);
    set_format();
    if (v.client) v.screen->setTranslateFunction(v.client);
    free(old);
}

/* A row of the guest's, cut to our width. True: from *first to before *end it is new. */
static bool put_row(u32 y, const u32 *from, u32 width, u32 *first, u32 *end)
{
    u32 *to = v.pixels + (size_t)y * v.width, a = 0, b = width;
    while (a < b && to[a] == from[a]) a++;
    while (b > a && to[b - 1] == from[b - 1]) b--;
    memcpy(to + a, from + a, (b - a) * sizeof *to);
    *first = a;
    *end = b;
    return a < b;
}

static void mark(u32 top, u32 bottom, u32 left, u32 right)
{
    if (left < right) rfbMarkRectAsModified(v.screen, (int)left, (int)top, (int)right, (int)bottom);
}

/* Runs of rows that changed are told as rectangles. Returns how many rows that were. */
static u32 put_rows(const Picture *p, u32 times, u32 top, u32 bottom)
{
    u32 width = p->width < v.width ? p->width : v.width, changed = 0, left = width, right = 0, began = top,
        first, end;
    for (u32 y = top; y < bottom; y++) {
        if (put_row(y, p->pixels + (size_t)y * times * p->width, width, &first, &end)) {
            if (left >= right) began = y;
            left = first < left ? first : left;
            right = end > right ? end : right;
            changed++;
            continue;
        }
        mark(began, y, left, right);
        left = width;
        right = 0;
    }
    mark(began, bottom, left, right);
    return changed;
}

/* What lies beside a picture that is smaller than it was. */
static void blacken(u32 width, u32 height)
{
    for (u32 y = 0; y < v.height; y++)
        for (u32 x = y < height ? width : 0; x < v.width; x++) v.pixels[(size_t)y * v.width + x] = 0;
    mark(0, v.height, 0, v.width);
}

static u64 thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static u32 follow(const Picture *p)
{
    u32 before = v.times, times = row_times(p), height = p->height / times;
    bool follows = !v.client || v.client->useNewFBSize, whole = p->resized || times != before;
    if (!whole && !p->dirty_rows) return 0;
    if (follows && (p->width != v.width || height != v.height))
        resize(p->width, height);
    else if (whole)
        blacken(p->width, height);
    u32 top = whole ? 0 : p->dirty_top / times, rows = height < v.height ? height : v.height;
    u32 end = whole ? rows : (p->dirty_top + p->dirty_rows + times - 1) / times;
    return top < rows ? put_rows(p, times, top, end < rows ? end : rows) : 0;
}

static void look(u64 now)
{
    u64 began = thread_ns();
    const Picture *p = v.picture = scanout_update(v.s->scanout, session_screen_ns(v.s, now));
    u32 rows = p->width && p->height ? follow(p) : 0;
    pace_looked(&v.pace, now, thread_ns() - began, rows);
}

/* --- keys --------------------------------------------------------------------------------------------------- */

static bool is_held(u8 key) { return v.s->held_by[key >> 3] >> (key & 7) & 1; }

/* As many as a person's hands: else what comes waits, first here, then in the socket. */
static void count_key(void)
{
    u64 now = host_now_ns();
    if (now - v.slot_ns >= SLOT_NS) {
        v.slot_ns = now;
        v.keys = 0;
    }
    if (++v.keys < KEYS_A_SLOT) return;
    const struct timespec rest = {0, SLOT_NS};
    nanosleep(&rest, NULL);
}

static void press(u8 key, bool down)
{
    count_key();
    session_key(v.s, key, down);
}

/* A modifier is made to be as the stroke wants it, for the time of one press. */
typedef struct Lift {
    u8 key[2];
    bool to;
    unsigned count;
} Lift;

static Lift lift(u8 left, u8 right, bool wanted)
{
    Lift l = {.to = wanted};
    bool is = is_held(left) || is_held(right);
    if (is == wanted) return l;
    if (wanted || is_held(left)) l.key[l.count++] = left;
    if (!wanted && right != left && is_held(right)) l.key[l.count++] = right;
    for (unsigned n = 0; n < l.count; n++) press(l.key[n], l.to);
    return l;
}

static void unlift(const Lift *l)
{
    for (unsigned n = 0; n < l->count; n++) press(l->key[n], !l->to);
}

static bool caps_lock_is_lit(void) { return atomic_load(&v.s->shared->status) >> WINDOW_LEDS & LOCK_CAPS; }

static bool is_letter(u32 c) { return (c | 0x20) - 'a' < 26; }

static void press_character(u32 keysym, Keystroke k)
{
    bool shift = k.with & WITH_SHIFT;
    if (is_letter(keysym) && caps_lock_is_lit()) shift = !shift;
    Lift shifts = lift(KEY_SHIFT, KEY_SHIFT_R, shift);
    Lift altgr = lift(KEY_ALTGR, KEY_ALTGR, k.with & WITH_ALTGR);
    press(k.key, true);
    unlift(&altgr);
    unlift(&shifts);
}

static void on_keysym(rfbBool down, rfbKeySym keysym, rfbClientPtr client)
{
    Keystroke k;
    bool is_character;
    (void)client;
    pace_input(&v.pace, host_now_ns());
    if (!keysym_stroke(v.s->layout, keysym, &k, &is_character)) return;
    bool commands = is_held(KEY_CTRL) || is_held(KEY_E0 | KEY_CTRL) || is_held(KEY_ALT);
    if (down && is_character && !commands)
        press_character(keysym, k);
    else
        press(k.key, down);
}

static void on_release_all(rfbClientPtr client)
{
    (void)client;
    session_release_keys(v.s);
}

/* --- mouse -------------------------------------------------------------------------------------------------- */

static bool wants_places(void) { return atomic_load(&v.s->shared->status) & WINDOW_ABSOLUTE; }

static s32 on_screen(s32 at, u32 size)
{
    if (size < 2 || at < 0) return 0;
    if ((u32)at >= size) at = (s32)size - 1;
    return (s32)(((u64)at * WINDOW_POINTER_MAX + (size - 1) / 2) / (size - 1));
}

static void send_mouse(s32 wheel)
{
    if (wants_places())
        session_send(v.s, WINDOW_POINTER, on_screen(v.x, v.width), on_screen(v.y, v.height), wheel,
                     v.buttons);
    else
        session_send(v.s, WINDOW_MOUSE, v.moved_x, v.moved_y, wheel, v.buttons);
    v.moved_x = v.moved_y = 0;
    v.moved = false;
    v.mouse_ns = host_now_ns();
}

/* Movements are collected: a PS/2 mouse tells no more than 200 in a second. */
static void flush_mouse(u64 now)
{
    if (v.moved && now >= v.mouse_ns + MOUSE_NS) send_mouse(0);
}

static void move_to(s32 x, s32 y)
{
    bool by_movement = v.knows_motion && !v.told_absolute;
    s32 dx = by_movement ? x - RELATIVE_ORIGIN : v.placed ? x - v.x : 0;
    s32 dy = by_movement ? y - RELATIVE_ORIGIN : v.placed ? y - v.y : 0;
    if (!by_movement) {
        v.moved |= !v.placed || x != v.x || y != v.y;
        v.x = x;
        v.y = y;
        v.placed = true;
    }
    v.moved |= dx || dy;
    v.moved_x += dx;
    v.moved_y += dy;
}

static void on_pointer(int mask, int x, int y, rfbClientPtr client)
{
    enum { WHEEL_UP = 8, WHEEL_DOWN = 16 };
    static int before;
    u8 buttons =
        (u8)((mask & 1 ? MOUSE_LEFT : 0) | (mask & 2 ? MOUSE_MIDDLE : 0) | (mask & 4 ? MOUSE_RIGHT : 0));
    int pressed = mask & ~before;
    (void)client;
    before = mask;
    pace_input(&v.pace, host_now_ns());
    move_to(x, y);
    if (buttons != v.buttons || pressed & (WHEEL_UP | WHEEL_DOWN)) {
        if (v.moved) send_mouse(0); /* what was moved before, was moved with the old ones */
        v.buttons = buttons;
        count_key();
        send_mouse(pressed & WHEEL_UP ? 1 : pressed & WHEEL_DOWN ? -1 : 0);
    }
    flush_mouse(host_now_ns());
}

/* --- what QEMU adds to the protocol ------------------------------------------------------------------------- */

/* An update that has but one rectangle, of an encoding that means something else. */
static bool send_sign(s32 encoding, u16 x)
{
    u8 m[16] = {
        0,           0, 0, 1, (u8)(x >> 8), (u8)x, 0, 0, (u8)(v.width >> 8), (u8)v.width, (u8)(v.height >> 8),
        (u8)v.height};
    for (unsigned n = 0; n < 4; n++) m[12 + n] = (u8)((u32)encoding >> (24 - 8 * n));
    return rfbWriteExact(v.client, (const char *)m, sizeof m) > 0;
}

static rfbBool on_encoding(rfbClientPtr client, void **data, int encoding)
{
    (void)data;
    v.client = client;
    if (encoding == ENCODING_EXTENDED_KEY) return send_sign(encoding, 0);
    if (encoding != ENCODING_MOTION) return FALSE;
    v.knows_motion = true;
    v.told_absolute = wants_places();
    return send_sign(encoding, v.told_absolute);
}

/* The guest began to ask for places, or stopped: the viewer tells movements or places from now on. */
static void tell_motion(void)
{
    if (!v.knows_motion || v.told_absolute == wants_places()) return;
    v.told_absolute = wants_places();
    send_sign(ENCODING_MOTION, v.told_absolute);
}

static rfbBool on_message(rfbClientPtr client, void *data, const rfbClientToServerMsg *m)
{
    u8 rest[11]; /* submessage, down (2), keysym (4), scan code (4) */
    (void)data;
    if (m->type != QEMU_MESSAGE) return FALSE;
    if (rfbReadExact(client, (char *)rest, sizeof rest) <= 0 || rest[0] != QEMU_KEY) {
        rfbCloseClient(client);
        return TRUE;
    }
    u32 code = (u32)rest[7] << 24 | (u32)rest[8] << 16 | (u32)rest[9] << 8 | rest[10];
    u8 key = keysym_from_scancode(code);
    pace_input(&v.pace, host_now_ns());
    if (key) press(key, rest[1] | rest[2]);
    return TRUE;
}

static rfbBool on_new(rfbClientPtr client, void **data)
{
    (void)client, (void)data;
    return TRUE;
}

/* --- the greeting ------------------------------------------------------------------------------------------- */

/* The answer to the challenge is the challenge, enciphered with the password. */
static rfbBool check_password(rfbClientPtr client, const char *answer, int bytes)
{
    unsigned char right[CHALLENGESIZE], wrong = !*v.config->password;
    memcpy(right, client->authChallenge, sizeof right);
    rfbEncryptBytes(right, (char *)(uintptr_t)v.config->password);
    if (bytes != CHALLENGESIZE) return FALSE;
    for (unsigned n = 0; n < sizeof right; n++) wrong |= right[n] ^ (unsigned char)answer[n];
    if (!wrong) return TRUE;
    sleep(WRONG_S); /* guessing shall take long */
    return FALSE;
}

static void on_gone(rfbClientPtr client)
{
    (void)client;
    v.client = NULL;
}

static void seed(void)
{
    unsigned value;
    unsigned char challenge[CHALLENGESIZE];
    rfbRandomBytes(challenge); /* it sets a seed of its own, by the time, at the first call */
    if (getrandom(&value, sizeof value, 0) == sizeof value) srandom(value);
}

void viewer_prepare(void)
{
    unsigned char bytes[CHALLENGESIZE] = {0};
    char password[] = "password";
    rfbLogEnable(FALSE);
    rfbEncryptBytes(bytes, password);
    seed();
}

static bool open_screen(void)
{
    static int encodings[] = {ENCODING_EXTENDED_KEY, ENCODING_MOTION, 0};
    static rfbProtocolExtension qemu = {.newClient = on_new,
                                        .pseudoEncodings = encodings,
                                        .enablePseudoEncoding = on_encoding,
                                        .handleMessage = on_message};
    static char title[160];
    v.screen = rfbGetScreen(NULL, NULL, FIRST_WIDTH, FIRST_HEIGHT, 8, 3, sizeof(u32));
    if (!v.screen) return false;
    snprintf(title, sizeof title, *v.s->name ? "ring3 - %.120s" : "ring3", v.s->name);
    v.screen->desktopName = title;
    v.screen->port = v.screen->ipv6port = 0;
    v.screen->alwaysShared = TRUE;
    v.screen->cursor = NULL;                                      /* the guest draws its own */
    v.screen->deferUpdateTime = v.screen->deferPtrUpdateTime = 0; /* pace.h and MOUSE_NS say when */
    v.screen->maxClientWait = STALLED_MS;
    v.screen->kbdAddEvent = on_keysym;
    v.screen->kbdReleaseAllKeys = on_release_all;
    v.screen->ptrAddEvent = on_pointer;
    v.screen->authPasswdData = v.config->wants_password ? (void *)(uintptr_t)v.config->password : NULL;
    v.screen->passwordCheck = check_password;
    rfbRegisterProtocolExtension(&qemu);
    resize(FIRST_WIDTH, FIRST_HEIGHT);
    return true;
}

/* --- life --------------------------------------------------------------------------------------------------- */

static bool wants_picture(void)
{
    return v.client && v.client->state == RFB_NORMAL && !sraRgnEmpty(v.client->requestedRegion);
}

/* A look or a movement is due; else a second, or the viewer's next word. */
static long wait_us(u64 now)
{
    u64 next = now + 1000000000u;
    if (wants_picture()) next = v.pace.next_ns;
    if (v.moved && v.mouse_ns + MOUSE_NS < next) next = v.mouse_ns + MOUSE_NS;
    return next <= now ? 0 : (long)((next - now) / 1000);
}

static void serve(void)
{
    bool greeted = false;
    while (v.client && v.client->sock != RFB_INVALID_SOCKET) {
        u64 now = host_now_ns();
        if (wants_picture() && now >= v.pace.next_ns) look(now);
        rfbProcessEvents(v.screen, wait_us(host_now_ns()));
        if (!v.client) return;
        if (!greeted && v.client->state == RFB_NORMAL) {
            greeted = true;
            alarm(0);
        }
        flush_mouse(host_now_ns());
        if (greeted) tell_motion();
    }
}

void viewer_run(Session *s, int fd, const ViewerConfig *c)
{
    v.s = s;
    v.config = c;
    v.line_repeat = v.times = 1;
    seed();
    vnc_confine_viewer();
    alarm(GREETING_S); /* who does not come to the point goes */
    if (!open_screen()) return;
    look(host_now_ns()); /* the first size that is told is the right one */
    v.client = rfbNewClient(v.screen, fd);
    if (!v.client) return;
    v.client->clientGoneHook = on_gone;
    serve();
}

/* server.c - the loop: browsers' connections, the questions that they wait for, and the machine.
 *
 * A connection goes through four states: its request is read; it waits for the machine, if the answer is not a file of
 * ours; the answer is written; and what the client still sends is thrown away until it closes, so that it gets to read
 * why it was refused. Each state has a deadline, after which the connection is cut. When all places are taken, the one
 * that has been here longest goes.
 *
 * One question is put to the machine at a time. All connections that wait for the same view get the same answer, so
 * that a class that looks on costs the machine as much as one student.
 */
#define _GNU_SOURCE
#include "frontend/inspect/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/inspect/files.h"
#include "frontend/inspect/http.h"
#include "frontend/inspect/link.h"

enum { CLIENTS = 32, ANSWER_HEAD_BYTES = 768, DRAIN_BYTES = 4 << 20 };
enum { READ_MS = 5000, WRITE_MS = 10000, DRAIN_MS = 2000, ASK_MS = 4000, DO_MS = 1500, FRESH_MS = 250 };

typedef enum State { FREE, READING, WAITING, WRITING, DRAINING } State;

typedef struct Client {
    State state;
    int fd;
    u64 since_ns, until_ns; /* it came; its state ends */
    Question question;
    bool wants_picture; /* that comes with it */
    u32 got;            /* bytes of the request; DRAINING: of what came after it */
    char head[HTTP_HEAD_BYTES];
    char *answer;
    size_t bytes, sent;
} Client;

static Client clients[CLIENTS];
static struct {
    bool asks; /* the machine has a question: */
    Question question;
    u64 until_ns;
    u64 now_ns; /* when it last answered INSPECT_NOW */
} machine;

static u64 ms_from_now(unsigned ms) { return host_now_ns() + ms * 1000000ull; }

static void enter(Client *c, State state, unsigned ms)
{
    c->state = state;
    c->until_ns = ms_from_now(ms);
}

static void hang_up(Client *c)
{
    close(c->fd);
    free(c->answer);
    c->answer = NULL;
    c->state = FREE;
}

/* --- answers --------------------------------------------------------------------------------------------- */

/* No page may be framed, nothing is cached, and the page loads and asks nothing but what is here. */
#define SECURITY                                                                                             \
    "Cache-Control: no-store\r\n"                                                                            \
    "Content-Security-Policy: default-src 'self'; base-uri 'none'; form-action 'none'; "                     \
    "frame-ancestors 'none'\r\n"                                                                             \
    "X-Content-Type-Options: nosniff\r\n"                                                                    \
    "X-Frame-Options: DENY\r\n"                                                                              \
    "Cross-Origin-Resource-Policy: same-origin\r\n"                                                          \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                            \
    "Referrer-Policy: no-referrer\r\n"

static void answer(Client *c, unsigned status, const char *type, const void *body, size_t bytes)
{
    c->answer = malloc(ANSWER_HEAD_BYTES + bytes);
    if (!c->answer) {
        hang_up(c);
        return;
    }
    int n = snprintf(c->answer, ANSWER_HEAD_BYTES,
                     "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
                     "X-Ring3-Screen: %u\r\n" SECURITY "\r\n",
                     status, http_reason(status), type, bytes, link_picture_number());
    memcpy(c->answer + n, body, bytes);
    c->bytes = (size_t)n + bytes;
    c->sent = 0;
    enter(c, WRITING, WRITE_MS);
}

static void refuse(Client *c, unsigned status)
{
    char text[100];
    int n = snprintf(text, sizeof text, "%u %s\n", status, http_reason(status));
    answer(c, status, "text/plain; charset=utf-8", text, (size_t)n);
}

static void answer_picture(Client *c)
{
    size_t bytes;
    const u8 *png = link_picture(&bytes);
    if (png)
        answer(c, 200, "image/png", png, bytes);
    else
        refuse(c, 404);
}

/* --- requests -------------------------------------------------------------------------------------------- */

static bool find_verb(const HttpRequest *r, u32 *verb)
{
    static const char *const verbs[VERBS] = {"pause", "continue",  "step",  "branch", "block",
                                             "exit",  "sensitive", "count", "uncount"};
    char word[16];
    if (!http_word(r, "verb", word, sizeof word)) return false;
    for (*verb = 0; *verb < VERBS; ++*verb)
        if (!strcmp(word, verbs[*verb])) return true;
    return false;
}

enum { HOT_USUAL = 25 };

/* ?pc=0xc0100000, or ?pa=0x100000&mode=0x5000021. False: neither. */
static bool find_block(const HttpRequest *r, Question *q)
{
    if (http_number(r, "pc", &q->a)) return true;
    q->b = http_number(r, "pa", &q->a) && http_number64(r, "mode", &q->mode);
    return q->b;
}

/* What the query says of it; false: too little. */
static bool complete(const HttpRequest *r, Question *q)
{
    if (q->view == INSPECT_PAGES) q->a = http_number(r, "at", &q->b);
    if (q->view == INSPECT_HOT && !http_number(r, "most", &q->a)) q->a = HOT_USUAL;
    return q->view != INSPECT_BLOCK || find_block(r, q);
}

/* What the machine is to be asked for a path; false: there is no such path. */
static bool find_question(const HttpRequest *r, Question *q)
{
    static const struct {
        const char *path;
        InspectView view;
    } views[] = {{"/api/now", INSPECT_NOW},     {"/api/cache", INSPECT_CACHE},
                 {"/api/pages", INSPECT_PAGES}, {"/api/devices", INSPECT_DEVICES},
                 {"/api/hot", INSPECT_HOT},     {"/api/block", INSPECT_BLOCK}};
    *q = (Question){0};
    if (r->post) {
        q->view = INSPECT_DO;
        return !strcmp(r->path, "/api/do") && find_verb(r, &q->a);
    }
    for (unsigned n = 0; n < ARRAY_LEN(views); n++) {
        if (strcmp(r->path, views[n].path)) continue;
        q->view = views[n].view;
        return complete(r, q);
    }
    return false;
}

static void wait_for_machine(Client *c, Question q)
{
    c->question = q;
    enter(c, WAITING, ASK_MS * 2);
}

static void route(Client *c, const HttpRequest *r)
{
    const PageFile *file = r->post ? NULL : page_file(r->path);
    Question q;
    c->wants_picture = !r->post && !strcmp(r->path, "/screen.png");
    if (file)
        answer(c, 200, file->type, file->bytes, (size_t)(file->end - file->bytes));
    else if (c->wants_picture && link_picture_number() &&
             host_now_ns() - machine.now_ns < FRESH_MS * 1000000ull)
        answer_picture(c);
    else if (c->wants_picture)
        wait_for_machine(c, (Question){.view = INSPECT_NOW});
    else if (find_question(r, &q))
        wait_for_machine(c, q);
    else
        refuse(c, 404);
}

static void take_request(Client *c)
{
    HttpRequest r;
    unsigned status = http_parse(&r, c->head, c->got);
    if (status == HTTP_MORE) return;
    if (status == HTTP_OK) status = http_check(&r, page_file(r.path) != NULL);
    if (status == HTTP_OK)
        route(c, &r);
    else
        refuse(c, status);
}

/* --- connections ----------------------------------------------------------------------------------------- */

static void read_some(Client *c)
{
    ssize_t n = recv(c->fd, c->head + c->got, sizeof c->head - c->got, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        hang_up(c);
        return;
    }
    c->got += (u32)n;
    take_request(c);
}

static void drain_some(Client *c)
{
    ssize_t n = recv(c->fd, c->head, sizeof c->head, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    c->got += n > 0 ? (u32)n : 0;
    if (n <= 0 || c->got > DRAIN_BYTES) hang_up(c);
}

static void write_some(Client *c)
{
    ssize_t n = send(c->fd, c->answer + c->sent, c->bytes - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        hang_up(c);
        return;
    }
    c->sent += (size_t)n;
    if (c->sent < c->bytes) return;
    free(c->answer);
    c->answer = NULL;
    c->got = 0;
    shutdown(c->fd, SHUT_WR);
    enter(c, DRAINING, DRAIN_MS);
}

static Client *free_place(void)
{
    Client *oldest = &clients[0];
    for (Client *c = clients; c < clients + CLIENTS; c++) {
        if (c->state == FREE) return c;
        if (c->since_ns < oldest->since_ns) oldest = c;
    }
    hang_up(oldest);
    return oldest;
}

static void take_client(void)
{
    int fd = accept4(INSPECT_LISTENER, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    Client *c = free_place();
    c->fd = fd;
    c->since_ns = host_now_ns();
    c->got = 0;
    enter(c, READING, READ_MS);
}

static void serve(Client *c, short events)
{
    if (c->state == FREE || !events) return;
    switch (c->state) {
    case READING: read_some(c); break;
    case WRITING: write_some(c); break;
    case DRAINING: drain_some(c); break;
    case WAITING: /* it has said all that it may: it is gone, or talks on */
        if (events & (POLLHUP | POLLERR)) hang_up(c);
        break;
    case FREE: break;
    }
}

/* --- the machine ----------------------------------------------------------------------------------------- */

static bool is_same(const Question *a, const Question *b)
{
    return a->view == b->view && a->a == b->a && a->b == b->b && a->mode == b->mode;
}

/* Those who wait longest come first. What is done is done for one, even if two want the same. */
static void ask_next(void)
{
    Client *first = NULL;
    if (machine.asks) return;
    for (Client *c = clients; c < clients + CLIENTS; c++)
        if (c->state == WAITING && (!first || c->since_ns < first->since_ns)) first = c;
    if (!first) return;
    machine.asks = true;
    machine.question = first->question;
    machine.until_ns = ms_from_now(first->question.view == INSPECT_DO ? DO_MS : ASK_MS);
    link_ask(&first->question);
}

static void give_answer(Client *c, const char *text, u32 bytes)
{
    if (c->wants_picture)
        answer_picture(c);
    else if (bytes)
        answer(c, 200, "application/json", text, bytes);
    else
        refuse(c, 404);
}

/* The machine is busy: with the host's disk, or stopped by a debugger of its own process. A step just takes longer. */
static void give_up(Client *c)
{
    if (c->question.view == INSPECT_DO)
        answer(c, 202, "application/json", "{}", 2);
    else
        refuse(c, 503);
}

/* text NULL: the machine did not answer. */
static void pass_on(const char *text, u32 bytes)
{
    bool done = false;
    machine.asks = false;
    for (Client *c = clients; c < clients + CLIENTS; c++) {
        if (c->state != WAITING || !is_same(&c->question, &machine.question)) continue;
        if (machine.question.view == INSPECT_DO && done) continue;
        done = true;
        if (text)
            give_answer(c, text, bytes);
        else
            give_up(c);
    }
}

/* False: it is gone. */
static bool hear_machine(void)
{
    const char *text;
    u32 bytes;
    int got = link_receive(&text, &bytes);
    if (got <= 0) return got == 0;
    if (machine.question.view == INSPECT_NOW || machine.question.view == INSPECT_DO)
        machine.now_ns = host_now_ns();
    if (machine.asks) pass_on(text, bytes);
    return true;
}

/* --- the loop -------------------------------------------------------------------------------------------- */

static u64 cut_late(u64 now)
{
    u64 next = UINT64_MAX;
    if (machine.asks && now >= machine.until_ns) pass_on(NULL, 0);
    if (machine.asks) next = machine.until_ns;
    for (Client *c = clients; c < clients + CLIENTS; c++) {
        if (c->state != FREE && now >= c->until_ns) hang_up(c);
        if (c->state != FREE && c->until_ns < next) next = c->until_ns;
    }
    return next;
}

static short events_of(const Client *c)
{
    return c->state == WRITING ? POLLOUT : c->state == WAITING ? 0 : POLLIN;
}

void server_run(void)
{
    enum { FD_MACHINE, FD_LISTENER, FD_CLIENTS, FD_COUNT = FD_CLIENTS + CLIENTS };
    struct pollfd p[FD_COUNT] = {{INSPECT_SOCKET, POLLIN, 0}, {INSPECT_LISTENER, POLLIN, 0}};
    for (;;) {
        ask_next();
        u64 now = host_now_ns(), next = cut_late(now);
        for (unsigned n = 0; n < CLIENTS; n++) {
            const Client *c = &clients[n];
            p[FD_CLIENTS + n] = (struct pollfd){c->state == FREE ? -1 : c->fd, events_of(c), 0};
        }
        int ms = next == UINT64_MAX ? -1 : (int)((next - now) / 1000000) + 1;
        if (next <= now) ms = 0;
        if (poll(p, FD_COUNT, ms) <= 0) continue;
        for (unsigned n = 0; n < CLIENTS; n++) serve(&clients[n], p[FD_CLIENTS + n].revents);
        if (p[FD_MACHINE].revents && !hear_machine()) return;
        if (p[FD_LISTENER].revents) take_client();
    }
}

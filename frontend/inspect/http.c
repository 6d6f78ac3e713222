/* http.c - requests taken apart, and who may ask.
 *
 * The page can stop the machine and shows its memory, and every page of the web that the person has open may send
 * requests to 127.0.0.1. Against them:
 *   - Host must be a literal address or localhost. A name that its owner has made to point here (DNS rebinding) is
 *     refused, whatever it is;
 *   - Origin, if there is one, must be the page's own, and what Sec-Fetch-Site says must not be another site, but for a
 *     link that leads to the page;
 *   - what does something is a POST with a header of ours: a form cannot send it, and a script of another site would
 *     have to ask first (OPTIONS), which is refused.
 * No request has a body, and each connection carries one.
 */
#include "frontend/inspect/http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- parsing --------------------------------------------------------------------------------------------- */

typedef struct Line {
    const char *text;
    u32 n;
} Line;

/* The next line of the head, without its end; false: there is no whole one. */
static bool next_line(const char **at, u32 *left, Line *line)
{
    const char *end = memchr(*at, '\n', *left);
    if (!end) return false;
    line->text = *at;
    line->n = (u32)(end - *at);
    *left -= line->n + 1;
    *at = end + 1;
    if (line->n && line->text[line->n - 1] == '\r') line->n--;
    return true;
}

static bool is_word(const Line *l, const char *word)
{
    return l->n == strlen(word) && !strncasecmp(l->text, word, l->n);
}

static bool copy(char *to, size_t room, const char *from, size_t n)
{
    if (n >= room) return false;
    memcpy(to, from, n);
    to[n] = 0;
    return true;
}

/* GET /path?query HTTP/1.1 */
static unsigned parse_first(HttpRequest *r, const Line *l)
{
    const char *space = memchr(l->text, ' ', l->n), *end = l->text + l->n;
    const char *target = space ? space + 1 : end;
    const char *last = memchr(target, ' ', (size_t)(end - target));
    if (!space || !last || *target != '/') return 400;
    Line method = {l->text, (u32)(space - l->text)}, version = {last + 1, (u32)(end - last - 1)};
    if (!is_word(&version, "HTTP/1.1") && !is_word(&version, "HTTP/1.0")) return 505;
    r->post = is_word(&method, "POST");
    if (!r->post && !is_word(&method, "GET")) return 405;
    const char *query = memchr(target, '?', (size_t)(last - target));
    if (!query) query = last;
    for (const char *s = target; s < last; s++)
        if (!isgraph((u8)*s)) return 400;
    bool fits = copy(r->path, sizeof r->path, target, (size_t)(query - target)) &&
                (query == last || copy(r->query, sizeof r->query, query + 1, (size_t)(last - query - 1)));
    return fits ? HTTP_OK : 414;
}

/* Name: value */
static unsigned parse_header(HttpRequest *r, const Line *l)
{
    const char *colon = memchr(l->text, ':', l->n);
    if (!colon || colon == l->text || isspace((u8)*l->text)) return 400;
    Line name = {l->text, (u32)(colon - l->text)}, value = {colon + 1, l->n - name.n - 1};
    while (value.n && (*value.text == ' ' || *value.text == '\t')) value.text++, value.n--;
    while (value.n && isspace((u8)value.text[value.n - 1])) value.n--;
    bool fits = true, again = false;
    if (is_word(&name, "Host")) {
        r->hosts++;
        fits = copy(r->host, sizeof r->host, value.text, value.n);
    } else if (is_word(&name, "Origin")) {
        again = r->origins++;
        fits = copy(r->origin, sizeof r->origin, value.text, value.n);
    } else if (is_word(&name, "Sec-Fetch-Site")) {
        again = *r->site;
        fits = copy(r->site, sizeof r->site, value.text, value.n);
    } else if (is_word(&name, "Sec-Fetch-Mode")) {
        again = *r->mode;
        fits = copy(r->mode, sizeof r->mode, value.text, value.n);
    } else if (is_word(&name, "X-Ring3")) {
        r->ours = true;
    } else if (is_word(&name, "Content-Length")) {
        r->has_body |= !is_word(&value, "0");
    } else if (is_word(&name, "Transfer-Encoding")) {
        r->has_body = true;
    }
    return again ? 400 : fits ? HTTP_OK : 431; /* which of two would it be? */
}

unsigned http_parse(HttpRequest *r, const char *bytes, u32 n)
{
    const char *at = bytes;
    u32 left = n;
    Line line;
    memset(r, 0, sizeof *r);
    if (memchr(bytes, 0, n)) return 400;
    if (!next_line(&at, &left, &line)) return n < HTTP_HEAD_BYTES ? HTTP_MORE : 431;
    unsigned status = parse_first(r, &line);
    while (status == HTTP_OK) {
        if (!next_line(&at, &left, &line)) return n < HTTP_HEAD_BYTES ? HTTP_MORE : 431;
        if (!line.n) return HTTP_OK;
        status = parse_header(r, &line);
    }
    return status;
}

/* --- who may ask ----------------------------------------------------------------------------------------- */

/* What stands in front of :PORT, in which the brackets of an IPv6 address are left out. */
static bool host_name(const char *host, char *to, size_t room)
{
    const char *end = host + strlen(host), *colon = strrchr(host, ':');
    if (*host == '[') {
        end = strchr(host, ']');
        if (!end || (end[1] && end[1] != ':')) return false;
        host++;
        colon = end + 1;
    } else if (colon) {
        end = colon;
    }
    if (colon && *colon && colon[1 + strspn(colon + 1, "0123456789")]) return false;
    return copy(to, room, host, (size_t)(end - host));
}

static bool is_literal(const char *host)
{
    char name[HTTP_HOST_BYTES];
    u8 address[16];
    if (!host_name(host, name, sizeof name)) return false;
    if (*host == '[') return inet_pton(AF_INET6, name, address) == 1;
    return !strcasecmp(name, "localhost") || inet_pton(AF_INET, name, address) == 1;
}

static bool is_own_origin(const HttpRequest *r)
{
    static const char scheme[] = "http://";
    return !strncmp(r->origin, scheme, sizeof scheme - 1) &&
           !strcasecmp(r->origin + sizeof scheme - 1, r->host);
}

unsigned http_check(const HttpRequest *r, bool page)
{
    bool link = page && !r->post && !strcmp(r->mode, "navigate");
    if (r->has_body) return 413;
    if (r->hosts != 1) return 400;
    if (!is_literal(r->host)) return 421;
    if (*r->origin && !is_own_origin(r)) return 403;
    if (*r->site && strcmp(r->site, "same-origin") && strcmp(r->site, "none") && !link) return 403;
    return !r->post || r->ours ? HTTP_OK : 403;
}

/* --- queries --------------------------------------------------------------------------------------------- */

bool http_word(const HttpRequest *r, const char *key, char *to, size_t room)
{
    size_t n = strlen(key);
    const char *s = r->query;
    while (*s) {
        size_t part = strcspn(s, "&");
        if (part > n && !strncmp(s, key, n) && s[n] == '=') return copy(to, room, s + n + 1, part - n - 1);
        s += part + (s[part] != 0);
    }
    return false;
}

bool http_number64(const HttpRequest *r, const char *key, u64 *n)
{
    char text[24], *end;
    if (!http_word(r, key, text, sizeof text) || !isdigit((u8)*text)) return false;
    errno = 0;
    *n = strtoull(text, &end, !strncmp(text, "0x", 2) ? 16 : 10);
    return !*end && !errno;
}

bool http_number(const HttpRequest *r, const char *key, u32 *n)
{
    u64 value;
    if (!http_number64(r, key, &value) || value > UINT32_MAX) return false;
    *n = (u32)value;
    return true;
}

const char *http_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {202, "Accepted"},
                   {400, "Bad Request"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {413, "Content Too Large"},
                   {414, "URI Too Long"},
                   {421, "Misdirected Request"},
                   {431, "Request Header Fields Too Large"},
                   {503, "Service Unavailable"},
                   {505, "HTTP Version Not Supported"}};
    for (unsigned n = 0; n < ARRAY_LEN(reasons); n++)
        if (reasons[n].status == status) return reasons[n].reason;
    return "Error";
}

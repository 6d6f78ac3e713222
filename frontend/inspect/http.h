/* http.h - as much of HTTP/1.1 (RFC 9112) as the live page needs, and no more. See http.c. */
#ifndef RING3_INSPECT_HTTP_H
#define RING3_INSPECT_HTTP_H

#include "cpu/base/base.h"

enum { HTTP_HEAD_BYTES = 8192, HTTP_TARGET_BYTES = 256, HTTP_HOST_BYTES = 256 };

typedef struct HttpRequest {
    bool post;                     /* else GET */
    char path[HTTP_TARGET_BYTES];  /* without the query */
    char query[HTTP_TARGET_BYTES]; /* empty: none */
    char host[HTTP_HOST_BYTES];    /* empty: not given */
    char origin[HTTP_HOST_BYTES];  /* likewise */
    char site[24], mode[24];       /* Sec-Fetch-Site, Sec-Fetch-Mode */
    bool ours;                     /* X-Ring3: which no other site's page can send */
    bool has_body;
    unsigned hosts, origins; /* how many of them there were */
} HttpRequest;

enum { HTTP_MORE = 0, HTTP_OK = 200 };
/* http_parse - of n bytes that have come: HTTP_MORE, HTTP_OK with *r filled in, or the status that refuses it. */
unsigned http_parse(HttpRequest *r, const char *bytes, u32 n);
/* http_check - may it be answered? HTTP_OK, or the status that refuses it. `page`: what is asked for is the page
 * itself, which links of other sites may lead to. */
unsigned http_check(const HttpRequest *r, bool page);
/* The number of a query's key, decimal or 0x; false: it is not there, or none of 32 bits. */
bool http_number(const HttpRequest *r, const char *key, u32 *n);
bool http_number64(const HttpRequest *r, const char *key, u64 *n);
/* The text of a query's key, as it stands; false: it is not there, or has no room. */
bool http_word(const HttpRequest *r, const char *key, char *to, size_t room);
const char *http_reason(unsigned status);

#endif

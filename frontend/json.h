/* json.h - a JSON text (RFC 8259), written value by value into a buffer, or piece by piece to somebody. See json.c. */
#ifndef RING3_JSON_H
#define RING3_JSON_H

#include "cpu/base/base.h"

typedef void JsonPut(void *ctx, const char *text, u32 n);

typedef struct Json {
    char *to;
    u32 room, n;
    bool comma, full; /* full: it did not fit, and nothing is added any more */
    JsonPut *put;     /* NULL: all of it has to fit */
    void *ctx;
} Json;

void json_begin(Json *j, char *to, u32 room);
/* The same for a text of any length: `put` gets it in pieces of at most `room` bytes, the last by json_end(). */
void json_begin_sink(Json *j, char *to, u32 room, JsonPut *put, void *ctx);
/* How many bytes there are, of a sink's those of the last piece; 0: it did not fit. */
u32 json_end(Json *j);

/* key NULL: in an array, or at the top. */
void json_object(Json *j, const char *key);
void json_array(Json *j, const char *key);
void json_close(Json *j, char bracket); /* '}' or ']' */
void json_number(Json *j, const char *key, u64 value);
void json_hex(Json *j, const char *key, u64 value, int digits); /* a text, with at least so many digits */
void json_bool(Json *j, const char *key, bool value);
void json_text(Json *j, const char *key, const char *text); /* NULL: null. Bytes beyond ASCII are Latin-1 */
void json_utf8(Json *j, const char *key, const char *text); /* what is not UTF-8 becomes U+FFFD */
void json_bytes(Json *j, const char *key, const u8 *bytes, u32 n);  /* as hexadecimal digits */
void json_raw(Json *j, const char *text, u32 n);                    /* JSON that somebody else writes */
void json_value(Json *j, const char *key, const char *text, u32 n); /* ... one value, as a member */

#endif

/* json.c - see json.h. Numbers are whole: the vCPU thread has no use for others. */
#include "frontend/json.h"

#include <stdio.h>

#include "frontend/utf8.h"

void json_begin(Json *j, char *to, u32 room) { *j = (Json){.to = to, .room = room}; }

void json_begin_sink(Json *j, char *to, u32 room, JsonPut *put, void *ctx)
{
    *j = (Json){.to = to, .room = room, .put = put, .ctx = ctx};
}

u32 json_end(Json *j)
{
    if (j->put && j->n) j->put(j->ctx, j->to, j->n);
    return j->full ? 0 : j->n;
}

static void put(Json *j, char c)
{
    if (j->n == j->room && j->put) {
        j->put(j->ctx, j->to, j->n);
        j->n = 0;
    }
    if (j->n == j->room) j->full = true;
    if (!j->full) j->to[j->n++] = c;
}

static void put_all(Json *j, const char *s)
{
    while (*s) put(j, *s++);
}

static void put_code(Json *j, u32 c)
{
    char code[8];
    snprintf(code, sizeof code, "\\u%04x", c & 0xffff);
    put_all(j, code);
}

static void put_latin1(Json *j, u8 c)
{
    if (c == '"' || c == '\\') put(j, '\\');
    if (c >= ' ' && c < 0x7f)
        put(j, (char)c);
    else
        put_code(j, c);
}

static void put_quoted(Json *j, const char *s)
{
    put(j, '"');
    for (; *s; s++) put_latin1(j, (u8)*s);
    put(j, '"');
}

static void put_quoted_utf8(Json *j, const char *s)
{
    put(j, '"');
    while (*s) {
        u32 n = utf8_length(s);
        if (n == 1) put_latin1(j, (u8)*s);
        for (u32 k = 0; n > 1 && k < n; k++) put(j, s[k]);
        if (!n) put_code(j, 0xfffd);
        s += n ? n : 1;
    }
    put(j, '"');
}

static void begin_value(Json *j, const char *key)
{
    if (j->comma) put(j, ',');
    j->comma = true;
    if (!key) return;
    put_quoted(j, key);
    put(j, ':');
}

static void open(Json *j, const char *key, char bracket)
{
    begin_value(j, key);
    put(j, bracket);
    j->comma = false;
}

void json_object(Json *j, const char *key) { open(j, key, '{'); }
void json_array(Json *j, const char *key) { open(j, key, '['); }

void json_close(Json *j, char bracket)
{
    put(j, bracket);
    j->comma = true;
}

void json_number(Json *j, const char *key, u64 value)
{
    char digits[24];
    begin_value(j, key);
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    put_all(j, digits);
}

void json_hex(Json *j, const char *key, u64 value, int digits)
{
    char text[24];
    snprintf(text, sizeof text, "%0*llx", digits, (unsigned long long)value);
    json_text(j, key, text);
}

void json_bool(Json *j, const char *key, bool value)
{
    begin_value(j, key);
    put_all(j, value ? "true" : "false");
}

void json_text(Json *j, const char *key, const char *text)
{
    begin_value(j, key);
    if (text)
        put_quoted(j, text);
    else
        put_all(j, "null");
}

void json_utf8(Json *j, const char *key, const char *text)
{
    begin_value(j, key);
    put_quoted_utf8(j, text);
}

void json_bytes(Json *j, const char *key, const u8 *bytes, u32 n)
{
    static const char digits[] = "0123456789abcdef";
    begin_value(j, key);
    put(j, '"');
    for (u32 i = 0; i < n; i++) {
        put(j, digits[bytes[i] >> 4]);
        put(j, digits[bytes[i] & 15]);
    }
    put(j, '"');
}

void json_value(Json *j, const char *key, const char *text, u32 n)
{
    begin_value(j, key);
    json_raw(j, text, n);
}

void json_raw(Json *j, const char *text, u32 n)
{
    while (n--) put(j, *text++);
}

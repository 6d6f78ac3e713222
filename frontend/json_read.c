/* json_read.c - see json_read.h.
 *
 * One byte at a time, so that a text may come in any pieces, and what is wrong is known at its first wrong byte. Then
 * the rest of the line is skipped: a client that writes one request a line is understood again from the next on.
 *
 * Bounded: depth, number of values, bytes of a text, of a number. Strings are checked to be UTF-8; a zero in one is refused,
 * since nobody here could keep it. Two members of an object must not have the same key.
 */
#include "frontend/json_read.h"

#include <string.h>

#include "frontend/utf8.h"

enum {
    EXPECTS_TOP,
    EXPECTS_VALUE,
    EXPECTS_VALUE_OR_END,
    EXPECTS_KEY,
    EXPECTS_KEY_OR_END,
    EXPECTS_COLON,
    EXPECTS_COMMA
};
enum { IN_NOTHING, IN_STRING, IN_ESCAPE, IN_UNICODE, IN_WORD };

/* Forget what was begun, but not where in the stream we are. */
static void begin_text(JsonReader *r)
{
    r->nodes = r->raw_bytes = r->text_bytes = r->depth = r->word_bytes = 0;
    r->key = NULL;
    r->expects = EXPECTS_TOP;
    r->in = IN_NOTHING;
    r->surrogate = 0;
}

void json_read_begin(JsonReader *r)
{
    begin_text(r);
    r->why = NULL;
    r->skips = false;
}

static JsonFed bad(JsonReader *r, const char *why)
{
    r->why = why;
    return JSON_BAD;
}

/* --- values ---------------------------------------------------------------------------------------------- */

static bool container_is(const JsonReader *r, JsonKind kind)
{
    return r->depth && r->node[r->open[r->depth - 1]].kind == kind;
}

/* NULL: there are too many. */
static JsonNode *add_node(JsonReader *r, JsonKind kind, u32 raw)
{
    if (r->nodes == JSON_NODES) return NULL;
    u32 at = r->nodes++;
    r->node[at] = (JsonNode){.kind = kind, .key = r->key, .raw = raw};
    r->key = NULL;
    if (r->depth) {
        u32 *last = &r->last[r->depth - 1];
        if (*last)
            r->node[*last].next = at;
        else
            r->node[r->open[r->depth - 1]].first = at;
        *last = at;
    }
    return &r->node[at];
}

static JsonFed value_done(JsonReader *r, JsonNode *n)
{
    n->raw_bytes = r->raw_bytes - n->raw;
    r->expects = EXPECTS_COMMA;
    return r->depth ? JSON_MORE : JSON_WHOLE;
}

static JsonFed open_container(JsonReader *r, JsonKind kind)
{
    if (r->depth == JSON_DEPTH) return bad(r, "it is nested too deeply");
    const JsonNode *n = add_node(r, kind, r->raw_bytes - 1);
    if (!n) return bad(r, "it has too many values");
    r->open[r->depth] = (u32)(n - r->node);
    r->last[r->depth++] = 0;
    r->expects = kind == JSON_OBJECT ? EXPECTS_KEY_OR_END : EXPECTS_VALUE_OR_END;
    return JSON_MORE;
}

static JsonFed close_container(JsonReader *r) { return value_done(r, &r->node[r->open[--r->depth]]); }

/* --- strings --------------------------------------------------------------------------------------------- */

static bool put_byte(JsonReader *r, u32 c)
{
    if (r->text_bytes == JSON_BYTES) return false;
    r->text[r->text_bytes++] = (char)c;
    return true;
}

static bool put_unicode(JsonReader *r, u32 c)
{
    char bytes[UTF8_BYTES];
    u32 n = utf8_put(bytes, c);
    if (n > JSON_BYTES - r->text_bytes) return false;
    memcpy(r->text + r->text_bytes, bytes, n);
    r->text_bytes += n;
    return true;
}

static bool key_is_there(const JsonReader *r, const char *key)
{
    return json_member(r, &r->node[r->open[r->depth - 1]], key) != NULL;
}

static JsonFed key_done(JsonReader *r, const char *key)
{
    if (key_is_there(r, key)) return bad(r, "an object has the same key twice");
    r->key = key;
    r->expects = EXPECTS_COLON;
    return JSON_MORE;
}

static JsonFed string_done(JsonReader *r)
{
    const char *text = r->text + r->string_at;
    r->in = IN_NOTHING;
    if (r->surrogate) return bad(r, "a string has half a surrogate pair");
    if (!put_byte(r, 0)) return bad(r, "it is too long");
    if (!utf8_is(text)) return bad(r, "a string is not UTF-8");
    if (r->expects == EXPECTS_KEY || r->expects == EXPECTS_KEY_OR_END) return key_done(r, text);
    JsonNode *n = add_node(r, JSON_STRING, r->string_raw);
    if (!n) return bad(r, "it has too many values");
    n->text = text;
    return value_done(r, n);
}

static JsonFed put_in_string(JsonReader *r, u32 c)
{
    if (r->surrogate) return bad(r, "a string has half a surrogate pair");
    r->in = IN_STRING;
    return put_byte(r, c) ? JSON_MORE : bad(r, "it is too long");
}

static JsonFed feed_string(JsonReader *r, u8 c)
{
    if (c == '"') return string_done(r);
    if (c < ' ') return bad(r, "a string has a control character in it");
    if (c != '\\') return put_in_string(r, c);
    r->in = IN_ESCAPE;
    return JSON_MORE;
}

static JsonFed feed_escape(JsonReader *r, u8 c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c ? strchr(from, c) : NULL;
    if (at) return put_in_string(r, (u8)to[at - from]);
    if (c != 'u') return bad(r, "a string has an unknown escape in it");
    r->in = IN_UNICODE;
    r->unicode = r->digits = 0;
    return JSON_MORE;
}

static int hex_digit(u8 c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static JsonFed code_done(JsonReader *r)
{
    u32 c = r->unicode;
    bool high = (c & 0xfc00) == 0xd800, low = (c & 0xfc00) == 0xdc00;
    r->in = IN_STRING;
    if (!c) return bad(r, "a string has a zero in it");
    if (low != (r->surrogate != 0)) return bad(r, "a string has half a surrogate pair");
    if (low) c = 0x10000 + ((r->surrogate & 0x3ff) << 10) + (c & 0x3ff);
    r->surrogate = high ? c : 0;
    return high || put_unicode(r, c) ? JSON_MORE : bad(r, "it is too long");
}

static JsonFed feed_unicode(JsonReader *r, u8 c)
{
    int digit = hex_digit(c);
    if (digit < 0) return bad(r, "a string has an unknown escape in it");
    r->unicode = r->unicode << 4 | (u32)digit;
    return ++r->digits == 4 ? code_done(r) : JSON_MORE;
}

/* --- numbers and words ----------------------------------------------------------------------------------- */

static bool take_digits(const char **s)
{
    const char *from = *s;
    while (**s >= '0' && **s <= '9') ++*s;
    return *s != from;
}

/* As the grammar has it: no leading zeros, no plus. */
static bool is_number(const char *s, bool *whole)
{
    s += *s == '-';
    bool zero = *s == '0';
    const char *from = s;
    *whole = true;
    if (!take_digits(&s) || (zero && s - from > 1)) return false;
    if (*s == '.') {
        *whole = false;
        s++;
        if (!take_digits(&s)) return false;
    }
    if (*s == 'e' || *s == 'E') {
        *whole = false;
        s++;
        s += *s == '-' || *s == '+';
        if (!take_digits(&s)) return false;
    }
    return !*s;
}

/* Of what is_number() said is whole. False: it does not fit. */
static bool take_whole(const char *s, s64 *to)
{
    bool minus = *s == '-';
    u64 value = 0, most = (u64)INT64_MAX + minus;
    for (s += minus; *s; s++) {
        u64 digit = (u64)(*s - '0');
        if (value > (most - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *to = minus ? (s64)(0 - value) : (s64)value;
    return true;
}

static JsonFed word_done(JsonReader *r)
{
    bool whole = false;
    r->in = IN_NOTHING;
    r->word[r->word_bytes] = 0;
    bool is_true = !strcmp(r->word, "true"), is_bool = is_true || !strcmp(r->word, "false");
    bool number = !is_bool && is_number(r->word, &whole);
    if (!number && !is_bool && strcmp(r->word, "null")) return bad(r, "it has a word that is none of JSON's");
    JsonNode *n = add_node(r,
                           number    ? JSON_NUMBER
                           : is_bool ? JSON_BOOL
                                     : JSON_NULL,
                           r->raw_bytes - r->word_bytes);
    if (!n) return bad(r, "it has too many values");
    n->is_true = is_true;
    n->is_whole = whole && take_whole(r->word, &n->whole);
    return value_done(r, n);
}

static bool in_words(u8 c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

static JsonFed put_in_word(JsonReader *r, u8 c)
{
    if (r->word_bytes == JSON_WORD - 1) return bad(r, "it has a number that is too long");
    r->in = IN_WORD;
    r->word[r->word_bytes++] = (char)c;
    return JSON_MORE;
}

/* --- between them ---------------------------------------------------------------------------------------- */

static JsonFed begin_string(JsonReader *r)
{
    r->in = IN_STRING;
    r->string_at = r->text_bytes;
    r->string_raw = r->raw_bytes - 1;
    return JSON_MORE;
}

static JsonFed begin_value(JsonReader *r, u8 c)
{
    if (c == '{') return open_container(r, JSON_OBJECT);
    if (c == '[') return open_container(r, JSON_ARRAY);
    if (r->expects == EXPECTS_TOP) return bad(r, "it begins with none of { and [");
    if (c == '"') return begin_string(r);
    r->word_bytes = 0;
    return in_words(c) ? put_in_word(r, c) : bad(r, "a value is expected");
}

static JsonFed feed_comma(JsonReader *r, u8 c)
{
    bool object = container_is(r, JSON_OBJECT);
    if (c == (object ? '}' : ']')) return close_container(r);
    if (c != ',') return bad(r, object ? "a comma or } is expected" : "a comma or ] is expected");
    r->expects = object ? EXPECTS_KEY : EXPECTS_VALUE;
    return JSON_MORE;
}

static JsonFed feed_between(JsonReader *r, u8 c)
{
    switch (r->expects) {
    case EXPECTS_KEY_OR_END:
        if (c == '}') return close_container(r);
        return c == '"' ? begin_string(r) : bad(r, "a key or } is expected");
    case EXPECTS_KEY: return c == '"' ? begin_string(r) : bad(r, "a key is expected");
    case EXPECTS_COLON:
        r->expects = EXPECTS_VALUE;
        return c == ':' ? JSON_MORE : bad(r, "a colon is expected");
    case EXPECTS_COMMA: return feed_comma(r, c);
    case EXPECTS_VALUE_OR_END:
        if (c == ']') return close_container(r);
        return begin_value(r, c);
    default: return begin_value(r, c);
    }
}

static bool is_blank(u8 c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static JsonFed feed_inside(JsonReader *r, u8 c)
{
    if (r->in == IN_WORD && !in_words(c)) { /* which c does not belong to */
        JsonFed fed = word_done(r);
        if (fed != JSON_MORE) return fed;
    }
    if (r->in == IN_NOTHING && is_blank(c)) return JSON_MORE;
    if (r->raw_bytes == JSON_BYTES) return bad(r, "it is too long");
    r->raw[r->raw_bytes++] = (char)c;
    switch (r->in) {
    case IN_STRING: return feed_string(r, c);
    case IN_ESCAPE: return feed_escape(r, c);
    case IN_UNICODE: return feed_unicode(r, c);
    case IN_WORD: return put_in_word(r, c);
    default: return feed_between(r, c);
    }
}

JsonFed json_feed(JsonReader *r, u8 c)
{
    enum { ANEW = 0xff };
    if (c == ANEW) {
        json_read_begin(r);
        return JSON_MORE;
    }
    if (r->skips) {
        r->skips = c != '\n';
        return JSON_MORE;
    }
    if (!r->depth && r->nodes) begin_text(r); /* the last one was complete */
    JsonFed fed = feed_inside(r, c);
    if (fed != JSON_BAD) return fed;
    begin_text(r);
    r->skips = c != '\n';
    return fed;
}

/* --- what was read --------------------------------------------------------------------------------------- */

const JsonNode *json_first(const JsonReader *r, const JsonNode *n)
{
    return n->first ? &r->node[n->first] : NULL;
}
const JsonNode *json_next(const JsonReader *r, const JsonNode *n)
{
    return n->next ? &r->node[n->next] : NULL;
}

const JsonNode *json_member(const JsonReader *r, const JsonNode *object, const char *key)
{
    const JsonNode *n = object->kind == JSON_OBJECT ? json_first(r, object) : NULL;
    while (n && strcmp(n->key, key)) n = json_next(r, n);
    return n;
}

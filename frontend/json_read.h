/* json_read.h - JSON texts (RFC 8259) out of a stream of bytes that may be anything. See json_read.c. */
#ifndef RING3_JSON_READ_H
#define RING3_JSON_READ_H

#include "cpu/base/base.h"

enum { JSON_DEPTH = 32, JSON_NODES = 1024, JSON_BYTES = 64 << 10, JSON_WORD = 64 };

typedef enum JsonKind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } JsonKind;

typedef struct JsonNode {
    JsonKind kind;
    const char *key;  /* a member's; NULL: an element's, or the root's */
    const char *text; /* JSON_STRING: UTF-8 without zeros in it */
    bool is_true, is_whole;
    s64 whole;          /* JSON_NUMBER with is_whole */
    u32 raw, raw_bytes; /* as it came, without blanks between words: json_raw_of() */
    u32 first, next;    /* index of its first member or element, of the next beside it; 0: none */
} JsonNode;

typedef enum JsonFed { JSON_MORE, JSON_WHOLE, JSON_BAD } JsonFed;

typedef struct JsonReader {
    JsonNode node[JSON_NODES]; /* [0]: the root */
    u32 nodes;
    const char *why; /* after JSON_BAD: a sentence */
    /* the rest is json_read.c's */
    char raw[JSON_BYTES], text[JSON_BYTES];
    u32 raw_bytes, text_bytes;
    u32 open[JSON_DEPTH], last[JSON_DEPTH]; /* containers that are open, and the last node in each */
    u32 depth;
    const char *key; /* of the value that comes next */
    int expects;
    int in;        /* the middle of which word */
    u32 string_at; /* where in `text` the string begins */
    u32 string_raw;
    u32 unicode, digits, surrogate;
    char word[JSON_WORD];
    u32 word_bytes;
    bool skips; /* what follows an error, to the end of its line */
} JsonReader;

void json_read_begin(JsonReader *r);
/* json_feed - the next byte. JSON_WHOLE: an object or array is complete, and stays until the next byte. JSON_BAD: it is none, r->why says
 * why; what was begun is forgotten, and so is what follows in the same line. A byte FFh, which no text has, begins anew
 * at once. */
JsonFed json_feed(JsonReader *r, u8 byte);
static inline const JsonNode *json_root(const JsonReader *r) { return &r->node[0]; }
/* NULL: there is none. */
const JsonNode *json_first(const JsonReader *r, const JsonNode *n);
const JsonNode *json_next(const JsonReader *r, const JsonNode *n);
const JsonNode *json_member(const JsonReader *r, const JsonNode *object, const char *key);
static inline const char *json_raw_of(const JsonReader *r, const JsonNode *n) { return r->raw + n->raw; }

#endif

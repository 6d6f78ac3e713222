/* drive_limits.c - limits on a drive's speed in -drive's words, QEMU's new ones and its old ones:
 *
 *   throttling.bps-total=N   bps=N        bytes a second; also -read, -write (bps_rd, bps_wr)
 *   throttling.iops-total=N  iops=N       commands a second; also -read, -write (iops_rd, iops_wr)
 *
 * N is a number, or one with K, M or G behind it (powers of 1024); 0 is no limit. Bursts (-max, -max-length) and groups
 * are QEMU's alone.
 */
#include "frontend/options/drive_limits.h"

#include <string.h>

static const struct {
    const char *key, *old_key;
    bool commands;
    u8 kind;
} words[] = {
    {"throttling.bps-total", "bps", false, LIMIT_TOTAL},
    {"throttling.bps-read", "bps_rd", false, LIMIT_READ},
    {"throttling.bps-write", "bps_wr", false, LIMIT_WRITE},
    {"throttling.iops-total", "iops", true, LIMIT_TOTAL},
    {"throttling.iops-read", "iops_rd", true, LIMIT_READ},
    {"throttling.iops-write", "iops_wr", true, LIMIT_WRITE},
};

const char drive_limits_differ[] =
    "bps/iops/max total values and read/write values cannot be used at the same time";

/* Digits, and K, M or G. */
static bool parse_amount(const char *text, u64 *n)
{
    static const char letters[] = "KMG";
    u64 value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= DRIVE_LIMIT_MAX; at++) value = 10 * value + (u64)(*at - '0');
    if (at == text) return false;
    const char *letter = *at ? strchr(letters, *at & ~0x20) : NULL;
    if (*at && (!letter || at[1])) return false;
    unsigned shift = letter ? 10 * (unsigned)(letter - letters + 1) : 0;
    *n = value << shift;
    return value <= DRIVE_LIMIT_MAX >> shift;
}

static bool is_burst(const char *key)
{
    static const char *const begins[] = {"throttling.", "bps_max",     "bps_rd_max",  "bps_wr_max",
                                         "iops_max",    "iops_rd_max", "iops_wr_max", "iops_size"};
    for (unsigned n = 0; n < ARRAY_LEN(begins); n++)
        if (!strncmp(key, begins[n], strlen(begins[n]))) return true;
    return false;
}

bool drive_limit_take(const Pair *pair, DriveLimits *l, Problem *p)
{
    p->text[0] = 0;
    for (unsigned n = 0; n < ARRAY_LEN(words); n++) {
        if (strcmp(pair->key, words[n].key) && strcmp(pair->key, words[n].old_key)) continue;
        u64 *to = words[n].commands ? &l->commands[words[n].kind] : &l->bytes[words[n].kind];
        if (!parse_amount(pair->value, to))
            problem_set(p, "-drive %s=%.60s: takes a number up to 10^15, with K, M or G behind it or not",
                        pair->key, pair->value);
        return true;
    }
    if (!is_burst(pair->key)) return false;
    problem_set(p,
                "-drive %s=: no bursts and groups; throttling.bps-total, -read, -write and iops-total, "
                "-read, -write are the limits",
                pair->key);
    return true;
}

bool drive_limits_agree(const DriveLimits *l)
{
    return (!l->bytes[LIMIT_TOTAL] || !(l->bytes[LIMIT_READ] | l->bytes[LIMIT_WRITE])) &&
           (!l->commands[LIMIT_TOTAL] || !(l->commands[LIMIT_READ] | l->commands[LIMIT_WRITE]));
}

/* host.h - what this host has, what it costs, and how to do without.
 *
 * host_get() looks once, at start, before the engine takes its signals: at the processor, at the kernel's interfaces,
 * at limits, and it measures what the engine's thresholds depend on (2.5 ms on a host where a signal takes 12 us).
 * From then on everybody asks host_has() and reads the numbers; nobody probes by himself.
 *
 * RING3_HOST in the environment makes a host poorer, for tests: "-bmi2,-guard" turns features off, "none" all of
 * them, and "signal_ns=15000" sets a number. host_mask_parse() has the grammar. What is masked is not used,
 * wherever ring3 asks.
 *
 * Every feature here has a way without it, but for LAHF: there the way is the interpreter. Without SSE3 to POPCNT it is
 * the guest that does without. What a host must have (docs/HOSTS.md) is not in the list.
 */
#ifndef RING3_HOST_H
#define RING3_HOST_H

#include "cpu/base/base.h"

/* clang-format off */

/* The one list of features: H(ID, word, help). `ring3 -host` prints it, RING3_HOST takes its words. */
#define HOST_FEATURE_LIST(H)                                                                                 \
    H(BMI2, "bmi2", "shifts that leave the flags alone")                                                     \
    H(LAHF, "lahf", "LAHF in 64-bit code, which translation needs; masked, only guest code does without")    \
    H(SSE3, "sse3", "for guests: -cpu max has it, in both engines")                                          \
    H(SSSE3, "ssse3", "likewise")                                                                            \
    H(SSE41, "sse4.1", "likewise")                                                                           \
    H(SSE42, "sse4.2", "likewise")                                                                           \
    H(POPCNT, "popcnt", "likewise")                                                                          \
    H(FSGSBASE, "fsgsbase", "segment bases without a system call, announced by the kernel (5.9)")            \
    H(MEMFD, "memfd", "memfd_create; without it guest memory is a file without a name")                      \
    H(MEMFD_SEALS, "memfd_seals", "shared memory keeps its size")                                            \
    H(SEAL_FUTURE_WRITE, "seal_future_write", "shared memory that only its maker can write (5.1)")           \
    H(USERFAULTFD, "userfaultfd", "page faults as messages")                                                 \
    H(POPULATE, "populate", "MADV_POPULATE_WRITE (5.14)")                                                    \
    H(GUARD, "guard", "MADV_GUARD_INSTALL on shared memory (6.15)")                                          \
    H(NOREPLACE, "noreplace", "MAP_FIXED_NOREPLACE (4.17)")
typedef enum HostFeature {
#define H(id, word, help) HOST_##id,
    HOST_FEATURE_LIST(H)
#undef H
        HOST_FEATURES
} HostFeature;

#define HOST_NO_LIMIT UINT64_MAX

/* The one list of numbers, fields of Host: N(name, help). */
#define HOST_NUMBER_LIST(N)                                                                                  \
    N(max_map_count, "mappings that a process may have (vm.max_map_count)")                                  \
    N(overcommit, "vm.overcommit_memory; 2: memory that may be written is counted when it is mapped")        \
    N(reserve_bytes, "address space that could be reserved at once (1 TiB is asked for)")                    \
    N(address_bytes, "RLIMIT_AS")                                                                            \
    N(data_bytes, "RLIMIT_DATA: private memory that may be written")                                         \
    N(memory_bytes, "memory")                                                                                \
    N(cgroup_bytes, "memory that the control group may use")                                                 \
    N(syscall_ns, "a system call")                                                                           \
    N(signal_ns, "a SIGSEGV whose handler returns elsewhere")                                                \
    N(mmap_ns, "a populated page of shared memory mapped over a reservation, and its first access")          \
    N(table_ns, "the same where it is the first in 2 MiB, so that a page table is made")                     \
    N(mprotect_ns, "rights taken from a page that was accessed")                                             \
    N(fault_ns, "a hidden fault: signal and mmap")

typedef struct Host {
    char release[64]; /* the kernel's */
    u32 found;        /* bits 1 << HostFeature: there */
    u32 masked;       /* turned off by RING3_HOST */
    u32 measuring_ns; /* what the measuring took */
#define N(name, help) u64 name;
    HOST_NUMBER_LIST(N)
#undef N
} Host;

/* clang-format on */

/* Looks at the first call, and says the same from then on. Call it early: it takes SIGSEGV for two milliseconds. */
const Host *host_get(void);
/* There and not masked. */
bool host_has(HostFeature f);
/* madvise()'s words of HOST_POPULATE: newer than the C library's headers may be. */
enum { HOST_MADV_POPULATE_READ = 22, HOST_MADV_POPULATE_WRITE = 23 };
/* Only the mask, read anew and without the C library, for those who may come before host_get(). */
bool host_masked(HostFeature f);
/* What CPUID alone tells (BMI2 to POPCNT), masked, without host_get() and the C library. */
bool host_processor_has(HostFeature f);
const char *host_feature_word(HostFeature f);
const char *host_feature_help(HostFeature f);
/* The n-th number of the list; false: there are no more. */
bool host_number_at(unsigned n, const char **name, const char **help, u64 *value);

/* Whether 32-bit code runs: in a child, which may die of it. Nothing in ring3 needs it. */
bool host_runs_code32(void);

/* --- masks ------------------------------------------------------------------------------------------------ */

/* What RING3_HOST says: words between commas, "-FEATURE", "none" (no feature), "NUMBER=N" (decimal). */
typedef struct HostMask {
    u32 off;       /* bits 1 << HostFeature */
    u64 set;       /* bits 1 << place in HOST_NUMBER_LIST */
    u64 value[64]; /* by that place */
} HostMask;
/* False: `bad` is the word that is none (cut to its size). text NULL: an empty mask. */
bool host_mask_parse(const char *text, HostMask *m, char *bad, size_t bad_bytes);
/* The same with RING3_HOST; for the frontend, which says it. host_get() leaves out what it does not understand. */
bool host_mask_ok(char *bad, size_t bad_bytes);

/* --- memory ----------------------------------------------------------------------------------------------- */

typedef enum HostMemoryUse { HOST_MEMORY_DATA, HOST_MEMORY_CODE } HostMemoryUse;
/* A descriptor of `bytes` of zeroed, sparse memory that may be mapped shared, more than once: a memfd, or, where
 * there is none, a file without a name in /dev/shm, $TMPDIR or /tmp, whichever has the room and, for code, may be
 * executed. -1: none; errno. */
int host_memory_open(const char *name, u64 bytes, HostMemoryUse use);
#define HOST_NO_MEMORY "the host has not enough memory"
/* host_memory_lack - why the last host_memory_open() that failed did, for people; NULL: none has failed. */
const char *host_memory_lack(void);
/* A zeroed table, sparse also where the host counts private memory (overcommit 2, RLIMIT_DATA): shared memory then.
 * NULL: no address space for it. A page that cannot be touched lies on either side. */
void *host_table_map(u64 bytes);
void host_table_unmap(void *table, u64 bytes); /* NULL: nothing */

/* host_map_hidden - memory that is executed by another mapping, mapped here to be written: at an address of the whole
 * address space that cannot be guessed, between pages without rights, so that nobody runs into it from a neighbour.
 * NULL: errno. host_unmap_hidden() gives it back. */
void *host_map_hidden(int fd, u64 bytes);
void host_unmap_hidden(void *at, u64 bytes);

/* --- choices ---------------------------------------------------------------------------------------------- */

/* host_choice - whoever chooses because of the host says so in a line: `ring3 -host` and `info host` print it.
 * `what` stays where it is (a literal); the same `what` again replaces the line. At start only: it formats. */
void host_choice(const char *what, const char *fmt, ...) PRINTF(2, 3);
/* The n-th line; false: there are no more. */
bool host_choice_at(unsigned n, const char **what, const char **text);

/* --- for the emitter -------------------------------------------------------------------------------------- */

/* What emitted code may use; found at the first use, by CPUID alone and without the C library; overwritten by tests. */
typedef struct HostFeatures {
    bool known, bmi2, lahf;
} HostFeatures;
extern HostFeatures host_features;
const HostFeatures *host_features_get(void);

/* host_cost.c: fills in the numbers that end in _ns, and measuring_ns. */
void host_measure(Host *h);

#endif

/* syscall_forms.h - for syscalls.c: how many arguments a Linux call of the i386 has, and how each is shown. By the
 * manual pages (section 2) and <asm/unistd_32.h>. A letter an argument:
 *
 *   s  a path or other text        A  an argument vector          b  bytes, as many as the next argument says
 *   r  bytes that the call leaves there, as many as it returns
 *   f  a file descriptor           d  a signed number             u  an unsigned number
 *   x  hexadecimal                 p  an address                  o  a mode, octal; left out if nothing is made
 *   O  flags of open               M  protection of memory        P  flags of mmap
 *   a  access: R_OK ...            w  whence: SEEK_SET ...        g  a signal
 *   h  how: SIG_BLOCK ...          t  flags of the *at calls
 *
 * A call that is not here is shown with the contents of all six registers.
 */
static const char *const forms[CALLS] = {
    [1] = "d",        [2] = "",         [3] = "fru",      [4] = "fbu",     [5] = "sOo",     [6] = "f",
    [7] = "dpx",      [8] = "so",       [9] = "ss",       [10] = "s",      [11] = "sAp",    [12] = "s",
    [13] = "p",       [14] = "sox",     [15] = "so",      [16] = "sdd",    [19] = "fdw",    [20] = "",
    [21] = "sssxp",   [24] = "",        [27] = "u",       [29] = "",       [30] = "sp",     [33] = "sa",
    [36] = "",        [37] = "dg",      [38] = "ss",      [39] = "so",     [40] = "s",      [41] = "f",
    [42] = "p",       [43] = "p",       [45] = "p",       [47] = "",       [49] = "",       [50] = "",
    [52] = "sx",      [54] = "fxp",     [55] = "fdx",     [57] = "dd",     [60] = "o",      [61] = "s",
    [63] = "ff",      [64] = "",        [65] = "",        [66] = "",       [75] = "dp",     [76] = "dp",
    [77] = "dp",      [78] = "pp",      [83] = "ss",      [85] = "sru",    [90] = "p",      [91] = "pu",
    [92] = "sd",      [93] = "fd",      [94] = "fo",      [96] = "dd",     [97] = "ddd",    [99] = "sp",
    [100] = "fp",     [102] = "dp",     [103] = "dpd",    [104] = "dpp",   [106] = "sp",    [107] = "sp",
    [108] = "fp",     [114] = "dpxp",   [116] = "p",      [118] = "f",     [119] = "",      [120] = "xpppp",
    [122] = "p",      [125] = "puM",    [132] = "d",      [133] = "f",     [140] = "fuupw", [141] = "fpu",
    [142] = "dpppp",  [143] = "fd",     [145] = "fpd",    [146] = "fpd",   [147] = "d",     [148] = "f",
    [158] = "",       [162] = "pp",     [163] = "puuxp",  [168] = "pud",   [172] = "dxxxx", [173] = "",
    [174] = "gppu",   [175] = "hppu",   [176] = "pu",     [177] = "pppu",  [179] = "pu",    [180] = "fruuu",
    [181] = "fbuuu",  [183] = "ru",     [186] = "pp",     [187] = "ffpu",  [190] = "",      [191] = "dp",
    [192] = "puMPfu", [193] = "suu",    [194] = "fuu",    [195] = "sp",    [196] = "sp",    [197] = "fp",
    [198] = "sdd",    [199] = "",       [200] = "",       [201] = "",      [202] = "",      [205] = "dp",
    [206] = "dp",     [207] = "fdd",    [212] = "sdd",    [213] = "d",     [214] = "d",     [219] = "pud",
    [220] = "fpu",    [221] = "fdx",    [224] = "",       [238] = "dg",    [239] = "ffpu",  [240] = "pxuppu",
    [241] = "dup",    [242] = "dup",    [243] = "p",      [252] = "d",     [254] = "d",     [255] = "fdfp",
    [256] = "fpdd",   [258] = "p",      [264] = "dp",     [265] = "dp",    [266] = "dp",    [267] = "dxpp",
    [268] = "sup",    [269] = "fup",    [270] = "ddg",    [291] = "",      [292] = "fsx",   [295] = "fsOo",
    [296] = "fso",    [297] = "fsox",   [298] = "fsddt",  [300] = "fspt",  [301] = "fst",   [302] = "fsfs",
    [303] = "fsfst",  [304] = "sfs",    [305] = "fsru",   [306] = "fso",   [307] = "fsa",   [308] = "dppppp",
    [309] = "pupp",   [311] = "pu",     [312] = "dpp",    [320] = "fspt",  [322] = "dx",    [323] = "ux",
    [328] = "ux",     [329] = "x",      [330] = "ffO",    [331] = "pO",    [332] = "x",     [340] = "ddpp",
    [353] = "fsfsx",  [355] = "pux",    [356] = "sx",     [358] = "fsApt", [359] = "ddd",   [360] = "dddp",
    [361] = "fpu",    [362] = "fpu",    [363] = "fd",     [364] = "fppx",  [365] = "fddpp", [366] = "fddpu",
    [367] = "fpp",    [368] = "fpp",    [369] = "fbuxpu", [370] = "fpx",   [371] = "frupp", [372] = "fpx",
    [373] = "fd",     [375] = "dx",     [377] = "fpfpux", [383] = "fstxp", [384] = "xp",    [386] = "puxx",
    [403] = "dp",     [404] = "dp",     [406] = "dp",     [407] = "dxpp",  [412] = "fspt",  [413] = "dppppp",
    [414] = "pupp",   [422] = "pxuppu", [424] = "dgpx",   [435] = "pu",    [436] = "ffx",   [437] = "fspu",
    [439] = "fsat",
};

typedef struct Bit {
    uint32_t value;
    const char *name;
} Bit;

/* What no name is left for is shown as a number. */
static const Bit open_bits[] = {{03, NULL},
                                {0100, "O_CREAT"},
                                {0200, "O_EXCL"},
                                {0400, "O_NOCTTY"},
                                {01000, "O_TRUNC"},
                                {02000, "O_APPEND"},
                                {04000, "O_NONBLOCK"},
                                {04010000, "O_SYNC"},
                                {010000, "O_DSYNC"},
                                {040000, "O_DIRECT"},
                                {0100000, "O_LARGEFILE"},
                                {020200000, "O_TMPFILE"},
                                {0200000, "O_DIRECTORY"},
                                {0400000, "O_NOFOLLOW"},
                                {01000000, "O_NOATIME"},
                                {02000000, "O_CLOEXEC"},
                                {010000000, "O_PATH"},
                                {0, NULL}};
static const Bit protection_bits[] = {
    {1, "PROT_READ"}, {2, "PROT_WRITE"}, {4, "PROT_EXEC"}, {0, "PROT_NONE"}};
static const Bit map_bits[] = {{1, "MAP_SHARED"},
                               {2, "MAP_PRIVATE"},
                               {0x10, "MAP_FIXED"},
                               {0x20, "MAP_ANONYMOUS"},
                               {0x100, "MAP_GROWSDOWN"},
                               {0x800, "MAP_DENYWRITE"},
                               {0x2000, "MAP_LOCKED"},
                               {0x4000, "MAP_NORESERVE"},
                               {0x8000, "MAP_POPULATE"},
                               {0x20000, "MAP_STACK"},
                               {0x100000, "MAP_FIXED_NOREPLACE"},
                               {0, NULL}};
static const Bit access_bits[] = {{4, "R_OK"}, {2, "W_OK"}, {1, "X_OK"}, {0, "F_OK"}};
static const Bit at_bits[] = {{0x100, "AT_SYMLINK_NOFOLLOW"}, {0x200, "AT_REMOVEDIR"},
                              {0x400, "AT_SYMLINK_FOLLOW"},   {0x800, "AT_NO_AUTOMOUNT"},
                              {0x1000, "AT_EMPTY_PATH"},      {0, NULL}};
static const char *const whences[] = {"SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE"};
static const char *const hows[] = {"SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK"};
enum { O_ACCMODE_BITS = 3, O_MAKES = 0100 | 020000000, AT_FDCWD_NUMBER = -100 };

/* nvram.c - see nvram.h.
 *
 * The 128 bytes as the MC146818's ports show them. What the board itself sets at power-on (memory, drives, boot order) is set
 * anew, and the time is the host's; the rest is as the guest left it. They are written when ring3 ends, in one piece: after a
 * kill -9 the file has those of the time before.
 */
#include "frontend/vm/nvram.h"

#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/bytes.h"
#include "frontend/host/files.h"

static int fd = -1;

bool nvram_open(const char *path, const u8 **cmos, Problem *p)
{
    static u8 bytes[NVRAM_BYTES];
    struct stat st;
    *cmos = NULL;
    fd = file_open(FILE_CREATE, path);
    if (fd < 0) return problem_set(p, "-nvram %.200s: %.120s", path, file_problem());
    bool plain = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (!plain || (st.st_size && st.st_size != NVRAM_BYTES)) {
        close(fd);
        fd = -1;
        return problem_set(p, "-nvram %.200s: not a file of %d bytes, as CMOS memory is", path, NVRAM_BYTES);
    }
    if (!st.st_size) return true;
    if (bytes_read(fd, 0, bytes, sizeof bytes))
        return problem_set(p, "-nvram %.200s: it cannot be read", path);
    *cmos = bytes;
    return true;
}

bool nvram_end(const u8 cmos[NVRAM_BYTES]) { return fd < 0 || !bytes_write(fd, 0, cmos, NVRAM_BYTES); }

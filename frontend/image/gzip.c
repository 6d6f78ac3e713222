/* gzip.c - a raw image that gzip has packed, to be read only.
 *
 * (RFC 1952; several members one after the other, as gzip takes them.) There is no way into the middle of such a
 * file, so it is unpacked when it is opened, into a temporary file without a name (TMPDIR): that takes time, and
 * room on the host's disk for what is not zeros. What unpacks to more than 64 GiB is refused; zeros take no room.
 */
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "frontend/host/files.h"
#include "frontend/host/bytes.h"
#include "frontend/image/format.h"

enum { PIECE = 1 << 16 };
static const u64 UNPACKED_MAX = 64ull << 30;

typedef struct Unpacking {
    z_stream z;
    u64 in_at, out_at;
    u8 in[PIECE], out[PIECE];
} Unpacking;

static int put_piece(HostFile *to, Unpacking *u)
{
    u32 n = PIECE - u->z.avail_out;
    int error = !bytes_are_zero(u->out, n) ? host_file_write(to, u->out_at, u->out, n) : 0;
    u->out_at += n;
    u->z.next_out = u->out;
    u->z.avail_out = PIECE;
    return !error && u->out_at > UNPACKED_MAX ? EFBIG : error;
}

static int get_piece(const HostFile *from, Unpacking *u)
{
    u64 left = from->bytes - u->in_at;
    u32 n = left < PIECE ? (u32)left : PIECE;
    int error = host_file_read(from, u->in_at, u->in, n);
    u->in_at += n;
    u->z.next_in = u->in;
    u->z.avail_in = n;
    return error;
}

/* Another member may follow; what is no member is ignored, as gzip does with zeros behind the last. */
static bool member_follows(const HostFile *from, Unpacking *u, int *error)
{
    if (!u->z.avail_in && u->in_at < from->bytes) *error = get_piece(from, u);
    return !*error && u->z.avail_in >= 1 && u->z.next_in[0] == 0x1f && inflateReset(&u->z) == Z_OK;
}

static int unpack_all(const HostFile *from, HostFile *to, Unpacking *u)
{
    int error = 0;
    u->z.next_out = u->out;
    u->z.avail_out = PIECE;
    while (!error) {
        if (!u->z.avail_in && u->in_at < from->bytes) error = get_piece(from, u);
        if (error) break;
        int result = inflate(&u->z, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END) return EIO;
        if (!u->z.avail_out || result == Z_STREAM_END) error = put_piece(to, u);
        if (result == Z_STREAM_END && !error && !member_follows(from, u, &error)) break;
    }
    return error ? error : host_file_resize(to, u->out_at);
}

static bool open_temporary(Disk *d, Problem *p)
{
    d->extent = calloc(1, sizeof *d->extent);
    CHECK(d->extent, "no memory");
    *d->extent = (HostFile){.fd = file_open(FILE_TEMPORARY, file_temporary_folder()), .writable = true};
    if (d->extent->fd < 0) return problem_set(p, "no place to unpack it (TMPDIR)");
    d->extents = 1;
    return true;
}

static bool open_gzip(Disk *d, Problem *p)
{
    if (!open_temporary(d, p)) return false;
    Unpacking *u = calloc(1, sizeof *u);
    CHECK(u, "no memory");
    bool begun = inflateInit2(&u->z, 16 + MAX_WBITS) == Z_OK;
    int error = begun ? unpack_all(&d->file, d->extent, u) : ENOMEM;
    if (begun) inflateEnd(&u->z);
    free(u);
    d->extent->writable = false;
    d->sectors = (d->extent->bytes + SECTOR_BYTES - 1) / SECTOR_BYTES;
    if (error == EIO) return problem_set(p, "is damaged: it cannot be unpacked");
    if (error == EFBIG) return problem_set(p, "has more than 64 GiB when it is unpacked");
    if (error) return problem_set(p, "cannot be unpacked: %s", strerror(error));
    return d->sectors || problem_set(p, "is empty when it is unpacked");
}

static int find_gzip(Disk *d, u64 sector, u64 most, Extent *e)
{
    *e = (Extent){EXTENT_DATA, false, d->extent, sector * SECTOR_BYTES, most};
    return 0;
}

const DiskFormat format_gzip = {.word = "gzip", .open = open_gzip, .find = find_gzip};

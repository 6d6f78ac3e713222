/* foreign.c - image formats, archives and compressed files: what a guest would ruin if it took them for a raw disk.
 * Some of them are opened by image/ as what they are, the others refused.
 *
 * One row a format: where its magic number lies, from the beginning or, with a negative offset, from the end. The
 * numbers are those of the formats' own specifications (QEMU's docs/interop for qcow2, QED, Parallels; VMware's
 * Virtual Disk Format 5.0; Microsoft's VHD and VHDX; RFC 1952, 8878; .ZIP 6.3).
 *
 * Not here, since raw disks are made of them: file systems and volumes (ISO 9660, squashfs, LUKS, LVM), tar and cpio
 * archives (which hobby systems read from the first sector on), and DOS programs (Linux kernels begin like one, and
 * old ones boot when copied onto a floppy).
 */
#include "frontend/image/foreign.h"

#include <stdio.h>

#define QEMU(format)    "qemu-img convert -f " format " -O raw @ NEW"
#define UNPACK(program) program " @ > NEW"

typedef struct Magic {
    s32 offset; /* < 0: from the end */
    u32 bytes;
    const char *magic;
    ForeignFormat format;
} Magic;

#define AT(offset, magic, name, remedy)                                                                      \
    {                                                                                                        \
        offset, sizeof magic - 1, magic, { name, remedy, false, NULL }                                       \
    }
/* A disk image that is to be converted. */
#define DISK(offset, magic, name, remedy)                                                                    \
    {                                                                                                        \
        offset, sizeof magic - 1, magic, { name, remedy, true, NULL }                                        \
    }
/* One that image/ opens. */
#define OURS(offset, magic, name, format)                                                                    \
    {                                                                                                        \
        offset, sizeof magic - 1, magic, { name, "", true, format }                                          \
    }

static const Magic magics[] = {
    DISK(0, "QFI\xfb\0\0\0\1", "a qcow image", QEMU("qcow")),
    OURS(0, "QFI\xfb", "a qcow2 image", "qcow2"),
    DISK(0, "QED\0", "a QED image", QEMU("qed")),
    OURS(0, "KDMV", "a VMDK image", "vmdk"),
    DISK(0, "COWD", "a VMDK image", QEMU("vmdk")),
    OURS(0, "# Disk DescriptorFile", "the descriptor of a VMDK image", "vmdk"),
    OURS(0x40, "\x7f\x10\xda\xbe", "a VDI image", "vdi"),
    OURS(0, "conectix", "a VHD image", "vpc"),
    OURS(-512, "conectix", "a VHD image", "vpc"),
    OURS(-511, "conectix", "a VHD image", "vpc"),
    DISK(0, "vhdxfile", "a VHDX image", QEMU("vhdx")),
    DISK(0, "WithoutFreeSpace", "a Parallels image", QEMU("parallels")),
    DISK(0, "WithouFreSpacExt", "a Parallels image", QEMU("parallels")),
    DISK(0, "#!/bin/sh\n#V2.0 Format\n", "a cloop image", QEMU("cloop")),
    DISK(0, "Bochs Virtual HD Image", "a growing image of Bochs", QEMU("bochs")),
    DISK(-512, "koly", "a DMG image", QEMU("dmg")),
    AT(0, "\x3a\xff\x26\xed", "an Android sparse image", "simg2img @ NEW"),
    AT(0, "MSWIM\0\0\0", "a WIM archive", "7z x @"),
    AT(0, "EVF\x09\x0d\x0a\xff\0", "an EnCase image", "ewfexport @"),
    AT(0, "MComprHD", "a CHD image", "chdman extracthd -i @ -o NEW"),
    AT(0, "partclone-image", "a partclone image", "partclone.restore -s @ -o NEW"),
    OURS(0, "\x1f\x8b\x08", "a gzip file", "gzip"),
    AT(0, "\x1f\x9d\x90", "a compress (.Z) file", UNPACK("gunzip -c")),
    AT(0, "\xfd\x37zXZ\0", "an xz file", UNPACK("xz -dc")),
    AT(4, "1AY&SY", "a bzip2 file", UNPACK("bzip2 -dc")),
    AT(0, "\x28\xb5\x2f\xfd", "a zstd file", UNPACK("zstd -dc")),
    AT(0, "\x04\x22\x4d\x18", "an lz4 file", UNPACK("lz4 -dc")),
    AT(0, "LZIP", "an lzip file", UNPACK("lzip -dc")),
    AT(0, "\x89LZO\0\r\n\x1a\n", "an lzop file", UNPACK("lzop -dc")),
    AT(0, "PK\3\4", "a zip archive", "unzip @"),
    AT(0, "7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x @"),
    AT(0, "Rar!\x1a\7", "a RAR archive", "unrar x @"),
    AT(0, "MSCF\0\0\0\0", "a cabinet archive", "cabextract @"),
    OURS(0, "\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", "a CD image with sectors of 2352 bytes", "cue"),
    AT(0, "MEDIA DESCRIPTOR", "the descriptor of an MDF image", "mdf2iso ITS.mdf NEW"),
    AT(0, "[CloneCD]", "the descriptor of a CloneCD image", "ccd2iso ITS.img NEW"),
    AT(-12, "NER5", "a Nero image", "nrg2iso @ NEW"),
    AT(-8, "NERO", "a Nero image", "nrg2iso @ NEW"),
    AT(0, "CISO", "a CSO image", "maxcso --decompress @"),
    AT(0, "IsZ!", "an ISZ image", "7z x @"),
    AT(0,
       "\x7f"
       "ELF",
       "an ELF program", "a kernel is started by -kernel @"),
    AT(0, "%PDF-", "a PDF document", "it is no disk"),
    AT(0, "<!DOCTYPE ", "a web page", "fetch the image once more"),
    AT(0, "<!doctype ", "a web page", "fetch the image once more"),
    AT(0, "<html", "a web page", "fetch the image once more"),
};

static bool is_at(const Magic *m, const u8 *head, u32 head_bytes, const u8 *tail, u32 tail_bytes)
{
    u32 back = (u32)-m->offset;
    if (m->offset < 0) return back <= tail_bytes && !memcmp(tail + tail_bytes - back, m->magic, m->bytes);
    return (u32)m->offset + m->bytes <= head_bytes && !memcmp(head + m->offset, m->magic, m->bytes);
}

/* --- CUE sheets ------------------------------------------------------------------------------------------ */

static bool is_text(const u8 *s, u32 n)
{
    for (u32 i = 0; i < n; i++)
        if ((s[i] < ' ' && s[i] != '\n' && s[i] != '\r' && s[i] != '\t') || s[i] == 0x7f) return false;
    return true;
}

/* Does a line begin with the word? */
static bool has_line(const u8 *s, u32 n, const char *word)
{
    u32 length = (u32)strlen(word);
    bool begins = true;
    for (u32 i = 0; i + length <= n; i++) {
        if (begins && !memcmp(s + i, word, length)) return true;
        begins = s[i] == '\n' || (begins && (s[i] == ' ' || s[i] == '\t'));
    }
    return false;
}

/* A text that names a file and its tracks. */
static bool is_cue(const u8 *head, u32 n)
{
    return is_text(head, n) && has_line(head, n, "FILE \"") && has_line(head, n, "TRACK ");
}

/* --- the file -------------------------------------------------------------------------------------------- */

const ForeignFormat *foreign_find(const u8 *head, u32 head_bytes, const u8 *tail, u32 tail_bytes)
{
    static const ForeignFormat cue = {"a list of a CD's tracks (CUE)", "", true, "cue"};
    for (unsigned n = 0; n < ARRAY_LEN(magics); n++)
        if (is_at(&magics[n], head, head_bytes, tail, tail_bytes)) return &magics[n].format;
    return is_cue(head, head_bytes) ? &cue : NULL;
}

static bool is_plain(const char *path)
{
    enum { LONGEST = 80 };
    size_t n = strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+,./:@%^-");
    return !path[n] && n <= LONGEST && *path != '-';
}

void foreign_remedy(const ForeignFormat *f, const char *path, char *to, size_t room)
{
    int before = (int)strcspn(f->remedy, "@");
    if (!f->remedy[before])
        snprintf(to, room, "%s", f->remedy);
    else
        snprintf(to, room, "%.*s%s%s", before, f->remedy, is_plain(path) ? path : "FILE",
                 f->remedy + before + 1);
}

// Makes an option ROM of the linked video BIOS: pads it to 512-byte blocks (and to 2 KiB, as old firmware looks for
// ROMs there), fills in the size in the header and the PCI data structure, and makes the bytes' sum zero.
// usage: video_pack IN OUT

#include <stdio.h>
#include <string.h>

enum { PCIR_POINTER = 0x18, PCIR_BLOCKS = 0x10, ALIGN = 2048, MAX = 65536 };

int main(int argc, char **argv)
{
    static unsigned char rom[MAX + 1];
    FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL;
    size_t n = in ? fread(rom, 1, sizeof rom, in) : 0;
    if (!n || n >= MAX) {
        fprintf(stderr, "video_pack: no input, or more than 64 KiB\n");
        return 1;
    }
    fclose(in);
    size_t size = (n + 1 + ALIGN - 1) / ALIGN * ALIGN; // at least a byte for the checksum
    unsigned pcir = rom[PCIR_POINTER] | (unsigned)rom[PCIR_POINTER + 1] << 8;
    if (pcir + 24 > n || memcmp(rom + pcir, "PCIR", 4)) {
        fprintf(stderr, "video_pack: no PCI data structure\n");
        return 1;
    }
    rom[2] = rom[pcir + PCIR_BLOCKS] = (unsigned char)(size / 512);
    unsigned char sum = 0;
    for (size_t i = 0; i < size; i++) sum = (unsigned char)(sum + rom[i]);
    rom[size - 1] = (unsigned char)-sum;
    FILE *out = fopen(argv[2], "wb");
    if (!out || fwrite(rom, 1, size, out) != size || fclose(out)) {
        fprintf(stderr, "video_pack: cannot write %s\n", argv[2]);
        return 1;
    }
    return 0;
}

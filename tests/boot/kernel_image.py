"""kernel_image.py - what a Linux kernel's file begins with, around code of ours."""


def linux_image(code_bytes, syssize, code=b""):
    """A bzImage's beginning: one setup sector, then `code`, filled up with HLT."""
    h = bytearray(1024)
    h[0x1F1] = 1
    h[0x1F4:0x1F8] = (syssize // 16).to_bytes(4, "little")
    h[0x1FE:0x200] = b"\x55\xaa"
    h[0x201] = 0x66
    h[0x202:0x206] = b"HdrS"
    h[0x206:0x208] = b"\x0c\x02"
    h[0x211] = 1
    h[0x214:0x218] = (0x100000).to_bytes(4, "little")
    h[0x22C:0x230] = b"\xff\xff\xff\x7f"
    h[0x238:0x23C] = b"\xff\x07\0\0"
    h[0x258:0x260] = (0x1000000).to_bytes(8, "little")
    h[0x260:0x264] = (0x2000000).to_bytes(4, "little")
    return bytes(h) + code.ljust(code_bytes, b"\xf4")

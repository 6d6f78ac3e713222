/* int21h.c - a hook library: what a DOS program asks of DOS. Real mode and V86 mode (under a memory manager) alike.
 *
 *     ring3 -fda dos.img -hook file=docs/hooks/int21h.hook
 *
 * A line a call: the function's name, its registers, the text that DS:DX points to where there is one, and how it
 * ended: AX, and whether carry was set. A function that does not come back (terminate, exec) is told when the next
 * one begins.
 */
#include <stdio.h>
#include <string.h>

#include "ring3-hook.h"

typedef enum Text { NONE, PATH /* up to a NUL */, DOLLAR /* up to a '$' */ } Text;
typedef struct Function {
    const char *name;
    Text text;
} Function;

/* By AH; the names are those of Microsoft's MS-DOS Programmer's Reference. */
static const Function functions[256] = {[0x00] = {"Terminate", NONE},
                                        [0x01] = {"ReadKeyEcho", NONE},
                                        [0x02] = {"DisplayChar", NONE},
                                        [0x06] = {"DirectConsoleIO", NONE},
                                        [0x07] = {"DirectInput", NONE},
                                        [0x08] = {"ReadKey", NONE},
                                        [0x09] = {"DisplayString", DOLLAR},
                                        [0x0a] = {"BufferedInput", NONE},
                                        [0x0b] = {"CheckKey", NONE},
                                        [0x0d] = {"ResetDisk", NONE},
                                        [0x0e] = {"SetDrive", NONE},
                                        [0x19] = {"GetDrive", NONE},
                                        [0x1a] = {"SetDTA", NONE},
                                        [0x25] = {"SetVector", NONE},
                                        [0x2a] = {"GetDate", NONE},
                                        [0x2c] = {"GetTime", NONE},
                                        [0x2f] = {"GetDTA", NONE},
                                        [0x30] = {"GetVersion", NONE},
                                        [0x31] = {"KeepProgram", NONE},
                                        [0x33] = {"CtrlC", NONE},
                                        [0x35] = {"GetVector", NONE},
                                        [0x36] = {"GetDiskSpace", NONE},
                                        [0x38] = {"Country", NONE},
                                        [0x39] = {"CreateDirectory", PATH},
                                        [0x3a] = {"RemoveDirectory", PATH},
                                        [0x3b] = {"ChangeDirectory", PATH},
                                        [0x3c] = {"CreateFile", PATH},
                                        [0x3d] = {"OpenFile", PATH},
                                        [0x3e] = {"CloseFile", NONE},
                                        [0x3f] = {"ReadFile", NONE},
                                        [0x40] = {"WriteFile", NONE},
                                        [0x41] = {"DeleteFile", PATH},
                                        [0x42] = {"Seek", NONE},
                                        [0x43] = {"Attributes", PATH},
                                        [0x44] = {"IOCTL", NONE},
                                        [0x47] = {"GetDirectory", NONE},
                                        [0x48] = {"Allocate", NONE},
                                        [0x49] = {"Free", NONE},
                                        [0x4a] = {"Resize", NONE},
                                        [0x4b] = {"Exec", PATH},
                                        [0x4c] = {"Exit", NONE},
                                        [0x4d] = {"GetExitCode", NONE},
                                        [0x4e] = {"FindFirst", PATH},
                                        [0x4f] = {"FindNext", NONE},
                                        [0x50] = {"SetPSP", NONE},
                                        [0x51] = {"GetPSP", NONE},
                                        [0x52] = {"GetListOfLists", NONE},
                                        [0x56] = {"Rename", PATH},
                                        [0x57] = {"FileTime", NONE},
                                        [0x58] = {"Strategy", NONE},
                                        [0x5b] = {"CreateNew", PATH},
                                        [0x62] = {"GetPSP", NONE},
                                        [0x6c] = {"ExtendedOpen", NONE}};

static const Ring3 *ring3;
static char call[400];
static int inside;

int ring3_hook_open(const Ring3 *r, const char *arguments)
{
    ring3 = r;
    return *arguments != 0;
}

static void tell(const char *how)
{
    ring3_say(ring3, "%s%s", call, how);
    inside = 0;
}

/* What DS:DX points to. */
static void take_text(Text kind, uint16_t dx, char *to, uint32_t room)
{
    *to = 0;
    if (kind == NONE) return;
    ring3->string(ring3->base(RING3_DS) + dx, to, room);
    if (kind == DOLLAR) to[strcspn(to, "$")] = 0;
}

void enter(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx);
void leave(uint32_t nr, uint16_t ax, uint32_t eflags);

void enter(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx)
{
    const Function *f = &functions[ax >> 8];
    char text[200];
    if (inside) tell(" = ?");
    inside = 1;
    take_text(f->text, dx, text, sizeof text);
    snprintf(call, sizeof call, "%04x:%04x %s ax=%04x bx=%04x cx=%04x dx=%04x%s%s%s", ring3->get(RING3_CS),
             ring3->get(RING3_EIP) & 0xffff, f->name ? f->name : "Function", ax, bx, cx, dx,
             f->text ? " \"" : "", text, f->text ? "\"" : "");
    if (ax >> 8 == 0x4c || ax >> 8 == 0) tell(" = ?");
}

void leave(uint32_t nr, uint16_t ax, uint32_t eflags)
{
    char how[40];
    (void)nr;
    if (!inside) return;
    snprintf(how, sizeof how, " = %04x%s", ax, eflags & 1 ? " carry" : "");
    tell(how);
}

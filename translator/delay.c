/* delay.c - loops that only pass time, and that old systems divide by.
 *
 * Windows 9x measures how long 1,048,576 LOOPs take, in milliseconds, and divides by it; Turbo Pascal's Crt counts
 * how often it can look at the tick count of the BIOS in 55 ms, divides by 55 and wants 16 bits ("Runtime error
 * 200"). Here such a round takes a third of a nanosecond, and both die. So at full speed a jump that closes a loop
 * of this kind waits:
 *
 *   a jump or LOOP behind nothing but counting of registers           2-4 ns a round
 *   16-bit code that also reads memory, always the same, to compare  17-34 ns a round: it waits for an interrupt
 *
 * A loop that does anything else, by a single instruction, is not touched. With -speed nothing waits: time is rationed.
 */
#include "translator/operand.h"
#include "translator/xlat.h"

enum { LOOP_BYTES_MAX = 24, LOOP_INSNS_MAX = 6, COUNT_ROUNDS = 12, WATCH_ROUNDS = 96 };

typedef struct Loop {
    u8 written;   /* registers that count: bits */
    u8 addresses; /* that reads use */
    bool watches;
} Loop;

static u8 reg_bit(u8 reg) { return reg == REG_NONE ? 0 : (u8)(1 << reg); }

static u8 byte_reg(u8 reg) { return reg & 3; }

/* Registers that an instruction counts, if that is all it does: INC, DEC; ADD, ADC, SBB, SUB of a constant; NOP
 * counts none.
 * -1: it does something else. */
static int counted(const Insn *i)
{
    static const bool sums[8] = {[0] = true, [2] = true, [3] = true, [5] = true}; /* ModRM.reg */
    bool in_register = i->has_modrm && !i->is_mem;
    switch (i->row->opcode) {
    case 0x40 ... 0x4f: return reg_bit(i->opcode & 7);
    case 0xff: return in_register && i->reg <= 1 ? reg_bit(i->rm) : -1;
    case 0xfe: return in_register && i->reg <= 1 ? reg_bit(byte_reg(i->rm)) : -1;
    case 0x81:
    case 0x83: return in_register && sums[i->reg] ? reg_bit(i->rm) : -1;
    case 0x80: return in_register && sums[i->reg] ? reg_bit(byte_reg(i->rm)) : -1;
    case 0x04:
    case 0x05:
    case 0x14:
    case 0x15:
    case 0x1c:
    case 0x1d:
    case 0x2c:
    case 0x2d: return reg_bit(EAX);
    case 0x90: return i->opcode == 0x90 ? 0 : -1;
    default: return -1;
    }
}

static bool counts(Loop *l, const Insn *i)
{
    int bits = counted(i);
    if (bits < 0) return false;
    l->written |= (u8)bits;
    return true;
}

static bool compares(const Insn *i)
{
    u16 op = i->row->opcode;
    return (op >= 0x38 && op <= 0x3d) || ((op == 0x80 || op == 0x81 || op == 0x83) && i->reg == 7) ||
           op == 0x84 || op == 0x85 || op == 0xa8 || op == 0xa9;
}

/* CMP or TEST; MOV from memory to a register. */
static bool watches(Loop *l, const Insn *i)
{
    u16 op = i->row->opcode;
    bool load = (op == 0x8a || op == 0x8b || op == 0xa0 || op == 0xa1) && i->is_mem;
    if (!load && !compares(i)) return false;
    if (load)
        l->written |= op == 0x8b ? reg_bit(i->reg) : op == 0x8a ? reg_bit(byte_reg(i->reg)) : reg_bit(EAX);
    if (!i->is_mem) return true;
    l->addresses |= reg_bit(i->base) | reg_bit(i->index);
    l->watches = true;
    return true;
}

static bool leaves(const Tx *t, const Insn *i, u32 eip)
{
    return insn_is_jcc(i) && (s32)(eip + i->len + i->imm - t->eip) > 0;
}

/* Rounds to wait before the jump of t to `to`; 0: it is no loop of that kind. */
static unsigned rounds_of(const Tx *t, u32 to)
{
    u32 bytes = t->eip - to, pa = t->pa - bytes;
    Loop l = {0};
    DecodeMode dm = mode_decode(t->x, t->b->mode);
    const u8 *hp = phys_hp(t->x->phys, pa);
    unsigned n = 0;
    if (bytes > LOOP_BYTES_MAX || (pa ^ t->pa) >> PAGE_BITS || !hp || t->b->pa2) return 0;
    for (u32 at = 0; at < bytes; n++) {
        Insn i;
        if (n == LOOP_INSNS_MAX || insn_decode(&i, hp + at, bytes - at, dm) != DECODE_OK) return 0;
        if (!counts(&l, &i) && !watches(&l, &i) && !leaves(t, &i, to + at)) return 0;
        at += i.len;
    }
    if (l.watches) return t->m.code32 || l.addresses & l.written ? 0 : WATCH_ROUNDS;
    return COUNT_ROUNDS;
}

/* mov r10, rcx; mov ecx, n; 1: lea ecx, [rcx - 1]; jrcxz 2; jmp 1; 2: mov rcx, r10 */
void delay_emit(Tx *t, const Insn *i, u32 to)
{
    Emit *e = &t->e;
    bool alone = i->opcode == 0xe2 && to == t->eip; /* LOOP to itself */
    if (t->x->count_speed || t->x->pages[t->pa >> PAGE_BITS].has_breaks || t->eip - to > LOOP_BYTES_MAX ||
        (to == t->eip && !alone))
        return;
    unsigned rounds = alone ? COUNT_ROUNDS : rounds_of(t, to);
    if (!rounds) return;
    emit_mov_rr64(e, R10, RCX);
    emit_mov_ri32(e, RCX, rounds);
    u8 *top = e->at;
    emit_lea32(e, RCX, RCX, -1);
    u8 *out = emit_jrcxz_hole(e);
    emit_u8(e, 0xeb);
    emit_u8(e, 0);
    emit_patch8(e->at - 1, top);
    emit_patch8(out, e->at);
    emit_mov_rr64(e, RCX, R10);
}

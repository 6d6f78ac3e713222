/* bcd.c - DAA DAS AAA AAS AAM AAD (SDM vol. 2). They work on AL and AH; undefined flags are noted at each. */
#include "cpu/alu.h"

enum { AL = EAX, AH = 4 }; /* byte register numbers */

/* OF is undefined: cleared. */
void exec_daa(Vcpu *c, const Insn *i)
{
    (void)i;
    u32 old = reg_read(c, AL, 1), al = old, f = 0;
    bool carry = c->eflags & FL_C;
    if ((old & 15) > 9 || (c->eflags & FL_A)) {
        al += 6;
        f |= FL_A;
    }
    if (old > 0x99 || carry) {
        al += 0x60;
        f |= FL_C;
    }
    al &= 0xff;
    reg_write(c, AL, al, 1);
    flags_set(c, FL_ARITH, f | flags_szp(al, 1));
}

/* The borrow of the first step alone sets CF too. OF is undefined: cleared. */
void exec_das(Vcpu *c, const Insn *i)
{
    (void)i;
    u32 old = reg_read(c, AL, 1), al = old, f = 0;
    bool carry = c->eflags & FL_C;
    if ((old & 15) > 9 || (c->eflags & FL_A)) {
        f |= FL_A | (carry || old < 6 ? FL_C : 0u);
        al -= 6;
    }
    if (old > 0x99 || carry) {
        al -= 0x60;
        f |= FL_C;
    }
    al &= 0xff;
    reg_write(c, AL, al, 1);
    flags_set(c, FL_ARITH, f | flags_szp(al, 1));
}

/* AX +- 106h as one addition (the 386 and later). OF, SF, ZF, PF are undefined: from AL, OF cleared. */
static void ascii_adjust(Vcpu *c, u32 delta)
{
    u32 ax = reg_read(c, EAX, 2), f = 0;
    if ((ax & 15) > 9 || (c->eflags & FL_A)) {
        ax += delta;
        f = FL_A | FL_C;
    }
    reg_write(c, EAX, ax & 0xff0f, 2);
    flags_set(c, FL_ARITH, f | flags_szp(ax & 15, 1));
}

void exec_aaa(Vcpu *c, const Insn *i)
{
    (void)i;
    ascii_adjust(c, 0x106);
}
void exec_aas(Vcpu *c, const Insn *i)
{
    (void)i;
    ascii_adjust(c, 0u - 0x106);
}

/* OF, AF, CF are undefined after AAM and AAD: cleared. */
void exec_aam(Vcpu *c, const Insn *i)
{
    u32 base = i->imm & 0xff, al = reg_read(c, AL, 1);
    if (base == 0) cpu_raise(c, EX_DE);
    reg_write(c, AH, al / base, 1);
    reg_write(c, AL, al % base, 1);
    flags_set(c, FL_ARITH, flags_szp(al % base, 1));
}

void exec_aad(Vcpu *c, const Insn *i)
{
    u32 al = (reg_read(c, AL, 1) + reg_read(c, AH, 1) * i->imm) & 0xff;
    reg_write(c, EAX, al, 2);
    flags_set(c, FL_ARITH, flags_szp(al, 1));
}

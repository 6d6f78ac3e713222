/* hook_call.c - see hook_call.h.
 *
 * Arguments are taken from where the convention has them (hook_line.c found the places), and libffi calls the host's
 * function by its signature. What cannot be read is 0, or NULL: the guest may pass what it likes.
 *
 * `str` is an offset in DS, which is flat nearly everywhere but in 16-bit code; SEGMENT:REGISTER says another one.
 */
#include "frontend/hook/hook_call.h"

#include <stdio.h>

#include "frontend/debug/guest_memory.h"
#include "frontend/debug/register_names.h"

enum { STRING_BYTES = 4096 };

static ffi_type *const ffi_types[HOOK_TYPES] = {
    [HOOK_VOID] = &ffi_type_void,  [HOOK_U8] = &ffi_type_uint8,   [HOOK_U16] = &ffi_type_uint16,
    [HOOK_U32] = &ffi_type_uint32, [HOOK_U64] = &ffi_type_uint64, [HOOK_S8] = &ffi_type_sint8,
    [HOOK_S16] = &ffi_type_sint16, [HOOK_S32] = &ffi_type_sint32, [HOOK_S64] = &ffi_type_sint64,
    [HOOK_F32] = &ffi_type_float,  [HOOK_F64] = &ffi_type_double, [HOOK_STR] = &ffi_type_pointer,
};

bool hook_prepare(Hook *h)
{
    for (unsigned n = 0; n < h->line.params; n++) h->types[n] = ffi_types[h->line.param[n].type];
    return ffi_prep_cif(&h->cif, FFI_DEFAULT_ABI, h->line.params, ffi_types[h->line.result], h->types) ==
           FFI_OK;
}

static u32 register_value(const Vcpu *c, const char *name)
{
    s64 value = 0;
    register_named((void *)(uintptr_t)c, name, &value);
    return (u32)value;
}

bool hook_holds(const HookLine *l, const Vcpu *c)
{
    for (unsigned n = 0; n < l->conditions; n++)
        if (register_value(c, l->condition[n].name) != l->condition[n].value) return false;
    return true;
}

/* --- the guest's stack ----------------------------------------------------------------------------------- */

static u32 slot_bytes(const Vcpu *c) { return cpu_code32(c) ? 4 : 2; }

u32 hook_stack(const Vcpu *c)
{
    u32 sp = c->gpr[ESP];
    return c->seg[SS].base + (cpu_stack32(c) ? sp : (u16)sp);
}

bool hook_caller(const Vcpu *c, u32 *eip)
{
    *eip = 0;
    return guest_read(c, true, hook_stack(c), eip, slot_bytes(c));
}

bool hook_return(const HookLine *l, Vcpu *c)
{
    u32 eip, sp = c->gpr[ESP] + slot_bytes(c);
    if (!hook_caller(c, &eip)) return false;
    if (l->convention == HOOK_STDCALL || l->convention == HOOK_FASTCALL)
        sp += l->stack_bytes[cpu_code32(c) != 0];
    if (cpu_stack32(c))
        c->gpr[ESP] = sp;
    else
        reg_write(c, ESP, sp, 2);
    c->eip = eip;
    return true;
}

void hook_set_result(const HookLine *l, Vcpu *c, u64 result)
{
    bool extends = l->where == HOOK_AT && cpu_code32(c);
    switch (l->result) {
    case HOOK_U8:
    case HOOK_S8: reg_write(c, EAX, (u32)result, extends ? 4 : 1); break;
    case HOOK_U16:
    case HOOK_S16: reg_write(c, EAX, (u32)result, extends ? 4 : 2); break;
    case HOOK_U64:
    case HOOK_S64:
        c->gpr[EAX] = (u32)result;
        c->gpr[EDX] = (u32)(result >> 32);
        break;
    case HOOK_U32:
    case HOOK_S32:
        if (l->where == HOOK_AT && !cpu_code32(c)) {
            reg_write(c, EAX, (u32)result, 2);
            reg_write(c, EDX, (u32)result >> 16, 2);
        } else {
            c->gpr[EAX] = (u32)result;
        }
        break;
    default: break;
    }
}

/* --- arguments ------------------------------------------------------------------------------------------- */

static u64 argument(const HookParam *q, const Vcpu *c, bool sysenter)
{
    bool wide = q->type == HOOK_U64 || q->type == HOOK_S64 || q->type == HOOK_F64;
    bool word = !cpu_code32(c) && (q->type == HOOK_STR || q->type == HOOK_U16 || q->type == HOOK_S16);
    u64 value = 0;
    if (q->place.reg < 0) {
        u32 at = hook_stack(c) + slot_bytes(c) + q->place.offset[cpu_code32(c) != 0];
        if (!guest_read(c, true, at, &value, wide ? 8 : word ? 2 : 4)) value = 0;
    } else if (q->place.reg == EBP &&
               sysenter) { /* the vDSO keeps its stack pointer there, and pushed EBP last */
        if (!guest_read(c, true, c->gpr[EBP], &value, 4)) value = 0;
    } else {
        value = c->gpr[q->place.reg];
        if (q->place.high >= 0) value |= (u64)c->gpr[q->place.high] << 32;
    }
    return value;
}

void hook_arguments(const HookLine *l, const Vcpu *c, bool sysenter, HookArguments *a)
{
    a->number = c->gpr[EAX];
    for (unsigned n = 0; n < l->params; n++)
        if (l->param[n].source == SOURCE_ARGUMENT) a->value[n] = argument(&l->param[n], c, sysenter);
}

static u64 value_of(const HookParam *q, const Vcpu *c, u64 as_argument, u32 number)
{
    switch (q->source) {
    case SOURCE_ARGUMENT: return as_argument;
    case SOURCE_REGISTER: return register_value(c, q->names[0]);
    case SOURCE_RESULT: return (u64)c->gpr[EDX] << 32 | c->gpr[EAX];
    case SOURCE_NUMBER: return number;
    case SOURCE_ADDRESS: break;
    }
    char base[HOOK_REG_BYTES + 8];
    snprintf(base, sizeof base, "%s.base", q->names[0]);
    return (u32)(register_value(c, base) + register_value(c, q->names[1]));
}

/* A copy of the string at a linear address; NULL: it is 0, or cannot be read. */
static const char *string_at(const Vcpu *c, u32 va, char to[STRING_BYTES])
{
    u32 n = 0;
    while (n < STRING_BYTES - 1) {
        u32 piece = PAGE_BYTES - ((va + n) & PAGE_MASK);
        if (piece > STRING_BYTES - 1 - n) piece = STRING_BYTES - 1 - n;
        if (!guest_read(c, true, (u32)(va + n), to + n, piece)) break;
        if (memchr(to + n, 0, piece)) return to;
        n += piece;
    }
    to[n] = 0;
    return n ? to : NULL;
}

static const char *string_of(const HookParam *q, const Vcpu *c, u32 value, char to[STRING_BYTES])
{
    if (q->source == SOURCE_ADDRESS) return string_at(c, value, to);
    if (!cpu_code32(c)) value = (u16)value;
    return value ? string_at(c, c->seg[DS].base + value, to) : NULL;
}

/* --- the call -------------------------------------------------------------------------------------------- */

typedef struct FfiCall {
    Hook *h;
    void **values;
    ffi_arg result;
} FfiCall;

static void call(void *arg)
{
    FfiCall *f = arg;
    ffi_call(&f->h->cif, hook_through(f->h->function), &f->result, f->values);
}

bool hook_call(Hook *h, const Vcpu *c, const HookArguments *a, u64 *result, HookCrash *crash)
{
    static char strings[HOOK_PARAMS][STRING_BYTES];
    u64 cell[HOOK_PARAMS]; /* little-endian: its first bytes are the smaller types */
    void *values[HOOK_PARAMS];
    FfiCall f = {.h = h, .values = values};
    for (unsigned n = 0; n < h->line.params; n++) {
        const HookParam *q = &h->line.param[n];
        cell[n] = value_of(q, c, a->value[n], a->number);
        if (q->type == HOOK_STR) cell[n] = (u64)(uintptr_t)string_of(q, c, (u32)cell[n], strings[n]);
        values[n] = &cell[n];
    }
    if (!hook_guarded(call, &f, crash)) return false;
    *result = f.result;
    return true;
}

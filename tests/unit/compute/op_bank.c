#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "op_bank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD_FLOATS = 16 };
#define GUARD_WORD 0x7fa5a5a5u /* a NaN that no operation produces, so reading a guard shows as well */

static void put_guards(float *at, size_t count)
{
    const uint32_t word = GUARD_WORD;
    for (size_t i = 0; i < count; i++)
        memcpy(at + i, &word, sizeof word);
}

static bool guards_stand(const float *at, size_t count)
{
    const uint32_t word = GUARD_WORD;
    for (size_t i = 0; i < count; i++)
        if (memcmp(at + i, &word, sizeof word) != 0)
            return false;
    return true;
}

/* Uniform in [lo, hi), cheap, since a tensor is filled anew for every run: the high bits of Steele, Lea and Flood's
 * SplitMix64 (OOPSLA 2014). */
static float next_number(uint64_t *state, float lo, float hi)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return lo + (hi - lo) * (float)(z >> 40) * 0x1p-24f;
}

float *bank_make(bank *k, const char *name, bank_role role, size_t count, float lo, float hi)
{
    assert_true(k->count < BANK_MAX_TENSORS);
    bank_tensor *t = &k->tensors[k->count];
    const size_t before = GUARD_FLOATS + k->shift_floats, all = before + count + GUARD_FLOATS;
    *t = (bank_tensor){.name = name, .role = role, .count = count};
    t->memory = aligned_alloc(64, (all * sizeof(float) + 63) / 64 * 64);
    t->before = malloc((count + 1) * sizeof(float));
    assert_non_null(t->memory);
    assert_non_null(t->before);
    t->data = t->memory + before;
    put_guards(t->memory, before);
    put_guards(t->data + count, GUARD_FLOATS);
    uint64_t state = 1 + k->count;
    for (size_t i = 0; i < count; i++)
        t->data[i] = role == BANK_SET || role == BANK_BITS ? NAN : next_number(&state, lo, hi);
    if (k->poisoned == (int)k->count && count)
        t->data[(size_t)(k->poison_place * (double)(count - 1))] = NAN;
    memcpy(t->before, t->data, count * sizeof(float));
    k->count++;
    return t->data;
}

float *bank_set(bank *k, const char *name, size_t count, double absolute, double relative)
{
    float *data = bank_make(k, name, BANK_SET, count, 0.0f, 0.0f);
    bank_tolerate(k, data, absolute, relative);
    return data;
}

float *bank_add(bank *k, const char *name, size_t count, double absolute, double relative)
{
    float *data = bank_make(k, name, BANK_ADD, count, -1.0f, 1.0f);
    bank_tolerate(k, data, absolute, relative);
    return data;
}

void bank_tolerate(bank *k, const float *data, double absolute, double relative)
{
    for (size_t i = 0; i < k->count; i++)
        if (k->tensors[i].data == data) {
            k->tensors[i].absolute = absolute;
            k->tensors[i].relative = relative;
        }
}

void bank_assign(bank *k, float *data, const float *contents)
{
    for (size_t i = 0; i < k->count; i++) {
        bank_tensor *t = &k->tensors[i];
        for (size_t e = 0; t->data == data && e < t->count; e++)
            if (!(k->poisoned == (int)i && isnan(data[e])))
                data[e] = contents[e];
        if (t->data == data)
            memcpy(t->before, data, t->count * sizeof(float));
    }
}

void bank_free(bank *k)
{
    for (size_t i = 0; i < k->count; i++) {
        free(k->tensors[i].memory);
        free(k->tensors[i].before);
    }
    *k = BANK_EMPTY;
}

void bank_check_intact(const bank *k, const char *what)
{
    for (size_t i = 0; i < k->count; i++) {
        const bank_tensor *t = &k->tensors[i];
        if (!guards_stand(t->memory, (size_t)(t->data - t->memory)))
            fail_msg("%s: wrote in front of %s", what, t->name);
        if (!guards_stand(t->data + t->count, GUARD_FLOATS))
            fail_msg("%s: wrote behind %s", what, t->name);
        if (t->role == BANK_INPUT && memcmp(t->data, t->before, t->count * sizeof(float)) != 0)
            fail_msg("%s: changed its input %s", what, t->name);
    }
}

double bank_check_close(const bank *got, const bank *want, const char *what)
{
    double worst = 0.0;
    assert_int_equal(got->count, want->count);
    for (size_t i = 0; i < got->count; i++) {
        const bank_tensor *g = &got->tensors[i], *w = &want->tensors[i];
        assert_int_equal(g->count, w->count);
        for (size_t e = 0; (g->role == BANK_SET || g->role == BANK_ADD) && e < g->count; e++) {
            double a = (double)g->data[e], b = (double)w->data[e];
            if (isnan(b) && isnan(a))
                continue;
            double error = a == b ? 0.0 : fabs(a - b), allowed = w->absolute + w->relative * fabs(b);
            if (!(error <= allowed) || (isinf(b) && a != b)) /* of an infinity any share is infinite */
                fail_msg("%s: %s[%zu of %zu] is %.9g, wanted %.9g within %.2g", what, g->name, e, g->count, a, b,
                         allowed);
            if (error > worst * allowed)
                worst = error / allowed;
        }
    }
    return worst;
}

void bank_check_same(const bank *got, const bank *want, const char *what)
{
    for (size_t i = 0; i < got->count; i++) {
        const bank_tensor *g = &got->tensors[i], *w = &want->tensors[i];
        for (size_t e = 0; e < g->count; e++)
            if (memcmp(g->data + e, w->data + e, sizeof(float)) != 0)
                fail_msg("%s: %s[%zu of %zu] is %a and was %a", what, g->name, e, g->count, (double)g->data[e],
                         (double)w->data[e]);
    }
}

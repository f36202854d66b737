/* The tensors of one run of one operation: made, filled, guarded and compared here, so that a test states only the call
 * and the tolerances.
 *
 * A tensor's numbers depend on the order in which it was made alone, so two banks filled by the same code hold the same
 * inputs. Guard words lie on both sides of every tensor. Include after cmocka.h. */
#ifndef SSFER_TESTS_OP_BANK_H
#define SSFER_TESTS_OP_BANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum bank_role {
    BANK_INPUT, /* random; must be the same afterwards */
    BANK_SET,   /* output `=`: starts as NaN, which must be gone */
    BANK_ADD,   /* output `+=`, or changed in place: starts from random numbers */
    BANK_BITS,  /* output compared with other runs of the same kernel only, not with the reference */
} bank_role;

typedef struct bank_tensor {
    const char *name;
    bank_role role;
    float *memory, *data, *before; /* the allocation; where the tensor starts; its first contents */
    size_t count;
    double absolute, relative; /* an element may be off by absolute + relative * |reference| */
} bank_tensor;

enum { BANK_MAX_TENSORS = 12 };

typedef struct bank {
    bank_tensor tensors[BANK_MAX_TENSORS];
    size_t count;
    size_t shift_floats; /* 0: tensors are 64-byte aligned; else that many floats off */
    int poisoned;        /* this tensor (-1: none) gets a NaN ... */
    double poison_place; /* ... at this share of its length, in [0, 1] */
} bank;

#define BANK_EMPTY ((bank){.poisoned = -1})

/* A new tensor of `count` floats, random in [lo, hi] where its role starts from numbers. */
float *bank_make(bank *k, const char *name, bank_role role, size_t count, float lo, float hi);
static inline float *bank_input(bank *k, const char *name, size_t count)
{
    return bank_make(k, name, BANK_INPUT, count, -1.0f, 1.0f);
}
float *bank_set(bank *k, const char *name, size_t count, double absolute, double relative);
float *bank_add(bank *k, const char *name, size_t count, double absolute, double relative);

/* Allows more to an output that was made before its tolerance could be known. */
void bank_tolerate(bank *k, const float *data, double absolute, double relative);

/* Gives an input other contents (keeping the NaN of a poisoned one). */
void bank_assign(bank *k, float *data, const float *contents);

void bank_free(bank *k);

/* Fails the test if a guard word or an input has changed. `what` starts the message. */
void bank_check_intact(const bank *k, const char *what);

/* Fails the test where an output is off by more than allowed; NaN is equal to NaN. Returns the largest error as a share
 * of what is allowed. */
double bank_check_close(const bank *got, const bank *want, const char *what);

/* Fails the test if an output differs in a bit. */
void bank_check_same(const bank *got, const bank *want, const char *what);

#endif

/* Which samples a report shows. */
#include "base/memory.h"
#include "train/metrics.h"

#include <stdbool.h>
#include <stdlib.h>

typedef struct candidate {
    size_t position;
    size_t cell;    /* confused: true * K + predicted */
    size_t rank;    /* confused: how many of its cell come before it */
    size_t support; /* confused: samples of its cell */
    double value;   /* larger is more telling */
} candidate;

static int by_value(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return (x->position > y->position) - (x->position < y->position); /* the same list on every run */
}

/* The first of every cell, largest cell first; then the second of every cell; ... */
static int by_rank_then_cell(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->support != y->support)
        return x->support < y->support ? 1 : -1;
    return (x->cell > y->cell) - (x->cell < y->cell);
}

static size_t collect(candidate *c, const ssfer_metrics *m, ssfer_example_kind kind)
{
    size_t count = 0, K = ssfer_metrics_class_count(m);
    for (size_t i = 0; i < ssfer_metrics_count(m); i++) {
        ssfer_prediction p = ssfer_metrics_prediction(m, i);
        bool right = p.label == p.predicted;
        if (kind == SSFER_EXAMPLE_WORST ? false : right != (kind == SSFER_EXAMPLE_BEST))
            continue;
        c[count++] = (candidate){.position = i,
                                 .cell = (size_t)p.label * K + (size_t)p.predicted,
                                 .value = kind == SSFER_EXAMPLE_WORST ? -p.true_probability : p.confidence};
    }
    return count;
}

/* Fills rank and support. The candidates are sorted by value. False without memory. */
static bool rank_within_cells(candidate *c, size_t count, size_t K)
{
    size_t *cells = ssfer_calloc(K * K, sizeof *cells); /* compute's confusion matrix has the same size */
    if (!cells)
        return false;
    for (size_t i = 0; i < count; i++)
        c[i].rank = cells[c[i].cell]++;
    for (size_t i = 0; i < count; i++)
        c[i].support = cells[c[i].cell];
    ssfer_free(cells);
    return true;
}

size_t ssfer_metrics_examples(size_t *positions, size_t wanted, const ssfer_metrics *m, ssfer_example_kind kind)
{
    candidate *c = ssfer_calloc(ssfer_metrics_count(m), sizeof *c);
    if (!c)
        return 0;
    size_t count = collect(c, m, kind);
    qsort(c, count, sizeof *c, by_value);
    if (kind == SSFER_EXAMPLE_CONFUSED) {
        if (rank_within_cells(c, count, ssfer_metrics_class_count(m)))
            qsort(c, count, sizeof *c, by_rank_then_cell);
        else
            count = 0;
    }
    if (count > wanted)
        count = wanted;
    for (size_t i = 0; i < count; i++)
        positions[i] = c[i].position;
    ssfer_free(c);
    return count;
}

#include "data/by_class.h"

#include "base/memory.h"

static size_t class_of(const ssfer_dataset *set, const size_t *indices, size_t position)
{
    return (size_t)ssfer_dataset_label(set, indices ? indices[position] : position);
}

ssfer_status ssfer_by_class_init(ssfer_by_class *out, const ssfer_dataset *set, const size_t *indices, size_t count,
                                 ssfer_error *err)
{
    const size_t K = ssfer_dataset_class_count(set), n = indices ? count : ssfer_dataset_count(set);
    ssfer_by_class b = {.class_count = K, .count = n};
    *out = (ssfer_by_class){0};
    b.positions = ssfer_calloc(n, sizeof *b.positions);
    b.starts = ssfer_calloc(K + 2, sizeof *b.starts);
    if (!b.positions || !b.starts) {
        ssfer_by_class_deinit(&b);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%.200s: no memory for the classes of %zu samples",
                          ssfer_dataset_source(set), n);
    }
    /* Sizes, one place further than where class k + 1 starts: writing the positions moves every start to its end. */
    for (size_t i = 0; i < n; i++)
        b.starts[class_of(set, indices, i) + 2]++;
    for (size_t k = 0; k < K; k++)
        b.starts[k + 2] += b.starts[k + 1];
    for (size_t i = 0; i < n; i++)
        b.positions[b.starts[class_of(set, indices, i) + 1]++] = i;
    *out = b;
    return SSFER_OK;
}

void ssfer_by_class_deinit(ssfer_by_class *by_class)
{
    ssfer_free(by_class->positions);
    ssfer_free(by_class->starts);
    *by_class = (ssfer_by_class){0};
}

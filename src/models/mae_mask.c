/* Which patches are seen: sorting noise. */
#include "base/memory.h"
#include "base/size.h"
#include "models/mae.h"

#include <string.h>

size_t ssfer_mae_kept(size_t patches, double ratio)
{
    const double kept = (double)patches * (1.0 - ratio);
    return kept > 0.0 ? (size_t)kept : 0;
}

ssfer_status ssfer_mae_masks_init(ssfer_mae_masks *masks, size_t batch, size_t patches, size_t kept, ssfer_error *err)
{
    size_t all;
    *masks = (ssfer_mae_masks){.batch = batch, .patches = patches, .kept = kept};
    if (kept < 1 || kept >= patches || patches > INT32_MAX)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "mask: %zu of %zu patches are seen; at least one must be seen and one hidden", kept, patches);
    if (!ssfer_mul_size(batch, patches, &all))
        return ssfer_fail(err, SSFER_ERR_LIMIT, "mask: a batch of %zu is too large", batch);
    masks->keep = ssfer_calloc(batch * kept, sizeof *masks->keep);
    masks->restore = ssfer_calloc(all, sizeof *masks->restore);
    masks->order = ssfer_calloc(patches, sizeof *masks->order);
    masks->noise = ssfer_calloc(patches, sizeof *masks->noise);
    if (masks->keep && masks->restore && masks->order && masks->noise)
        return SSFER_OK;
    ssfer_mae_masks_deinit(masks);
    return ssfer_fail(err, SSFER_ERR_MEMORY, "mask: out of memory");
}

void ssfer_mae_masks_deinit(ssfer_mae_masks *masks)
{
    ssfer_free(masks->keep);
    ssfer_free(masks->restore);
    ssfer_free(masks->order);
    ssfer_free(masks->noise);
    *masks = (ssfer_mae_masks){0};
}

ssfer_mask ssfer_mae_mask(const ssfer_mae_masks *masks, size_t first)
{
    return (ssfer_mask){masks->keep + first * masks->kept, masks->restore + first * masks->patches, masks->kept};
}

/* Moves the item at `root` down until the largest of heap[root ..] stands there. */
static void sift_down(uint64_t *heap, size_t root, size_t count)
{
    const uint64_t item = heap[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && heap[child + 1] > heap[child])
            child++;
        if (item >= heap[child])
            break;
        heap[root] = heap[child];
    }
    heap[root] = item;
}

/* Williams' heapsort (CACM 1964): in place, no recursion and, unlike the C library's qsort, never an allocation. */
static void sort(uint64_t *items, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(items, i, count);
    for (size_t end = count; end-- > 1;) {
        const uint64_t largest = items[0];
        items[0] = items[end];
        items[end] = largest;
        sift_down(items, 0, end);
    }
}

/* An integer that orders as the float does: the bits of a negative one are turned round. -0 counts as 0. */
static uint32_t sortable(float value)
{
    uint32_t bits;
    value += 0.0f;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

void ssfer_mae_masks_sort(ssfer_mae_masks *masks, size_t b, const float *noise)
{
    const size_t L = masks->patches, K = masks->kept;
    for (size_t l = 0; l < L; l++)
        masks->order[l] = (uint64_t)sortable(noise[l]) << 32 | l; /* the place decides between equals */
    sort(masks->order, L);
    for (size_t i = 0; i < L; i++) {
        const size_t patch = (size_t)(masks->order[i] & 0xffffffffu);
        masks->restore[b * L + patch] = (int32_t)i;
        if (i < K)
            masks->keep[b * K + i] = (int32_t)patch;
    }
}

void ssfer_mae_masks_draw(ssfer_mae_masks *masks, size_t b, uint64_t seed, uint32_t stage, uint32_t epoch,
                          uint64_t sample)
{
    ssfer_rng rng = ssfer_rng_stream(seed, stage, epoch, sample, SSFER_RNG_MASK);
    for (size_t l = 0; l < masks->patches; l++)
        masks->noise[l] = (float)ssfer_rng_uniform(&rng);
    ssfer_mae_masks_sort(masks, b, masks->noise);
}

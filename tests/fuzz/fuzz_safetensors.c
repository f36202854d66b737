/* Any bytes as safetensors. What is read is, written and read again, the same set. */
#include "fuzz_case.h"
#include "io/inspect.h"
#include "io/tensor_set.h"

static void check_same(const ssfer_tensor_set *a, const ssfer_tensor_set *b)
{
    fuzz_require(ssfer_tensor_set_count(a) == ssfer_tensor_set_count(b) &&
                     ssfer_tensor_set_metadata_count(a) == ssfer_tensor_set_metadata_count(b),
                 "another number of entries");
    for (size_t i = 0; i < ssfer_tensor_set_count(a); i++) {
        const ssfer_tensor *x = ssfer_tensor_set_at(a, i), *y = ssfer_tensor_set_find(b, x->name);
        fuzz_require(y && x->dtype == y->dtype && x->ndim == y->ndim && x->count == y->count &&
                         x->size_bytes == y->size_bytes &&
                         memcmp(x->shape, y->shape, x->ndim * sizeof *x->shape) == 0 &&
                         (!x->size_bytes || memcmp(x->data, y->data, x->size_bytes) == 0),
                     "another tensor");
    }
    for (size_t i = 0; i < ssfer_tensor_set_metadata_count(a); i++) {
        const ssfer_metadata_entry m = ssfer_tensor_set_metadata_at(a, i);
        const char *value = ssfer_tensor_set_get(b, m.key);
        fuzz_require(value && strcmp(value, m.value) == 0, "other metadata");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ssfer_tensor_set *set, *again;
    ssfer_checkpoint_guess guess;
    ssfer_error err = {0};
    fuzz_begin(size);
    const ssfer_status st = ssfer_safetensors_parse(&set, data, size, "input", &err);
    fuzz_check_error(st, &err);
    if (st == SSFER_OK) {
        size_t number = 0;
        double real = 0;
        ssfer_checkpoint_guess_kind(&guess, set);
        (void)ssfer_tensor_set_get_size(&number, set, "num_heads", &err);
        (void)ssfer_tensor_set_get_double(&real, set, "mask_ratio", &err);
        fuzz_must(ssfer_safetensors_write(set, fuzz_path("out.safetensors"), &err), &err);
        fuzz_must(ssfer_safetensors_read(&again, fuzz_path("out.safetensors"), &err), &err);
        check_same(set, again);
        ssfer_tensor_set_destroy(again);
        ssfer_tensor_set_destroy(set);
    }
    fuzz_end();
    return 0;
}

/* Whatever the bytes are: every reader of src/io, from memory. An input that is a checkpoint must also survive being
 * looked at as a tree, and what was read from safetensors must be what is written again. */
#include "base/memory.h"
#include "io/inspect.h"
#include "io/json.h"
#include "io/tensor_set.h"
#include "io/torch/pickle_json.h"
#include "io/torch/torch_file.h"

#include <stdlib.h>
#include <string.h>

/* Reads every byte of every tensor, so that a wrong bound is seen, and asks what the set is. */
static void use_set(const ssfer_tensor_set *set)
{
    ssfer_checkpoint_guess guess;
    unsigned sum = 0;
    for (size_t i = 0; i < ssfer_tensor_set_count(set); i++) {
        const ssfer_tensor *tensor = ssfer_tensor_set_at(set, i);
        for (size_t k = 0; k < tensor->size_bytes && k < 1 << 16; k++)
            sum += ((const unsigned char *)tensor->data)[k];
        if (tensor->count < 1 << 16) {
            float *values = ssfer_malloc(tensor->count * sizeof *values);
            ssfer_tensor_to_f32(values, tensor);
            ssfer_free(values);
        }
        if (ssfer_tensor_set_find(set, tensor->name) != tensor)
            abort();
    }
    ssfer_checkpoint_guess_kind(&guess, set);
    if (sum == 1 && strlen(guess.description) >= sizeof guess.description)
        abort();
}

static void read_pickle(const uint8_t *data, size_t size)
{
    ssfer_pickle *pickle;
    ssfer_error err = {0};
    size_t used;
    char *text = NULL, what[64];
    if (ssfer_pickle_parse(&pickle, data, size, &used, "pickle", &err) != SSFER_OK)
        return;
    if (used > size)
        abort();
    (void)ssfer_pickle_json_text(&text, ssfer_pickle_root(pickle), &err);
    (void)ssfer_pickle_describe(ssfer_pickle_root(pickle), what, sizeof what);
    ssfer_free(text);
    ssfer_pickle_destroy(pickle);
}

static void read_module(const uint8_t *data, size_t size)
{
    ssfer_torch_file *file;
    ssfer_tensor_set *set;
    ssfer_error err = {0};
    if (ssfer_torch_file_open_memory(&file, data, size, "file", &err) != SSFER_OK)
        return;
    const ssfer_pickle_node *model = ssfer_pickle_get(ssfer_torch_file_root(file), "model");
    if (ssfer_torch_is_module(model) && ssfer_tensor_set_create(&set, &err) == SSFER_OK) {
        (void)ssfer_torch_module_add(set, "m", file, model, &err);
        use_set(set);
        ssfer_tensor_set_destroy(set);
    }
    ssfer_torch_file_close(file);
}

static void read_json(const uint8_t *data, size_t size)
{
    ssfer_json *document;
    ssfer_error err = {0};
    if (ssfer_json_parse(&document, (const char *)data, size, "json", &err) == SSFER_OK) {
        for (ssfer_json_iter i = ssfer_json_each(document); ssfer_json_next(&i);) {
            int64_t number;
            (void)ssfer_json_to_int(&number, i.value, "value", &err);
        }
        ssfer_json_destroy(document);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ssfer_tensor_set *set;
    ssfer_error err = {0};
    if (ssfer_checkpoint_parse(&set, data, size, "input", NULL, &err) == SSFER_OK) {
        use_set(set);
        ssfer_tensor_set_destroy(set);
    } else if (!err.message[0] || strchr(err.message, '\n')) {
        abort(); /* an error without its line */
    }
    if (size && data[0] == 0x80)
        read_pickle(data, size);
    if (ssfer_torch_file_recognise(data, size))
        read_module(data, size);
    if (size && (data[0] == '{' || data[0] == '['))
        read_json(data, size);
    return 0;
}

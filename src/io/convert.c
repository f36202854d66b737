#include "io/convert.h"

#include <string.h>
#include <strings.h>

static bool has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n > m && strcasecmp(path + n - m, suffix) == 0;
}

static bool is_torch_suffix(const char *path)
{
    return has_suffix(path, ".pth") || has_suffix(path, ".pt");
}

static ssfer_status check_suffix(const char *path, ssfer_error *err)
{
    if (has_suffix(path, ".safetensors") || is_torch_suffix(path))
        return SSFER_OK;
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: the suffix says no format to write; name it .safetensors or .pth",
                      path);
}

ssfer_status ssfer_checkpoint_write(const ssfer_tensor_set *set, const char *path, ssfer_error *err)
{
    ssfer_status st = check_suffix(path, err);
    if (st != SSFER_OK)
        return st;
    return is_torch_suffix(path) ? ssfer_torch_write(set, path, err) : ssfer_safetensors_write(set, path, err);
}

static bool is_other_float(ssfer_dtype dtype)
{
    return dtype == SSFER_DTYPE_F64 || dtype == SSFER_DTYPE_F16 || dtype == SSFER_DTYPE_BF16;
}

/* The tensors of `in`, borrowed where they stay as they are. */
static ssfer_status copy_tensors(ssfer_tensor_set *out, const ssfer_tensor_set *in, bool to_f32, ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; st == SSFER_OK && i < ssfer_tensor_set_count(in); i++) {
        const ssfer_tensor *t = ssfer_tensor_set_at(in, i);
        void *data = NULL;
        if (to_f32 && is_other_float(t->dtype)) {
            st = ssfer_tensor_set_new(out, t->name, SSFER_DTYPE_F32, t->shape, t->ndim, &data, err);
            if (st == SSFER_OK)
                ssfer_tensor_to_f32(data, t);
        } else {
            st = ssfer_tensor_set_add(out, t->name, t->dtype, t->shape, t->ndim, t->data, err);
        }
    }
    return st;
}

static ssfer_status copy_metadata(ssfer_tensor_set *out, const ssfer_tensor_set *in, ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    const char *format = ssfer_tensor_set_get(in, "format");
    bool from_torch = format && strcmp(format, "pytorch") == 0;
    for (size_t i = 0; st == SSFER_OK && i < ssfer_tensor_set_metadata_count(in); i++) {
        ssfer_metadata_entry entry = ssfer_tensor_set_metadata_at(in, i);
        bool ours = from_torch && (strcmp(entry.key, "format") == 0 || strcmp(entry.key, "container") == 0);
        if (!ours) /* those describe the file that was read */
            st = ssfer_tensor_set_put(out, entry.key, entry.value, err);
    }
    return st == SSFER_OK && from_torch ? ssfer_tensor_set_put(out, "format", "pt", err) : st;
}

ssfer_status ssfer_convert(const char *in, const char *out, const ssfer_convert_options *options, ssfer_error *err)
{
    static const ssfer_convert_options defaults = {0};
    ssfer_tensor_set *source = NULL, *set = NULL;
    if (!options)
        options = &defaults;
    ssfer_status st = check_suffix(out, err); /* before a long read */
    if (st == SSFER_OK)
        st = ssfer_checkpoint_read(&source, in, options->which, err);
    if (st == SSFER_OK) {
        st = ssfer_tensor_set_create(&set, err);
        if (st == SSFER_OK)
            st = copy_tensors(set, source, options->to_f32, err);
        if (st == SSFER_OK)
            st = copy_metadata(set, source, err);
        if (st == SSFER_OK && options->annotate)
            st = options->annotate(options->context, set, err);
        if (st != SSFER_OK)
            ssfer_fail_prefix(err, st, "%s", in);
    }
    if (st == SSFER_OK)
        st = ssfer_checkpoint_write(set, out, err);
    ssfer_tensor_set_destroy(set);
    ssfer_tensor_set_destroy(source);
    return st;
}

/* Checkpoints of any kind: which reader, where in a PyTorch file the state dict is, what else is worth keeping. */
#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/tensor_set_private.h"
#include "io/torch/checkpoint_private.h"
#include "io/torch/pickle_json.h"

#include <string.h>

enum {
    MAX_NESTING = 16,
    MAX_VISITS = 100000,
    MODULE_VISITS = 1000 /* what a module may cost */,
    MAX_STATE_NESTING = 4,
    MAX_SCALARS = 1000
};

/* Where the field keeps the weights, the likeliest first. */
static const char *const state_keys[] = {"model", "state_dict", "model_state_dict", "ema", "model_ema"};

static bool holds_tensors(const ssfer_pickle_node *node)
{
    if (ssfer_pickle_kind_of(node) != SSFER_PICKLE_DICT)
        return false;
    for (size_t i = 0; i < ssfer_pickle_count(node); i++)
        if (ssfer_torch_is_tensor(ssfer_pickle_value_at(node, i)))
            return true;
    return false;
}

static const ssfer_pickle_node *state_below(const ssfer_pickle_node *node, int nesting)
{
    if (ssfer_torch_is_module(node))
        return node;
    for (size_t i = 0; nesting < MAX_STATE_NESTING && i < sizeof state_keys / sizeof *state_keys; i++) {
        const ssfer_pickle_node *found = state_below(ssfer_pickle_get(node, state_keys[i]), nesting + 1);
        if (found)
            return found;
    }
    return holds_tensors(node) ? node : NULL; /* last: a training checkpoint may hold a stray tensor beside `model` */
}

const ssfer_pickle_node *ssfer_torch_state_find(const ssfer_torch_file *file)
{
    return state_below(ssfer_torch_file_root(file), 0);
}

/* ---- errors that say what was found instead ------------------------------------------------------------------ */

static void list_keys(char *out, size_t size, const ssfer_pickle_node *dict)
{
    size_t used = 0, count = ssfer_pickle_count(dict);
    out[0] = 0;
    for (size_t i = 0; i < count && used + 60 < size; i++) {
        const char *key = ssfer_pickle_text(ssfer_pickle_key_at(dict, i));
        int n = snprintf(out + used, size - used, "%s%.40s", i ? ", " : "", key ? key : "?");
        used += n > 0 ? (size_t)n : 0;
        if (i + 1 < count && used + 60 >= size)
            snprintf(out + used, size - used, "...");
    }
}

static ssfer_status no_state(const ssfer_torch_file *file, const ssfer_pickle_node *root, ssfer_error *err)
{
    char text[300];
    const char *name = ssfer_torch_file_name(file);
    if (ssfer_pickle_kind_of(root) == SSFER_PICKLE_DICT && ssfer_pickle_count(root)) {
        list_keys(text, sizeof text, root);
        return ssfer_fail(err, SSFER_ERR_FORMAT,
                          "%s: no tensors in it, only %s; pass a checkpoint saved with "
                          "torch.save(model.state_dict())",
                          name, text);
    }
    return ssfer_fail(err, SSFER_ERR_FORMAT,
                      "%s: %s where a state dict was expected; pass a checkpoint saved with "
                      "torch.save(model.state_dict())",
                      name, ssfer_pickle_describe(root, text, sizeof text));
}

static ssfer_status no_key(const ssfer_torch_file *file, const ssfer_pickle_node *root, const char *which,
                           ssfer_error *err)
{
    char keys[300], text[256];
    if (ssfer_pickle_kind_of(root) != SSFER_PICKLE_DICT)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: no key %.60s in it, since it holds %s",
                          ssfer_torch_file_name(file), which, ssfer_pickle_describe(root, text, sizeof text));
    list_keys(keys, sizeof keys, root);
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: no key %.60s in it; there are %s", ssfer_torch_file_name(file), which,
                      keys);
}

/* ---- tensors ------------------------------------------------------------------------------------------------- */

typedef struct walk {
    ssfer_tensor_set *set;
    ssfer_torch_file *file;
    size_t visits;
    ssfer_error *err;
} walk;

static ssfer_status walk_node(walk *w, const char *name, const ssfer_pickle_node *node, unsigned depth);

static ssfer_status walk_child(walk *w, const char *parent, const ssfer_pickle_node *key, size_t i,
                               const ssfer_pickle_node *child, unsigned depth)
{
    char digits[32];
    int64_t integer = (int64_t)i;
    const char *text = ssfer_pickle_text(key);
    if (!text) {
        (void)ssfer_pickle_int(key, &integer);
        snprintf(digits, sizeof digits, "%lld", (long long)integer);
    }
    char *name = ssfer_format("%s%s%s", parent, *parent ? "." : "", text ? text : digits);
    if (!name)
        return ssfer_fail(w->err, SSFER_ERR_MEMORY, "%s: out of memory", ssfer_torch_file_name(w->file));
    ssfer_status st = walk_node(w, name, child, depth + 1);
    ssfer_free(name);
    return st;
}

/* All tensors in nested dicts, lists and tuples, under dotted names. */
static ssfer_status walk_node(walk *w, const char *name, const ssfer_pickle_node *node, unsigned depth)
{
    ssfer_pickle_kind kind = ssfer_pickle_kind_of(node);
    if (depth > MAX_NESTING || ++w->visits > MAX_VISITS)
        return ssfer_fail(
            w->err, SSFER_ERR_LIMIT,
            "%s: no state dict, but objects nested deeper than %d or more than %d of them; pass a checkpoint saved "
            "with torch.save(model.state_dict())",
            ssfer_torch_file_name(w->file), MAX_NESTING, MAX_VISITS);
    if (ssfer_torch_is_tensor(node))
        return ssfer_torch_tensor_add(w->set, *name ? name : "tensor", w->file, node, w->err);
    if (ssfer_torch_is_module(node)) {
        w->visits += MODULE_VISITS;
        return ssfer_torch_module_add(w->set, name, w->file, node, w->err);
    }
    ssfer_status st = SSFER_OK;
    if (kind == SSFER_PICKLE_DICT || kind == SSFER_PICKLE_LIST || kind == SSFER_PICKLE_TUPLE)
        for (size_t i = 0; st == SSFER_OK && i < ssfer_pickle_count(node); i++) {
            bool dict = kind == SSFER_PICKLE_DICT;
            st = walk_child(w, name, dict ? ssfer_pickle_key_at(node, i) : NULL, i,
                            dict ? ssfer_pickle_value_at(node, i) : ssfer_pickle_at(node, i), depth);
        }
    return st;
}

/* Wrappers of PyTorch (DataParallel, torch.compile) put their own name in front of all others. */
static ssfer_status strip_wrappers(ssfer_tensor_set *set, ssfer_error *err)
{
    static const char *const prefixes[] = {"module.", "_orig_mod."};
    ssfer_status st = SSFER_OK;
    for (size_t p = 0; st == SSFER_OK && p < 2;) {
        size_t length = strlen(prefixes[p]), i = 0;
        while (i < ssfer_tensor_set_count(set) && strncmp(ssfer_tensor_set_at(set, i)->name, prefixes[p], length) == 0)
            i++;
        if (i > 0 && i == ssfer_tensor_set_count(set)) {
            st = ssfer_tensor_set_strip_prefix(set, length, err);
            p = 0; /* they may be nested in any order */
        } else {
            p++;
        }
    }
    return st;
}

ssfer_status ssfer_torch_state_read(ssfer_tensor_set *set, ssfer_torch_file *file, const ssfer_pickle_node *state,
                                    ssfer_error *err)
{
    ssfer_status st = ssfer_torch_is_module(state) ? ssfer_torch_module_add(set, "", file, state, err)
                                                   : ssfer_torch_state_dict_add(set, "", file, state, err);
    return st == SSFER_OK ? strip_wrappers(set, err) : st;
}

static ssfer_status read_tensors(ssfer_tensor_set *set, ssfer_torch_file *file, const char *which,
                                 const ssfer_pickle_node **state, ssfer_error *err)
{
    const ssfer_pickle_node *root = ssfer_torch_file_root(file);
    walk w = {.set = set, .file = file, .err = err};
    if (which) {
        root = ssfer_pickle_get(root, which);
        if (!root)
            return no_key(file, ssfer_torch_file_root(file), which, err);
    }
    *state = state_below(root, 0);
    if (*state)
        return ssfer_torch_state_read(set, file, *state, err);
    ssfer_status st = walk_node(&w, "", root, 0);
    if (st == SSFER_OK && ssfer_tensor_set_count(set) == 0)
        st = no_state(file, root, err);
    return st == SSFER_OK ? strip_wrappers(set, err) : st;
}

/* ---- metadata ------------------------------------------------------------------------------------------------ */

ssfer_status ssfer_torch_put_scalars(ssfer_tensor_set *set, const ssfer_torch_file *file, bool containers,
                                     ssfer_error *err)
{
    const ssfer_pickle_node *root = ssfer_torch_file_root(file), *weights = ssfer_torch_state_find(file);
    ssfer_status st = SSFER_OK;
    size_t kept = 0;
    if (ssfer_pickle_kind_of(root) != SSFER_PICKLE_DICT)
        return SSFER_OK;
    for (size_t i = 0; st == SSFER_OK && i < ssfer_pickle_count(root) && kept < MAX_SCALARS; i++) {
        const char *key = ssfer_pickle_text(ssfer_pickle_key_at(root, i));
        const ssfer_pickle_node *value = ssfer_pickle_value_at(root, i);
        ssfer_pickle_kind kind = ssfer_pickle_kind_of(value);
        char *text = NULL;
        if (!key || value == weights)
            continue;
        st = ssfer_pickle_scalar_text(&text, value, err);
        if (st == SSFER_OK && !text && containers && !holds_tensors(value) && strcmp(key, "optimizer") != 0 &&
            (kind == SSFER_PICKLE_DICT || kind == SSFER_PICKLE_LIST || kind == SSFER_PICKLE_TUPLE))
            st = ssfer_pickle_json_text(&text, value, err);
        if (st == SSFER_OK && text) {
            st = ssfer_tensor_set_put(set, key, text, err);
            kept++;
        }
        ssfer_free(text);
    }
    return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s", ssfer_torch_file_name(file));
}

/* The metadata that ssfer_torch_write kept in an entry of its own. */
static ssfer_status put_own_metadata(ssfer_tensor_set *set, ssfer_torch_file *file, ssfer_error *err)
{
    unsigned char *bytes = NULL;
    size_t size = 0;
    ssfer_json *document = NULL;
    ssfer_status st = ssfer_torch_file_extra(&bytes, &size, file, SSFER_TORCH_METADATA_ENTRY, err);
    if (st != SSFER_OK || !bytes)
        return st;
    st = ssfer_json_parse(&document, (const char *)bytes, size, ssfer_torch_file_name(file), err);
    for (ssfer_json_iter i = ssfer_json_each(document); st == SSFER_OK && ssfer_json_next(&i);) {
        const char *text = NULL;
        if (i.key && ssfer_json_to_string(&text, i.value, "", NULL) == SSFER_OK)
            st = ssfer_tensor_set_put(set, i.key, text, err);
    }
    ssfer_json_destroy(document);
    ssfer_free(bytes);
    return st;
}

static ssfer_status put_module_metadata(ssfer_tensor_set *set, const ssfer_pickle_node *module, ssfer_error *err)
{
    char *yaml = NULL;
    const ssfer_pickle_node *attribute = ssfer_pickle_attr(module, "yaml");
    const char *class_name = ssfer_pickle_class(module);
    ssfer_status st = class_name ? ssfer_tensor_set_put(set, "class", class_name, err) : SSFER_OK;
    if (st == SSFER_OK && ssfer_pickle_kind_of(attribute) == SSFER_PICKLE_DICT) {
        st = ssfer_pickle_json_text(&yaml, attribute, err);
        if (st == SSFER_OK && yaml)
            st = ssfer_tensor_set_put(set, "yaml", yaml, err);
        ssfer_free(yaml);
    }
    return st;
}

static ssfer_status read_torch(ssfer_tensor_set *set, ssfer_torch_file *file, const char *which, ssfer_error *err)
{
    const ssfer_pickle_node *state = NULL;
    ssfer_status st = read_tensors(set, file, which, &state, err);
    if (st == SSFER_OK)
        st = ssfer_torch_put_scalars(set, file, false, err);
    if (st == SSFER_OK && ssfer_torch_is_module(state))
        st = put_module_metadata(set, state, err);
    if (st == SSFER_OK)
        st = put_own_metadata(set, file, err);
    if (st == SSFER_OK)
        st = ssfer_tensor_set_put(set, "format", "pytorch", err);
    if (st == SSFER_OK)
        st = ssfer_tensor_set_put(set, "container", ssfer_torch_file_container(file), err);
    return st;
}

/* ---- entry points -------------------------------------------------------------------------------------------- */

static bool looks_like_safetensors(const unsigned char *bytes, size_t size)
{
    return size > 8 && bytes[8] == '{';
}

static ssfer_status not_a_checkpoint(const unsigned char *bytes, size_t size, const char *name, ssfer_error *err)
{
    static const char lfs[] = "version https://git-lfs";
    if (size == 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: an empty file; fetch or save it again", name);
    if (size >= sizeof lfs - 1 && memcmp(bytes, lfs, sizeof lfs - 1) == 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a Git LFS pointer, not the file itself; run `git lfs pull`",
                          name);
    if (bytes[0] == '<')
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a web page, not a checkpoint; fetch it again", name);
    return ssfer_fail(err, SSFER_ERR_FORMAT,
                      "%s: not a checkpoint; pass a .safetensors file, or a .pth or .pt file that torch.save wrote",
                      name);
}

ssfer_status ssfer_checkpoint_parse(ssfer_tensor_set **out, const unsigned char *bytes, size_t size_bytes,
                                    const char *name, const char *which, ssfer_error *err)
{
    *out = NULL;
    bool legacy = size_bytes > 0 && bytes[0] == 0x80; /* a pickle; the reader says if it is not torch.save's */
    bool tar = size_bytes > 262 && memcmp(bytes + 257, "ustar", 5) == 0;
    if (looks_like_safetensors(bytes, size_bytes) && !tar) {
        if (which)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: safetensors has no key %.60s to choose; leave the key out",
                              name, which);
        return ssfer_safetensors_parse(out, bytes, size_bytes, name, err);
    }
    if (!legacy && !tar && !ssfer_torch_file_recognise(bytes, size_bytes))
        return not_a_checkpoint(bytes, size_bytes, name, err);
    ssfer_torch_file *file = NULL;
    ssfer_tensor_set *set = NULL;
    ssfer_status st = ssfer_torch_file_open_memory(&file, bytes, size_bytes, name, err);
    if (st == SSFER_OK)
        st = ssfer_tensor_set_create(&set, err);
    if (st == SSFER_OK)
        st = read_torch(set, file, which, err);
    ssfer_torch_file_close(file);
    if (st == SSFER_OK)
        *out = set;
    else
        ssfer_tensor_set_destroy(set);
    return st;
}

ssfer_status ssfer_checkpoint_read(ssfer_tensor_set **out, const char *path, const char *which, ssfer_error *err)
{
    ssfer_file_map map;
    *out = NULL;
    ssfer_status st = ssfer_file_map_open(&map, path, err);
    if (st != SSFER_OK)
        return st;
    st = ssfer_checkpoint_parse(out, map.data, map.size_bytes, path, which, err);
    if (st == SSFER_OK && looks_like_safetensors(map.data, map.size_bytes))
        ssfer_tensor_set_adopt_map(*out, map); /* its tensors point into the map; PyTorch's were copied out */
    else
        ssfer_file_map_close(&map);
    return st;
}

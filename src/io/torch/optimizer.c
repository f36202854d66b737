/* The AdamW state in a training checkpoint: {"state": {number: {"step", "exp_avg", "exp_avg_sq"}}, "param_groups":
 * [...]}.
 *
 * The file numbers parameters in the order in which the optimizer got them, group after group, and names none (newer
 * PyTorch may: "param_names"). The orders met in the field are tried in turn, and every moment must have the shape of
 * its parameter:
 *   1. one group over model.parameters(), frozen ones included: the order of the state dict without buffers;
 *   2. the same without the frozen position embeddings of a masked autoencoder;
 *   3. two groups, with and without weight decay: matrices in one; vectors and biases, perhaps also tokens and position
 *      embeddings, in the other, each in the order of the state dict. */
#include "base/memory.h"
#include "io/torch/checkpoint_private.h"
#include "io/torch/pickle_json.h"

#include <string.h>

enum { MAX_PARAMETERS = 100000, MAX_KEYS_EACH = 64 };

typedef struct names {
    const ssfer_tensor **of; /* parameter by number */
    size_t count;
} names;

typedef struct reading {
    ssfer_torch_file *file;
    const char *name; /* of the file */
    const ssfer_pickle_node *states, *groups;
    ssfer_tensor_set *model; /* its tensors, for names and shapes */
    size_t wanted;           /* parameters that the groups number */
    ssfer_error *err;
} reading;

/* Parameters of a model as opposed to buffers. */
static bool is_parameter(const ssfer_tensor *tensor)
{
    static const char *const buffers[] = {"num_batches_tracked", "running_mean", "running_var"};
    const char *dot = strrchr(tensor->name, '.');
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (strcmp(dot ? dot + 1 : tensor->name, buffers[i]) == 0)
            return false;
    return tensor->dtype <= SSFER_DTYPE_BF16; /* the types before it are the other floats */
}
_Static_assert(SSFER_DTYPE_F32 < SSFER_DTYPE_BF16 && SSFER_DTYPE_F64 < SSFER_DTYPE_BF16 &&
                   SSFER_DTYPE_F16 < SSFER_DTYPE_BF16 && SSFER_DTYPE_I64 > SSFER_DTYPE_BF16,
               "is_parameter relies on floats coming first");

static bool has_suffix(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

static bool is_position(const ssfer_tensor *tensor)
{
    return has_suffix(tensor->name, "pos_embed");
}

static bool is_vector(const ssfer_tensor *tensor)
{
    return tensor->ndim <= 1 || has_suffix(tensor->name, ".bias");
}

static bool is_vector_or_token(const ssfer_tensor *tensor)
{
    return is_vector(tensor) || is_position(tensor) || has_suffix(tensor->name, "_token");
}

/* Appends the parameters for which `filter` (NULL: none of them) answers `answer`. */
static void append(names *n, const reading *r, bool (*filter)(const ssfer_tensor *), bool answer)
{
    for (size_t i = 0; i < ssfer_tensor_set_count(r->model); i++) {
        const ssfer_tensor *tensor = ssfer_tensor_set_at(r->model, i);
        if (is_parameter(tensor) && (!filter || filter(tensor) == answer))
            n->of[n->count++] = tensor;
    }
}

static size_t group_size(const reading *r, size_t group)
{
    return ssfer_pickle_count(ssfer_pickle_get(ssfer_pickle_at(r->groups, group), "params"));
}

static bool group_decays(const reading *r, size_t group)
{
    double decay = 0;
    return ssfer_pickle_double(ssfer_pickle_get(ssfer_pickle_at(r->groups, group), "weight_decay"), &decay) &&
           decay > 0;
}

/* Does every moment have the shape of the parameter that this numbering gives it? */
static bool fits(const names *n, const reading *r)
{
    if (n->count != r->wanted)
        return false;
    for (size_t i = 0; i < ssfer_pickle_count(r->states); i++) {
        int64_t number;
        ssfer_torch_tensor_info info;
        const ssfer_pickle_node *moment = ssfer_pickle_get(ssfer_pickle_value_at(r->states, i), "exp_avg");
        if (!ssfer_pickle_int(ssfer_pickle_key_at(r->states, i), &number) || number < 0 || (size_t)number >= n->count)
            return false;
        if (!moment)
            continue;
        const ssfer_tensor *parameter = n->of[number];
        if (ssfer_torch_tensor_info_get(&info, r->file, moment, NULL) != SSFER_OK || info.ndim != parameter->ndim ||
            memcmp(info.shape, parameter->shape, info.ndim * sizeof *info.shape) != 0)
            return false;
    }
    return true;
}

/* The numbering by "param_names", which optimizers built from named_parameters() keep. */
static bool named(names *n, const reading *r)
{
    n->count = 0;
    for (size_t g = 0; g < ssfer_pickle_count(r->groups); g++) {
        const ssfer_pickle_node *list = ssfer_pickle_get(ssfer_pickle_at(r->groups, g), "param_names");
        for (size_t i = 0; i < ssfer_pickle_count(list) && n->count < r->wanted; i++) {
            const char *text = ssfer_pickle_text(ssfer_pickle_at(list, i));
            const ssfer_tensor *tensor = text ? ssfer_tensor_set_find(r->model, text) : NULL;
            if (!tensor)
                return false;
            n->of[n->count++] = tensor;
        }
    }
    return fits(n, r);
}

static bool split_by_decay(names *n, const reading *r, bool (*without)(const ssfer_tensor *))
{
    n->count = 0;
    if (ssfer_pickle_count(r->groups) != 2 || group_decays(r, 0) == group_decays(r, 1))
        return false;
    for (size_t g = 0; g < 2; g++) {
        size_t before = n->count;
        append(n, r, without, !group_decays(r, g));
        if (n->count - before != group_size(r, g))
            return false;
    }
    return fits(n, r);
}

static bool single(names *n, const reading *r, bool (*frozen)(const ssfer_tensor *))
{
    n->count = 0;
    append(n, r, frozen, false);
    return ssfer_pickle_count(r->groups) == 1 && fits(n, r);
}

static ssfer_status number_parameters(names *n, reading *r)
{
    for (size_t g = 0; g < ssfer_pickle_count(r->groups) && r->wanted <= MAX_PARAMETERS; g++)
        r->wanted += group_size(r, g);
    if (r->wanted > MAX_PARAMETERS)
        return ssfer_fail(r->err, SSFER_ERR_LIMIT, "%s: its optimizer has more than %d parameters", r->name,
                          MAX_PARAMETERS);
    size_t most = ssfer_tensor_set_count(r->model) * 2 + r->wanted + 1; /* a wrong guess may append more than fit */
    n->of = ssfer_calloc(most, sizeof *n->of);
    if (!n->of)
        return ssfer_fail(r->err, SSFER_ERR_MEMORY, "%s: out of memory", r->name);
    if (named(n, r) || single(n, r, NULL) || single(n, r, is_position) || split_by_decay(n, r, is_vector) ||
        split_by_decay(n, r, is_vector_or_token))
        return SSFER_OK;
    return ssfer_fail(r->err, SSFER_ERR_SHAPE,
                      "%s: cannot tell which of the model's tensors the optimizer's %zu parameters (%zu groups) are; "
                      "start from its weights alone",
                      r->name, r->wanted, ssfer_pickle_count(r->groups));
}

/* One value of one parameter's state: a tensor, or a number (older PyTorch counts steps in an int). */
static ssfer_status add_value(ssfer_tensor_set *set, const reading *r, const char *key, const char *parameter,
                              const ssfer_pickle_node *value)
{
    double number = 0;
    void *data = NULL;
    bool is_tensor = ssfer_torch_is_tensor(value);
    if (!is_tensor && !ssfer_pickle_double(value, &number))
        return SSFER_OK;
    char *name = ssfer_format("%s.%s", key, parameter);
    if (!name)
        return ssfer_fail(r->err, SSFER_ERR_MEMORY, "%s: out of memory", r->name);
    ssfer_status st = is_tensor ? ssfer_torch_tensor_add(set, name, r->file, value, r->err)
                                : ssfer_tensor_set_new(set, name, SSFER_DTYPE_F32, NULL, 0, &data, r->err);
    if (st == SSFER_OK && data) {
        float single_value = (float)number;
        memcpy(data, &single_value, sizeof single_value);
    }
    ssfer_free(name);
    return st;
}

static ssfer_status add_states(ssfer_tensor_set *set, const reading *r, const names *n)
{
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; st == SSFER_OK && i < ssfer_pickle_count(r->states); i++) {
        const ssfer_pickle_node *state = ssfer_pickle_value_at(r->states, i);
        int64_t number = 0;
        (void)ssfer_pickle_int(ssfer_pickle_key_at(r->states, i), &number); /* checked by fits() */
        for (size_t k = 0; st == SSFER_OK && k < ssfer_pickle_count(state) && k < MAX_KEYS_EACH; k++) {
            const char *key = ssfer_pickle_text(ssfer_pickle_key_at(state, k));
            if (key)
                st = add_value(set, r, key, n->of[number]->name, ssfer_pickle_value_at(state, k));
        }
    }
    return st;
}

static ssfer_status put_groups(ssfer_tensor_set *set, const reading *r)
{
    char *text = NULL;
    ssfer_status st = ssfer_pickle_json_text(&text, r->groups, r->err);
    if (st == SSFER_OK && text)
        st = ssfer_tensor_set_put(set, "param_groups", text, r->err);
    ssfer_free(text);
    return st == SSFER_OK ? st : ssfer_fail_prefix(r->err, st, "%s", r->name);
}

static ssfer_status read_optimizer(ssfer_tensor_set *set, reading *r)
{
    names n = {0};
    const ssfer_pickle_node *root = ssfer_torch_file_root(r->file), *weights = ssfer_torch_state_find(r->file);
    const ssfer_pickle_node *optimizer = ssfer_pickle_get(root, "optimizer");
    r->states = ssfer_pickle_get(optimizer, "state");
    r->groups = ssfer_pickle_get(optimizer, "param_groups");
    if (ssfer_pickle_kind_of(r->states) != SSFER_PICKLE_DICT || ssfer_pickle_kind_of(r->groups) != SSFER_PICKLE_LIST ||
        !weights)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT,
                          "%s: no optimizer state in it; pass a training checkpoint with the keys model and optimizer",
                          r->name);
    ssfer_status st = ssfer_torch_state_read(r->model, r->file, weights, r->err);
    if (st == SSFER_OK)
        st = number_parameters(&n, r);
    if (st == SSFER_OK)
        st = add_states(set, r, &n);
    ssfer_free(n.of);
    if (st == SSFER_OK)
        st = ssfer_torch_put_scalars(set, r->file, true, r->err);
    return st == SSFER_OK ? put_groups(set, r) : st;
}

ssfer_status ssfer_checkpoint_read_optimizer(ssfer_tensor_set **out, const char *path, ssfer_error *err)
{
    reading r = {.name = path, .err = err};
    ssfer_tensor_set *set = NULL;
    *out = NULL;
    ssfer_status st = ssfer_torch_file_open(&r.file, path, err);
    if (st == SSFER_OK)
        st = ssfer_tensor_set_create(&set, err);
    if (st == SSFER_OK)
        st = ssfer_tensor_set_create(&r.model, err);
    if (st == SSFER_OK)
        st = read_optimizer(set, &r);
    ssfer_tensor_set_destroy(r.model);
    ssfer_torch_file_close(r.file);
    if (st == SSFER_OK)
        *out = set;
    else
        ssfer_tensor_set_destroy(set);
    return st;
}

#include "io/inspect.h"

#include "base/number.h"
#include "base/size.h"
#include "base/text.h"
#include "io/json.h"
#include "io/torch/torch_file.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- what it seems to be ------------------------------------------------------------------------------------- */

static bool has_suffix(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

static bool is_statistic(const ssfer_tensor *tensor)
{
    return tensor->dtype > SSFER_DTYPE_BF16 || has_suffix(tensor->name, "running_mean") ||
           has_suffix(tensor->name, "running_var");
}

/* One more than the largest number behind `prefix` in any name: "blocks.11.norm1.weight" gives 12. */
static size_t count_layers(const ssfer_tensor_set *set, const char *prefix)
{
    size_t length = strlen(prefix), count = 0;
    for (size_t i = 0; i < ssfer_tensor_set_count(set); i++) {
        const char *name = ssfer_tensor_set_at(set, i)->name;
        if (strncmp(name, prefix, length) != 0 || name[length] < '0' || name[length] > '9')
            continue;
        size_t number;
        if (ssfer_parse_size(&number, name + length, strspn(name + length, "0123456789")) == SSFER_OK &&
            number < 100000 && number >= count)
            count = number + 1;
    }
    return count;
}

static size_t integer_root(size_t n)
{
    size_t root = 0;
    while (root < 100000 && (root + 1) * (root + 1) <= n)
        root++;
    return root * root == n ? root : 0;
}

/* Adds to the description, as much as fits: the sizes in a file may have any number of digits. */
static void __attribute__((format(printf, 2, 3))) describe(ssfer_checkpoint_guess *g, const char *format, ...)
{
    size_t used = strlen(g->description);
    va_list args;
    va_start(args, format);
    ssfer_vsnprintf(g->description + used, sizeof g->description - used, format, args);
    va_end(args);
}

/* Side of the square picture whose patches have these positions; 0: not square, or absurd. */
static size_t image_side(const ssfer_tensor_set *set, const ssfer_tensor *position, size_t patch_size)
{
    if (!position || position->ndim != 3 || position->shape[1] == 0 || patch_size > 100000)
        return 0;
    return integer_root(position->shape[1] - (ssfer_tensor_set_find(set, "cls_token") ? 1 : 0)) * patch_size;
}

static bool guess_vit(ssfer_checkpoint_guess *g, const ssfer_tensor_set *set)
{
    const ssfer_tensor *patch = ssfer_tensor_set_find(set, "patch_embed.proj.weight");
    const ssfer_tensor *head = ssfer_tensor_set_find(set, "head.weight");
    const ssfer_tensor *decoder = ssfer_tensor_set_find(set, "decoder_embed.weight");
    if (!patch || patch->ndim != 4)
        return false;
    g->kind = decoder ? "mae" : head ? "vit-classifier" : "vit-encoder";
    g->embed_dim = patch->shape[0];
    g->patch_size = patch->shape[2];
    g->depth = count_layers(set, "blocks.");
    (void)ssfer_tensor_set_get_size(&g->heads, set, "num_heads", NULL); /* only our own files say */
    g->image_size = image_side(set, ssfer_tensor_set_find(set, "pos_embed"), g->patch_size);
    g->description[0] = 0;
    describe(g, "%s: ", decoder ? "masked autoencoder (MAE)" : head ? "ViT classifier" : "ViT encoder without a head");
    if (g->image_size)
        describe(g, "%zu px, ", g->image_size);
    describe(g, "patch %zu, %zux%zu", g->patch_size, g->embed_dim, g->depth);
    if (g->heads)
        describe(g, ", %zu heads", g->heads);
    if (decoder && decoder->ndim == 2) {
        g->decoder_embed_dim = decoder->shape[0];
        g->decoder_depth = count_layers(set, "decoder_blocks.");
        describe(g, ", decoder %zux%zu", g->decoder_embed_dim, g->decoder_depth);
    } else if (head && head->ndim == 2) {
        g->classes = head->shape[0];
        describe(g, ", %zu classes", g->classes);
    }
    return true;
}

static bool guess_yolo(ssfer_checkpoint_guess *g, const ssfer_tensor_set *set)
{
    bool keypoints = false;
    for (size_t i = 0; i < ssfer_tensor_set_count(set) && !keypoints; i++)
        keypoints = strstr(ssfer_tensor_set_at(set, i)->name, ".m_kpt.") != NULL;
    if (!keypoints)
        return false;
    g->kind = "yolov7-face";
    g->depth = count_layers(set, "model.");
    snprintf(g->description, sizeof g->description, "YOLOv7-face detector: %zu layers", g->depth);
    return true;
}

void ssfer_checkpoint_guess_kind(ssfer_checkpoint_guess *g, const ssfer_tensor_set *set)
{
    *g = (ssfer_checkpoint_guess){.kind = "unknown", .description = "not a model that ssfer knows"};
    for (size_t i = 0; i < ssfer_tensor_set_count(set); i++) {
        const ssfer_tensor *tensor = ssfer_tensor_set_at(set, i);
        g->size_bytes += tensor->size_bytes;
        g->parameters += is_statistic(tensor) ? 0 : tensor->count;
    }
    if (!guess_vit(g, set))
        guess_yolo(g, set);
}

/* ---- the listing --------------------------------------------------------------------------------------------- */

typedef struct listing {
    const char *path, *container;
    const ssfer_tensor_set *set;
    const ssfer_torch_file *torch; /* NULL: safetensors */
    ssfer_checkpoint_guess guess;
    bool summary_only;
} listing;

static const char *content_key(const listing *l, size_t i)
{
    const char *key = ssfer_pickle_text(ssfer_pickle_key_at(ssfer_torch_file_root(l->torch), i));
    return key ? key : "?";
}

/* Top-level entries of a PyTorch dict that are no tensors: what else is in the file. */
static bool is_content(const listing *l, size_t i)
{
    return !ssfer_torch_is_tensor(ssfer_pickle_value_at(ssfer_torch_file_root(l->torch), i));
}

static const char *content_text(const listing *l, size_t i, char *buffer, size_t size)
{
    char what[256];
    const ssfer_pickle_node *value = ssfer_pickle_value_at(ssfer_torch_file_root(l->torch), i);
    ssfer_pickle_describe(value, what, sizeof what);
    if (ssfer_pickle_kind_of(value) == SSFER_PICKLE_DICT || ssfer_pickle_kind_of(value) == SSFER_PICKLE_LIST)
        snprintf(buffer, size, "%s of %zu", what, ssfer_pickle_count(value));
    else
        snprintf(buffer, size, "%s", what);
    return buffer;
}

static size_t content_count(const listing *l)
{
    const ssfer_pickle_node *root = l->torch ? ssfer_torch_file_root(l->torch) : NULL;
    return ssfer_pickle_kind_of(root) == SSFER_PICKLE_DICT ? ssfer_pickle_count(root) : 0;
}

static void write_json(const listing *l, FILE *out)
{
    ssfer_json_writer w;
    char text[300];
    ssfer_json_writer_init(&w, out, 2);
    ssfer_json_begin_object(&w);
    ssfer_json_put_string(&w, "file", l->path);
    ssfer_json_put_string(&w, "container", l->container);
    ssfer_json_put_string(&w, "kind", l->guess.kind);
    ssfer_json_put_string(&w, "description", l->guess.description);
    ssfer_json_put_uint(&w, "tensors", ssfer_tensor_set_count(l->set));
    ssfer_json_put_uint(&w, "parameters", l->guess.parameters);
    ssfer_json_put_uint(&w, "bytes", l->guess.size_bytes);
    ssfer_json_key(&w, "metadata");
    ssfer_json_begin_object(&w);
    for (size_t i = 0; i < ssfer_tensor_set_metadata_count(l->set); i++) {
        ssfer_metadata_entry entry = ssfer_tensor_set_metadata_at(l->set, i);
        ssfer_json_put_string(&w, entry.key, entry.value);
    }
    ssfer_json_end(&w);
    ssfer_json_key(&w, "contents");
    ssfer_json_begin_object(&w);
    for (size_t i = 0; i < content_count(l); i++)
        if (is_content(l, i))
            ssfer_json_put_string(&w, content_key(l, i), content_text(l, i, text, sizeof text));
    ssfer_json_end(&w);
    if (!l->summary_only) {
        ssfer_json_key(&w, "list");
        ssfer_json_begin_array(&w);
        for (size_t i = 0; i < ssfer_tensor_set_count(l->set); i++) {
            const ssfer_tensor *tensor = ssfer_tensor_set_at(l->set, i);
            ssfer_json_begin_flat_object(&w);
            ssfer_json_put_string(&w, "name", tensor->name);
            ssfer_json_put_string(&w, "dtype", ssfer_dtype_name(tensor->dtype));
            ssfer_json_key(&w, "shape");
            ssfer_json_begin_array(&w);
            for (size_t d = 0; d < tensor->ndim; d++)
                ssfer_json_uint(&w, tensor->shape[d]);
            ssfer_json_end(&w);
            ssfer_json_put_uint(&w, "bytes", tensor->size_bytes);
            ssfer_json_end(&w);
        }
        ssfer_json_end(&w);
    }
    ssfer_json_end(&w);
}

/* Names and metadata come from a file and may be of any length. */
static void put_clean(FILE *out, const char *text, size_t most)
{
    ssfer_text_print(out, text, ssfer_min_size(ssfer_text_columns(text), most), SSFER_TEXT_CUT_TAIL);
}

static void write_tensors(const listing *l, FILE *out)
{
    size_t widest = 4;
    for (size_t i = 0; i < ssfer_tensor_set_count(l->set); i++) {
        size_t length = ssfer_text_columns(ssfer_tensor_set_at(l->set, i)->name);
        widest = length > widest ? length : widest;
    }
    widest = widest < 60 ? widest : 60;
    fputc('\n', out);
    for (size_t i = 0; i < ssfer_tensor_set_count(l->set); i++) {
        const ssfer_tensor *tensor = ssfer_tensor_set_at(l->set, i);
        size_t length = ssfer_text_columns(tensor->name);
        put_clean(out, tensor->name, 1000);
        fprintf(out, "%*s  %-4s  [", length < widest ? (int)(widest - length) : 0, "", ssfer_dtype_name(tensor->dtype));
        for (size_t d = 0; d < tensor->ndim; d++)
            fprintf(out, "%s%zu", d ? ", " : "", tensor->shape[d]);
        fputs("]\n", out);
    }
}

static void write_text(const listing *l, FILE *out)
{
    char text[300];
    put_clean(out, l->path, 4096);
    fprintf(out, "\n  container   %s\n  model       %s\n  tensors     %zu\n  parameters  %zu\n  bytes       %zu\n",
            l->container, l->guess.description, ssfer_tensor_set_count(l->set), l->guess.parameters,
            l->guess.size_bytes);
    for (size_t i = 0; i < ssfer_tensor_set_metadata_count(l->set); i++) {
        ssfer_metadata_entry entry = ssfer_tensor_set_metadata_at(l->set, i);
        fputs(i ? "              " : "  metadata    ", out);
        put_clean(out, entry.key, 100);
        fputs(" = ", out);
        put_clean(out, entry.value, 160);
        fputc('\n', out);
    }
    bool first = true;
    for (size_t i = 0; i < content_count(l); i++)
        if (is_content(l, i)) {
            fputs(first ? "  contents    " : "              ", out);
            put_clean(out, content_key(l, i), 100);
            fputs(": ", out);
            put_clean(out, content_text(l, i, text, sizeof text), sizeof text);
            fputc('\n', out);
            first = false;
        }
    if (!l->summary_only)
        write_tensors(l, out);
}

ssfer_status ssfer_inspect(const char *path, const ssfer_inspect_options *options, FILE *out, ssfer_error *err)
{
    static const ssfer_inspect_options defaults = {0};
    ssfer_tensor_set *set = NULL;
    ssfer_torch_file *torch = NULL;
    if (!options)
        options = &defaults;
    ssfer_status st = ssfer_checkpoint_read(&set, path, options->which, err);
    if (st != SSFER_OK)
        return st;
    const char *container = ssfer_tensor_set_get(set, "container"), *format = ssfer_tensor_set_get(set, "format");
    bool is_torch = container && format && strcmp(format, "pytorch") == 0;
    if (is_torch)
        st = ssfer_torch_file_open(&torch, path, err);
    if (st == SSFER_OK) {
        listing l = {.path = path, .set = set, .torch = torch, .summary_only = options->summary_only};
        l.container = !is_torch ? "safetensors" : strcmp(container, "zip") == 0 ? "PyTorch zip" : "PyTorch legacy";
        ssfer_checkpoint_guess_kind(&l.guess, set);
        if (options->json)
            write_json(&l, out);
        else
            write_text(&l, out);
    }
    ssfer_torch_file_close(torch);
    ssfer_tensor_set_destroy(set);
    return st;
}

#include "models/classifier.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "data/class_sets.h"
#include "data/transform.h"
#include "io/json.h"
#include "models/yolov7/config.h"
#include "nn/try.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- class names ------------------------------------------------------------------------------------------------- */

void ssfer_names_free(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        ssfer_free(names[i]);
    ssfer_free(names);
}

/* Two outputs of one name could not be told apart in any result. */
static ssfer_status check_different(const char *const *names, size_t count, ssfer_error *err)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                return ssfer_fail(err, SSFER_ERR_FORMAT, "the class name %.100s is there twice", names[i]);
    return SSFER_OK;
}

ssfer_status ssfer_names_copy(char ***names, const char *const *from, size_t count, ssfer_error *err)
{
    *names = NULL;
    TRY(check_different(from, count, err));
    char **copy = ssfer_calloc(count, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++)
        if (!(copy[i] = ssfer_strdup(from[i]))) {
            ssfer_names_free(copy, count);
            copy = NULL;
        }
    if (!copy)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "class names: out of memory");
    *names = copy;
    return SSFER_OK;
}

enum { MOST_NAMES = 4096 };

/* The lines of a text, which is cut up; blank ones and white space around names do not count. Returns how many there
 * are, of which the first MOST_NAMES are in `lines`. */
static size_t names_from_text(const char **lines, char *text)
{
    size_t n = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        line += strspn(line, " \t");
        for (size_t end = strlen(line); end && strchr(" \t", line[end - 1]); end--)
            line[end - 1] = 0;
        if (*line && n++ < MOST_NAMES)
            lines[n - 1] = line;
    }
    return n;
}

static ssfer_status names_from_file(char ***names, size_t *count, const char *path, ssfer_error *err)
{
    enum { MOST_BYTES = 1 << 20 };
    unsigned char *text = NULL;
    size_t size;
    TRY(ssfer_file_read(&text, &size, path, MOST_BYTES, err));
    const char **lines = ssfer_calloc(MOST_NAMES, sizeof *lines);
    ssfer_status st = SSFER_OK;
    if (!lines)
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "out of memory");
    else if (memchr(text, 0, size) || !ssfer_utf8_is_valid((char *)text)) /* a picture, an archive */
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "not a text file in UTF-8; put a class name on each line");
    else if ((*count = names_from_text(lines, ssfer_utf8_skip_mark((char *)text))) == 0)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "no class names; put one on each line");
    else if (*count > MOST_NAMES)
        st = ssfer_fail(err, SSFER_ERR_LIMIT, "more than %d class names", MOST_NAMES);
    else
        st = ssfer_names_copy(names, lines, *count, err);
    ssfer_free(lines);
    ssfer_free(text);
    return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s", path);
}

ssfer_status ssfer_class_names(char ***names, size_t *count, const char *spec, ssfer_error *err)
{
    const ssfer_class_set *set = ssfer_class_set_named(spec);
    if (set && set->outputs[0]) {
        *count = set->count;
        return ssfer_names_copy(names, set->outputs, set->count, err);
    }
    *names = NULL;
    if (!ssfer_file_exists(spec))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "classes '%s': give " SSFER_CLASS_SETS_WITH_OUTPUTS " or a file with a name a line", spec);
    return names_from_file(names, count, spec, err);
}

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

static ssfer_status names_from_json(char ***names, size_t expected, const char *text, ssfer_error *err)
{
    ssfer_json *json = NULL;
    TRY(ssfer_json_parse(&json, text, strlen(text), "classes", err));
    size_t n = ssfer_json_kind_of(json) == SSFER_JSON_ARRAY ? ssfer_json_count(json) : 0;
    ssfer_status st = SSFER_OK;
    if (n != expected)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%zu class names for %zu outputs", n, expected);
    const char **found = st == SSFER_OK ? ssfer_calloc(n, sizeof *found) : NULL;
    if (st == SSFER_OK && !found)
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "class names: out of memory");
    for (size_t i = 0; st == SSFER_OK && i < n; i++)
        st = ssfer_json_to_string(&found[i], ssfer_json_at(json, i), "a class name", err);
    if (st == SSFER_OK)
        st = ssfer_names_copy(names, found, n, err);
    ssfer_free(found);
    ssfer_json_destroy(json);
    return st;
}

static ssfer_status read_triple(float out[3], const ssfer_tensor_set *set, const char *key, const float fallback[3],
                                ssfer_error *err)
{
    const char *text = ssfer_tensor_set_get(set, key);
    memcpy(out, fallback, 3 * sizeof *out);
    if (!text)
        return SSFER_OK;
    ssfer_json *array = NULL;
    double value = 0.0;
    ssfer_status st = ssfer_json_parse(&array, text, strlen(text), key, NULL);
    if (st == SSFER_OK && (ssfer_json_kind_of(array) != SSFER_JSON_ARRAY || ssfer_json_count(array) != 3))
        st = SSFER_ERR_FORMAT;
    for (size_t i = 0; st == SSFER_OK && i < 3; i++) {
        st = ssfer_json_to_double(&value, ssfer_json_at(array, i), key, NULL);
        out[i] = (float)value;
        if (!isfinite(out[i]))
            st = SSFER_ERR_FORMAT;
    }
    ssfer_json_destroy(array);
    if (st == SSFER_OK || st == SSFER_ERR_MEMORY)
        return st == SSFER_OK ? st : ssfer_fail(err, st, "metadata %s: out of memory", key);
    return ssfer_fail(err, SSFER_ERR_FORMAT, "metadata %s is not an array of three numbers: %.40s", key, text);
}

ssfer_status ssfer_normalization_read(float mean[3], float std[3], const ssfer_tensor_set *set, ssfer_error *err)
{
    TRY(read_triple(mean, set, "mean", SSFER_DEFAULT_MEAN, err));
    TRY(read_triple(std, set, "std", SSFER_DEFAULT_STD, err));
    for (int i = 0; i < 3; i++)
        if (!(std[i] > 0.0f))
            return ssfer_fail(err, SSFER_ERR_FORMAT, "metadata std has %g; it must be positive", (double)std[i]);
    return SSFER_OK;
}

static ssfer_status put_triple(ssfer_tensor_set *set, const char *key, const float v[3], ssfer_error *err)
{
    char text[96];
    ssfer_snprintf(text, sizeof text, "[%.9g, %.9g, %.9g]", (double)v[0], (double)v[1], (double)v[2]);
    return ssfer_tensor_set_put(set, key, text, err);
}

ssfer_status ssfer_normalization_store(const float mean[3], const float std[3], ssfer_tensor_set *set, ssfer_error *err)
{
    TRY(put_triple(set, "mean", mean, err));
    return put_triple(set, "std", std, err);
}

ssfer_status ssfer_normalization_parse(float out[3], const char *text, bool positive, ssfer_error *err)
{
    const char *at = text;
    for (int i = 0; i < 3; i++) {
        const size_t length = strcspn(at, ",");
        const char end = at[length];
        double value;
        if (ssfer_parse_double(&value, at, length) != SSFER_OK || end != (i < 2 ? ',' : 0) || !isfinite((float)value))
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "'%.60s' is not three numbers R,G,B; give them like 0.5,0.5,0.5",
                              text);
        out[i] = (float)value;
        if (positive && !(out[i] > 0.0f))
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "'%.60s': only numbers above 0 can be divided by", text);
        at += length + 1;
    }
    return SSFER_OK;
}

static ssfer_status take_normalization(ssfer_classifier *c, const ssfer_tensor_set *set,
                                       const ssfer_classifier_load_options *o, ssfer_error *err)
{
    TRY(ssfer_normalization_read(c->mean, c->std, set, err));
    c->mean_stated = !o->mean && ssfer_tensor_set_get(set, "mean");
    c->std_stated = !o->std && ssfer_tensor_set_get(set, "std");
    if (o->mean)
        memcpy(c->mean, o->mean, sizeof c->mean);
    if (o->std)
        memcpy(c->std, o->std, sizeof c->std);
    for (int i = 0; i < 3; i++)
        if (!isfinite(c->mean[i]) || !isfinite(c->std[i]) || !(c->std[i] > 0.0f))
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "mean %g, std %g: finite values, std above 0",
                              (double)c->mean[i], (double)c->std[i]);
    return SSFER_OK;
}

/* The names for a model of `outputs` outputs. */
static ssfer_status names_for(char ***names, size_t outputs, const char *spec, ssfer_error *err)
{
    char **found = NULL;
    size_t count = 0;
    TRY(ssfer_class_names(&found, &count, spec, err));
    if (count != outputs) {
        ssfer_names_free(found, count);
        return ssfer_fail(err, SSFER_ERR_SHAPE, "the model has %zu outputs, --classes %s has %zu names", outputs, spec,
                          count);
    }
    *names = found;
    return SSFER_OK;
}

static ssfer_status read_metadata(ssfer_classifier *c, const ssfer_tensor_set *set,
                                  const ssfer_classifier_load_options *o, ssfer_error *err)
{
    const char *stored = ssfer_tensor_set_get(set, "classes");
    TRY(take_normalization(c, set, o, err));
    if (o->classes)
        return names_for(&c->classes, c->vit.config.classes, o->classes, err);
    return stored ? names_from_json(&c->classes, c->vit.config.classes, stored, err) : SSFER_OK;
}

static ssfer_status take_weights(ssfer_classifier *c, ssfer_tensor_set *set, ssfer_error *err)
{
    const float *block = ssfer_params_in_place(&c->vit.table, set);
    if (block) {
        c->params = (float *)(uintptr_t)block;
        c->file = set;
        return SSFER_OK;
    }
    TRY(ssfer_params_alloc(&c->params, &c->vit.table, err));
    return ssfer_params_load(c->params, &c->vit.table, set, "", NULL, err);
}

ssfer_status ssfer_classifier_load(ssfer_classifier *out, const char *path,
                                   const ssfer_classifier_load_options *options, ssfer_error *err)
{
    const ssfer_classifier_load_options o = options ? *options : (ssfer_classifier_load_options){0};
    ssfer_tensor_set *set = NULL;
    ssfer_vit_config config;
    *out = (ssfer_classifier){0};
    TRY(ssfer_checkpoint_read(&set, path, o.which, err));
    ssfer_status st = ssfer_vit_config_from_checkpoint(&config, set, o.heads, err);
    if (st == SSFER_OK && !ssfer_tensor_set_find(set, "head.weight"))
        st = ssfer_fail(err, SSFER_ERR_SHAPE,
                        "an encoder without a classification head; train one with 'ssfer finetune "
                        "--init'");
    if (st == SSFER_OK && config.channels != 3)
        st = ssfer_fail(err, SSFER_ERR_SHAPE, "a model for pictures of %zu channels; only RGB is supported",
                        config.channels);
    if (st == SSFER_OK)
        st = ssfer_vit_init(&out->vit, &config, err);
    if (st == SSFER_OK) /* a small file must not make us allocate for a large model */
        st = ssfer_params_check(&out->vit.table, set, "", NULL, err);
    if (st == SSFER_OK)
        st = take_weights(out, set, err);
    if (st == SSFER_OK)
        st = read_metadata(out, set, &o, err);
    if (!out->file)
        ssfer_tensor_set_destroy(set);
    if (st != SSFER_OK) {
        ssfer_classifier_deinit(out);
        return ssfer_fail_prefix(err, st, "%s", path);
    }
    return SSFER_OK;
}

void ssfer_classifier_deinit(ssfer_classifier *c)
{
    ssfer_names_free(c->classes, c->vit.config.classes);
    if (!c->file)
        ssfer_free(c->params);
    ssfer_tensor_set_destroy(c->file);
    ssfer_vit_deinit(&c->vit);
    *c = (ssfer_classifier){0};
}

/* ---- outputs in another order ------------------------------------------------------------------------------------ */

/* from[k] =: the checkpoint's output that is class k. False: it has no such class. */
static bool match_names(size_t *from, char *const *wanted, char *const *stored, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        from[k] = 0;
        while (from[k] < count && strcmp(stored[from[k]], wanted[k]) != 0)
            from[k]++;
        if (from[k] == count)
            return false;
    }
    return true;
}

static ssfer_status move_rows(float *rows, const size_t *from, size_t count, size_t width, ssfer_error *err)
{
    float *before = ssfer_calloc(count * width, sizeof *before);
    if (!before)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "head: out of memory");
    memcpy(before, rows, count * width * sizeof *before);
    for (size_t k = 0; k < count; k++)
        memcpy(rows + k * width, before + from[k] * width, width * sizeof *rows);
    ssfer_free(before);
    return SSFER_OK;
}

static ssfer_status sort_by_names(ssfer_classifier *c, char *const *stored, const ssfer_log *log, ssfer_error *err)
{
    const size_t K = c->vit.config.classes;
    size_t *from = ssfer_calloc(K, sizeof *from);
    ssfer_status st = from ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "head: out of memory");
    if (st == SSFER_OK && !match_names(from, c->classes, stored, K)) {
        ssfer_warn(log,
                   "the checkpoint's classes are others (from %s to %s), and its outputs are taken in their order for "
                   "those from %s to %s",
                   stored[0], stored[K - 1], c->classes[0], c->classes[K - 1]);
    } else if (st == SSFER_OK) {
        st = move_rows(c->params + c->vit.head_w, from, K, c->vit.config.embed_dim, err);
        if (st == SSFER_OK)
            st = move_rows(c->params + c->vit.head_b, from, K, 1, err);
    }
    ssfer_free(from);
    return st;
}

ssfer_status ssfer_classifier_sort_head(ssfer_classifier *c, const ssfer_tensor_set *set, const ssfer_log *log,
                                        ssfer_error *err)
{
    const size_t K = c->vit.config.classes;
    const ssfer_tensor *head = ssfer_tensor_set_find(set, "head.weight");
    const char *stored = ssfer_tensor_set_get(set, "classes");
    char **names = NULL;
    if (!head || head->ndim != 2 || head->shape[0] != K)
        return SSFER_OK;
    if (!stored) {
        ssfer_warn(log,
                   "the checkpoint names no classes, and its outputs are taken in their order for those from %s to %s; "
                   "'ssfer convert --classes' names them",
                   c->classes[0], c->classes[K - 1]);
        return SSFER_OK;
    }
    TRY(names_from_json(&names, K, stored, err));
    const ssfer_status st = sort_by_names(c, names, log, err);
    ssfer_names_free(names, K);
    return st;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* A JSON array as a new string. */
static char *names_to_json(char *const *names, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, stream, 0);
    ssfer_json_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        ssfer_json_string(&w, names[i]);
    ssfer_json_end(&w);
    if (fclose(stream) != 0) {
        free(text);
        return NULL;
    }
    text[strcspn(text, "\n")] = '\0'; /* the writer ends a document with a line break */
    return text;
}

static ssfer_status put_names(ssfer_tensor_set *set, char *const *names, size_t count, ssfer_error *err)
{
    char *classes = names_to_json(names, count);
    if (!classes)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "class names: out of memory");
    ssfer_status st = ssfer_tensor_set_put(set, "classes", classes, err);
    free(classes); /* open_memstream's, not ours */
    return st;
}

ssfer_status ssfer_classifier_store(const ssfer_classifier *c, const float *params, ssfer_tensor_set *set,
                                    ssfer_error *err)
{
    TRY(ssfer_params_store(params, &c->vit.table, set, "", err));
    TRY(ssfer_vit_config_to_metadata(&c->vit.config, set, err));
    TRY(ssfer_normalization_store(c->mean, c->std, set, err));
    TRY(ssfer_tensor_set_put(set, "program_version", ssfer_version(), err));
    return c->classes ? put_names(set, c->classes, c->vit.config.classes, err) : SSFER_OK;
}

ssfer_status ssfer_classifier_annotate(ssfer_tensor_set *set, const char *classes, const float *mean, const float *std,
                                       ssfer_error *err)
{
    if (classes) {
        const ssfer_tensor *head = ssfer_tensor_set_find(set, "head.weight");
        char **names = NULL;
        if (!head || head->ndim != 2)
            return ssfer_fail(err, SSFER_ERR_SHAPE,
                              "no classifier, so --classes names nothing: there is no head.weight");
        TRY(names_for(&names, head->shape[0], classes, err));
        const ssfer_status st = put_names(set, names, head->shape[0], err);
        ssfer_names_free(names, head->shape[0]);
        TRY(st);
    }
    if (mean)
        TRY(put_triple(set, "mean", mean, err));
    return std ? put_triple(set, "std", std, err) : SSFER_OK;
}

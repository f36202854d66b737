#include "data/split.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/text.h"
#include "data/by_class.h"
#include "io/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { FORMAT_VERSION = 1 };
static const char FORMAT_NAME[] = "ssfer-split";
#define MAX_FILE_BYTES ((size_t)1 << 28)

size_t ssfer_split_class_count(double fraction, size_t n)
{
    double wanted = nearbyint(fraction * (double)n); /* halves to even, as Python's round */
    if (n == 0)
        return 0;
    return wanted < 1.0 ? 1 : ssfer_min_size((size_t)wanted, n);
}

void ssfer_split_deinit(ssfer_split *split)
{
    ssfer_free(split->labeled);
    ssfer_free(split->unlabeled);
    *split = (ssfer_split){0};
}

static ssfer_status no_memory(const ssfer_dataset *set, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: no memory for a split of %zu samples", ssfer_dataset_source(set),
                      ssfer_dataset_count(set));
}

/* The two ascending lists from a mark for each sample. */
static ssfer_status fill_split(ssfer_split *out, const ssfer_dataset *set, const unsigned char *chosen,
                               ssfer_error *err)
{
    size_t n = ssfer_dataset_count(set);
    ssfer_split split = {.fraction = out->fraction, .seed = out->seed};
    for (size_t i = 0; i < n; i++)
        split.labeled_count += chosen[i];
    split.labeled = ssfer_calloc(split.labeled_count, sizeof *split.labeled);
    split.unlabeled = ssfer_calloc(n - split.labeled_count, sizeof *split.unlabeled);
    if (!split.labeled || !split.unlabeled) {
        ssfer_split_deinit(&split);
        return no_memory(set, err);
    }
    for (size_t i = 0, labeled = 0; i < n; i++) {
        if (chosen[i])
            split.labeled[labeled++] = i;
        else
            split.unlabeled[split.unlabeled_count++] = i;
    }
    *out = split;
    return SSFER_OK;
}

/* Marks the labeled samples of class k: the first ones of its shuffled members, so that with one seed a smaller
 * fraction is part of a larger one. */
static void choose(unsigned char *chosen, ssfer_by_class *groups, size_t k, double fraction, uint64_t seed)
{
    size_t *members = groups->positions + groups->starts[k];
    const size_t n = ssfer_by_class_size(groups, k), labeled = ssfer_split_class_count(fraction, n);
    ssfer_rng rng = ssfer_rng_stream(seed, 0, 0, (uint64_t)k, SSFER_RNG_SPLIT);
    ssfer_rng_shuffle(&rng, members, n);
    for (size_t i = 0; i < labeled; i++)
        chosen[members[i]] = 1;
}

ssfer_status ssfer_split_make(ssfer_split *out, const ssfer_dataset *set, double fraction, uint64_t seed,
                              ssfer_error *err)
{
    size_t n = ssfer_dataset_count(set);
    *out = (ssfer_split){0};
    if (!(fraction > 0.0 && fraction <= 1.0))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "fraction %g: above 0 and at most 1 is possible", fraction);
    if (seed > INT64_MAX) /* the largest integer of its file */
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "seed %" PRIu64 ": up to %" PRId64 " is possible", seed, INT64_MAX);
    if (ssfer_dataset_label(set, 0) == SSFER_LABEL_NONE || n > UINT32_MAX)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: a split needs labels", ssfer_dataset_source(set));
    ssfer_by_class groups = {0};
    unsigned char *chosen = ssfer_calloc(n, 1);
    ssfer_status st = chosen ? ssfer_by_class_init(&groups, set, NULL, 0, err) : no_memory(set, err);
    for (size_t k = 0; st == SSFER_OK && k < groups.class_count; k++)
        choose(chosen, &groups, k, fraction, seed);
    ssfer_split split = {.fraction = fraction, .seed = seed};
    if (st == SSFER_OK)
        st = fill_split(&split, set, chosen, err);
    ssfer_by_class_deinit(&groups);
    ssfer_free(chosen);
    if (st == SSFER_OK)
        *out = split;
    return st;
}

/* ---- the file ---- */

static void write_split(FILE *stream, const ssfer_split *split, const ssfer_dataset *set)
{
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, stream, 1);
    ssfer_json_begin_object(&w);
    ssfer_json_put_string(&w, "format", FORMAT_NAME);
    ssfer_json_put_int(&w, "version", FORMAT_VERSION);
    ssfer_json_put_string(&w, "dataset", ssfer_dataset_source(set));
    ssfer_json_put_string(&w, "split", ssfer_dataset_split(set));
    ssfer_json_put_uint(&w, "samples", ssfer_dataset_count(set));
    ssfer_json_put_double(&w, "fraction", split->fraction);
    ssfer_json_put_uint(&w, "seed", split->seed);
    ssfer_json_key(&w, "classes");
    ssfer_json_begin_flat_array(&w);
    for (size_t k = 0; k < ssfer_dataset_class_count(set); k++)
        ssfer_json_string(&w, ssfer_dataset_class_name(set, k));
    ssfer_json_end(&w);
    ssfer_json_key(&w, "labeled");
    ssfer_json_begin_array(&w);
    for (size_t i = 0; i < split->labeled_count; i++)
        ssfer_json_string(&w, ssfer_dataset_path(set, split->labeled[i]));
    ssfer_json_end(&w);
    ssfer_json_end(&w);
}

ssfer_status ssfer_split_save(const ssfer_split *split, const ssfer_dataset *set, const char *path, ssfer_error *err)
{
    for (size_t i = 0; i < split->labeled_count; i++)
        if (!ssfer_utf8_is_valid(ssfer_dataset_path(set, split->labeled[i]))) /* JSON could not hold it */
            return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: the name of %s is not UTF-8; rename it", path,
                              ssfer_dataset_path(set, split->labeled[i]));
    ssfer_file_writer writer;
    ssfer_status st = ssfer_file_writer_open(&writer, path, err);
    if (st != SSFER_OK)
        return st;
    write_split(writer.stream, split, set);
    return ssfer_file_writer_commit(&writer, err);
}

static ssfer_status check_header(const ssfer_json *document, const char *path, ssfer_error *err)
{
    const char *format = NULL;
    int64_t version = 0;
    ssfer_status st = SSFER_OK;
    if (ssfer_json_kind_of(document) != SSFER_JSON_OBJECT ||
        ssfer_json_get_string(&format, document, "format", path, NULL) != SSFER_OK || strcmp(format, FORMAT_NAME) != 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: not a file of labeled samples; make one with ssfer split", path);
    st = ssfer_json_get_int(&version, document, "version", path, err);
    if (st == SSFER_OK && version != FORMAT_VERSION)
        st = ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: version %lld; this program reads version %d", path,
                        (long long)version, FORMAT_VERSION);
    return st;
}

static ssfer_status mark_name(unsigned char *chosen, const ssfer_dataset *set, const char *name, const char *path,
                              ssfer_error *err)
{
    const size_t i = ssfer_dataset_find(set, name);
    if (i == SIZE_MAX)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: labels %.150s, which is not in %.150s; is it of another set?",
                          path, name, ssfer_dataset_source(set));
    if (chosen[i])
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: labels %.150s twice", path, name);
    chosen[i] = 1;
    return SSFER_OK;
}

static ssfer_status mark_labeled(unsigned char *chosen, const ssfer_dataset *set, const ssfer_json *labeled,
                                 const char *path, ssfer_error *err)
{
    for (ssfer_json_iter entry = ssfer_json_each(labeled); ssfer_json_next(&entry);) {
        const char *name;
        ssfer_status st = ssfer_json_to_string(&name, entry.value, path, err);
        if (st == SSFER_OK)
            st = mark_name(chosen, set, name, path, err);
        if (st != SSFER_OK)
            return st;
    }
    return SSFER_OK;
}

static ssfer_status read_split(ssfer_split *out, const ssfer_dataset *set, const ssfer_json *document, const char *path,
                               unsigned char *chosen, ssfer_error *err)
{
    const ssfer_json *labeled = NULL;
    ssfer_split split = {0};
    ssfer_status st = check_header(document, path, err);
    if (st == SSFER_OK)
        st = ssfer_json_get_double(&split.fraction, document, "fraction", path, err);
    if (st == SSFER_OK)
        st = ssfer_json_get_uint(&split.seed, document, "seed", path, err);
    if (st == SSFER_OK)
        st = ssfer_json_get_container(&labeled, document, "labeled", SSFER_JSON_ARRAY, path, err);
    if (st == SSFER_OK && !ssfer_json_count(labeled))
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: labels no sample at all", path);
    if (st == SSFER_OK)
        st = mark_labeled(chosen, set, labeled, path, err);
    if (st == SSFER_OK)
        st = fill_split(&split, set, chosen, err);
    if (st == SSFER_OK)
        *out = split;
    return st;
}

static ssfer_status load_file(ssfer_split *out, const ssfer_dataset *set, const char *path, ssfer_error *err)
{
    ssfer_json *document = NULL;
    ssfer_status st = ssfer_json_read(&document, path, MAX_FILE_BYTES, err);
    if (st != SSFER_OK)
        return st;
    unsigned char *chosen = ssfer_calloc(ssfer_dataset_count(set), 1);
    st = chosen ? read_split(out, set, document, path, chosen, err) : no_memory(set, err);
    ssfer_free(chosen);
    ssfer_json_destroy(document);
    return st;
}

ssfer_status ssfer_split_load(ssfer_split *out, const ssfer_dataset *set, const char *path, ssfer_error *err)
{
    *out = (ssfer_split){0};
    if (!ssfer_folder_exists(path))
        return load_file(out, set, path, err);
    char *file = ssfer_format("%s/" SSFER_SPLIT_FILE, path);
    ssfer_status st = SSFER_OK;
    if (!file)
        st = no_memory(set, err);
    else if (!ssfer_file_exists(file))
        st = ssfer_fail(
            err, SSFER_ERR_ARGUMENT,
            "%s: holds no " SSFER_SPLIT_FILE ", so it is no run that learned from labels; give a split file", path);
    else
        st = load_file(out, set, file, err);
    ssfer_free(file);
    return st;
}

ssfer_status ssfer_split_carry(ssfer_split *out, const ssfer_dataset *set, const ssfer_split *split,
                               const ssfer_dataset *from, const char *path, ssfer_error *err)
{
    unsigned char *chosen = ssfer_calloc(ssfer_dataset_count(set), 1);
    ssfer_status st = chosen ? SSFER_OK : no_memory(set, err);
    *out = (ssfer_split){0};
    ssfer_split carried = {.fraction = split->fraction, .seed = split->seed};
    for (size_t i = 0; st == SSFER_OK && i < split->labeled_count; i++)
        st = mark_name(chosen, set, ssfer_dataset_path(from, split->labeled[i]), path, err);
    if (st == SSFER_OK)
        st = fill_split(&carried, set, chosen, err);
    if (st == SSFER_OK)
        *out = carried;
    ssfer_free(chosen);
    return st;
}

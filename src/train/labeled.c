#include "train/labeled.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "nn/try.h"

#include <string.h>

/* Not 0, so that it has nothing to do with how `ssfer split` chooses with the same seed. */
enum { HOLDOUT_STAGE = 2 };

/* Opens the validation split: the one asked for, or the first usual name that the set has. NULL: there is none. A split
 * that is there but cannot be used is an error: training on must not hide it. */
static ssfer_status open_valid(ssfer_labeled *l, const ssfer_log *log, ssfer_error *err)
{
    const ssfer_labeled_options *o = l->options;
    const char *source = o->valid_data ? o->valid_data : o->data;
    ssfer_dataset_options d = {.split = o->valid_split,
                               .classes = ssfer_dataset_class_names(l->train_set),
                               .class_count = ssfer_dataset_class_count(l->train_set),
                               .log = log};
    if (o->valid_data || o->valid_split)
        return ssfer_dataset_open(&l->valid_set, source, &d, err);
    static const char *const usual[] = {"valid", "val", "test"};
    const char *own = ssfer_dataset_split(l->train_set);
    for (size_t i = 0; own && i < sizeof usual / sizeof *usual; i++) {
        if (strcmp(own, usual[i]) == 0)
            continue;
        d.split = usual[i];
        ssfer_dataset *probe = NULL; /* without labels, all that an argument can be wrong in is the split's name */
        const ssfer_dataset_options unlabeled = {.split = usual[i], .unlabeled = true};
        const ssfer_status st = ssfer_dataset_open(&probe, source, &unlabeled, NULL);
        ssfer_dataset_close(probe);
        if (st != SSFER_ERR_ARGUMENT)
            return ssfer_dataset_open(&l->valid_set, source, &d, err);
    }
    l->valid_set = NULL;
    return SSFER_OK;
}

/* Marks the held-out samples of class k. A class keeps at least one picture for training. */
static void hold_out_class(const ssfer_labeled *l, uint64_t seed, unsigned char *held, size_t *members, int32_t k)
{
    size_t n = 0;
    for (size_t i = 0; i < l->train_count; i++)
        if (ssfer_dataset_label(l->train_set, l->train[i]) == k)
            members[n++] = i;
    if (n < 2)
        return;
    ssfer_rng rng = ssfer_rng_stream(seed, HOLDOUT_STAGE, 0, (uint64_t)k, SSFER_RNG_SPLIT);
    ssfer_rng_shuffle(&rng, members, n);
    const ssfer_labeled_options *o = l->options;
    if (o->folds) { /* shifted from class to class, so that the folds have equal sizes */
        for (size_t i = 0; i < n; i++)
            held[members[i]] = (i + (size_t)k) % o->folds == o->fold;
        return;
    }
    const size_t wanted = ssfer_split_class_count(o->holdout, n);
    for (size_t i = 0; i < (wanted < n ? wanted : n - 1); i++)
        held[members[i]] = 1;
}

/* The published code's folds (scikit-learn's KFold): all pictures in a random order, cut into parts of equal size, the
 * first ones of one picture more where that does not divide. */
static void hold_out_plainly(const ssfer_labeled *l, uint64_t seed, unsigned char *held, size_t *order)
{
    const size_t n = l->train_count, K = l->options->folds, fold = l->options->fold, more = n % K;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    ssfer_rng rng = ssfer_rng_stream(seed, HOLDOUT_STAGE, 1, 0, SSFER_RNG_SPLIT);
    ssfer_rng_shuffle(&rng, order, n);
    const size_t start = fold * (n / K) + (fold < more ? fold : more), end = start + n / K + (fold < more);
    for (size_t i = start; i < end; i++)
        held[order[i]] = 1;
}

/* Takes the validation part out of the labeled samples, class by class: l->train loses what l->valid gains. The labels
 * of the other samples are not to be used, so they cannot judge either. */
static ssfer_status hold_out(ssfer_labeled *l, uint64_t seed, ssfer_error *err)
{
    const size_t n = l->train_count;
    unsigned char *held = ssfer_calloc(n, 1);
    size_t *members = ssfer_calloc(n, sizeof *members), kept = 0;
    l->valid = ssfer_calloc(n, sizeof *l->valid);
    const bool good = held && members && l->valid;
    const bool plain = l->options->folds && l->options->plain_folds;
    if (good && plain)
        hold_out_plainly(l, seed, held, members);
    for (size_t k = 0; good && !plain && k < ssfer_dataset_class_count(l->train_set); k++)
        hold_out_class(l, seed, held, members, (int32_t)k);
    for (size_t i = 0; good && i < n; i++)
        *(held[i] ? &l->valid[l->valid_count++] : &l->train[kept++]) = l->train[i];
    ssfer_free(held);
    ssfer_free(members);
    if (!good)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    l->train_count = kept;
    if (l->options->folds && (!l->valid_count || !l->train_count))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%s: fold %zu of %zu has no picture of the %zu labeled ones; use fewer --folds",
                          l->options->data, l->options->fold + 1, l->options->folds, n);
    if (!l->valid_count)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%s: no class has two labeled pictures, so none can be held out for validation; use a larger "
                          "--fraction or give --valid-data",
                          l->options->data);
    return SSFER_OK;
}

/* l->split and l->train: the labeled samples. What is held out of them follows the seed; of a run's labels the run's.
 */
static ssfer_status keep_labeled(ssfer_labeled *l, uint64_t seed, ssfer_error *err)
{
    const ssfer_labeled_options *o = l->options;
    const ssfer_rehearsal *r = o->rehearsal;
    if (o->labels && r && r->labels_later)
        TRY(ssfer_split_carry(&l->split, l->train_set, r->labels, r->labels_set, o->labels, err));
    else
        TRY(o->labels ? ssfer_split_load(&l->split, l->train_set, o->labels, err)
                      : ssfer_split_make(&l->split, l->train_set, o->fraction, seed, err));
    if (o->labels && !ssfer_folder_exists(o->labels))
        l->split.seed = seed;
    l->train = ssfer_calloc(l->split.labeled_count, sizeof *l->train);
    if (!l->train)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    l->train_count = l->split.labeled_count;
    memcpy(l->train, l->split.labeled, l->train_count * sizeof *l->train);
    return SSFER_OK;
}

ssfer_status ssfer_labeled_open(ssfer_labeled *out, const ssfer_labeled_options *o, uint64_t seed, const ssfer_log *log,
                                ssfer_error *err)
{
    *out = (ssfer_labeled){.options = o};
    TRY(ssfer_dataset_open(&out->train_set, o->data, &(ssfer_dataset_options){.split = o->split, .log = log}, err));
    if (!o->folds)
        TRY(open_valid(out, log, err));
    if (ssfer_rehearsal_lacks_labels(o->rehearsal))
        return SSFER_OK;
    TRY(keep_labeled(out, seed, err));
    if (out->valid_set)
        return SSFER_OK;
    if (!o->folds)
        ssfer_info(log, "no validation split: %.0f %% of the labeled pictures are held out", 100.0 * o->holdout);
    return hold_out(out, out->split.seed, err);
}

void ssfer_labeled_close(ssfer_labeled *labeled)
{
    ssfer_dataset_close(labeled->train_set);
    ssfer_dataset_close(labeled->valid_set);
    ssfer_split_deinit(&labeled->split);
    ssfer_free(labeled->train);
    ssfer_free(labeled->valid);
    *labeled = (ssfer_labeled){0};
}

const ssfer_dataset *ssfer_labeled_judges(const ssfer_labeled *labeled)
{
    return labeled->valid_set ? labeled->valid_set : labeled->train_set;
}

size_t ssfer_labeled_judge_count(const ssfer_labeled *labeled)
{
    return labeled->valid ? labeled->valid_count : ssfer_dataset_count(labeled->valid_set);
}

void ssfer_labeled_count(size_t *counts, const ssfer_labeled *l)
{
    enum { LEARNED, JUDGING, UNUSED };
    const ssfer_dataset *judges = ssfer_labeled_judges(l);
    const size_t K = ssfer_dataset_class_count(l->train_set);
    memset(counts, 0, K * SSFER_LABELED_USES * sizeof *counts);
    for (size_t i = 0; i < ssfer_dataset_count(l->train_set); i++)
        counts[(size_t)ssfer_dataset_label(l->train_set, i) * SSFER_LABELED_USES + UNUSED]++;
    for (size_t i = 0; i < l->train_count; i++) {
        size_t *c = counts + (size_t)ssfer_dataset_label(l->train_set, l->train[i]) * SSFER_LABELED_USES;
        c[LEARNED]++;
        c[UNUSED]--;
    }
    for (size_t i = 0; i < ssfer_labeled_judge_count(l); i++) {
        const size_t sample = l->valid ? l->valid[i] : i;
        size_t *c = counts + (size_t)ssfer_dataset_label(judges, sample) * SSFER_LABELED_USES;
        c[JUDGING]++;
        c[UNUSED] -= !l->valid_set;
    }
}

ssfer_status ssfer_labeled_balance(size_t **indices, size_t *count, const ssfer_labeled *l, ssfer_error *err)
{
    const size_t K = ssfer_dataset_class_count(l->train_set);
    size_t *sizes = ssfer_calloc(K, sizeof *sizes), largest = 0, n = 0;
    for (size_t i = 0; sizes && i < l->train_count; i++) {
        const size_t size = ++sizes[ssfer_dataset_label(l->train_set, l->train[i])];
        largest = size > largest ? size : largest;
    }
    *indices = sizes ? ssfer_calloc(K * largest, sizeof **indices) : NULL;
    for (size_t k = 0; *indices && k < K; k++)
        for (size_t i = 0, taken = 0; sizes[k] && taken < largest; i = (i + 1) % l->train_count)
            if (ssfer_dataset_label(l->train_set, l->train[i]) == (int32_t)k) {
                (*indices)[n++] = l->train[i];
                taken++;
            }
    ssfer_free(sizes);
    *count = n;
    return *indices ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
}

ssfer_status ssfer_labeled_keep(const ssfer_labeled *l, const ssfer_run *run, ssfer_error *err)
{
    ssfer_error why = {0};
    char *path = ssfer_run_path(run, SSFER_SPLIT_FILE);
    ssfer_status st = path ? ssfer_split_save(&l->split, l->train_set, path, &why)
                           : ssfer_fail(&why, SSFER_ERR_MEMORY, "training: out of memory");
    ssfer_free(path);
    if (st != SSFER_ERR_UNSUPPORTED)
        return st == SSFER_OK ? st : ssfer_fail(err, st, "%s", why.message);
    ssfer_warn(ssfer_run_log(run), "%s; which pictures are labeled is not kept", why.message);
    return SSFER_OK;
}

void ssfer_labeled_describe(ssfer_recipe *r, const ssfer_labeled *labeled)
{
    const ssfer_labeled_options *o = labeled->options;
    const ssfer_dataset *train = labeled->train_set, *valid = labeled->valid_set;
    ssfer_recipe_section(r, "data");
    ssfer_recipe_string(r, "data", o->data);
    ssfer_recipe_string(r, "split", ssfer_dataset_split(train));
    ssfer_recipe_string(r, "valid_data", valid ? ssfer_dataset_source(valid) : NULL);
    ssfer_recipe_string(r, "valid_split", valid ? ssfer_dataset_split(valid) : NULL);
    ssfer_recipe_double(r, "holdout", valid ? 0.0 : o->holdout);
    if (o->folds) {
        ssfer_recipe_size(r, "folds", o->folds);
        ssfer_recipe_size(r, "fold", o->fold + 1);
        if (o->plain_folds)
            ssfer_recipe_string(r, "fold_kind", "plain");
    }
    ssfer_recipe_double(r, "fraction", o->fraction);
    ssfer_recipe_string(r, "labels", o->labels);
    ssfer_recipe_size(r, "training_pictures", labeled->train_count);
    ssfer_recipe_strings(r, "classes", ssfer_dataset_class_names(train), ssfer_dataset_class_count(train));
}

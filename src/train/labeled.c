#include "train/labeled.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/size.h"
#include "data/by_class.h"
#include "data/class_map.h"
#include "nn/try.h"

#include <string.h>

/* Not 0, so that it has nothing to do with how `ssfer split` chooses with the same seed. */
enum { HOLDOUT_STAGE = 2 };

/* Numbers stay the names of the classes unless they are said to stand for others: the model will only know them. */
static ssfer_status open_train(ssfer_labeled *l, const ssfer_log *log, ssfer_error *err)
{
    const ssfer_labeled_options *o = l->options;
    const ssfer_dataset_options d = {.split = o->split, .folder_classes = o->folder_classes, .log = log};
    TRY(ssfer_dataset_open(&l->train_set, o->data, &d, err));
    size_t numbers = 0;
    const size_t K = ssfer_dataset_class_count(l->train_set);
    for (size_t k = 0; k < K; k++)
        numbers += ssfer_class_is_number(ssfer_dataset_class_name(l->train_set, k));
    if (numbers == K)
        ssfer_info(log,
                   "%s: the class folders are numbers (%s, ..., %s), and the model's classes will have these names; "
                   "--folder-classes says what they stand for",
                   o->data, ssfer_dataset_class_name(l->train_set, 0), ssfer_dataset_class_name(l->train_set, K - 1));
    return SSFER_OK;
}

/* Opens the validation split: the one asked for, or the first usual name that the set has. NULL: there is none. A split
 * that is there but cannot be used is an error: training on must not hide it. */
static ssfer_status open_valid(ssfer_labeled *l, const ssfer_log *log, ssfer_error *err)
{
    const ssfer_labeled_options *o = l->options;
    const char *source = o->valid_data ? o->valid_data : o->data;
    ssfer_dataset_options d = {.split = o->valid_split,
                               .classes = ssfer_dataset_class_names(l->train_set),
                               .class_count = ssfer_dataset_class_count(l->train_set),
                               .folder_classes = o->folder_classes,
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

/* Marks the held-out samples among the `n` of class k. A class keeps at least one picture for training. */
static void hold_out_class(const ssfer_labeled *l, uint64_t seed, unsigned char *held, size_t *members, size_t n,
                           size_t k)
{
    if (n < 2)
        return;
    ssfer_rng rng = ssfer_rng_stream(seed, HOLDOUT_STAGE, 0, (uint64_t)k, SSFER_RNG_SPLIT);
    ssfer_rng_shuffle(&rng, members, n);
    const ssfer_labeled_options *o = l->options;
    if (o->folds) { /* shifted from class to class, so that the folds have equal sizes */
        for (size_t i = 0; i < n; i++)
            held[members[i]] = (i + k) % o->folds == o->fold;
        return;
    }
    const size_t wanted = ssfer_split_class_count(o->holdout, n);
    for (size_t i = 0; i < (wanted < n ? wanted : n - 1); i++)
        held[members[i]] = 1;
}

static ssfer_status hold_out_classes(const ssfer_labeled *l, uint64_t seed, unsigned char *held, ssfer_error *err)
{
    ssfer_by_class groups;
    TRY(ssfer_by_class_init(&groups, l->train_set, l->train, l->train_count, err));
    for (size_t k = 0; k < groups.class_count; k++)
        hold_out_class(l, seed, held, groups.positions + groups.starts[k], ssfer_by_class_size(&groups, k), k);
    ssfer_by_class_deinit(&groups);
    return SSFER_OK;
}

/* The published code's folds (scikit-learn's KFold): all pictures in a random order, cut into parts of equal size, the
 * first ones of one picture more where that does not divide. */
static ssfer_status hold_out_plainly(const ssfer_labeled *l, uint64_t seed, unsigned char *held, ssfer_error *err)
{
    const size_t n = l->train_count, K = l->options->folds, fold = l->options->fold, more = n % K;
    size_t *order = ssfer_calloc(n, sizeof *order);
    if (!order)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    ssfer_rng rng = ssfer_rng_stream(seed, HOLDOUT_STAGE, 1, 0, SSFER_RNG_SPLIT);
    ssfer_rng_shuffle(&rng, order, n);
    const size_t start = fold * (n / K) + (fold < more ? fold : more), end = start + n / K + (fold < more);
    for (size_t i = start; i < end; i++)
        held[order[i]] = 1;
    ssfer_free(order);
    return SSFER_OK;
}

/* Takes the validation part out of the labeled samples, class by class: l->train loses what l->valid gains. The labels
 * of the other samples are not to be used, so they cannot judge either. */
static ssfer_status hold_out(ssfer_labeled *l, uint64_t seed, ssfer_error *err)
{
    const size_t n = l->train_count;
    unsigned char *held = ssfer_calloc(n, 1);
    size_t kept = 0;
    l->valid = ssfer_calloc(n, sizeof *l->valid);
    ssfer_status st = held && l->valid ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    if (st == SSFER_OK)
        st = l->options->folds && l->options->plain_folds ? hold_out_plainly(l, seed, held, err)
                                                          : hold_out_classes(l, seed, held, err);
    for (size_t i = 0; st == SSFER_OK && i < n; i++)
        *(held[i] ? &l->valid[l->valid_count++] : &l->train[kept++]) = l->train[i];
    ssfer_free(held);
    if (st != SSFER_OK)
        return st;
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
    TRY(open_train(out, log, err));
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
    ssfer_by_class groups;
    size_t largest = 0, n = 0;
    TRY(ssfer_by_class_init(&groups, l->train_set, l->train, l->train_count, err));
    for (size_t k = 0; k < groups.class_count; k++)
        largest = ssfer_max_size(largest, ssfer_by_class_size(&groups, k));
    *indices = ssfer_calloc(groups.class_count * largest, sizeof **indices);
    for (size_t k = 0; *indices && k < groups.class_count; k++) {
        const size_t size = ssfer_by_class_size(&groups, k), *members = groups.positions + groups.starts[k];
        for (size_t i = 0; size && i < largest; i++)
            (*indices)[n++] = l->train[members[i % size]];
    }
    ssfer_by_class_deinit(&groups);
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
    if (o->folder_classes)
        ssfer_recipe_string(r, "folder_classes", o->folder_classes);
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

#include "data/dataset.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "data/class_map.h"
#include "data/listing.h"
#include "data/name_list.h"
#include "data/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_PICTURE_BYTES ((size_t)1 << 30) /* of one undecoded file */

typedef struct sample {
    const char *path;
    const ssfer_tar_member *member;
    const char *failure; /* why it cannot be read, if that is known already */
    int32_t label;
    uint32_t source;
} sample;

struct ssfer_dataset {
    ssfer_listing listing; /* its entries are gone after open; its sources and texts stay */
    char *source, *split;
    size_t prefix; /* bytes in front of every path that lead to the split: path - prefix is relative to the source */
    sample *samples;
    size_t count;
    char **classes;
    size_t class_count, class_capacity;
    ssfer_name_list left_out;
};

static ssfer_status no_memory(const ssfer_dataset *set, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%.200s: out of memory while reading the list of samples",
                      set->source ? set->source : "data");
}

/* ---- which level of the tree is the split, which the class ---- */

/* What lies below the current level: the names of its folders and how deep its pictures lie. */
typedef struct level {
    ssfer_name_list folders;
    const char *first; /* name of the first folder, not terminated */
    size_t first_length;
    size_t direct;    /* pictures right here */
    size_t min_depth; /* of the pictures: 1 is right here; SIZE_MAX without pictures */
} level;

static size_t path_depth(const char *path)
{
    size_t depth = 1;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

/* Entries are sorted, so equal first components stand side by side. */
static level survey(const ssfer_listing *listing, const char *prefix, size_t prefix_length)
{
    level l = {.min_depth = SIZE_MAX};
    const char *last = NULL;
    size_t last_length = 0;
    for (size_t i = 0; i < listing->count; i++) {
        const ssfer_entry *e = &listing->entries[i];
        if (strncmp(e->path, prefix, prefix_length) != 0)
            continue;
        const char *path = e->path + prefix_length;
        size_t length = strcspn(path, "/"), depth = path_depth(path);
        if (!e->folder && depth < l.min_depth)
            l.min_depth = depth;
        l.direct += !e->folder && depth == 1;
        bool folder = e->folder || depth > 1;
        if (!folder || length == 0 || (last && length == last_length && memcmp(last, path, length) == 0))
            continue;
        ssfer_name_list_add(&l.folders, path, length);
        if (!l.first) {
            l.first = path;
            l.first_length = length;
        }
        last = path;
        last_length = length;
    }
    return l;
}

static bool has_folder(const ssfer_listing *listing, const char *prefix, size_t prefix_length, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < listing->count; i++) {
        const ssfer_entry *e = &listing->entries[i];
        const char *path = e->path + prefix_length;
        if (strncmp(e->path, prefix, prefix_length) == 0 && strncmp(path, name, length) == 0 &&
            (path[length] == '/' || (path[length] == 0 && e->folder)))
            return true;
    }
    return false;
}

enum { MAX_PREFIX = 4096, MAX_SPLITS = 64 };

static bool descend(char prefix[MAX_PREFIX], size_t *length, const char *name, size_t name_length)
{
    if (*length + name_length + 2 > MAX_PREFIX)
        return false;
    memcpy(prefix + *length, name, name_length);
    memcpy(prefix + *length + name_length, "/", 2);
    *length += name_length + 1;
    return true;
}

static ssfer_status missing_split(const ssfer_dataset *set, const char *split, const level *l, ssfer_error *err)
{
    if (l->folders.count == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.100s: there is no split %.60s: it has no folders", set->source,
                          split);
    if (l->min_depth >= 3)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.100s: there is no split %.60s; there are %s", set->source, split,
                          l->folders.text);
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.100s: there is no split %.60s: its folders are %s; leave --split out",
                      set->source, split, l->folders.text);
}

/* Finds the folder whose sub-folders are the classes (see the header); prefix is "" or ends in "/". */
static ssfer_status find_prefix(ssfer_dataset *set, const ssfer_dataset_options *options, char prefix[MAX_PREFIX],
                                ssfer_error *err)
{
    size_t length = 0;
    prefix[0] = 0;
    for (;;) {
        const char *split = options->split, *name;
        level l = survey(&set->listing, prefix, length);
        size_t name_length;
        bool found = split && has_folder(&set->listing, prefix, length, split), done = found;
        bool single = l.folders.count == 1 && l.direct == 0;
        if (found) {
            name = split;
            name_length = strlen(split);
        } else if (split && !single) {
            return missing_split(set, split, &l, err);
        } else if (!split && (options->unlabeled || l.min_depth < 3 || l.min_depth == SIZE_MAX)) {
            break;
        } else if (!single) {
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.100s: holds several splits: choose one with --split: %s",
                              set->source, l.folders.text);
        } else {
            name = l.first;
            name_length = l.first_length;
            done = false;
        }
        set->prefix = length;
        if (!descend(prefix, &length, name, name_length))
            return ssfer_fail(err, SSFER_ERR_LIMIT, "%.200s: folder names are too long", set->source);
        if (done)
            break;
    }
    if (length) {
        /* The last component is the split, whether it was named or the only one. */
        prefix[length - 1] = 0;
        set->split = ssfer_strdup(prefix + set->prefix);
        prefix[length - 1] = '/';
        if (!set->split)
            return no_memory(set, err);
    }
    set->prefix = length;
    return SSFER_OK;
}

/* Keeps the entries below the prefix and makes their paths relative to it. */
static void apply_prefix(ssfer_dataset *set, const char *prefix, const ssfer_log *log)
{
    ssfer_listing *l = &set->listing;
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (strncmp(l->entries[i].path, prefix, set->prefix) != 0 || !l->entries[i].path[set->prefix])
            continue;
        l->entries[kept] = l->entries[i];
        l->entries[kept++].path += set->prefix;
    }
    l->count = kept;
    for (size_t i = 0; i < kept; i++)
        l->sources[l->entries[i].source].used = true;
    for (size_t i = 0; set->prefix && i < l->source_count; i++)
        if (!l->sources[i].used)
            ssfer_warn(log, "%s: it holds nothing in %s, so it is left out", l->sources[i].path, prefix);
}

/* The distinct values of the split column, in the order in which they occur. */
typedef struct split_names {
    const char *names[MAX_SPLITS];
    size_t count;
} split_names;

/* Consecutive samples mostly share their split, so the last one found is tried first. False: there are too many. */
static bool note_split(split_names *found, size_t *last, const char *split)
{
    if (found->count && strcmp(found->names[*last], split) == 0)
        return true;
    for (*last = 0; *last < found->count; ++*last)
        if (strcmp(found->names[*last], split) == 0)
            return true;
    if (found->count == MAX_SPLITS)
        return false;
    found->names[found->count++] = split;
    return true;
}

static ssfer_status find_splits(split_names *found, const ssfer_dataset *set, ssfer_error *err)
{
    const ssfer_listing *l = &set->listing;
    size_t last = 0;
    *found = (split_names){0};
    for (size_t i = 0; i < l->count; i++)
        if (l->entries[i].split && !note_split(found, &last, l->entries[i].split))
            return ssfer_fail(err, SSFER_ERR_LIMIT, "%.200s: more than %d splits; is this the right column?",
                              set->source, MAX_SPLITS);
    return SSFER_OK;
}

/* The split of CSV lists is a column. */
static ssfer_status apply_split_column(ssfer_dataset *set, const ssfer_dataset_options *options, ssfer_error *err)
{
    ssfer_listing *l = &set->listing;
    split_names found;
    ssfer_name_list names = {0};
    const char *only = options->split;
    size_t kept = 0;
    ssfer_status st = find_splits(&found, set, err);
    if (st != SSFER_OK)
        return st;
    for (size_t i = 0; i < found.count; i++)
        ssfer_name_list_add(&names, found.names[i], strlen(found.names[i]));
    if (!only && found.count > 1 && !options->unlabeled)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.100s: holds several splits: choose one with --split: %s",
                          set->source, names.text);
    if (only && !found.count)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.100s: there is no split %.60s: the list has no split column",
                          set->source, only);
    for (size_t i = 0; only && i < l->count; i++)
        if (l->entries[i].split && strcmp(l->entries[i].split, only) == 0)
            l->entries[kept++] = l->entries[i];
    if (only && !kept)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.100s: there is no split %.60s; there are %s", set->source, only,
                          names.text);
    if (only) {
        l->count = kept;
        set->split = ssfer_strdup(only);
        if (!set->split)
            return no_memory(set, err);
    }
    return SSFER_OK;
}

/* ---- classes ---- */

static ssfer_status add_class(ssfer_dataset *set, const char *name, size_t length, ssfer_error *err)
{
    if (set->class_count == SSFER_MAX_CLASSES)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%.200s: more than %d classes; is this an unlabeled set?", set->source,
                          SSFER_MAX_CLASSES);
    char *copy = ssfer_format("%.*s", (int)length, name);
    if (!copy ||
        ssfer_reserve((void **)&set->classes, &set->class_capacity, set->class_count + 1, sizeof *set->classes)) {
        ssfer_free(copy);
        return no_memory(set, err);
    }
    set->classes[set->class_count++] = copy;
    return SSFER_OK;
}

/* Walks the sorted entries: each first component is a class, label its number; a folder without pictures is an error.
 * Pictures that lie beside the class folders are dropped. */
static ssfer_status label_by_folder(ssfer_dataset *set, const ssfer_log *log, ssfer_error *err)
{
    ssfer_listing *l = &set->listing;
    size_t dropped = 0, in_class = 1;
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; st == SSFER_OK && i < l->count; i++) {
        const ssfer_entry *e = &l->entries[i];
        size_t length = strcspn(e->path, "/");
        if (!e->folder && !e->path[length]) {
            dropped++;
            continue;
        }
        const char *now = set->class_count ? set->classes[set->class_count - 1] : NULL;
        if (!now || strncmp(now, e->path, length) != 0 || now[length]) {
            if (!in_class)
                break;
            st = add_class(set, e->path, length, err);
            in_class = 0;
        }
        if (st == SSFER_OK && !e->folder) {
            set->samples[set->count++] = (sample){e->path, e->member, NULL, (int32_t)(set->class_count - 1), e->source};
            in_class++;
        }
    }
    if (st == SSFER_OK && !in_class)
        st = ssfer_fail(err, SSFER_ERR_FORMAT,
                        "%.200s: the class folder %.100s holds no pictures (png, jpg, jpeg, webp); fill or remove it",
                        set->source, set->classes[set->class_count - 1]);
    if (st == SSFER_OK && dropped && !set->count)
        return ssfer_fail(err, SSFER_ERR_FORMAT,
                          "%.200s: pictures without class folders; expected CLASS/name.png, or a CSV list path,label",
                          set->source);
    if (st == SSFER_OK && dropped)
        ssfer_warn(log, "%s: %zu pictures that lie in no class folder are left out", set->source, dropped);
    return st;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Classes of CSV lists are the distinct labels, sorted. */
static ssfer_status label_by_column(ssfer_dataset *set, ssfer_error *err)
{
    ssfer_listing *l = &set->listing;
    const char **labels = ssfer_malloc(l->count * sizeof *labels);
    if (!labels)
        return no_memory(set, err);
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; st == SSFER_OK && i < l->count; i++) {
        const ssfer_entry *e = &l->entries[i];
        labels[i] = e->label;
        if (!e->label)
            st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: the list has no label column; expected path,label",
                            l->sources[e->source].path);
        else if (!*e->label)
            st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%u: %.200s has no label", l->sources[e->source].path, e->line,
                            e->path);
    }
    if (st == SSFER_OK && l->count)
        qsort(labels, l->count, sizeof *labels, compare_text);
    for (size_t i = 0; st == SSFER_OK && i < l->count; i++)
        if (i == 0 || strcmp(labels[i], labels[i - 1]) != 0)
            st = add_class(set, labels[i], strlen(labels[i]), err);
    for (size_t i = 0; st == SSFER_OK && i < l->count; i++) {
        const ssfer_entry *e = &l->entries[i];
        char **found = bsearch(&e->label, set->classes, set->class_count, sizeof *set->classes, compare_text);
        set->samples[set->count++] = (sample){e->path, e->member, NULL, (int32_t)(found - set->classes), e->source};
    }
    ssfer_free(labels);
    return st;
}

static void label_none(ssfer_dataset *set)
{
    for (size_t i = 0; i < set->listing.count; i++) {
        const ssfer_entry *e = &set->listing.entries[i];
        if (!e->folder)
            set->samples[set->count++] = (sample){e->path, e->member, e->failure, SSFER_LABEL_NONE, e->source};
    }
}

/* ---- what the classes found stand for ---- */

static void free_classes(char **classes, size_t count)
{
    for (size_t k = 0; k < count; k++)
        ssfer_free(classes[k]);
    ssfer_free(classes);
}

/* From the names found to the classes of the set, which the options may give or translate. */
static ssfer_status apply_class_map(ssfer_dataset *set, const ssfer_dataset_options *options, ssfer_error *err)
{
    ssfer_class_map map;
    if (options->classes && (options->class_count == 0 || options->class_count > SSFER_MAX_CLASSES))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a list of %zu classes; 1 to %d are possible", options->class_count,
                          SSFER_MAX_CLASSES);
    ssfer_status st = ssfer_class_map_init(&map, (const char *const *)set->classes, set->class_count,
                                           &(ssfer_class_map_options){.source = set->source,
                                                                      .classes = options->classes,
                                                                      .class_count = options->class_count,
                                                                      .folder_classes = options->folder_classes,
                                                                      .outputs_of = options->outputs_of,
                                                                      .log = options->log},
                                           err);
    if (st != SSFER_OK)
        return st;
    for (size_t i = 0; !options->unlabeled && i < set->count; i++)
        set->samples[i].label = map.to[set->samples[i].label];
    free_classes(set->classes, set->class_count);
    set->classes = map.classes;
    set->class_count = map.class_count;
    ssfer_free(map.to);
    return SSFER_OK;
}

/* ---- where samples lie ---- */

/* path: relative to the source. */
static void locate(const ssfer_source *source, const char *path, char *out, size_t size_bytes)
{
    const char *base = source->base ? source->base : source->path;
    if (source->kind == SSFER_SOURCE_PICTURE)
        snprintf(out, size_bytes, "%s", source->path);
    else if ((source->kind == SSFER_SOURCE_CSV && *path == '/') || strcmp(base, ".") == 0)
        snprintf(out, size_bytes, "%s", path);
    else
        snprintf(out, size_bytes, "%s%s%s", base, strcmp(base, "/") == 0 ? "" : "/", path);
}

void ssfer_dataset_location(const ssfer_dataset *set, size_t i, char *out, size_t size_bytes)
{
    const sample *s = &set->samples[i];
    locate(&set->listing.sources[s->source], s->path - set->prefix, out, size_bytes);
}

/* Names the files below the prefix that are no pictures. */
static void mention_left_out(ssfer_dataset *set, const char *prefix)
{
    ssfer_listing *l = &set->listing;
    char location[SSFER_LOCATION_MAX];
    for (size_t i = 0; i < l->left_out_count; i++) {
        const ssfer_entry *e = &l->left_out[i];
        if (strncmp(e->path, prefix, set->prefix) != 0)
            continue;
        locate(&l->sources[e->source], e->path, location, sizeof location);
        ssfer_text_clean(location);
        ssfer_name_list_add(&set->left_out, location, strlen(location));
    }
}

size_t ssfer_dataset_left_out(const ssfer_dataset *set, const char **names)
{
    *names = set->left_out.text;
    return set->left_out.count;
}

/* ---- open ---- */

/* Splits and reports name samples by path, so with labels a path must be unique over all shards. */
static ssfer_status check_unique(const ssfer_dataset *set, ssfer_error *err)
{
    const ssfer_listing *l = &set->listing;
    for (size_t i = 1; i < l->count; i++) {
        const ssfer_entry *a = &l->entries[i - 1], *b = &l->entries[i];
        if (a->folder || b->folder || ssfer_path_compare(a->path, b->path) != 0)
            continue;
        if (b->line)
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%u: %.200s is listed before, in %s:%u",
                              l->sources[b->source].path, b->line, b->path, l->sources[a->source].path, a->line);
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%.150s is both in %.100s and in %.100s; rename one", b->path,
                          l->sources[a->source].path, l->sources[b->source].path);
    }
    return SSFER_OK;
}

static ssfer_status check_kinds(const ssfer_dataset *set, const ssfer_dataset_options *options, bool *csv,
                                ssfer_error *err)
{
    size_t lists = 0, pictures = 0, n = set->listing.source_count;
    for (size_t i = 0; i < n; i++) {
        lists += set->listing.sources[i].kind == SSFER_SOURCE_CSV;
        pictures += set->listing.sources[i].kind == SSFER_SOURCE_PICTURE;
    }
    *csv = lists == n;
    if (pictures && !options->unlabeled)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.200s: a single picture has no label; give a folder, tar or list",
                          set->source);
    if (lists && lists != n && !options->unlabeled)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.200s: a CSV list cannot be mixed with folders or tars",
                          set->source);
    return SSFER_OK;
}

static ssfer_status no_pictures(const ssfer_dataset *set, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%.200s%s%s: no pictures (png, jpg, jpeg, webp)", set->source,
                      set->split ? ", split " : "", set->split ? set->split : "");
}

static ssfer_status select_samples(ssfer_dataset *set, const ssfer_dataset_options *options, ssfer_error *err)
{
    char prefix[MAX_PREFIX];
    bool csv = false;
    ssfer_status st = check_kinds(set, options, &csv, err);
    if (st == SSFER_OK && set->listing.count == 0)
        st = no_pictures(set, err);
    if (st == SSFER_OK)
        st = csv ? apply_split_column(set, options, err) : find_prefix(set, options, prefix, err);
    if (st != SSFER_OK)
        return st;
    if (!csv) {
        apply_prefix(set, prefix, options->log);
        mention_left_out(set, prefix);
    }
    if (!options->unlabeled)
        st = check_unique(set, err);
    if (st == SSFER_OK && !(set->samples = ssfer_malloc(set->listing.count * sizeof *set->samples)))
        st = no_memory(set, err);
    if (st != SSFER_OK)
        return st;
    if (options->unlabeled)
        label_none(set);
    else
        st = csv ? label_by_column(set, err) : label_by_folder(set, options->log, err);
    if (st == SSFER_OK && set->count == 0)
        st = no_pictures(set, err);
    return st;
}

/* Classes of the set's own become those of a model, whose file holds them in JSON. */
static ssfer_status check_classes(const ssfer_dataset *set, const ssfer_dataset_options *options, ssfer_error *err)
{
    if (options->unlabeled || options->classes)
        return SSFER_OK;
    for (size_t k = 0; k < set->class_count; k++)
        if (!ssfer_utf8_is_valid(set->classes[k]))
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%.200s: the name of class %.60s is not UTF-8; rename it",
                              set->source, set->classes[k]);
    if (set->class_count >= 2)
        return SSFER_OK;
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%.200s: only one class (%.60s); at least two are needed", set->source,
                      set->classes[0]);
}

static ssfer_status open_paths(ssfer_dataset **out, const char *source, const char *const *paths, size_t path_count,
                               const ssfer_dataset_options *options, ssfer_error *err)
{
    ssfer_dataset *set = ssfer_calloc(1, sizeof *set);
    if (!set)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%.200s: out of memory", source);
    set->source = ssfer_strdup(source);
    ssfer_status st = set->source ? SSFER_OK : no_memory(set, err);
    if (st == SSFER_OK)
        st = ssfer_listing_read(&set->listing, paths, path_count, options->inputs, options->log, err);
    if (st == SSFER_OK)
        st = select_samples(set, options, err);
    if (st == SSFER_OK && (options->classes || (options->folder_classes && !options->unlabeled)))
        st = apply_class_map(set, options, err);
    if (st == SSFER_OK)
        st = check_classes(set, options, err);
    ssfer_free(set->listing.entries);
    ssfer_free(set->listing.left_out);
    set->listing.entries = set->listing.left_out = NULL;
    if (st == SSFER_OK)
        *out = set;
    else
        ssfer_dataset_close(set);
    return st;
}

ssfer_status ssfer_dataset_open_paths(ssfer_dataset **out, const char *const *paths, size_t path_count,
                                      const ssfer_dataset_options *options, ssfer_error *err)
{
    static const ssfer_dataset_options none;
    *out = NULL;
    if (path_count == 0 || path_count > SSFER_SOURCE_MAX)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%zu data paths; 1 to %d are possible", path_count,
                          SSFER_SOURCE_MAX);
    return open_paths(out, paths[0], paths, path_count, options ? options : &none, err);
}

ssfer_status ssfer_dataset_open(ssfer_dataset **out, const char *source, const ssfer_dataset_options *options,
                                ssfer_error *err)
{
    static const ssfer_dataset_options none;
    ssfer_source_list list;
    *out = NULL;
    ssfer_status st = ssfer_source_expand(&list, source, err);
    if (st != SSFER_OK)
        return st;
    st = open_paths(out, source, (const char *const *)list.paths, list.count, options ? options : &none, err);
    ssfer_source_list_deinit(&list);
    return st;
}

void ssfer_dataset_close(ssfer_dataset *set)
{
    if (!set)
        return;
    free_classes(set->classes, set->class_count);
    ssfer_free(set->samples);
    ssfer_free(set->source);
    ssfer_free(set->split);
    ssfer_listing_deinit(&set->listing);
    ssfer_free(set);
}

/* ---- access ---- */

size_t ssfer_dataset_count(const ssfer_dataset *set)
{
    return set->count;
}

size_t ssfer_dataset_class_count(const ssfer_dataset *set)
{
    return set->class_count;
}

const char *ssfer_dataset_class_name(const ssfer_dataset *set, size_t k)
{
    return set->classes[k];
}

const char *const *ssfer_dataset_class_names(const ssfer_dataset *set)
{
    return (const char *const *)set->classes;
}

int32_t ssfer_dataset_label(const ssfer_dataset *set, size_t i)
{
    return set->samples[i].label;
}

bool ssfer_dataset_has_failed(const ssfer_dataset *set, size_t i)
{
    return set->samples[i].failure != NULL;
}

const char *ssfer_dataset_path(const ssfer_dataset *set, size_t i)
{
    return set->samples[i].path;
}

const char *ssfer_dataset_source(const ssfer_dataset *set)
{
    return set->source;
}

const char *ssfer_dataset_split(const ssfer_dataset *set)
{
    return set->split;
}

static int compare_sample(const void *key, const void *s)
{
    return ssfer_path_compare(key, ((const sample *)s)->path);
}

size_t ssfer_dataset_find(const ssfer_dataset *set, const char *path)
{
    const sample *s = bsearch(path, set->samples, set->count, sizeof *set->samples, compare_sample);
    return s ? (size_t)(s - set->samples) : SIZE_MAX;
}

ssfer_status ssfer_dataset_bytes(const ssfer_dataset *set, size_t i, const unsigned char **bytes, size_t *size_bytes,
                                 unsigned char **owned, ssfer_error *err)
{
    char location[SSFER_LOCATION_MAX];
    const sample *s = &set->samples[i];
    *bytes = *owned = NULL;
    *size_bytes = 0;
    if (s->failure)
        return ssfer_fail(err, SSFER_ERR_IO, "%s", s->failure);
    if (s->member) {
        *bytes = s->member->data;
        *size_bytes = s->member->size_bytes;
        return SSFER_OK;
    }
    ssfer_dataset_location(set, i, location, sizeof location);
    ssfer_status st = ssfer_file_read(owned, size_bytes, location, MAX_PICTURE_BYTES, err);
    *bytes = *owned;
    return st;
}

ssfer_status ssfer_dataset_image(const ssfer_dataset *set, size_t i, ssfer_image *out, ssfer_error *err)
{
    char location[SSFER_LOCATION_MAX], shown[SSFER_PATH_SHOWN];
    const unsigned char *bytes;
    unsigned char *owned;
    size_t size;
    ssfer_status st = ssfer_dataset_bytes(set, i, &bytes, &size, &owned, err);
    if (st != SSFER_OK)
        return st;
    ssfer_dataset_location(set, i, location, sizeof location);
    ssfer_path_shown(shown, location);
    st = ssfer_image_decode(out, bytes, size, shown, NULL, err);
    ssfer_free(owned);
    return st;
}

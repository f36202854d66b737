#include "data/class_map.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/text_pool.h"
#include "data/class_sets.h"
#include "data/name_list.h"
#include "io/name_index.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_FILE_BYTES = 1 << 20, MAX_DIGITS = 5 };

typedef struct job {
    const ssfer_class_map_options *options;
    const char *const *names;
    size_t count;
    const char **words; /* the class that each name stands for */
    const char *origin; /* who says so, for the log; NULL: the names stand for themselves */
    ssfer_text_pool text;
} job;

static ssfer_status no_memory(const job *j, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%.200s: out of memory for its classes", j->options->source);
}

bool ssfer_class_is_number(const char *name)
{
    const size_t digits = strspn(name, "0123456789");
    return digits > 0 && digits <= MAX_DIGITS && !name[digits];
}

/* Of a name that is a number. */
static long number_of(const char *name)
{
    long number = 0;
    for (; *name; name++)
        number = 10 * number + (*name - '0');
    return number;
}

static size_t count_numbers(const char *const *names, size_t count)
{
    size_t numbers = 0;
    for (size_t i = 0; i < count; i++)
        numbers += ssfer_class_is_number(names[i]);
    return numbers;
}

/* Among the wanted classes; -1: it is none of them. */
static int32_t find_class(const ssfer_class_map_options *o, const char *name)
{
    for (size_t k = 0; k < o->class_count; k++)
        if (strcmp(o->classes[k], name) == 0)
            return (int32_t)k;
    for (size_t k = 0; k < o->class_count; k++)
        if (strcasecmp(o->classes[k], name) == 0)
            return (int32_t)k;
    return -1;
}

static ssfer_name_list list_names(const char *const *names, size_t count)
{
    ssfer_name_list list = {0};
    for (size_t i = 0; i < count; i++)
        ssfer_name_list_add(&list, names[i], strlen(names[i]));
    return list;
}

/* ---- a file that says it ---- */

/* "FOLDER CLASS": cuts the line up. False: it is not that. */
static bool cut_line(char *line, const char **folder, const char **class_name)
{
    char *end = line + strcspn(line, " \t");
    if (!*end)
        return false;
    *folder = line;
    *class_name = end + strspn(end, " \t");
    *end = 0;
    return **class_name != 0;
}

static void trim(char **line)
{
    *line += strspn(*line, " \t");
    for (size_t n = strlen(*line); n && strchr(" \t\r", (*line)[n - 1]); n--)
        (*line)[n - 1] = 0;
}

/* classes[i] (one for each line break and one more) and index: by folder, the number of its class. */
static ssfer_status read_lines(ssfer_name_index *index, const char **classes, char *text, const char *path,
                               ssfer_error *err)
{
    size_t line = 0, found = 0;
    for (char *row; (row = strsep(&text, "\n"));) {
        const char *folder;
        line++;
        trim(&row);
        if (!*row)
            continue;
        if (!cut_line(row, &folder, &classes[found]))
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: '%.60s' is no line FOLDER CLASS", path, line, row);
        if (ssfer_name_index_find(index, folder) != (size_t)SSFER_NAME_ABSENT)
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: the folder %.60s is there twice", path, line, folder);
        if (ssfer_name_index_add(index, folder, found++) != 0)
            return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    }
    return SSFER_OK;
}

static ssfer_status take_words(job *j, const ssfer_name_index *index, const char *const *classes, const char *path,
                               ssfer_error *err)
{
    for (size_t i = 0; i < j->count; i++) {
        const size_t at = ssfer_name_index_find(index, j->names[i]);
        if (at == (size_t)SSFER_NAME_ABSENT)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: does not say what %.60s of %.100s is", path, j->names[i],
                              j->options->source);
        j->words[i] = ssfer_text_pool_add(&j->text, classes[at], strlen(classes[at]));
        if (!j->words[i])
            return no_memory(j, err);
    }
    return SSFER_OK;
}

static ssfer_status translate_by_file(job *j, const char *path, ssfer_error *err)
{
    unsigned char *text = NULL;
    size_t size_bytes = 0, lines = 1;
    ssfer_name_index index = {0};
    if (!ssfer_file_exists(path) || ssfer_folder_exists(path))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "folder classes '%s': give " SSFER_CLASS_SETS_ALL
                          ", model or a file with a line FOLDER CLASS for each folder",
                          path);
    ssfer_status st = ssfer_file_read(&text, &size_bytes, path, MAX_FILE_BYTES, err);
    if (st != SSFER_OK)
        return st;
    for (size_t i = 0; i < size_bytes; i++)
        lines += text[i] == '\n';
    const char **classes = ssfer_calloc(lines, sizeof *classes);
    if (!classes)
        st = no_memory(j, err);
    else if (memchr(text, 0, size_bytes))
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: not a text file; put a line FOLDER CLASS for each folder", path);
    else
        st = read_lines(&index, classes, ssfer_utf8_skip_mark((char *)text), path, err);
    if (st == SSFER_OK)
        st = take_words(j, &index, classes, path, err);
    ssfer_name_index_deinit(&index);
    ssfer_free(classes);
    ssfer_free(text);
    j->origin = path;
    return st;
}

/* ---- numbers ---- */

static void translate_by_set(job *j, const ssfer_class_set *set)
{
    for (size_t i = 0; i < j->count; i++)
        j->words[i] = ssfer_class_set_number(set, number_of(j->names[i]));
    j->origin = set->title;
}

static ssfer_status translate_numbers(job *j, const ssfer_class_set *set, ssfer_error *err)
{
    for (size_t i = 0; i < j->count; i++)
        if (!ssfer_class_set_number(set, number_of(j->names[i])))
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.150s: %s numbers its classes %ld to %ld, so %.60s is none",
                              j->options->source, set->title, set->first, set->first + (long)set->count - 1,
                              j->names[i]);
    translate_by_set(j, set);
    return SSFER_OK;
}

/* The position that a number has in the list of wanted classes which is counted from `start`; NULL: none. */
static const char *wanted_class(const ssfer_class_map_options *o, long number, long start)
{
    return number >= start && number - start < (long)o->class_count ? o->classes[number - start] : NULL;
}

static ssfer_status translate_by_model(job *j, ssfer_error *err)
{
    const ssfer_class_map_options *o = j->options;
    long low = LONG_MAX, high = -1;
    if (!o->classes)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%.150s: folder classes 'model': there is no model that names its classes", o->source);
    for (size_t i = 0; i < j->count; i++) {
        const long number = number_of(j->names[i]);
        low = number < low ? number : low;
        high = number > high ? number : high;
    }
    const long start = low == 0 ? 0 : 1, classes = (long)o->class_count;
    if (high - start >= classes || (low > 0 && high < classes))
        return ssfer_fail(
            err, SSFER_ERR_ARGUMENT,
            "%.150s: the numbers %ld to %ld do not tell which of the model's %ld classes they are; give a "
            "file that says it",
            o->source, low, high, classes);
    for (size_t i = 0; i < j->count; i++)
        j->words[i] = wanted_class(o, number_of(j->names[i]), start);
    j->origin = "the model's order";
    return SSFER_OK;
}

/* As folder_classes says. */
static ssfer_status translate(job *j, ssfer_error *err)
{
    const char *how = j->options->folder_classes;
    const ssfer_class_set *set = ssfer_class_set_named(how);
    if (!set && strcmp(how, "model") != 0)
        return translate_by_file(j, how, err);
    const size_t numbers = count_numbers(j->names, j->count);
    if (numbers == 0 && j->count)
        ssfer_info(j->options->log, "%s: its classes are not numbers, so --folder-classes %s changes nothing",
                   j->options->source, how);
    if (numbers == 0)
        return SSFER_OK;
    if (numbers < j->count)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%.100s: some classes are numbers, some are not (%s); give a file that says what they are",
                          j->options->source, list_names(j->names, j->count).text);
    return set ? translate_numbers(j, set, err) : translate_by_model(j, err);
}

/* ---- numbers of which nothing is said ---- */

typedef struct candidates {
    const ssfer_class_set *sets[16];
    size_t count;
} candidates;

/* Whether a set has all numbers, and all of its classes are wanted. *complete: all of its numbers occur. */
static bool fits(const job *j, const ssfer_class_set *set, bool *complete)
{
    bool seen[SSFER_CLASS_SET_MOST] = {0};
    for (size_t k = 0; k < set->count; k++)
        if (find_class(j->options, set->numbered[k]) < 0)
            return false;
    for (size_t i = 0; i < j->count; i++) {
        const long number = number_of(j->names[i]);
        if (!ssfer_class_set_number(set, number))
            return false;
        seen[number - set->first] = true;
    }
    *complete = true;
    for (size_t k = 0; k < set->count; k++)
        *complete = *complete && seen[k];
    return true;
}

static void find_candidates(candidates *found, const job *j)
{
    bool any_complete = false;
    const ssfer_class_set *set;
    *found = (candidates){0};
    for (size_t i = 0; (set = ssfer_class_set_at(i)); i++) {
        bool complete = false;
        if (!fits(j, set, &complete) || (any_complete && !complete))
            continue;
        if (complete && !any_complete)
            found->count = 0;
        any_complete = any_complete || complete;
        found->sets[found->count++] = set;
    }
}

/* Whether the wanted classes are the published outputs of this set. */
static bool is_published(const ssfer_class_map_options *o, const ssfer_class_set *set)
{
    bool sorted = true;
    const ssfer_class_set *said = o->outputs_of ? ssfer_class_set_named(o->outputs_of) : NULL;
    if (said)
        return said == set;
    if (!set->outputs[0] || o->class_count != set->count)
        return false;
    for (size_t k = 0; k < set->count; k++) {
        if (strcasecmp(o->classes[k], set->outputs[k]) != 0)
            return false;
        sorted = sorted && (k == 0 || strcmp(set->outputs[k - 1], set->outputs[k]) < 0);
    }
    return !sorted; /* the alphabet's order is that of any model which was trained on folders with these names */
}

static bool keep_published(candidates *found, const ssfer_class_map_options *o)
{
    size_t kept = 0;
    for (size_t i = 0; i < found->count; i++)
        if (is_published(o, found->sets[i]))
            found->sets[kept++] = found->sets[i];
    if (kept)
        found->count = kept;
    return kept > 0;
}

static ssfer_status none_fits(const job *j, ssfer_error *err)
{
    return ssfer_fail(
        err, SSFER_ERR_ARGUMENT,
        "%.100s: its classes are numbers (%.100s), and no known data set has these for the model's classes "
        "(%.100s); say with --folder-classes what they are",
        j->options->source, list_names(j->names, j->count).text,
        list_names(j->options->classes, j->options->class_count).text);
}

static ssfer_status disagree(const job *j, size_t name, const char *one, const ssfer_class_set *set, const char *other,
                             const ssfer_class_set *second, ssfer_error *err)
{
    return ssfer_fail(
        err, SSFER_ERR_ARGUMENT,
        "%.100s: its classes are numbers, and %s is %.60s in %s, but %.60s in %s; say which they are with "
        "--folder-classes %s or --folder-classes %s",
        j->options->source, j->names[name], one, set->title, other,
        second ? second->title : "the order of the model's outputs", set->name, second ? second->name : "model");
}

/* The first one says what the numbers are if no other one says something else. */
static ssfer_status check_agreement(const job *j, const candidates *found, bool published, ssfer_error *err)
{
    const ssfer_class_set *set = found->sets[0];
    for (size_t i = 0; i < j->count; i++) {
        const long number = number_of(j->names[i]);
        const char *word = ssfer_class_set_number(set, number);
        for (size_t c = 1; c < found->count; c++) {
            const char *other = ssfer_class_set_number(found->sets[c], number);
            if (strcmp(word, other) != 0)
                return disagree(j, i, word, set, other, found->sets[c], err);
        }
    }
    for (size_t i = 0; published && i < j->count; i++) /* a number beyond its outputs is none of its code's folders */
        if (!wanted_class(j->options, number_of(j->names[i]), 0))
            return SSFER_OK;
    for (size_t i = 0; published && i < j->count; i++) {
        const long number = number_of(j->names[i]);
        const char *word = ssfer_class_set_number(set, number), *other = wanted_class(j->options, number, 0);
        if (strcasecmp(word, other) != 0)
            return disagree(j, i, word, set, other, NULL, err);
    }
    return SSFER_OK;
}

static ssfer_status guess(job *j, ssfer_error *err)
{
    candidates found;
    find_candidates(&found, j);
    if (!found.count)
        return none_fits(j, err);
    const bool published = keep_published(&found, j->options);
    ssfer_status st = check_agreement(j, &found, published, err);
    if (st == SSFER_OK)
        translate_by_set(j, found.sets[0]);
    return st;
}

/* Numbers that are not the wanted classes themselves. A model whose own classes are numbers says nothing of others. */
static bool must_guess(const job *j)
{
    const ssfer_class_map_options *o = j->options;
    bool unknown = false;
    for (size_t i = 0; i < j->count; i++)
        unknown = unknown || find_class(o, j->names[i]) < 0;
    return unknown && count_numbers(j->names, j->count) == j->count && !count_numbers(o->classes, o->class_count);
}

/* ---- from words to classes ---- */

static ssfer_status unknown_class(const job *j, size_t i, ssfer_error *err)
{
    const ssfer_name_list known = list_names(j->options->classes, j->options->class_count);
    if (j->origin)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%.100s: class %.60s (%.60s in %.100s) is unknown to the model; it has %.120s",
                          j->options->source, j->words[i], j->names[i], j->origin, known.text);
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.100s: class %.60s is unknown to the model; it has %s",
                      j->options->source, j->words[i], known.text);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The classes that the words are: without repetition and sorted, as folders with these names would be. */
static ssfer_status sort_words(const char ***classes, size_t *count, const job *j, ssfer_error *err)
{
    const char **sorted = ssfer_calloc(j->count, sizeof *sorted);
    size_t n = 0;
    if (!sorted)
        return no_memory(j, err);
    for (size_t i = 0; i < j->count; i++)
        sorted[i] = j->words[i];
    qsort(sorted, j->count, sizeof *sorted, compare_text);
    for (size_t i = 0; i < j->count; i++)
        if (i == 0 || strcmp(sorted[i], sorted[n - 1]) != 0)
            sorted[n++] = sorted[i];
    *classes = sorted;
    *count = n;
    return SSFER_OK;
}

static void release_map(ssfer_class_map *map)
{
    for (size_t k = 0; map->classes && k < map->class_count; k++)
        ssfer_free(map->classes[k]);
    ssfer_free(map->classes);
    ssfer_free(map->to);
}

static ssfer_status fill_map(ssfer_class_map *out, const job *j, const char *const *classes, size_t count,
                             ssfer_error *err)
{
    ssfer_class_map map = {.class_count = count};
    ssfer_class_map_options with = *j->options;
    ssfer_status st = SSFER_OK;
    with.classes = classes;
    with.class_count = count;
    map.classes = ssfer_calloc(count, sizeof *map.classes);
    map.to = ssfer_calloc(j->count, sizeof *map.to);
    if (!map.classes || !map.to)
        st = no_memory(j, err);
    for (size_t k = 0; st == SSFER_OK && k < count; k++)
        if (!(map.classes[k] = ssfer_strdup(classes[k])))
            st = no_memory(j, err);
    for (size_t i = 0; st == SSFER_OK && i < j->count; i++) {
        map.to[i] = find_class(&with, j->words[i]);
        if (map.to[i] < 0)
            st = unknown_class(j, i, err);
    }
    if (st == SSFER_OK)
        *out = map;
    else
        release_map(&map);
    return st;
}

static void tell(const job *j)
{
    ssfer_name_list list = {0};
    char text[160];
    if (!j->origin)
        return;
    for (size_t i = 0; i < j->count; i++) {
        snprintf(text, sizeof text, "%.60s %.90s", j->names[i], j->words[i]);
        ssfer_name_list_add(&list, text, strlen(text));
    }
    ssfer_info(j->options->log, "%s: classes as in %s: %s", j->options->source, j->origin, list.text);
}

ssfer_status ssfer_class_map_init(ssfer_class_map *out, const char *const *names, size_t count,
                                  const ssfer_class_map_options *options, ssfer_error *err)
{
    job j = {.options = options, .names = names, .count = count, .words = ssfer_calloc(count, sizeof *j.words)};
    const char **sorted = NULL;
    size_t sorted_count = 0;
    ssfer_status st = j.words ? SSFER_OK : no_memory(&j, err);
    *out = (ssfer_class_map){0};
    for (size_t i = 0; st == SSFER_OK && i < count; i++)
        j.words[i] = names[i];
    if (st == SSFER_OK && options->folder_classes)
        st = translate(&j, err);
    else if (st == SSFER_OK && options->classes && must_guess(&j))
        st = guess(&j, err);
    if (st == SSFER_OK && !options->classes)
        st = sort_words(&sorted, &sorted_count, &j, err);
    if (st == SSFER_OK)
        st = fill_map(out, &j, sorted ? sorted : options->classes, sorted ? sorted_count : options->class_count, err);
    if (st == SSFER_OK)
        tell(&j);
    ssfer_free(sorted);
    ssfer_text_pool_deinit(&j.text);
    ssfer_free(j.words);
    return st;
}

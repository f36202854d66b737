#include "import/finder.h"

#include "base/memory.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

/* Like strcmp of the texts read from the end, with "/" before every other character: what ends with "/name" follows
 * "name" itself. */
static int compare_endings(const char *a, const char *b)
{
    const size_t m = strlen(a), n = strlen(b), shorter = ssfer_min_size(m, n);
    size_t i = 0;
    while (i < shorter && a[m - 1 - i] == b[n - 1 - i])
        i++;
    if (i == m || i == n)
        return (m > n) - (m < n);
    const unsigned char x = (unsigned char)a[m - 1 - i], y = (unsigned char)b[n - 1 - i];
    return x == '/' ? -1 : y == '/' ? 1 : (x > y) - (x < y);
}

static int compare_places(const void *a, const void *b)
{
    const struct import_place *x = a, *y = b;
    const int order = compare_endings(x->path, y->path);
    return order ? order : (x->picture > y->picture) - (x->picture < y->picture);
}

ssfer_status ssfer_import_finder_open(import_finder *f, const char *pictures, const ssfer_log *log, ssfer_error *err)
{
    *f = (import_finder){0};
    const ssfer_dataset_options options = {.unlabeled = true, .log = log};
    ssfer_status st = ssfer_dataset_open(&f->set, pictures, &options, err);
    if (st != SSFER_OK)
        return st;
    const size_t count = ssfer_dataset_count(f->set);
    f->places = ssfer_calloc(count, sizeof *f->places);
    if (!f->places) {
        ssfer_import_finder_close(f);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: no memory for %zu pictures", pictures, count);
    }
    for (size_t i = 0; i < count; i++)
        f->places[i] = (struct import_place){ssfer_dataset_path(f->set, i), i};
    qsort(f->places, count, sizeof *f->places, compare_places);
    return SSFER_OK;
}

void ssfer_import_finder_close(import_finder *f)
{
    ssfer_free(f->places);
    ssfer_dataset_close(f->set);
    *f = (import_finder){0};
}

/* The first place that does not sort before `name`. */
static size_t lower_bound(const import_finder *f, const char *name)
{
    size_t low = 0, high = ssfer_dataset_count(f->set);
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_endings(f->places[middle].path, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool ends_with(const char *path, const char *name)
{
    const size_t length = strlen(path), tail = strlen(name);
    return length >= tail && memcmp(path + length - tail, name, tail) == 0 &&
           (length == tail || path[length - tail - 1] == '/');
}

size_t ssfer_import_find(const import_finder *f, const char *name)
{
    const size_t count = ssfer_dataset_count(f->set);
    size_t found = SIZE_MAX;
    for (size_t i = lower_bound(f, name); i < count && ends_with(f->places[i].path, name); i++)
        found = ssfer_min_size(found, f->places[i].picture);
    return found;
}

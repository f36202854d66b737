#include "import/finder.h"

#include "base/memory.h"

#include <string.h>

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static ssfer_status index_names(import_finder *f, const char *pictures, ssfer_error *err)
{
    size_t count = ssfer_dataset_count(f->set);
    f->next = ssfer_calloc(count, sizeof *f->next);
    bool good = f->next;
    for (size_t i = 0; good && i < count; i++) {
        const char *name = file_name(ssfer_dataset_path(f->set, i));
        size_t head = ssfer_name_index_find(&f->names, name);
        if (head == (size_t)SSFER_NAME_ABSENT) {
            good = ssfer_name_index_add(&f->names, name, i) == 0;
        } else {
            f->next[i] = f->next[head];
            f->next[head] = i;
        }
    }
    return good ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: no memory for %zu pictures", pictures, count);
}

ssfer_status ssfer_import_finder_open(import_finder *f, const char *pictures, const ssfer_log *log, ssfer_error *err)
{
    *f = (import_finder){0};
    const ssfer_dataset_options options = {.unlabeled = true, .log = log};
    ssfer_status st = ssfer_dataset_open(&f->set, pictures, &options, err);
    if (st == SSFER_OK)
        st = index_names(f, pictures, err);
    if (st != SSFER_OK)
        ssfer_import_finder_close(f);
    return st;
}

void ssfer_import_finder_close(import_finder *f)
{
    ssfer_name_index_deinit(&f->names);
    ssfer_free(f->next);
    ssfer_dataset_close(f->set);
    *f = (import_finder){0};
}

static bool ends_with(const char *path, const char *name)
{
    size_t length = strlen(path), tail = strlen(name);
    return length >= tail && strcmp(path + length - tail, name) == 0 &&
           (length == tail || path[length - tail - 1] == '/');
}

size_t ssfer_import_find(const import_finder *f, const char *name)
{
    size_t i = ssfer_name_index_find(&f->names, file_name(name)), found = SIZE_MAX;
    if (i == (size_t)SSFER_NAME_ABSENT)
        return SIZE_MAX;
    do {
        if (i < found && ends_with(ssfer_dataset_path(f->set, i), name))
            found = i;
        i = f->next[i];
    } while (i);
    return found;
}

#include "data/listing.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/csv.h"
#include "image/codec.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PATH = 4096, MAX_DEPTH = 32 };
#define MAX_CSV_BYTES ((size_t)1 << 30)

int ssfer_path_compare(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int x = *a == '/' ? 1 : (unsigned char)*a + (*a != 0), y = *b == '/' ? 1 : (unsigned char)*b + (*b != 0);
    return x - y;
}

static int compare_entries(const void *a, const void *b)
{
    const ssfer_entry *x = a, *y = b;
    int order = ssfer_path_compare(x->path, y->path);
    if (order == 0 && x->folder != y->folder)
        return x->folder ? -1 : 1;
    if (order == 0)
        return x->source != y->source ? (x->source < y->source ? -1 : 1) : x->line < y->line ? -1 : x->line > y->line;
    return order;
}

/* In the order of the inputs; a CSV list keeps its own. */
static int compare_in_inputs(const void *a, const void *b)
{
    const ssfer_entry *x = a, *y = b;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return x->line == y->line ? compare_entries(a, b) : x->line < y->line ? -1 : 1;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcasecmp(name + n - m, suffix) == 0;
}

static bool is_picture(const char *name)
{
    return has_suffix(name, ".png") || has_suffix(name, ".jpg") || has_suffix(name, ".jpeg") ||
           has_suffix(name, ".webp");
}

static ssfer_status no_memory(const char *path, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory while listing the data", path);
}

static ssfer_status add_entry(ssfer_listing *listing, const ssfer_entry *entry, ssfer_error *err)
{
    if (!entry->path ||
        ssfer_reserve((void **)&listing->entries, &listing->capacity, listing->count + 1, sizeof *listing->entries))
        return no_memory(listing->sources[entry->source].path, err);
    listing->entries[listing->count++] = *entry;
    return SSFER_OK;
}

static ssfer_status leave_out(ssfer_listing *listing, const ssfer_entry *entry, ssfer_error *err)
{
    if (!entry->path || ssfer_reserve((void **)&listing->left_out, &listing->left_out_capacity,
                                      listing->left_out_count + 1, sizeof *listing->left_out))
        return no_memory(listing->sources[entry->source].path, err);
    listing->left_out[listing->left_out_count++] = *entry;
    return SSFER_OK;
}

/* A copy of the message, or NULL when memory runs out. */
static const char *keep_message(ssfer_listing *listing, const ssfer_error *error)
{
    return ssfer_text_pool_add(&listing->text, error->message, strlen(error->message));
}

/* ---- folders ---- */

typedef struct walk {
    ssfer_listing *listing;
    uint32_t source;
    size_t base_length; /* of "folder/" in front of relative paths */
    char path[MAX_PATH];
} walk;

static ssfer_status walk_folder(walk *w, size_t length, size_t depth, ssfer_error *err);

/* What a folder entry is; links are followed. A dangling link is taken for a file, so that reading it reports it. */
static unsigned char entry_type(const struct dirent *entry, const char *path)
{
    struct stat info;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (stat(path, &info) != 0)
        return DT_REG;
    return S_ISDIR(info.st_mode) ? DT_DIR : S_ISREG(info.st_mode) ? DT_REG : DT_UNKNOWN;
}

static ssfer_status walk_entry(walk *w, const struct dirent *entry, size_t length, size_t depth, ssfer_error *err)
{
    size_t n = strlen(entry->d_name);
    if (entry->d_name[0] == '.')
        return SSFER_OK;
    if (length + n + 2 > sizeof w->path)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%.200s...: a path longer than %d bytes", w->path, MAX_PATH - 1);
    memcpy(w->path + length, entry->d_name, n + 1);
    unsigned char type = entry_type(entry, w->path);
    bool folder = type == DT_DIR;
    const char *relative = w->path + w->base_length;
    ssfer_entry e = {.source = w->source, .folder = folder};
    e.path = ssfer_text_pool_add(&w->listing->text, relative, strlen(relative));
    if (!folder && !(type == DT_REG && is_picture(entry->d_name)))
        return leave_out(w->listing, &e, err);
    const size_t index = w->listing->count;
    ssfer_status st = add_entry(w->listing, &e, err);
    if (st != SSFER_OK || !folder)
        return st;
    memcpy(w->path + length + n, "/", 2);
    ssfer_error why = {0};
    st = walk_folder(w, length + n + 1, depth + 1, &why);
    if (st == SSFER_ERR_IO && w->listing->inputs) { /* one that may not be listed: the others are */
        ssfer_entry *own = &w->listing->entries[index];
        own->folder = false;
        own->failure = keep_message(w->listing, &why);
        return own->failure ? SSFER_OK : no_memory(w->path, err);
    }
    return st == SSFER_OK ? st : ssfer_fail(err, st, "%s", why.message);
}

/* Lists the folder named by the first `length` bytes of w->path, which end in "/". */
static ssfer_status walk_folder(walk *w, size_t length, size_t depth, ssfer_error *err)
{
    if (depth > MAX_DEPTH)
        return ssfer_fail(err, SSFER_ERR_LIMIT,
                          "%.200s: folders nested more than %d deep; is there a link to a parent?", w->path, MAX_DEPTH);
    DIR *folder = opendir(w->path);
    if (!folder) {
        int cause = errno;
        w->path[length - 1] = 0;
        return ssfer_fail_errno(err, w->path, "cannot list the folder", cause);
    }
    ssfer_status st = SSFER_OK;
    const struct dirent *entry;
    errno = 0;
    while (st == SSFER_OK && (entry = readdir(folder))) {
        st = walk_entry(w, entry, length, depth, err);
        errno = 0;
    }
    if (st == SSFER_OK && errno) {
        w->path[length - 1] = 0;
        st = ssfer_fail_errno(err, w->path, "cannot list the folder", errno);
    }
    closedir(folder);
    return st;
}

static ssfer_status read_folder(ssfer_listing *listing, uint32_t source, ssfer_error *err)
{
    ssfer_source *s = &listing->sources[source];
    walk w = {.listing = listing, .source = source};
    int length = snprintf(w.path, sizeof w.path, "%s/", s->path);
    s->base = ssfer_strdup(s->path);
    if (!s->base || length < 0)
        return no_memory(s->path, err);
    if ((size_t)length >= sizeof w.path)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%.200s...: a path longer than %d bytes", s->path, MAX_PATH - 1);
    w.base_length = (size_t)length;
    return walk_folder(&w, (size_t)length, 0, err);
}

/* ---- tars ---- */

/* A folder of the path that starts with "." hides what is below it. */
static bool is_hidden(const char *path)
{
    return path[0] == '.' || strstr(path, "/.") != NULL;
}

static ssfer_status read_tar(ssfer_listing *listing, uint32_t source, const char *file, const char *inside,
                             const ssfer_log *log, ssfer_error *err)
{
    ssfer_source *s = &listing->sources[source];
    ssfer_status st = ssfer_tar_open(&s->tar, file, 0, err);
    if (st != SSFER_OK)
        return st;
    ssfer_tar_info info = ssfer_tar_get_info(s->tar);
    if (!info.complete)
        ssfer_warn(log, "%s: no end-of-archive mark; the tar may have been cut", file);
    if (info.replaced)
        ssfer_info(log, "%s: %zu members are replaced by later ones of the same name", file, info.replaced);
    if (info.ignored)
        ssfer_warn(log, "%s: %zu links or special members are left out", file, info.ignored);
    size_t skip = strlen(inside), found = 0;
    for (size_t i = 0; st == SSFER_OK && i < ssfer_tar_count(s->tar); i++) {
        const ssfer_tar_member *m = ssfer_tar_at(s->tar, i);
        if (skip && (strncmp(m->path, inside, skip) != 0 || m->path[skip] != '/'))
            continue;
        ssfer_entry e = {.path = m->path + skip + (skip > 0), .member = m, .source = source, .folder = m->folder};
        found++;
        if (!is_hidden(e.path))
            st = m->folder || is_picture(e.path) ? add_entry(listing, &e, err) : leave_out(listing, &e, err);
    }
    if (st == SSFER_OK && skip && !found)
        st = ssfer_fail(err, SSFER_ERR_IO, "%s: there is no folder %s in this tar", file, inside);
    return st;
}

/* ---- CSV lists ---- */

typedef struct csv_columns {
    size_t path, label, split; /* SIZE_MAX: absent */
} csv_columns;

static bool is_one_of(const char *text, const char *const *names)
{
    for (; *names; names++)
        if (strcasecmp(text, *names) == 0)
            return true;
    return false;
}

/* A first line that names a path column is a header. */
static bool read_header(csv_columns *columns, const ssfer_csv *csv)
{
    static const char *const paths[] = {"path", "file", "filename", "image", NULL};
    static const char *const labels[] = {"label", "class", "expression", "emotion", NULL};
    static const char *const splits[] = {"split", "usage", NULL};
    csv_columns found = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    for (size_t i = csv->count; i-- > 0;) {
        if (is_one_of(csv->fields[i], paths))
            found.path = i;
        else if (is_one_of(csv->fields[i], labels))
            found.label = i;
        else if (is_one_of(csv->fields[i], splits))
            found.split = i;
    }
    if (found.path == SIZE_MAX)
        return false;
    *columns = found;
    return true;
}

static ssfer_status take_text(ssfer_listing *listing, const ssfer_csv *csv, size_t column, const char **out,
                              ssfer_error *err)
{
    *out = NULL;
    if (column == SIZE_MAX)
        return SSFER_OK;
    const char *text = csv->fields[column];
    *out = ssfer_text_pool_add(&listing->text, text, strlen(text));
    return *out ? SSFER_OK : no_memory(csv->name, err);
}

static ssfer_status read_record(ssfer_listing *listing, uint32_t source, const ssfer_csv *csv,
                                const csv_columns *columns, size_t expected, ssfer_error *err)
{
    ssfer_entry e = {.source = source, .line = (uint32_t)csv->line};
    if (csv->count != expected)
        return ssfer_fail(err, SSFER_ERR_FORMAT,
                          "%s:%zu: %zu fields where the first line has %zu; quote names with commas", csv->name,
                          csv->line, csv->count, expected);
    const char *path = csv->fields[columns->path];
    if (!*path)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: the path is empty", csv->name, csv->line);
    char *full = *path == '/' ? ssfer_strdup(path) : ssfer_format("%s/%s", listing->sources[source].base, path);
    bool exists = full && (listing->inputs || ssfer_file_exists(full)), complete = full != NULL;
    ssfer_free(full);
    if (!complete)
        return no_memory(csv->name, err);
    if (!exists)
        return ssfer_fail(err, SSFER_ERR_IO, "%s:%zu: there is no file %s; paths are relative to the list's folder",
                          csv->name, csv->line, path);
    ssfer_status st = take_text(listing, csv, columns->path, &e.path, err);
    if (st == SSFER_OK)
        st = take_text(listing, csv, columns->label, &e.label, err);
    if (st == SSFER_OK)
        st = take_text(listing, csv, columns->split, &e.split, err);
    return st == SSFER_OK ? add_entry(listing, &e, err) : st;
}

static ssfer_status read_records(ssfer_listing *listing, uint32_t source, ssfer_csv *csv, ssfer_error *err)
{
    ssfer_status st = ssfer_csv_next(csv, err);
    if (st != SSFER_OK || csv->count == 0)
        return st;
    size_t expected = csv->count;
    csv_columns columns = {0, expected > 1 ? 1 : SIZE_MAX, SIZE_MAX};
    bool header = read_header(&columns, csv);
    if (!header && expected > 2)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: %zu fields; expected path,label or a header that names them",
                          csv->name, csv->line, expected);
    if (header)
        st = ssfer_csv_next(csv, err);
    while (st == SSFER_OK && csv->count) {
        if (csv->line > UINT32_MAX)
            return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: too many lines", csv->name);
        st = read_record(listing, source, csv, &columns, expected, err);
        if (st == SSFER_OK)
            st = ssfer_csv_next(csv, err);
    }
    return st;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ssfer_strdup(".");
    return slash == path ? ssfer_strdup("/") : ssfer_format("%.*s", (int)(slash - path), path);
}

static ssfer_status read_csv(ssfer_listing *listing, uint32_t source, ssfer_error *err)
{
    ssfer_source *s = &listing->sources[source];
    unsigned char *text = NULL;
    size_t size = 0;
    ssfer_csv csv;
    s->base = folder_of(s->path);
    if (!s->base)
        return no_memory(s->path, err);
    ssfer_status st = ssfer_file_read(&text, &size, s->path, MAX_CSV_BYTES, err);
    if (st == SSFER_OK)
        st = ssfer_csv_init(&csv, (char *)text, size, s->path, err);
    if (st == SSFER_OK)
        st = read_records(listing, source, &csv, err);
    ssfer_free(text);
    return st;
}

/* ---- one source, all sources ---- */

static ssfer_status read_picture(ssfer_listing *listing, uint32_t source, ssfer_error *err)
{
    ssfer_source *s = &listing->sources[source];
    const char *slash = strrchr(s->path, '/'), *name = slash ? slash + 1 : s->path;
    s->base = folder_of(s->path);
    ssfer_entry e = {.source = source};
    if (s->base)
        e.path = ssfer_text_pool_add(&listing->text, name, strlen(name));
    return add_entry(listing, &e, err);
}

/* "set.tar/train": the longest leading part that exists must be a file; what follows it is looked up inside. */
static ssfer_status read_part_of_tar(ssfer_listing *listing, uint32_t source, const ssfer_log *log, ssfer_error *err)
{
    ssfer_source *s = &listing->sources[source];
    s->kind = SSFER_SOURCE_TAR;
    char *file = ssfer_strdup(s->path), *slash;
    if (!file)
        return no_memory(s->path, err);
    while ((slash = strrchr(file, '/')) && slash != file) {
        *slash = 0;
        if (access(file, F_OK) == 0)
            break;
    }
    ssfer_status st;
    if (slash && slash != file && ssfer_file_exists(file))
        st = read_tar(listing, source, file, s->path + (slash - file) + 1, log, err);
    else
        st = ssfer_fail(err, SSFER_ERR_IO, "%s: no such file or folder", s->path);
    ssfer_free(file);
    return st;
}

static bool is_named_as_tar(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return has_suffix(name, ".tar") || has_suffix(name, ".tgz") || strstr(name, ".tar.") != NULL;
}

/* A file with a picture's content, whatever its name. What cannot be opened is left to whoever reads it. */
static bool looks_like_picture(const char *path)
{
    unsigned char head[16];
    FILE *f = fopen(path, "rbe");
    size_t size = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    return ssfer_image_format_of_bytes(head, size) != SSFER_IMAGE_FORMAT_UNKNOWN;
}

/* A file that a user named and whose name says nothing: a picture or a tar by its content. What is neither is taken for
 * a picture, too: decoding it says what it is instead. */
static ssfer_status read_unknown(ssfer_listing *listing, uint32_t source, const ssfer_log *log, ssfer_error *err)
{
    ssfer_source *s = &listing->sources[source];
    if (!looks_like_picture(s->path)) {
        ssfer_status st = read_tar(listing, source, s->path, "", log, err);
        if (st != SSFER_ERR_FORMAT || is_named_as_tar(s->path))
            return st;
    }
    s->kind = SSFER_SOURCE_PICTURE;
    return read_picture(listing, source, err);
}

static ssfer_status read_file_source(ssfer_listing *listing, uint32_t source, const ssfer_log *log, ssfer_error *err)
{
    ssfer_source *s = &listing->sources[source];
    if (has_suffix(s->path, ".csv")) {
        s->kind = SSFER_SOURCE_CSV;
        return read_csv(listing, source, err);
    }
    if (is_picture(s->path)) {
        s->kind = SSFER_SOURCE_PICTURE;
        return read_picture(listing, source, err);
    }
    s->kind = SSFER_SOURCE_TAR;
    return listing->inputs ? read_unknown(listing, source, log, err) : read_tar(listing, source, s->path, "", log, err);
}

static ssfer_status read_source(ssfer_listing *listing, uint32_t source, const char *path, const ssfer_log *log,
                                ssfer_error *err)
{
    ssfer_source *s = &listing->sources[source];
    struct stat info;
    s->path = ssfer_strdup(path);
    if (!s->path)
        return no_memory(path, err);
    for (size_t n = strlen(s->path); n > 1 && s->path[n - 1] == '/'; n--)
        s->path[n - 1] = 0;
    if (stat(s->path, &info) != 0) {
        if (errno == ENOTDIR)
            return read_part_of_tar(listing, source, log, err);
        return ssfer_fail_errno(err, s->path, NULL, errno);
    }
    if (S_ISDIR(info.st_mode)) {
        s->kind = SSFER_SOURCE_FOLDER;
        return read_folder(listing, source, err);
    }
    if (!S_ISREG(info.st_mode))
        return ssfer_fail(err, SSFER_ERR_IO, "%s: neither a file nor a folder", s->path);
    return read_file_source(listing, source, log, err);
}

/* Puts the failure in the place of what the input held. */
static ssfer_status keep_failure(ssfer_listing *listing, uint32_t source, const ssfer_error *why, ssfer_error *err)
{
    ssfer_source *s = &listing->sources[source];
    const char *failure = keep_message(listing, why);
    size_t before = listing->count;
    while (before && listing->entries[before - 1].source == source)
        before--;
    while (listing->left_out_count && listing->left_out[listing->left_out_count - 1].source == source)
        listing->left_out_count--;
    ssfer_tar_close(s->tar);
    ssfer_free(s->base);
    s->tar = NULL;
    s->kind = SSFER_SOURCE_PICTURE; /* it has the path of one: the input's own */
    listing->count = before;
    ssfer_status st = failure ? read_picture(listing, source, err) : no_memory(s->path, err);
    if (st == SSFER_OK)
        listing->entries[before].failure = failure;
    return st;
}

/* Of the entries of the source that was read last: a picture, or one that failed. */
static bool has_picture(const ssfer_listing *listing, uint32_t source)
{
    for (size_t i = listing->count; i > 0 && listing->entries[i - 1].source == source; i--)
        if (!listing->entries[i - 1].folder)
            return true;
    return false;
}

static ssfer_status read_input(ssfer_listing *listing, uint32_t source, const char *path, const ssfer_log *log,
                               ssfer_error *err)
{
    const size_t left_out = listing->left_out_count;
    ssfer_error why = {0};
    ssfer_status st = read_source(listing, source, path, log, &why);
    if (st == SSFER_ERR_MEMORY)
        return ssfer_fail(err, st, "%s", why.message);
    if (st == SSFER_OK && has_picture(listing, source))
        return SSFER_OK;
    if (st == SSFER_OK) {
        const size_t others = listing->left_out_count - left_out;
        char shown[SSFER_PATH_SHOWN];
        ssfer_path_shown(shown, path);
        ssfer_fail(&why, SSFER_ERR_FORMAT, "%s: no pictures (png, jpg, jpeg, webp) in it; other files: %zu", shown,
                   others);
    }
    return keep_failure(listing, source, &why, err);
}

static void sort(ssfer_entry *entries, size_t count, bool inputs)
{
    if (count)
        qsort(entries, count, sizeof *entries, inputs ? compare_in_inputs : compare_entries);
}

ssfer_status ssfer_listing_read(ssfer_listing *out, const char *const *paths, size_t path_count, bool inputs,
                                const ssfer_log *log, ssfer_error *err)
{
    *out = (ssfer_listing){0};
    ssfer_listing listing = {.sources = ssfer_calloc(path_count, sizeof *listing.sources), .inputs = inputs};
    if (!listing.sources)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "out of memory for %zu data sources", path_count);
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; st == SSFER_OK && i < path_count; i++) {
        listing.source_count = i + 1;
        st = (inputs ? read_input : read_source)(&listing, (uint32_t)i, paths[i], log, err);
    }
    if (st != SSFER_OK) {
        ssfer_listing_deinit(&listing);
        return st;
    }
    sort(listing.entries, listing.count, inputs);
    sort(listing.left_out, listing.left_out_count, inputs);
    *out = listing;
    return SSFER_OK;
}

void ssfer_listing_deinit(ssfer_listing *listing)
{
    for (size_t i = 0; i < listing->source_count; i++) {
        ssfer_free(listing->sources[i].path);
        ssfer_free(listing->sources[i].base);
        ssfer_tar_close(listing->sources[i].tar);
    }
    ssfer_free(listing->sources);
    ssfer_free(listing->entries);
    ssfer_free(listing->left_out);
    ssfer_text_pool_deinit(&listing->text);
    *listing = (ssfer_listing){0};
}

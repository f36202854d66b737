#include "train/run_recipe.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values as YAML -------------------------------------------------------------------------------------------- */

/* Words that YAML 1.1 or 1.2 reads as something else than text. */
static bool is_reserved(const char *text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Starts with a letter, a slash or "./", and has only what no YAML reader could take for syntax or a number. */
static bool is_plain(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '/' && strncmp(text, "./", 2) != 0 && strncmp(text, "../", 3) != 0)
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-./+", *c))
            return false;
    return !is_reserved(text);
}

static void write_string(FILE *out, const char *text)
{
    if (!text) {
        fputs("null", out);
        return;
    }
    if (is_plain(text)) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(out, "\\x%02x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

/* YAML 1.1 wants a point before an exponent. */
static void write_double(FILE *out, double value)
{
    char digits[SSFER_NUMBER_SIZE];
    if (isnan(value) || isinf(value)) {
        fputs(isnan(value) ? ".nan" : value > 0 ? ".inf" : "-.inf", out);
        return;
    }
    ssfer_double_text(digits, value);
    const char *exponent = strchr(digits, 'e');
    if (strchr(digits, '.'))
        fputs(digits, out);
    else if (exponent)
        fprintf(out, "%.*s.0%s", (int)(exponent - digits), digits, exponent);
    else
        fprintf(out, "%s.0", digits);
}

/* ---- building -------------------------------------------------------------------------------------------------- */

static char *copy_range(const char *text, size_t length)
{
    return ssfer_format("%.*s", (int)length, text);
}

/* Takes `value`. */
static void add_entry(ssfer_recipe *r, const char *section, const char *key, size_t key_length, char *value)
{
    if (!r->failed && value &&
        ssfer_reserve((void **)&r->entries, &r->capacity, r->count + 1, sizeof *r->entries) == 0) {
        ssfer_recipe_entry *e = &r->entries[r->count];
        *e = (ssfer_recipe_entry){ssfer_strdup(section), copy_range(key, key_length), value, r->free_choice};
        if (e->section && e->key) {
            r->count++;
            return;
        }
        ssfer_free(e->section);
        ssfer_free(e->key);
    }
    ssfer_free(value);
    r->failed = true;
}

/* A value being written: into memory of the C library, then copied to ours. */
typedef struct value_stream {
    FILE *stream;
    char *text;
    size_t size;
    locale_t before;
} value_stream;

static bool value_begin(ssfer_recipe *r, value_stream *v)
{
    *v = (value_stream){0};
    if (!r->section || !(v->stream = open_memstream(&v->text, &v->size))) {
        r->failed = true;
        return false;
    }
    v->before = ssfer_c_locale_enter();
    return true;
}

static void value_end(ssfer_recipe *r, value_stream *v, const char *key)
{
    ssfer_c_locale_leave(v->before);
    bool good = fclose(v->stream) == 0;
    add_entry(r, r->section, key, strlen(key), good ? ssfer_strdup(v->text) : NULL);
    free(v->text);
}

void ssfer_recipe_section(ssfer_recipe *r, const char *name)
{
    ssfer_free(r->section);
    r->section = ssfer_strdup(name);
    r->failed |= !r->section;
    r->free_choice = false;
}

void ssfer_recipe_free_choice(ssfer_recipe *r)
{
    r->free_choice = true;
}

void ssfer_recipe_string(ssfer_recipe *r, const char *key, const char *value)
{
    value_stream v;
    if (!value_begin(r, &v))
        return;
    write_string(v.stream, value);
    value_end(r, &v, key);
}

void ssfer_recipe_double(ssfer_recipe *r, const char *key, double value)
{
    value_stream v;
    if (!value_begin(r, &v))
        return;
    write_double(v.stream, value);
    value_end(r, &v, key);
}

void ssfer_recipe_u64(ssfer_recipe *r, const char *key, uint64_t value)
{
    value_stream v;
    if (!value_begin(r, &v))
        return;
    fprintf(v.stream, "%" PRIu64, value);
    value_end(r, &v, key);
}

void ssfer_recipe_size(ssfer_recipe *r, const char *key, size_t value)
{
    ssfer_recipe_u64(r, key, value);
}

void ssfer_recipe_bool(ssfer_recipe *r, const char *key, bool value)
{
    value_stream v;
    if (!value_begin(r, &v))
        return;
    fputs(value ? "true" : "false", v.stream);
    value_end(r, &v, key);
}

void ssfer_recipe_strings(ssfer_recipe *r, const char *key, const char *const *values, size_t count)
{
    value_stream v;
    if (!value_begin(r, &v))
        return;
    fputc('[', v.stream);
    for (size_t i = 0; i < count; i++) {
        fputs(i ? ", " : "", v.stream);
        write_string(v.stream, values[i]);
    }
    fputc(']', v.stream);
    value_end(r, &v, key);
}

void ssfer_recipe_doubles(ssfer_recipe *r, const char *key, const double *values, size_t count)
{
    value_stream v;
    if (!value_begin(r, &v))
        return;
    fputc('[', v.stream);
    for (size_t i = 0; i < count; i++) {
        fputs(i ? ", " : "", v.stream);
        write_double(v.stream, values[i]);
    }
    fputc(']', v.stream);
    value_end(r, &v, key);
}

void ssfer_recipe_append(ssfer_recipe *r, const ssfer_recipe *more)
{
    const bool before = r->free_choice;
    r->failed |= more->failed;
    for (size_t i = 0; i < more->count; i++) {
        const ssfer_recipe_entry *e = &more->entries[i];
        r->free_choice = e->free_choice;
        add_entry(r, e->section, e->key, strlen(e->key), ssfer_strdup(e->value));
    }
    r->free_choice = before;
}

const char *ssfer_recipe_find(const ssfer_recipe *r, const char *section, const char *key)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->entries[i].section, section) == 0 && strcmp(r->entries[i].key, key) == 0)
            return r->entries[i].value;
    return NULL;
}

void ssfer_recipe_deinit(ssfer_recipe *r)
{
    for (size_t i = 0; i < r->count; i++) {
        ssfer_free(r->entries[i].section);
        ssfer_free(r->entries[i].key);
        ssfer_free(r->entries[i].value);
    }
    ssfer_free(r->entries);
    ssfer_free(r->section);
    *r = (ssfer_recipe){0};
}

/* ---- the file -------------------------------------------------------------------------------------------------- */

/* How many values follow, at the end of the first line: without it, a file cut behind a line would pass for a whole
 * one. */
#define COUNT_UNIT " values"

ssfer_status ssfer_recipe_write(const ssfer_recipe *r, const char *path, ssfer_error *err)
{
    ssfer_file_writer w;
    if (r->failed)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    ssfer_status st = ssfer_file_writer_open(&w, path, err);
    if (st != SSFER_OK)
        return st;
    fprintf(w.stream, "# ssfer %s: everything that this run was made with, %zu" COUNT_UNIT "\n", ssfer_version(),
            r->count);
    for (size_t i = 0; i < r->count; i++) {
        const ssfer_recipe_entry *e = &r->entries[i];
        if (i == 0 || strcmp(e->section, r->entries[i - 1].section) != 0)
            fprintf(w.stream, "%s:\n", e->section);
        fprintf(w.stream, "  %s: %s\n", e->key, e->value);
    }
    return ssfer_file_writer_commit(&w, err);
}

/* One line without its end; *section is the one in force. False if it is none of ours. */
static bool read_line(ssfer_recipe *r, char *line)
{
    size_t length = strlen(line);
    while (length && (line[length - 1] == '\r' || line[length - 1] == ' '))
        line[--length] = 0;
    if (length == 0 || *line == '#')
        return true;
    char *colon = strchr(line, ':');
    if (!colon || colon == line)
        return false;
    if (*line != ' ') {
        if (colon[1])
            return false;
        *colon = 0;
        ssfer_recipe_section(r, line);
        return true;
    }
    char *key = line + strspn(line, " ");
    if (key >= colon || colon[1] != ' ')
        return false;
    if (!r->section)
        return r->failed; /* no section yet, or no memory for its name */
    char *value = colon + 1 + strspn(colon + 1, " ");
    add_entry(r, r->section, key, (size_t)(colon - key), ssfer_strdup(value));
    return true;
}

/* What the first line says; SIZE_MAX if it does not, as in files of before. */
static size_t expected_count(const char *text)
{
    int64_t count;
    const char *end = strchr(text, '\n');
    const char *at = end ? memrchr(text, ',', (size_t)(end - text)) : NULL;
    at = at && strncmp(at, ", ", 2) == 0 ? at + 2 : NULL;
    const bool said = at && ssfer_scan_int(&count, &at) == SSFER_OK && count >= 0;
    return said && (size_t)(end - at) == strlen(COUNT_UNIT) && memcmp(at, COUNT_UNIT, strlen(COUNT_UNIT)) == 0
               ? (size_t)count
               : SIZE_MAX;
}

ssfer_status ssfer_recipe_read(ssfer_recipe *out, const char *path, ssfer_error *err)
{
    unsigned char *text;
    size_t size, number = 0;
    *out = (ssfer_recipe){0};
    ssfer_status st = ssfer_file_read(&text, &size, path, (size_t)1 << 24, err);
    if (st != SSFER_OK)
        return st;
    ssfer_recipe r = {0};
    const size_t expected = expected_count((const char *)text);
    const bool whole_lines = size && text[size - 1] == '\n';
    for (char *line = (char *)text, *next; line && *line && st == SSFER_OK; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        number++;
        if (!read_line(&r, line))
            st =
                ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: not a \"key: value\" line as ssfer writes it", path, number);
    }
    ssfer_free(text);
    if (st == SSFER_OK && r.failed)
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    if (st == SSFER_OK && (!whole_lines || (expected != SIZE_MAX && r.count != expected)))
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: the file is cut after %zu values; start the run anew", path,
                        r.count);
    if (st == SSFER_OK)
        *out = r;
    else
        ssfer_recipe_deinit(&r);
    return st;
}

static ssfer_status differ(const ssfer_recipe_entry *e, const char *there, const char *here, const char *path,
                           ssfer_error *err)
{
    return ssfer_fail(
        err, SSFER_ERR_ARGUMENT,
        "%s: the run was started with %s.%s %s, not %s; resume with the same options or use another --out", path,
        e->section, e->key, there ? there : "unset", here ? here : "unset");
}

static bool is_compared(const ssfer_recipe_entry *e)
{
    return !e->free_choice && strcmp(e->section, SSFER_RECIPE_OPTIONS) != 0;
}

ssfer_status ssfer_recipe_compare(const ssfer_recipe *now, const ssfer_recipe *before, const char *path,
                                  ssfer_error *err)
{
    if (now->failed)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    for (size_t i = 0; i < now->count; i++) {
        const ssfer_recipe_entry *e = &now->entries[i];
        const char *there = ssfer_recipe_find(before, e->section, e->key);
        if (is_compared(e) && (!there || strcmp(there, e->value) != 0))
            return differ(e, there, e->value, path, err);
    }
    for (size_t i = 0; i < before->count; i++) {
        const ssfer_recipe_entry *e = &before->entries[i];
        if (is_compared(e) && !ssfer_recipe_find(now, e->section, e->key))
            return differ(e, e->value, NULL, path, err);
    }
    return SSFER_OK;
}

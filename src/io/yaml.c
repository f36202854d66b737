#include "io/yaml.h"

#include "base/file.h"
#include "base/memory.h"

#include <string.h>
#include <yaml.h>

enum { MAX_FILE_BYTES = 1 << 20, MAX_ENTRIES = 4096 };

/* A document being read: one event at a time. */
typedef struct reader {
    ssfer_yaml *yaml;
    yaml_parser_t parser;
    yaml_event_t event; /* the one that was read last */
    ssfer_error *err;
} reader;

static size_t line_of(const reader *r)
{
    return r->event.start_mark.line + 1;
}

static ssfer_status fail_here(const reader *r, const char *what)
{
    return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s:%zu: %s", r->yaml->path, line_of(r), what);
}

static ssfer_status no_memory(const reader *r)
{
    return ssfer_fail(r->err, SSFER_ERR_MEMORY, "%s: out of memory", r->yaml->path);
}

static ssfer_status next_event(reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return SSFER_OK;
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return no_memory(r);
    size_t line = p->error == YAML_READER_ERROR ? p->mark.line : p->problem_mark.line;
    return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s:%zu: no YAML: %s", r->yaml->path, line + 1,
                      p->problem ? p->problem : "cannot be read");
}

/* The text of a plain or quoted value; NULL in *text for null. */
static ssfer_status take_scalar(reader *r, char **text)
{
    const yaml_event_t *e = &r->event;
    *text = NULL;
    if (e->data.scalar.anchor || (e->data.scalar.tag && !e->data.scalar.quoted_implicit))
        return fail_here(r, "anchors and tags are not understood here");
    const char *value = (const char *)e->data.scalar.value;
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (strlen(value) != e->data.scalar.length)
        return fail_here(r, "a zero byte in a value");
    if (plain && (!*value || strcmp(value, "~") == 0 || strcmp(value, "null") == 0))
        return SSFER_OK;
    *text = ssfer_strdup(value);
    return *text ? SSFER_OK : no_memory(r);
}

static ssfer_status add_value(reader *r, ssfer_yaml_entry *entry)
{
    char *text = NULL;
    if (entry->value_count + 1 >= SSFER_YAML_MAX_VALUES)
        return fail_here(r, "a list of more than 63 values");
    ssfer_status st = take_scalar(r, &text);
    if (st == SSFER_OK && text)
        entry->values[entry->value_count++] = text;
    return st;
}

static ssfer_status read_list(reader *r, ssfer_yaml_entry *entry)
{
    ssfer_status st;
    while ((st = next_event(r)) == SSFER_OK && r->event.type != YAML_SEQUENCE_END_EVENT) {
        if (r->event.type != YAML_SCALAR_EVENT)
            return fail_here(r, "a list holds plain values only");
        st = add_value(r, entry);
        if (st != SSFER_OK)
            return st;
    }
    return st;
}

static const ssfer_yaml_entry *find_entry(const ssfer_yaml *yaml, const char *section, const char *key)
{
    for (size_t i = 0; i < yaml->count; i++) {
        const ssfer_yaml_entry *e = &yaml->entries[i];
        bool same = !e->section == !section && (!section || strcmp(e->section, section) == 0);
        if (same && !e->key == !key && (!key || strcmp(e->key, key) == 0))
            return e;
    }
    return NULL;
}

/* A new entry for the key that the reader is at. A section's own entry has the key NULL. */
static ssfer_status begin_entry(reader *r, const char *section, const char *key, size_t line)
{
    ssfer_yaml *y = r->yaml;
    const ssfer_yaml_entry *before = find_entry(y, section, key);
    if (!before && section && !key)
        before = find_entry(y, NULL, section);
    if (before)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s:%zu: %s was given in line %zu already; keep one of them",
                          y->path, line, key ? key : section, before->line);
    if (y->count == MAX_ENTRIES)
        return fail_here(r, "more than 4096 keys");
    if (ssfer_reserve((void **)&y->entries, &y->capacity, y->count + 1, sizeof *y->entries) != 0)
        return no_memory(r);
    ssfer_yaml_entry *e = &y->entries[y->count++];
    *e = (ssfer_yaml_entry){.section = ssfer_strdup(section), .key = ssfer_strdup(key), .line = line};
    return (section && !e->section) || (key && !e->key) ? no_memory(r) : SSFER_OK;
}

static ssfer_status read_mapping(reader *r, const char *section);

static ssfer_status read_value(reader *r, const char *section, const char *key, size_t line)
{
    bool mapping = r->event.type == YAML_MAPPING_START_EVENT;
    if (r->event.type == YAML_ALIAS_EVENT)
        return fail_here(r, "anchors and tags are not understood here");
    if (mapping && section)
        return fail_here(r, "sections within sections are not understood here");
    ssfer_status st = mapping ? begin_entry(r, key, NULL, line) : begin_entry(r, section, key, line);
    if (st != SSFER_OK)
        return st;
    if (mapping)
        return read_mapping(r, key);
    ssfer_yaml_entry *entry = &r->yaml->entries[r->yaml->count - 1];
    return r->event.type == YAML_SCALAR_EVENT ? add_value(r, entry) : read_list(r, entry);
}

/* The reader is at the mapping's start and leaves it at its end. */
static ssfer_status read_mapping(reader *r, const char *section)
{
    ssfer_status st;
    while ((st = next_event(r)) == SSFER_OK && r->event.type != YAML_MAPPING_END_EVENT) {
        char *key = NULL;
        size_t line = line_of(r);
        if (r->event.type != YAML_SCALAR_EVENT)
            return fail_here(r, "a key is a plain word");
        st = take_scalar(r, &key);
        if (st == SSFER_OK && !key)
            st = fail_here(r, "a key without a name");
        if (st == SSFER_OK)
            st = next_event(r);
        if (st == SSFER_OK)
            st = read_value(r, section, key, line);
        ssfer_free(key);
        if (st != SSFER_OK)
            return st;
    }
    return st;
}

/* Events before and after the one mapping of the file: starts and ends of stream and document. */
static ssfer_status read_document(reader *r)
{
    ssfer_status st;
    size_t documents = 0;
    while ((st = next_event(r)) == SSFER_OK && r->event.type != YAML_STREAM_END_EVENT) {
        if (r->event.type == YAML_DOCUMENT_START_EVENT && documents++)
            return fail_here(r, "a second document; a recipe is a single one");
        if (r->event.type == YAML_MAPPING_START_EVENT)
            st = read_mapping(r, NULL);
        else if (r->event.type == YAML_SCALAR_EVENT || r->event.type == YAML_SEQUENCE_START_EVENT ||
                 r->event.type == YAML_ALIAS_EVENT)
            st = fail_here(r, "a recipe consists of lines 'key: value'");
        if (st != SSFER_OK)
            return st;
    }
    return st;
}

ssfer_status ssfer_yaml_parse(ssfer_yaml *out, const void *text, size_t size_bytes, const char *name, ssfer_error *err)
{
    ssfer_yaml yaml = {.path = ssfer_strdup(name)};
    *out = (ssfer_yaml){0};
    reader r = {.yaml = &yaml, .err = err};
    if (!yaml.path || !yaml_parser_initialize(&r.parser)) {
        ssfer_free(yaml.path);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", name);
    }
    yaml_parser_set_input_string(&r.parser, text, size_bytes);
    ssfer_status st = read_document(&r);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (st == SSFER_OK)
        *out = yaml;
    else
        ssfer_yaml_deinit(&yaml);
    return st;
}

ssfer_status ssfer_yaml_read(ssfer_yaml *out, const char *path, ssfer_error *err)
{
    unsigned char *text = NULL;
    size_t size_bytes = 0;
    *out = (ssfer_yaml){0};
    ssfer_status st = ssfer_file_read(&text, &size_bytes, path, MAX_FILE_BYTES, err);
    if (st == SSFER_OK)
        st = ssfer_yaml_parse(out, text, size_bytes, path, err);
    ssfer_free(text);
    return st;
}

void ssfer_yaml_deinit(ssfer_yaml *yaml)
{
    for (size_t i = 0; i < yaml->count; i++) {
        ssfer_yaml_entry *e = &yaml->entries[i];
        for (size_t k = 0; k < e->value_count; k++)
            ssfer_free(e->values[k]);
        ssfer_free(e->section);
        ssfer_free(e->key);
    }
    ssfer_free(yaml->entries);
    ssfer_free(yaml->path);
    *yaml = (ssfer_yaml){0};
}

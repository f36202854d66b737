#include "train/run_history.h"

#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_HISTORY_BYTES = 1 << 30, MAX_SERIES = 1000 /* each figure is looked up among them */ };

/* Walks over the lines of a file in memory; the last may lack its newline. */
typedef struct line_reader {
    const char *at, *end, *line;
    size_t length, number;
    bool complete; /* ends in a newline */
} line_reader;

static bool next_line(line_reader *r)
{
    if (r->at == r->end)
        return false;
    const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    r->line = r->at;
    r->length = (size_t)((newline ? newline : r->end) - r->at);
    r->complete = newline != NULL;
    r->at = newline ? newline + 1 : r->end;
    r->number++;
    return true;
}

/* A missing file maps to nothing. */
static ssfer_status open_history(ssfer_file_map *map, line_reader *r, const char *path, ssfer_error *err)
{
    *map = (ssfer_file_map){0};
    *r = (line_reader){0};
    if (!ssfer_file_exists(path))
        return SSFER_OK;
    ssfer_status st = ssfer_file_map_open(map, path, err);
    if (st == SSFER_OK && map->size_bytes > MAX_HISTORY_BYTES) {
        st = ssfer_fail(err, SSFER_ERR_LIMIT, "%s: %zu bytes, more than the %d accepted here", path, map->size_bytes,
                        MAX_HISTORY_BYTES);
        ssfer_file_map_close(map);
    }
    if (st == SSFER_OK) {
        r->at = (const char *)map->data;
        r->end = r->at + map->size_bytes;
    }
    return st;
}

/* An object with a step; NULL (and a warning) if the line is none. An empty line is no record but harmless. */
static ssfer_json *parse_record(const line_reader *r, const char *path, const ssfer_log *log)
{
    ssfer_json *record = NULL;
    ssfer_error err = {0};
    uint64_t step;
    if (r->length == 0)
        return NULL;
    if (ssfer_json_parse(&record, r->line, r->length, "record", &err) == SSFER_OK &&
        ssfer_json_get_uint(&step, record, "step", "record", &err) == SSFER_OK)
        return record;
    ssfer_json_destroy(record);
    if (log)
        ssfer_warn(log, "%s:%zu: skipped: %s", path, r->number, err.message);
    return NULL;
}

ssfer_status ssfer_history_prefix(uint64_t *keep_bytes, const char *path, uint64_t end_step, const ssfer_log *log,
                                  ssfer_error *err)
{
    ssfer_file_map map;
    line_reader r;
    *keep_bytes = 0;
    ssfer_status st = open_history(&map, &r, path, err);
    if (st != SSFER_OK)
        return st;
    const char *start = r.at;
    while (next_line(&r) && r.complete) {
        uint64_t step = 0;
        ssfer_json *record = parse_record(&r, path, log);
        if (record)
            ssfer_json_get_uint(&step, record, "step", "record", NULL);
        bool later = record && step >= end_step;
        ssfer_json_destroy(record);
        if (later)
            break;
        *keep_bytes = (uint64_t)(r.at - start);
    }
    ssfer_file_map_close(&map);
    return SSFER_OK;
}

static ssfer_series *find(const ssfer_history *h, const char *stage, const char *name)
{
    for (size_t i = 0; i < h->count; i++)
        if (strcmp(h->series[i].name, name) == 0 && (!stage || strcmp(h->series[i].stage, stage) == 0))
            return &h->series[i];
    return NULL;
}

/* NULL when memory runs out. */
static ssfer_series *add_series(ssfer_history *h, const char *stage, const char *name)
{
    if (ssfer_reserve((void **)&h->series, &h->capacity, h->count + 1, sizeof *h->series) != 0)
        return NULL;
    ssfer_series *s = &h->series[h->count];
    *s = (ssfer_series){.stage = ssfer_strdup(stage), .name = ssfer_strdup(name)};
    if (!s->stage || !s->name) {
        ssfer_free(s->stage);
        ssfer_free(s->name);
        return NULL;
    }
    h->count++;
    return s;
}

static bool add_point(ssfer_series *s, double epoch, double step, double value)
{
    if (!s || ssfer_reserve((void **)&s->epoch, &s->capacity[0], s->count + 1, sizeof(double)) != 0 ||
        ssfer_reserve((void **)&s->step, &s->capacity[1], s->count + 1, sizeof(double)) != 0 ||
        ssfer_reserve((void **)&s->value, &s->capacity[2], s->count + 1, sizeof(double)) != 0)
        return false;
    s->epoch[s->count] = epoch;
    s->step[s->count] = step;
    s->value[s->count++] = value;
    return true;
}

/* False when memory runs out. */
static bool add_record(ssfer_history *h, const ssfer_json *record)
{
    const char *stage = "";
    double epoch = 0, step = 0, value;
    ssfer_json_get_string(&stage, record, "stage", "record", NULL);
    ssfer_json_get_double(&epoch, record, "epoch", "record", NULL);
    ssfer_json_get_double(&step, record, "step", "record", NULL);
    for (ssfer_json_iter i = ssfer_json_each(record); ssfer_json_next(&i);) {
        if (strcmp(i.key, "epoch") == 0 || strcmp(i.key, "step") == 0 ||
            ssfer_json_to_double(&value, i.value, i.key, NULL) != SSFER_OK)
            continue;
        ssfer_series *s = find(h, stage, i.key);
        if (!s && h->count == MAX_SERIES)
            continue;
        if (!add_point(s ? s : add_series(h, stage, i.key), epoch, step, value))
            return false;
    }
    return true;
}

ssfer_status ssfer_history_read(ssfer_history *out, const char *path, const ssfer_log *log, ssfer_error *err)
{
    ssfer_file_map map;
    line_reader r;
    ssfer_history h = {0};
    *out = h;
    ssfer_status st = open_history(&map, &r, path, err);
    while (st == SSFER_OK && next_line(&r)) {
        ssfer_json *record = parse_record(&r, path, log);
        h.bad_lines += !record && r.length;
        if (record && !add_record(&h, record))
            st = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
        ssfer_json_destroy(record);
    }
    ssfer_file_map_close(&map);
    if (st == SSFER_OK)
        *out = h;
    else
        ssfer_history_deinit(&h);
    return st;
}

void ssfer_history_deinit(ssfer_history *h)
{
    for (size_t i = 0; i < h->count; i++) {
        ssfer_series *s = &h->series[i];
        ssfer_free(s->stage);
        ssfer_free(s->name);
        ssfer_free(s->epoch);
        ssfer_free(s->step);
        ssfer_free(s->value);
    }
    ssfer_free(h->series);
    *h = (ssfer_history){0};
}

const ssfer_series *ssfer_history_find(const ssfer_history *h, const char *stage, const char *name)
{
    return find(h, stage, name);
}

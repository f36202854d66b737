#include "models/yolov7/config.h"

#include "base/memory.h"
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 1 << 20, MAX_TOKEN = 200, MAX_FACTS = 1 << 16 };

void ssfer_yolo_config_init(ssfer_yolo_config *config)
{
    *config = (ssfer_yolo_config){.classes = 1, .keypoints = 5, .depth = 1, .width = 1};
}

void ssfer_yolo_config_deinit(ssfer_yolo_config *config)
{
    for (size_t i = 0; i < config->layer_count; i++) {
        ssfer_yolo_layer *l = &config->layers[i];
        for (size_t k = 0; k < l->arg_count; k++)
            ssfer_free(l->args[k]);
        ssfer_free(l->args);
        ssfer_free(l->from);
        ssfer_free(l->module);
    }
    for (size_t i = 0; i < config->fact_count; i++) {
        ssfer_free(config->facts[i].path);
        ssfer_free(config->facts[i].key);
        ssfer_free(config->facts[i].value);
    }
    ssfer_free(config->layers);
    ssfer_free(config->facts);
    ssfer_free(config->activation);
    *config = (ssfer_yolo_config){0};
}

static ssfer_status out_of_memory(ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "detector configuration: out of memory");
}

/* ---- adding ---- */

/* Text goes into lines of words: no white space, no control characters, no comment sign. */
static bool is_word(const char *text)
{
    size_t n = strlen(text);
    if (!n || n > MAX_TOKEN)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isgraph((unsigned char)text[i]) || text[i] == '#')
            return false;
    return true;
}

ssfer_status ssfer_yolo_config_layer(ssfer_yolo_config *config, const long *from, size_t from_count, size_t repeat,
                                     const char *module, ssfer_error *err)
{
    if (!is_word(module) || !from_count || from_count > SSFER_YOLO_MAX_FROM || !repeat || repeat > 1000)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "detector configuration: layer %zu is malformed", config->layer_count);
    if (config->layer_count == SSFER_YOLO_MAX_LAYERS)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "detector configuration: more than %d layers", SSFER_YOLO_MAX_LAYERS);
    if (ssfer_reserve((void **)&config->layers, &config->layer_capacity, config->layer_count + 1,
                      sizeof *config->layers) != 0)
        return out_of_memory(err);
    ssfer_yolo_layer l = {.from_count = from_count, .repeat = repeat};
    l.from = ssfer_malloc(from_count * sizeof *l.from);
    l.module = ssfer_strdup(module);
    l.args = ssfer_calloc(SSFER_YOLO_MAX_ARGS, sizeof *l.args);
    if (!l.from || !l.module || !l.args) {
        ssfer_free(l.from);
        ssfer_free(l.module);
        ssfer_free(l.args);
        return out_of_memory(err);
    }
    memcpy(l.from, from, from_count * sizeof *from);
    config->layers[config->layer_count++] = l;
    return SSFER_OK;
}

ssfer_status ssfer_yolo_config_arg(ssfer_yolo_config *config, const char *arg, ssfer_error *err)
{
    ssfer_yolo_layer *l = &config->layers[config->layer_count - 1];
    if (!is_word(arg) || l->arg_count == SSFER_YOLO_MAX_ARGS)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "detector configuration: arguments of layer %zu (%s) are malformed",
                          config->layer_count - 1, l->module);
    if (!(l->args[l->arg_count] = ssfer_strdup(arg)))
        return out_of_memory(err);
    l->arg_count++;
    return SSFER_OK;
}

ssfer_status ssfer_yolo_config_fact(ssfer_yolo_config *config, const char *path, const char *key, const char *value,
                                    ssfer_error *err)
{
    if (!is_word(path) || !is_word(key) || !is_word(value))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "detector configuration: module %.100s is malformed", path);
    if (config->fact_count == MAX_FACTS)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "detector configuration: more than %d module settings", MAX_FACTS);
    if (ssfer_reserve((void **)&config->facts, &config->fact_capacity, config->fact_count + 1, sizeof *config->facts) !=
        0)
        return out_of_memory(err);
    ssfer_yolo_fact f = {.path = ssfer_strdup(path), .key = ssfer_strdup(key), .value = ssfer_strdup(value)};
    if (!f.path || !f.key || !f.value) {
        ssfer_free(f.path);
        ssfer_free(f.key);
        ssfer_free(f.value);
        return out_of_memory(err);
    }
    config->facts[config->fact_count++] = f;
    return SSFER_OK;
}

static int compare_facts(const void *a, const void *b)
{
    const ssfer_yolo_fact *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : strcmp(x->key, y->key);
}

void ssfer_yolo_config_sort(ssfer_yolo_config *config)
{
    if (config->fact_count > 1)
        qsort(config->facts, config->fact_count, sizeof *config->facts, compare_facts);
}

static bool same_value(const char *a, const char *b)
{
    double x, y;
    if (ssfer_parse_double(&x, a, strlen(a)) == SSFER_OK && ssfer_parse_double(&y, b, strlen(b)) == SSFER_OK)
        return x == y;
    return strcmp(a, b) == 0;
}

const char *ssfer_yolo_config_find(ssfer_yolo_config *config, const char *path, const char *key,
                                   const char *needed_if_not)
{
    size_t low = 0, high = config->fact_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        ssfer_yolo_fact *f = &config->facts[middle];
        int order = strcmp(path, f->path);
        if (order == 0)
            order = strcmp(key, f->key);
        if (order == 0) {
            f->needed = f->needed || !same_value(f->value, needed_if_not);
            return f->value;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- reading text ---- */

typedef struct reader {
    ssfer_yolo_config *config;
    const char *name;
    size_t line;
    ssfer_error *err;
} reader;

static ssfer_status bad_line(const reader *r, const char *what)
{
    return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: detector configuration, line %zu: %s", r->name, r->line, what);
}

/* Cuts the next word off a line; NULL at its end. */
static char *next_word(char **line)
{
    char *start = *line + strspn(*line, " \t\r");
    if (!*start)
        return NULL;
    char *end = start + strcspn(start, " \t\r");
    *line = *end ? end + 1 : end;
    *end = '\0';
    return start;
}

static bool read_number(double *out, const char *word, double low, double high)
{
    double v;
    if (!word || ssfer_parse_double(&v, word, strlen(word)) != SSFER_OK || !(v >= low && v <= high))
        return false;
    *out = v;
    return true;
}

static bool read_count(size_t *out, const char *word, size_t high)
{
    double v;
    if (!read_number(&v, word, 0, (double)high) || v != floor(v))
        return false;
    *out = (size_t)v;
    return true;
}

static ssfer_status read_anchors(reader *r, char *line)
{
    ssfer_yolo_config *c = r->config;
    if (c->levels == SSFER_YOLO_MAX_LEVELS)
        return bad_line(r, "too many levels of anchors");
    size_t count = 0;
    for (char *word; (word = next_word(&line)); count++) {
        double w, h;
        char *comma = strchr(word, ',');
        if (count == SSFER_YOLO_MAX_ANCHORS || !comma)
            return bad_line(r, "anchors are written WIDTH,HEIGHT WIDTH,HEIGHT ...");
        *comma = '\0';
        if (!read_number(&w, word, 0, 1e6) || !read_number(&h, comma + 1, 0, 1e6) || !ssfer_yolo_anchor_ok(w) ||
            !ssfer_yolo_anchor_ok(h))
            return bad_line(r, "an anchor is no pair of numbers above 0");
        c->anchors[c->levels][count][0] = (float)w;
        c->anchors[c->levels][count][1] = (float)h;
    }
    if (!count)
        return bad_line(r, "a level without anchors");
    c->anchor_count[c->levels++] = count;
    return SSFER_OK;
}

static ssfer_status read_layer(reader *r, char *line)
{
    long from[SSFER_YOLO_MAX_FROM];
    size_t from_count = 0, repeat = 0;
    char *list = next_word(&line), *count = next_word(&line), *module = next_word(&line);
    if (!list || !module || !read_count(&repeat, count, 1000))
        return bad_line(r, "a layer is written: layer FROM[,FROM...] REPEAT MODULE [ARGUMENT...]");
    for (const char *at = list; *at; at += *at == ',') {
        int64_t v;
        if (ssfer_scan_int(&v, &at) != SSFER_OK || v < INT32_MIN || v > INT32_MAX ||
            from_count == SSFER_YOLO_MAX_FROM || (*at && *at != ','))
            return bad_line(r, "the inputs of a layer are whole numbers separated by commas");
        from[from_count++] = (long)v;
    }
    ssfer_status st = ssfer_yolo_config_layer(r->config, from, from_count, repeat, module, r->err);
    for (char *word; st == SSFER_OK && (word = next_word(&line));)
        st = ssfer_yolo_config_arg(r->config, word, r->err);
    return st == SSFER_OK ? st : ssfer_fail_prefix(r->err, st, "%s", r->name);
}

static ssfer_status read_setting(reader *r, const char *key, char *line)
{
    ssfer_yolo_config *c = r->config;
    const char *value = next_word(&line);
    bool good;
    if (strcmp(key, "classes") == 0)
        good = read_count(&c->classes, value, SSFER_YOLO_MAX_CLASSES);
    else if (strcmp(key, "keypoints") == 0)
        good = read_count(&c->keypoints, value, SSFER_YOLO_MAX_KEYPOINTS);
    else if (strcmp(key, "depth") == 0)
        good = read_number(&c->depth, value, 0, 100);
    else if (strcmp(key, "width") == 0)
        good = read_number(&c->width, value, 0, 100);
    else if (strcmp(key, "keypoint_blocks") == 0) {
        good = value && (strcmp(value, "yes") == 0 || strcmp(value, "no") == 0);
        c->keypoint_blocks = good && *value == 'y';
    } else if (strcmp(key, "activation") == 0) {
        good = value != NULL && is_word(value);
        ssfer_free(c->activation);
        c->activation = good ? ssfer_strdup(value) : NULL;
        if (good && !c->activation)
            return out_of_memory(r->err);
    } else
        return bad_line(r, "unknown word at its start");
    return good ? SSFER_OK : bad_line(r, "the value is missing or out of range");
}

static ssfer_status read_line(reader *r, char *line)
{
    char *comment = strchr(line, '#');
    if (comment)
        *comment = '\0';
    const char *key = next_word(&line);
    if (!key)
        return SSFER_OK;
    if (strcmp(key, "layer") == 0)
        return read_layer(r, line);
    if (strcmp(key, "anchors") == 0)
        return read_anchors(r, line);
    if (strcmp(key, "set") == 0) {
        const char *path = next_word(&line), *what = next_word(&line), *value = next_word(&line);
        if (!path || !what || !value)
            return bad_line(r, "a setting is written: set MODULE KEY VALUE");
        ssfer_status st = ssfer_yolo_config_fact(r->config, path, what, value, r->err);
        return st == SSFER_OK ? st : ssfer_fail_prefix(r->err, st, "%s", r->name);
    }
    return read_setting(r, key, line);
}

ssfer_status ssfer_yolo_config_parse(ssfer_yolo_config *config, const char *text, const char *name, ssfer_error *err)
{
    reader r = {config, name, 0, err};
    /* cppcheck-suppress ctuuninitvar ; this is what sets it */
    ssfer_yolo_config_init(config);
    if (strnlen(text, MAX_TEXT) == MAX_TEXT)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: detector configuration of more than %d bytes", name, MAX_TEXT);
    char *copy = ssfer_strdup(text);
    if (!copy)
        return out_of_memory(err);
    ssfer_status st = SSFER_OK;
    for (char *line = copy, *end; line && st == SSFER_OK; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        r.line++;
        st = read_line(&r, line);
    }
    ssfer_free(copy);
    if (st == SSFER_OK && !config->layer_count)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: detector configuration without layers", name);
    if (st == SSFER_OK)
        ssfer_yolo_config_sort(config);
    else
        ssfer_yolo_config_deinit(config);
    return st;
}

/* ---- writing text ---- */

static void write_layer(FILE *f, const ssfer_yolo_layer *l)
{
    fprintf(f, "layer ");
    for (size_t i = 0; i < l->from_count; i++)
        fprintf(f, "%s%ld", i ? "," : "", l->from[i]);
    fprintf(f, " %zu %s", l->repeat, l->module);
    for (size_t i = 0; i < l->arg_count; i++)
        fprintf(f, " %s", l->args[i]);
    fputc('\n', f);
}

ssfer_status ssfer_yolo_config_format(char **text, const ssfer_yolo_config *c, ssfer_error *err)
{
    char *buffer = NULL;
    size_t size = 0;
    *text = NULL;
    FILE *f = open_memstream(&buffer, &size);
    if (!f)
        return out_of_memory(err);
    ssfer_fprintf(f, "classes %zu\nkeypoints %zu\ndepth %.9g\nwidth %.9g\nkeypoint_blocks %s\n", c->classes,
                  c->keypoints, c->depth, c->width, c->keypoint_blocks ? "yes" : "no");
    if (c->activation)
        fprintf(f, "activation %s\n", c->activation);
    for (size_t i = 0; i < c->levels; i++) {
        fprintf(f, "anchors");
        for (size_t k = 0; k < c->anchor_count[i]; k++)
            ssfer_fprintf(f, " %.9g,%.9g", (double)c->anchors[i][k][0], (double)c->anchors[i][k][1]);
        fputc('\n', f);
    }
    for (size_t i = 0; i < c->layer_count; i++)
        write_layer(f, &c->layers[i]);
    for (size_t i = 0; i < c->fact_count; i++)
        if (c->facts[i].needed)
            fprintf(f, "set %s %s %s\n", c->facts[i].path, c->facts[i].key, c->facts[i].value);
    bool failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed) {
        free(buffer);
        return out_of_memory(err);
    }
    if (size >= MAX_TEXT) {
        free(buffer);
        return ssfer_fail(err, SSFER_ERR_LIMIT, "detector configuration of more than %d bytes as text", MAX_TEXT);
    }
    *text = ssfer_strdup(buffer); /* the caller frees with ssfer_free */
    free(buffer);
    return *text ? SSFER_OK : out_of_memory(err);
}

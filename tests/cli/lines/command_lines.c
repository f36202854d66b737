/* Random command lines, made from the option tables themselves: command_lines PROGRAM [COUNT] [SEED] [COMMAND]
 *
 * For each command there are lines that work, on pictures and models of a few pixels. To these are added: each option
 * with each value at and beyond its limits, or of another kind; every pair of options with small values; and several
 * options at random. All lines go through the parser in this process. COUNT of them (0: all; without it what
 * SSFER_COMMAND_LINES says, or 150) are run by the program, each in an empty folder, with limits of time and memory:
 *
 *   - exit code 0, 1 or 2; never a signal, a sanitizer's report or a message of a library;
 *   - one line of error with 1 and 2, none with 0; with 2 nothing on standard output and nothing in the folder;
 *   - no temporary file left behind, and no change to the files that were there;
 *   - an end within the time, unless an option asks for much work: then SIGTERM must end it. */
#include "child.h"

#include "base/memory.h"
#include "base/rng.h"
#include "cli/commands.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TINY "--image-size 8 --patch-size 4 --embed-dim 8 --depth 1 --heads 2 "
#define DECODER "--decoder-dim 8 --decoder-depth 1 --decoder-heads 1 "
#define SHORT "--epochs 1 --batch-size 4 --warmup-epochs 0 "

/* Lines that work; those of `ready` have made what the others read. */
typedef struct base_line {
    const char *command, *words;
} base_line;

static const base_line READY[] = {
    {"synth", "--count 12 --test 6 --size 24 --classes 7 --output set"},
    {"synth", "--count 1 --test 0 --size 64 --output one"},
    {"finetune", "--data set --split train --out run --threads 1 " TINY SHORT},
    {"pretrain", "--data set --out mae --threads 1 " TINY DECODER SHORT},
    {"split", "--data set --split train --fraction 0.5 --output labels.json"},
};

#define READY_FOLDER "../ready/"
#define MODEL READY_FOLDER "run/model.safetensors "
#define SET READY_FOLDER "set "
#define FACE READY_FOLDER "face.png "
#define DETECTOR READY_FOLDER "detector.pt "
static const base_line BASE[] = {
    {"predict", "--model " MODEL FACE},
    {"predict", "--model " MODEL "--detector " DETECTOR "--size 64 --conf 0.05 --output out " FACE},
    {"detect", "--detector " DETECTOR "--size 64 --conf 0.05 --output out " FACE},
    {"eval", "--model " MODEL "--data " SET "--split test --report out"},
    {"pretrain", "--data " SET "--out out --holdout 0.2 " TINY DECODER SHORT},
    {"reconstruct", "--model " READY_FOLDER "mae/model.safetensors --output out.png " FACE},
    {"finetune", "--data " SET "--split train --out out " TINY SHORT},
    {"finetune", "--data " SET "--split train --out out --facemix on --detector " DETECTOR TINY SHORT},
    {"semi", "--data " SET "--split train --fraction 0.5 --out out --init " MODEL SHORT},
    {"train", READY_FOLDER "recipe.yaml --out out"},
    {"train", READY_FOLDER "recipe.yaml --dry-run"},
    {"import", "--labels " READY_FOLDER "list.txt --pictures " SET "--output out --max-missing 1 rafdb"},
    {"split", "--data " SET "--split train --fraction 0.5 --output out.json"},
    {"split", "--data " SET "--split train --stats"},
    {"synth", "--count 3 --test 1 --size 16 --output out"},
    {"synth", "--count 2 --size 16 --sheet --output out.png"},
    {"inspect", MODEL},
    {"convert", MODEL "out.pth"},
    {"forward", "--model " MODEL "--input " READY_FOLDER "input.safetensors --output out.safetensors"},
    {"bench", "vit --batch-size 2 --seconds 0.001 " TINY},
    {"bench", "mae --batch-size 2 --seconds 0.001 " TINY DECODER},
    {"bench", "semi --batch-size 2 --seconds 0.001 " TINY},
    {"bench", "detect --batch-size 1 --seconds 0.001 --size 64 --detector " DETECTOR},
    {"bench", "loader --batch-size 2 --seconds 0.001 --data " SET},
    {"bench", "predict --batch-size 2 --seconds 0.001 --data " SET "--model " MODEL},
    {"help", "predict"},
    {"version", ""},
};

/* A small value of options that take a text, so that what belongs to it is reached. */
static const char *const TEXTS[][2] = {
    {"model", READY_FOLDER "run/model.safetensors"},
    {"init", READY_FOLDER "run/model.safetensors"},
    {"continue", READY_FOLDER "mae/checkpoints/last.safetensors"},
    {"data", READY_FOLDER "set"},
    {"valid-data", READY_FOLDER "set"},
    {"unlabeled", READY_FOLDER "set"},
    {"split", "train"},
    {"valid-split", "test"},
    {"labels", READY_FOLDER "labels.json"},
    {"pictures", READY_FOLDER "set"},
    {"detector", READY_FOLDER "detector.pt"},
    {"network", "yolov7-lite-t"},
    {"picture", READY_FOLDER "face.png"},
    {"mask", READY_FOLDER "face.png"},
    {"input", READY_FOLDER "input.safetensors"},
    {"device", "cpu"},
    {"classes", "affectnet7"},
    {"key", "model"},
    {"randaugment", "rand-m9-mstd0.5-inc1"},
    {"strong", "rand-m5-n3"},
    {"set", "finetune.epochs=2"},
    {"out", "out2"},
    {"output", "out2.safetensors"},
    {"report", "out2"},
    {"predictions", "out2.csv"},
    {"face-boxes", "out2.json"},
    {"save", "out2.safetensors"},
};

/* Numbers that make a line as long as one likes: work, and nothing else, grows with them. */
static const char *const WORK[] = {"epochs",        "count",     "test",  "unlabeled",   "seconds",       "batch-size",
                                   "image-size",    "embed-dim", "depth", "decoder-dim", "decoder-depth", "size",
                                   "detector-size", "mu",        "folds", "accumulate",  "threads",       "heads",
                                   "decoder-heads", "patch-size"};

enum { WORDS_MAX = 64, LINE_MAX = 16384, MOST_SECONDS = 120, WORK_SECONDS = 4 };

/* A line is a base, and words after it. */
typedef struct line {
    const base_line *base;
    char *extra[WORDS_MAX / 2];
    size_t count;
    bool work, accepted; /* asks for much work; the parser takes it */
} line;

typedef struct line_list {
    line *items;
    size_t count, capacity;
} line_list;

static const char *program;
static char root[512]; /* of everything that this test writes */

static void die(const char *what)
{
    fprintf(stderr, "command_lines: %s: %s\n", what, strerror(errno));
    exit(1);
}

static char *copy(const char *text)
{
    char *s = strdup(text);
    if (!s)
        die("memory");
    return s;
}

static bool listed(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* ---- values of one option ---------------------------------------------------------------------------------------- */

typedef struct value_list {
    char *items[40];
    size_t count;
} value_list;

static void add_value(value_list *v, const char *text)
{
    if (v->count < sizeof v->items / sizeof *v->items)
        v->items[v->count++] = copy(text);
}

static void add_number(value_list *v, const ssfer_option *o, double number)
{
    char text[64];
    snprintf(text, sizeof text, o->type == SSFER_OPTION_TYPE_INT ? "%.0f" : "%.17g", number);
    add_value(v, text);
}

static void number_values(value_list *v, const ssfer_option *o)
{
    static const char *const strange[] = {"0",
                                          "-1",
                                          "1",
                                          "1.5",
                                          "x",
                                          "nan",
                                          "inf",
                                          "1e400",
                                          "-0",
                                          "1e-320",
                                          "0x10",
                                          "+1",
                                          " 1",
                                          "1 ",
                                          "1,5",
                                          "--1",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "99999999999999999999999",
                                          "\xff\xfe"};
    const bool whole = o->type == SSFER_OPTION_TYPE_INT;
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        add_value(v, strange[i]);
    if (o->min == 0 && o->max == 0)
        return;
    add_number(v, o, o->min);
    add_number(v, o, whole ? o->min - 1 : nextafter(o->min, -INFINITY));
    add_number(v, o, whole ? o->min + 1 : nextafter(o->min, INFINITY));
    if (isinf(o->max)) {
        add_number(v, o, 1e308);
        return;
    }
    add_number(v, o, o->max);
    add_number(v, o, whole ? o->max + 1 : nextafter(o->max, INFINITY));
    add_number(v, o, whole ? o->max - 1 : nextafter(o->max, -INFINITY));
    add_number(v, o, floor((o->min + o->max) / 2));
}

/* A small value that an option may have, or NULL for a flag. */
static char *small_value(const ssfer_option *o)
{
    char text[64];
    switch (o->type) {
    case SSFER_OPTION_TYPE_FLAG:
        return NULL;
    case SSFER_OPTION_TYPE_INT:
        snprintf(text, sizeof text, "%.0f", o->min);
        return copy(text);
    case SSFER_OPTION_TYPE_FLOAT:
        snprintf(text, sizeof text, "%g", o->above_min ? fmin(o->min + 0.01, o->max) : o->min);
        return copy(text);
    case SSFER_OPTION_TYPE_CHOICE:
        return copy(o->choices[1] ? o->choices[1] : o->choices[0]);
    case SSFER_OPTION_TYPE_STRING:
    case SSFER_OPTION_TYPE_STRINGS:
        break;
    }
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        if (strcmp(TEXTS[i][0], o->name) == 0)
            return copy(TEXTS[i][1]);
    return copy("x");
}

static void text_values(value_list *v, const ssfer_option *o)
{
    static const char *const strange[] = {
        "missing",
        "folder",
        "file",
        "folder/below/that",
        "file/below",
        "\xff\xfe",
        "-",
        "--",
        "/dev/null",
        "/dev/full",
        "a\nb\033[31m",
        ",",
        "a,b",
        "{a,b}.tar",
        "%s%n",
        "out.tar",
        "out.png",
        "=",
        "a=b",
        READY_FOLDER "face.png/",
    };
    char *small = small_value(o), long_text[5000];
    add_value(v, small);
    if (strncmp(small, "out", 3) != 0) /* what is written must not be what the other lines read */
        add_value(v, "../ready");
    free(small);
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        add_value(v, strange[i]);
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    add_value(v, long_text);
}

static void values_of(value_list *v, const ssfer_option *o)
{
    *v = (value_list){0};
    add_value(v, "");
    switch (o->type) {
    case SSFER_OPTION_TYPE_INT:
    case SSFER_OPTION_TYPE_FLOAT:
        number_values(v, o);
        break;
    case SSFER_OPTION_TYPE_CHOICE:
        for (size_t i = 0; o->choices[i]; i++)
            add_value(v, o->choices[i]);
        add_value(v, "x");
        break;
    case SSFER_OPTION_TYPE_FLAG:
        add_value(v, "true");
        break;
    case SSFER_OPTION_TYPE_STRING:
    case SSFER_OPTION_TYPE_STRINGS:
        text_values(v, o);
        break;
    }
}

static void free_values(value_list *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->items[i]);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void add_option(line *l, const ssfer_option *o, const char *value)
{
    char word[64 + 5000];
    if (l->count + 2 > WORDS_MAX / 2)
        return;
    if (o->type == SSFER_OPTION_TYPE_FLAG && !value) {
        snprintf(word, sizeof word, "--%s", o->name);
        l->extra[l->count++] = copy(word);
        return;
    }
    /* attached, so that a value that looks like an option is one */
    snprintf(word, sizeof word, "--%s=%s", o->name, value ? value : "");
    l->extra[l->count++] = copy(word);
    const bool number = o->type == SSFER_OPTION_TYPE_INT || o->type == SSFER_OPTION_TYPE_FLOAT;
    if (number && value && strtod(value, NULL) > 4 && listed(WORK, sizeof WORK / sizeof *WORK, o->name))
        l->work = true;
}

static size_t split_words(char *text, char **words)
{
    size_t count = 0;
    for (char *word = strtok(text, " "); word && count < WORDS_MAX; word = strtok(NULL, " "))
        words[count++] = word;
    return count;
}

/* Through the parser here. A refusal must be a mistake of the caller, said in one line. */
static void parse_line(line *l)
{
    char text[1024], *words[2 * WORDS_MAX];
    const ssfer_command *command = ssfer_command_named(l->base->command);
    ssfer_common_args common = {0};
    ssfer_parsed parsed;
    ssfer_error err = {0};
    snprintf(text, sizeof text, "%s", l->base->words);
    size_t count = split_words(text, words);
    for (size_t i = 0; i < l->count; i++)
        words[count++] = l->extra[i];
    void *args = ssfer_calloc(1, command->args_size ? command->args_size : 1);
    if (!args)
        die("memory");
    const ssfer_status st = ssfer_options_parse(&parsed, command, (int)count, words, args, &common, &err);
    l->accepted = st == SSFER_OK;
    if (st != SSFER_OK && (st != SSFER_ERR_ARGUMENT || !err.message[0] || strpbrk(err.message, "\n\r\033"))) {
        fprintf(stderr, "command_lines: %s %s...: status %d, message '%s'\n", l->base->command,
                l->count ? l->extra[0] : "", (int)st, err.message);
        exit(1);
    }
    ssfer_options_deinit(command, args);
    ssfer_free(args);
}

static void add_line(line_list *list, line *l)
{
    if (ssfer_reserve((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items) != 0)
        die("memory");
    parse_line(l);
    list->items[list->count++] = *l;
}

static void add_single(line_list *list, const base_line *base, const ssfer_option *o)
{
    value_list v;
    values_of(&v, o);
    for (size_t i = 0; i < v.count; i++) {
        line l = {.base = base};
        add_option(&l, o, v.items[i]);
        add_line(list, &l);
    }
    line missing = {.base = base}, twice = {.base = base};
    char word[80];
    snprintf(word, sizeof word, "--%s", o->name);
    missing.extra[missing.count++] = copy(word);
    add_line(list, &missing);
    char *small = small_value(o);
    add_option(&twice, o, small);
    add_option(&twice, o, small);
    add_line(list, &twice);
    free(small);
    free_values(&v);
}

static void add_pairs(line_list *list, const base_line *base, const ssfer_command *command, size_t first)
{
    const ssfer_option *a = ssfer_command_option(command, first, NULL), *b;
    for (size_t i = first + 1; (b = ssfer_command_option(command, i, NULL)) != NULL; i++) {
        line l = {.base = base};
        char *small_a = small_value(a), *small_b = small_value(b);
        add_option(&l, a, small_a);
        add_option(&l, b, small_b);
        add_line(list, &l);
        free(small_a);
        free(small_b);
    }
}

/* Two to six options, each with any of its values, most with one that it may have. */
static void add_random(line_list *list, const base_line *base, const ssfer_command *command, size_t options,
                       ssfer_rng *rng)
{
    line l = {.base = base};
    const size_t count = 2 + ssfer_rng_below(rng, 5);
    for (size_t k = 0; k < count; k++) {
        const ssfer_option *o = ssfer_command_option(command, ssfer_rng_below(rng, (uint32_t)options), NULL);
        value_list v;
        values_of(&v, o);
        char *value = small_value(o);
        for (int attempt = 0; attempt < 4; attempt++) {
            ssfer_error err = {0};
            const char *candidate = v.items[ssfer_rng_below(rng, (uint32_t)v.count)];
            if (o->type == SSFER_OPTION_TYPE_FLAG || ssfer_option_check_value(o, candidate, &err) != SSFER_OK)
                continue;
            free(value);
            value = copy(candidate);
            break;
        }
        if (strcmp(o->name, "help") != 0)
            add_option(&l, o, value);
        free(value);
        free_values(&v);
    }
    add_line(list, &l);
}

/* Words instead of the operands, at and beyond their number. */
static void add_operands(line_list *list, const base_line *base)
{
    const ssfer_option any = {.type = SSFER_OPTION_TYPE_STRING, .name = "any"};
    value_list v;
    values_of(&v, &any);
    for (size_t i = 0; i < v.count; i++) {
        line l = {.base = base};
        l.extra[l.count++] = copy("--");
        l.extra[l.count++] = copy(v.items[i]);
        add_line(list, &l);
    }
    free_values(&v);
}

/* ---- what the lines read ------------------------------------------------------------------------------------------
 */

static void path_in(char *path, size_t size, const char *folder, const char *name)
{
    if (snprintf(path, size, "%s/%s", folder, name) >= (int)size)
        die(name);
}

static void write_file(const char *folder, const char *name, const void *data, size_t bytes)
{
    char path[1024];
    path_in(path, sizeof path, folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f) != 0)
        die(path);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    write_file(folder, name, text, strlen(text));
}

static void copy_file(const char *from, const char *folder, const char *name)
{
    static char data[4 << 20];
    FILE *f = fopen(from, "rb");
    if (!f)
        die(from);
    const size_t got = fread(data, 1, sizeof data, f);
    fclose(f);
    write_file(folder, name, data, got);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return remove(path);
}

static void remove_folder(const char *folder)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_input(const char *folder)
{
    static const char header[] = "{\"input\":{\"dtype\":\"F32\",\"shape\":[2,3,8,8],\"data_offsets\":[0,1536]}}   ";
    static unsigned char file[8 + sizeof header - 1 + 1536];
    file[0] = (unsigned char)(sizeof header - 1);
    memcpy(file + 8, header, sizeof header - 1);
    write_file(folder, "input.safetensors", file, sizeof file);
}

static int first_picture(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)where;
    const char *end = strrchr(path, '.');
    if (type != FTW_F || !end || (strcmp(end, ".png") != 0 && strcmp(end, ".jpg") != 0))
        return 0;
    char ready[600];
    path_in(ready, sizeof ready, root, "ready");
    copy_file(path, ready, "face.png");
    return 1;
}

static void run_ready(const char *folder, const base_line *base)
{
    char text[1024], *argv[WORDS_MAX + 4];
    child_result r;
    snprintf(text, sizeof text, "%s", base->words);
    argv[0] = (char *)(uintptr_t)program;
    argv[1] = (char *)(uintptr_t)base->command;
    const size_t count = split_words(text, argv + 2);
    argv[2 + count] = NULL;
    child_run(&r, program, argv, folder, (child_limits){MOST_SECONDS, false});
    if (r.fault[0] || r.code != 0) {
        fprintf(stderr, "command_lines: ssfer %s %s: %s, exit code %d: %s\n", base->command, base->words, r.fault,
                r.code, r.message);
        exit(1);
    }
}

static void make_ready(void)
{
    char ready[600], one[700];
    path_in(ready, sizeof ready, root, "ready");
    if (mkdir(ready, 0700) != 0)
        die(ready);
    for (size_t i = 0; i < sizeof READY / sizeof *READY; i++)
        run_ready(ready, &READY[i]);
    path_in(one, sizeof one, ready, "one");
    if (nftw(one, first_picture, 16, FTW_PHYS) != 1)
        die("one/: no picture");
    copy_file(SSFER_TEST_DIR "/golden/yolov7/blocks.pt", ready, "detector.pt");
    make_input(ready);
    write_text(ready, "list.txt", "train_00001.jpg 1\ntest_0001.jpg 4\n");
    write_text(ready, "recipe.yaml",
               "data: ../ready/set\nsplit: train\nimage-size: 8\npatch-size: 4\nembed-dim: 8\ndepth: 1\nheads: 2\n"
               "epochs: 1\nbatch-size: 4\nwarmup-epochs: 0\nfraction: 0.5\n"
               "pretrain: {decoder-dim: 8, decoder-depth: 1, decoder-heads: 1}\n");
}

/* The folder of one line: empty but for a file and a folder of that name. */
static void make_here(const char *here)
{
    char folder[700];
    remove_folder(here);
    path_in(folder, sizeof folder, here, "folder");
    if (mkdir(here, 0700) != 0 || mkdir(folder, 0700) != 0)
        die(here);
    write_text(here, "file", "what it is\n");
}

/* Nothing but these two in it. */
static bool is_as_made(const char *here)
{
    DIR *folder = opendir(here);
    size_t entries = 0;
    bool strange = !folder;
    for (struct dirent *e; folder && (e = readdir(folder)) != NULL; entries++)
        strange = strange || (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                              strcmp(e->d_name, "file") != 0 && strcmp(e->d_name, "folder") != 0);
    if (folder)
        closedir(folder);
    return !strange && entries == 4;
}

static uint64_t sum_of_ready;

static int add_to_sum(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)where;
    uint64_t h = 1469598103934665603u;
    for (const char *c = path; *c; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211u;
    if (type == FTW_F) {
        h = (h ^ (uint64_t)info->st_size) * 1099511628211u;
        h = (h ^ (uint64_t)info->st_mtim.tv_sec) * 1099511628211u;
        h = (h ^ (uint64_t)info->st_mtim.tv_nsec) * 1099511628211u;
    }
    sum_of_ready += h;
    return 0;
}

/* Of all names, sizes and times of change. */
static uint64_t ready_sum(void)
{
    char ready[600];
    path_in(ready, sizeof ready, root, "ready");
    sum_of_ready = 0;
    (void)nftw(ready, add_to_sum, 16, FTW_PHYS);
    return sum_of_ready;
}

/* ---- running them -------------------------------------------------------------------------------------------------
 */

/* For a shell: 'it' or $'it\n'. */
static void print_word(FILE *out, const char *word)
{
    const size_t length = strlen(word), start = strcspn(word, "=") + 1;
    if (length > 1000) { /* the one long value */
        fprintf(out, " %.*s$(printf x%%.0s {1..%zu})", (int)(start > length ? 0 : start), word,
                start > length ? length : length - start);
        return;
    }
    const bool plain = word[0] && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                                    "-_=./,+:")] == '\0';
    if (plain) {
        fprintf(out, " %s", word);
        return;
    }
    fprintf(out, " $'");
    for (const unsigned char *c = (const unsigned char *)word; *c; c++)
        fprintf(out, *c < 32 || *c > 126 || *c == '\'' || *c == '\\' ? "\\x%02x" : "%c", *c);
    fprintf(out, "'");
}

static void print_line(FILE *out, const line *l)
{
    fprintf(out, "  ssfer %s %s", l->base->command, l->base->words);
    for (size_t i = 0; i < l->count; i++)
        print_word(out, l->extra[i]);
    fprintf(out, "\n");
}

static bool run_line(const line *l, uint64_t *ready, child_result *r)
{
    char here[600], text[1024], *argv[2 * WORDS_MAX];
    path_in(here, sizeof here, root, "here");
    make_here(here);
    snprintf(text, sizeof text, "%s", l->base->words);
    argv[0] = (char *)(uintptr_t)program;
    argv[1] = (char *)(uintptr_t)l->base->command;
    size_t count = 2 + split_words(text, argv + 2);
    for (size_t i = 0; i < l->count; i++)
        argv[count++] = l->extra[i];
    argv[count] = NULL;
    child_run(r, program, argv, here, (child_limits){l->work ? WORK_SECONDS : MOST_SECONDS, l->work});
    if (!r->fault[0] && r->code == 2 && !is_as_made(here))
        snprintf(r->fault, sizeof r->fault, "exit code 2, but the folder has changed");
    if (!r->fault[0] && !l->accepted && r->code != 2)
        snprintf(r->fault, sizeof r->fault, "exit code %d where the parser refuses it", r->code);
    const uint64_t now = ready_sum();
    if (!r->fault[0] && now != *ready)
        snprintf(r->fault, sizeof r->fault, "files that it only reads have changed");
    *ready = now;
    if (!r->fault[0])
        return true;
    fprintf(stderr, "FAILED: %s\n", r->fault);
    print_line(stderr, l);
    if (r->message[0])
        fprintf(stderr, "    %s\n", r->message);
    return false;
}

/* The lines to run: one option's refusals are much alike, so of those that the parser refuses a tenth as many. */
static size_t choose(size_t *order, const line_list *list, size_t wanted, uint64_t seed)
{
    size_t kept = 0;
    ssfer_rng rng = ssfer_rng_stream(seed, 1, 0, 0, SSFER_RNG_TEST);
    for (size_t i = 0; i < list->count; i++)
        if (wanted == 0 || list->items[i].accepted || ssfer_rng_below(&rng, 10) == 0)
            if (wanted == 0 || !list->items[i].work || ssfer_rng_below(&rng, 8) == 0) /* these take seconds each */
                order[kept++] = i;
    if (wanted == 0)
        return kept;
    ssfer_rng_shuffle(&rng, order, kept);
    return kept < wanted ? kept : wanted;
}

static void make_lines(line_list *list, const char *only, uint64_t seed)
{
    for (size_t b = 0; b < sizeof BASE / sizeof *BASE; b++) {
        const ssfer_command *command = ssfer_command_named(BASE[b].command);
        const ssfer_option *o;
        ssfer_rng rng = ssfer_rng_stream(seed, 0, 0, b, SSFER_RNG_TEST);
        size_t options = 0;
        if (only && strcmp(only, BASE[b].command) != 0)
            continue;
        line plain = {.base = &BASE[b]};
        add_line(list, &plain);
        for (; (o = ssfer_command_option(command, options, NULL)) != NULL; options++) {
            add_single(list, &BASE[b], o);
            add_pairs(list, &BASE[b], command, options);
        }
        for (size_t i = 0; i < 4 * options; i++)
            add_random(list, &BASE[b], command, options, &rng);
        add_operands(list, &BASE[b]);
    }
}

/* Every command has a line here that works: a new one must be added to BASE. */
static size_t check_bases(uint64_t *ready)
{
    size_t failures = 0;
    for (size_t c = 0; SSFER_COMMANDS[c]; c++) {
        size_t lines = 0;
        for (size_t b = 0; b < sizeof BASE / sizeof *BASE; b++)
            lines += strcmp(BASE[b].command, SSFER_COMMANDS[c]->name) == 0;
        if (lines == 0) {
            fprintf(stderr, "FAILED: no line for the command %s\n", SSFER_COMMANDS[c]->name);
            failures++;
        }
    }
    for (size_t b = 0; b < sizeof BASE / sizeof *BASE; b++) {
        child_result r;
        const line l = {.base = &BASE[b], .accepted = true};
        if (!run_line(&l, ready, &r)) {
            failures++;
        } else if (r.code != 0) {
            fprintf(stderr, "FAILED: a line that should work: %s\n", r.message);
            print_line(stderr, &l);
            failures++;
        }
    }
    return failures;
}

static size_t run_lines(const line_list *list, size_t wanted, uint64_t seed, uint64_t *ready)
{
    size_t *order = ssfer_calloc(list->count, sizeof *order), codes[3] = {0}, stopped = 0, failures = 0;
    if (!order)
        die("memory");
    const size_t count = choose(order, list, wanted, seed);
    for (size_t i = 0; i < count; i++) {
        child_result r;
        failures += !run_line(&list->items[order[i]], ready, &r);
        stopped += r.ran_out;
        if (!r.ran_out && r.code >= 0 && r.code <= 2)
            codes[r.code]++;
    }
    printf("%zu lines parsed, %zu run: exit code 0 %zu times, 1 %zu times, 2 %zu times; %zu stopped; %zu failed\n",
           list->count, count, codes[0], codes[1], codes[2], stopped, failures);
    ssfer_free(order);
    return failures;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: command_lines PROGRAM [COUNT] [SEED] [COMMAND]\n");
        return 2;
    }
    const char *count = argc > 2 ? argv[2] : getenv("SSFER_COMMAND_LINES"), *tmp = getenv("TMPDIR");
    const size_t wanted = count ? strtoull(count, NULL, 10) : 150;
    const uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    static char absolute[4096];
    if (!realpath(argv[1], absolute))
        die(argv[1]);
    program = absolute;
    snprintf(root, sizeof root, "%s/ssfer-lines.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(root))
        die(root);
    make_ready();
    uint64_t ready = ready_sum();
    static line_list list;
    make_lines(&list, argc > 4 ? argv[4] : NULL, seed);
    size_t failures = argc > 4 ? 0 : check_bases(&ready);
    failures += run_lines(&list, wanted, seed, &ready);
    remove_folder(root);
    return failures != 0;
}

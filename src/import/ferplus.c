/* FER+: fer2013new.csv, the votes of ten people for every picture of FER2013. Barsoum et al. 2016, "Training Deep
 * Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution". */
#include "import/list.h"

#include <string.h>
#include <strings.h>

enum { VOTE_COLUMNS = 10, MAX_VOTES = 1000 };

static const char *const VOTE_NAMES[VOTE_COLUMNS][2] = {
    {"neutral", NULL}, {"happiness", NULL}, {"surprise", NULL}, {"sadness", NULL}, {"anger", NULL},
    {"disgust", NULL}, {"fear", NULL},      {"contempt", NULL}, {"unknown", NULL}, {"NF", "not_a_face"}};

/* The class that a column votes for; SSFER_IMPORT_CLASSES: unknown and not a face. */
static ssfer_import_class voted_class(size_t column)
{
    return ssfer_import_class_numbered(ssfer_class_set_named("ferplus"), (long)column);
}

static size_t first_maximum(const unsigned votes[VOTE_COLUMNS])
{
    size_t best = 0;
    for (size_t k = 1; k < VOTE_COLUMNS; k++)
        if (votes[k] > votes[best])
            best = k;
    return best;
}

ssfer_import_class ssfer_import_most_voted(const unsigned votes[VOTE_COLUMNS])
{
    size_t best = first_maximum(votes);
    return votes[best] > 0 ? voted_class(best) : SSFER_IMPORT_CLASSES;
}

ssfer_import_class ssfer_import_majority(const unsigned votes[VOTE_COLUMNS])
{
    unsigned sum = 0;
    for (size_t k = 0; k < VOTE_COLUMNS; k++)
        sum += votes[k] > 1 ? votes[k] : 0;
    size_t best = first_maximum(votes);
    return votes[best] > 1 && 2 * votes[best] > sum ? voted_class(best) : SSFER_IMPORT_CLASSES;
}

/* Where the columns of the votes are. */
typedef struct vote_columns {
    size_t usage, picture, votes[VOTE_COLUMNS];
} vote_columns;

static ssfer_status find_columns(vote_columns *columns, const ssfer_csv *header, ssfer_error *err)
{
    columns->usage = ssfer_import_column(header, "Usage", "split");
    columns->picture = ssfer_import_column(header, "Image name", "file");
    const char *absent = columns->usage == SIZE_MAX ? "Usage" : columns->picture == SIZE_MAX ? "Image name" : NULL;
    for (size_t k = 0; k < VOTE_COLUMNS && !absent; k++) {
        columns->votes[k] = ssfer_import_column(header, VOTE_NAMES[k][0], VOTE_NAMES[k][1]);
        absent = columns->votes[k] == SIZE_MAX ? VOTE_NAMES[k][0] : NULL;
    }
    if (absent)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: no column '%s'; give fer2013new.csv of FER+", header->name,
                          header->line, absent);
    return SSFER_OK;
}

static bool read_usage(int16_t *part, const char *text, bool joined)
{
    static const char *const names[][2] = {{"Training", "train"}, {"PublicTest", "valid"}, {"PrivateTest", "test"}};
    for (int p = 0; p < SSFER_IMPORT_PARTS; p++) {
        if (strcasecmp(text, names[p][0]) == 0 || strcasecmp(text, names[p][1]) == 0) {
            *part = p == SSFER_IMPORT_VALID && joined ? SSFER_IMPORT_TEST : (int16_t)p;
            return true;
        }
    }
    return false;
}

static ssfer_status read_row(import_record *r, const ssfer_csv *csv, const vote_columns *columns,
                             const ssfer_import_options *o, ssfer_error *err)
{
    unsigned votes[VOTE_COLUMNS];
    size_t last = columns->usage > columns->picture ? columns->usage : columns->picture;
    for (size_t k = 0; k < VOTE_COLUMNS; k++)
        last = columns->votes[k] > last ? columns->votes[k] : last;
    if (csv->count <= last)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: %zu fields, the header has more; is the file cut?", csv->name,
                          csv->line, csv->count);
    if (!read_usage(&r->part, csv->fields[columns->usage], o->joined))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: usage '%.40s' is none of Training, PublicTest, PrivateTest",
                          csv->name, csv->line, csv->fields[columns->usage]);
    for (size_t k = 0; k < VOTE_COLUMNS; k++) {
        long value = 0;
        if (!ssfer_import_number(&value, csv->fields[columns->votes[k]], 0, MAX_VOTES))
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: '%.40s' is no number of votes for %s", csv->name,
                              csv->line, csv->fields[columns->votes[k]], VOTE_NAMES[k][0]);
        votes[k] = (unsigned)value;
    }
    r->label = (int16_t)(o->majority ? ssfer_import_majority(votes) : ssfer_import_most_voted(votes));
    r->picture = r->name = csv->fields[columns->picture];
    r->line = csv->line;
    r->list = csv->name;
    return SSFER_OK;
}

/* The next row of fer2013.csv, which has the same rows in the same order: its pixels, and its usage must agree. */
static ssfer_status take_pixels(import_record *r, ssfer_csv *pixels, size_t column, size_t usage, bool joined,
                                ssfer_error *err)
{
    ssfer_status st = ssfer_csv_next(pixels, err);
    if (st != SSFER_OK)
        return st;
    int16_t part = -1;
    if (!pixels->count)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: ends before the row of %s:%zu; is it cut?", pixels->name, r->list,
                          r->line);
    if (pixels->count <= column || pixels->count <= usage || !read_usage(&part, pixels->fields[usage], joined) ||
        part != r->part)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: is not the picture of %s:%zu; are the files complete?",
                          pixels->name, pixels->line, r->list, r->line);
    r->pixels = pixels->fields[column];
    r->pixels_line = pixels->line;
    return SSFER_OK;
}

static ssfer_status open_csv(ssfer_csv *csv, import_list *list, const char *path, ssfer_error *err)
{
    char *text = NULL;
    size_t size_bytes = 0;
    ssfer_status st = ssfer_import_text(&text, &size_bytes, list, path, err);
    if (st == SSFER_OK)
        st = ssfer_csv_init(csv, text, size_bytes, path, err);
    if (st == SSFER_OK)
        st = ssfer_csv_next(csv, err);
    return st;
}

static bool is_csv(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && strcasecmp(path + length - 4, ".csv") == 0;
}

ssfer_status ssfer_import_ferplus(import_list *list, const ssfer_import_options *o, ssfer_error *err)
{
    ssfer_csv csv, pixels;
    vote_columns columns;
    size_t column = 0, usage = 0;
    bool as_text = is_csv(o->pictures);
    ssfer_status st = open_csv(&csv, list, o->labels[0], err);
    if (st == SSFER_OK)
        st = find_columns(&columns, &csv, err);
    if (st == SSFER_OK && as_text)
        st = open_csv(&pixels, list, o->pictures, err);
    if (st == SSFER_OK && as_text) {
        column = ssfer_import_column(&pixels, "pixels", NULL);
        usage = ssfer_import_column(&pixels, "Usage", NULL);
        if (column == SIZE_MAX || usage == SIZE_MAX)
            st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s:1: no columns 'pixels' and 'Usage'; give fer2013.csv",
                            o->pictures);
    }
    while (st == SSFER_OK && (st = ssfer_csv_next(&csv, err)) == SSFER_OK && csv.count) {
        import_record r = {0};
        st = read_row(&r, &csv, &columns, o, err);
        if (st == SSFER_OK && as_text)
            st = take_pixels(&r, &pixels, column, usage, o->joined, err);
        if (st == SSFER_OK && (r.label == SSFER_IMPORT_CLASSES || !*r.picture)) /* no name: withdrawn by the authors */
            list->left_out++;
        else if (st == SSFER_OK)
            st = ssfer_import_add(list, &r, err);
    }
    return st;
}

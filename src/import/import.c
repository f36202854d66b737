#include "import/import.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/progress.h"
#include "image/codec.h"
#include "import/finder.h"
#include "import/list.h"
#include "io/name_index.h"
#include "io/sink.h"

#include <stdlib.h>
#include <string.h>

enum { PIXELS_SIDE = 48 }; /* of FER2013 */

const char *ssfer_import_class_name(ssfer_import_class c)
{
    static const char *const names[SSFER_IMPORT_CLASSES] = {"anger",     "contempt", "disgust", "fear",
                                                            "happiness", "neutral",  "sadness", "surprise"};
    return names[c];
}

const char *ssfer_import_part_name(ssfer_import_part p)
{
    static const char *const names[SSFER_IMPORT_PARTS] = {"train", "valid", "test"};
    return names[p];
}

/* ---- what is published ---- */

/* Sources: FERPlus and AffectNet as the method's authors count them, RAF-DB as in its paper. Nothing is published for
 * the majority rule on FER+. */
static void set_published(ssfer_import_report *report, const ssfer_import_options *o)
{
    size_t *p = report->published;
    switch (o->kind) {
    case SSFER_IMPORT_FERPLUS:
        if (o->majority)
            return;
        p[SSFER_IMPORT_TRAIN] = 28389;
        p[SSFER_IMPORT_VALID] = o->joined ? 0 : 3553;
        p[SSFER_IMPORT_TEST] = o->joined ? 7099 : 3546;
        return;
    case SSFER_IMPORT_RAFDB:
        p[SSFER_IMPORT_TRAIN] = 12271;
        p[SSFER_IMPORT_TEST] = 3068;
        return;
    case SSFER_IMPORT_AFFECTNET:
        p[SSFER_IMPORT_TRAIN] = o->classes == 7 ? 283901 : 287651;
        p[SSFER_IMPORT_TEST] = o->classes == 7 ? 3500 : 4000;
        return;
    }
}

static const char *rule_text(const ssfer_import_options *o)
{
    switch (o->kind) {
    case SSFER_IMPORT_FERPLUS:
        return o->majority ? "more than half of the votes, single votes ignored; unknown and not a face left out"
                           : "most voted of the ten columns, the first of equal ones; unknown and not a face left out";
    case SSFER_IMPORT_RAFDB:
        return "the list's number, 1 to 7";
    case SSFER_IMPORT_AFFECTNET:
        break;
    }
    return o->classes == 7 ? "the annotated expression, 0 to 6; contempt, none, uncertain and no face left out"
                           : "the annotated expression, 0 to 7; none, uncertain and no face left out";
}

/* ---- finding the pictures ---- */

typedef struct import_job {
    const ssfer_import_options *options;
    ssfer_import_report *report;
    import_list list;
    import_finder finder;
    size_t *found; /* for each record: its picture, SIZE_MAX: none; NULL where the lists hold the pictures */
} import_job;

static const char *place_of(char text[static 320], const import_record *r)
{
    if (r->line)
        snprintf(text, 320, "%.250s:%zu", r->list, r->line);
    else
        snprintf(text, 320, "%.250s", r->list);
    return text;
}

/* The name becomes a path below the output. */
static bool is_safe(const char *name)
{
    if (!*name || *name == '/')
        return false;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t length = strcspn(part, "/");
        if (length == 0 || (part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'))))
            return false;
    }
    return true;
}

static void note_missing(import_job *j, const import_record *r, const char *why)
{
    char place[320];
    if (++j->report->missing <= 3) /* the others are counted */
        ssfer_warn(j->options->log, "%s: %.150s %s; left out", place_of(place, r), r->picture, why);
}

static ssfer_status check_missing(const import_job *j, ssfer_error *err)
{
    const ssfer_import_options *o = j->options;
    if ((double)j->report->missing <= o->max_missing * (double)j->list.count)
        return SSFER_OK;
    return ssfer_fail(err, SSFER_ERR_LIMIT,
                      "%s: lacks %zu of %zu listed pictures; check the path, or allow more with "
                      "--max-missing",
                      o->pictures, j->report->missing, j->list.count);
}

static ssfer_status find_pictures(import_job *j, ssfer_error *err)
{
    const ssfer_import_options *o = j->options;
    j->found = ssfer_malloc(j->list.count * sizeof *j->found);
    if (!j->found)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", o->pictures);
    ssfer_status st = ssfer_import_finder_open(&j->finder, o->pictures, o->log, err);
    if (st != SSFER_OK)
        return st;
    for (size_t i = 0; i < j->list.count; i++) {
        const import_record *r = &j->list.records[i];
        size_t at = r->alternative ? ssfer_import_find(&j->finder, r->alternative) : SIZE_MAX;
        if (at == SIZE_MAX)
            at = ssfer_import_find(&j->finder, r->picture);
        if (at == SIZE_MAX)
            note_missing(j, r, "is not there");
        j->found[i] = at;
    }
    return check_missing(j, err);
}

/* Leaves out what is listed again: FER+ itself names three pictures twice. */
static ssfer_status remove_repeated(import_job *j, ssfer_error *err)
{
    ssfer_name_index seen = {0};
    import_list *list = &j->list;
    size_t kept = 0;
    bool good = true;
    for (size_t i = 0; good && i < list->count; i++) {
        const import_record *r = &list->records[i];
        size_t earlier = ssfer_name_index_find(&seen, r->picture);
        if (earlier == (size_t)SSFER_NAME_ABSENT) {
            good = ssfer_name_index_add(&seen, r->picture, kept) == 0;
            list->records[kept++] = *r;
            continue;
        }
        char place[320];
        const import_record *first = &list->records[earlier];
        j->report->repeated[r->part]++;
        if (first->label != r->label || first->part != r->part)
            ssfer_warn(j->options->log, "%s: %.150s was listed before with another class or part; that one counts",
                       place_of(place, r), r->picture);
    }
    list->count = good ? kept : list->count;
    ssfer_name_index_deinit(&seen);
    return good ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", j->options->labels[0]);
}

static ssfer_status prepare(import_job *j, ssfer_error *err)
{
    bool inside = true;
    for (size_t i = 0; i < j->list.count; i++) {
        char place[320];
        const import_record *r = &j->list.records[i];
        inside = inside && r->pixels;
        if (!is_safe(r->name))
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: '%.100s' is no name for a picture", place_of(place, r),
                              r->name);
    }
    if (j->list.count == 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: names no picture that has a class", j->options->labels[0]);
    ssfer_status st = remove_repeated(j, err);
    return st == SSFER_OK && !inside ? find_pictures(j, err) : st;
}

/* ---- writing ---- */

/* 48 x 48 numbers from 0 to 255 with blanks between them. */
static ssfer_status read_pixels(ssfer_image *image, const import_record *r, const char *file, ssfer_error *err)
{
    const char *at = r->pixels + strspn(r->pixels, " ");
    ssfer_status st = ssfer_image_create(image, PIXELS_SIDE, PIXELS_SIDE, err);
    for (size_t i = 0; st == SSFER_OK && i < PIXELS_SIDE * PIXELS_SIDE; i++) {
        int64_t value;
        if (ssfer_scan_int(&value, &at) != SSFER_OK || value < 0 || value > 255)
            st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: pixel %zu is no number from 0 to 255", file, r->pixels_line,
                            i + 1);
        else
            memset(image->data + 3 * i, (int)value, 3);
        at += strspn(at, " ");
    }
    if (st == SSFER_OK && at[strspn(at, " \r")])
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: more than %d pixels", file, r->pixels_line,
                        PIXELS_SIDE * PIXELS_SIDE);
    return st;
}

/* The part of the box that lies in the picture; false: nothing does. */
static bool clip_box(size_t out[4], const int32_t box[4], const ssfer_image *image)
{
    const long limits[2] = {(long)image->width, (long)image->height};
    for (size_t d = 0; d < 2; d++) {
        long from = box[d] < 0 ? 0 : box[d], to = (long)box[d] + box[d + 2];
        to = to > limits[d] ? limits[d] : to;
        if (from >= to)
            return false;
        out[d] = (size_t)from;
        out[d + 2] = (size_t)(to - from);
    }
    return true;
}

static ssfer_status encode(uint8_t **bytes, size_t *size_bytes, const ssfer_image *image, const char *name,
                           ssfer_error *err)
{
    ssfer_image_format format = ssfer_image_format_of_path(name);
    return ssfer_image_encode(bytes, size_bytes, image,
                              format == SSFER_IMAGE_FORMAT_UNKNOWN ? SSFER_IMAGE_FORMAT_JPEG : format, name, err);
}

static ssfer_status cut_face(uint8_t **bytes, size_t *size_bytes, const import_job *j, size_t picture,
                             const import_record *r, ssfer_error *err)
{
    ssfer_image whole = {0}, face = {0};
    size_t box[4] = {0};
    ssfer_status st = ssfer_dataset_image(j->finder.set, picture, &whole, err);
    if (st == SSFER_OK && !clip_box(box, r->box, &whole))
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "its box lies outside the picture");
    if (st == SSFER_OK)
        st = ssfer_image_crop(&face, &whole, box[0], box[1], box[2], box[3], err);
    if (st == SSFER_OK)
        st = encode(bytes, size_bytes, &face, r->name, err);
    ssfer_image_deinit(&whole);
    ssfer_image_deinit(&face);
    return st;
}

static ssfer_status copy_picture(const unsigned char **bytes, size_t *size_bytes, unsigned char **owned,
                                 const import_job *j, size_t picture, ssfer_error *err)
{
    ssfer_status st = ssfer_dataset_bytes(j->finder.set, picture, bytes, size_bytes, owned, err);
    if (st == SSFER_OK && ssfer_image_format_of_bytes(*bytes, *size_bytes) == SSFER_IMAGE_FORMAT_UNKNOWN)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "is no JPEG, PNG or WebP picture");
    return st;
}

static ssfer_status make_picture(const unsigned char **bytes, size_t *size_bytes, unsigned char **owned,
                                 const import_job *j, size_t i, ssfer_error *err)
{
    const import_record *r = &j->list.records[i];
    ssfer_image image = {0};
    ssfer_status st;
    if (!r->pixels && r->box[2] == 0)
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): pictures were found where there are no pixels
        return copy_picture(bytes, size_bytes, owned, j, j->found[i], err);
    if (r->pixels) {
        st = read_pixels(&image, r, j->options->pictures, err);
        if (st == SSFER_OK)
            st = encode(owned, size_bytes, &image, r->name, err);
        ssfer_image_deinit(&image);
    } else {
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as above
        st = cut_face(owned, size_bytes, j, j->found[i], r, err);
    }
    *bytes = *owned;
    return st;
}

static ssfer_status write_one(import_job *j, ssfer_sink *sink, size_t i, ssfer_error *err)
{
    const import_record *r = &j->list.records[i];
    const unsigned char *bytes = NULL;
    unsigned char *owned = NULL;
    size_t size_bytes = 0;
    ssfer_status st = make_picture(&bytes, &size_bytes, &owned, j, i, err);
    if (st != SSFER_OK) {
        ssfer_free(owned);
        if (st == SSFER_ERR_MEMORY || r->pixels)
            return st;
        note_missing(j, r, err ? err->message : "cannot be read");
        return SSFER_OK;
    }
    char *name = ssfer_format("%s/%s/%s", ssfer_import_part_name((ssfer_import_part)r->part),
                              ssfer_import_class_name((ssfer_import_class)r->label), r->name);
    st = name ? ssfer_sink_add(sink, name, bytes, size_bytes, err)
              : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", j->options->output);
    ssfer_free(name);
    ssfer_free(owned);
    j->report->counts[r->part][r->label]++;
    j->report->totals[r->part]++;
    return st;
}

static ssfer_status write_all(import_job *j, ssfer_error *err)
{
    ssfer_sink sink;
    ssfer_progress bar;
    ssfer_status st = ssfer_sink_open(&sink, j->options->output, err);
    if (st != SSFER_OK)
        return st;
    ssfer_progress_begin(&bar, j->options->progress, "importing", "img", j->list.count);
    for (size_t i = 0; st == SSFER_OK && i < j->list.count; i++) {
        if (!j->found || j->found[i] != SIZE_MAX)
            st = write_one(j, &sink, i, err);
        ssfer_progress_update(&bar, i + 1, NULL);
    }
    ssfer_progress_end(&bar);
    if (st == SSFER_OK)
        st = check_missing(j, err);
    if (st == SSFER_OK)
        return ssfer_sink_commit(&sink, err);
    ssfer_sink_abort(&sink);
    return st;
}

ssfer_status ssfer_import(const ssfer_import_options *o, ssfer_import_report *report, ssfer_error *err)
{
    static ssfer_status (*const readers[])(import_list *, const ssfer_import_options *, ssfer_error *) = {
        ssfer_import_ferplus, ssfer_import_rafdb, ssfer_import_affectnet};
    import_job j = {.options = o, .report = report};
    *report = (ssfer_import_report){.rule = rule_text(o)};
    set_published(report, o);
    if (o->label_count == 0 || (o->kind == SSFER_IMPORT_AFFECTNET && o->classes != 7 && o->classes != 8))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "import: lists of labels and 7 or 8 classes are needed");
    ssfer_status st = readers[o->kind](&j.list, o, err);
    report->left_out = j.list.left_out;
    if (st == SSFER_OK)
        st = prepare(&j, err);
    if (st == SSFER_OK)
        st = write_all(&j, err);
    ssfer_import_finder_close(&j.finder);
    ssfer_import_list_deinit(&j.list);
    ssfer_free(j.found);
    return st;
}

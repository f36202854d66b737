#include "predict/output.h"

#include "base/number.h"
#include "base/size.h"
#include "base/text.h"
#include "data/csv.h"

#include <string.h>

static const char *const STATUS_NAMES[] = {"ok", "no_face", "error"};

static size_t best_of(const float *p, size_t K)
{
    size_t best = 0;
    for (size_t k = 1; k < K; k++)
        best = p[k] > p[best] ? k : best;
    return best;
}

static const char *region(const ssfer_face_row *row)
{
    return row->face ? "face" : "picture";
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void put_floats(ssfer_json_writer *w, const char *key, const float *values, size_t count)
{
    ssfer_json_key(w, key);
    ssfer_json_begin_flat_array(w);
    for (size_t i = 0; i < count; i++)
        ssfer_json_float(w, values[i]);
    ssfer_json_end(w);
}

static void put_face(ssfer_json_writer *w, const ssfer_face *face)
{
    put_floats(w, "box", face->box, 4);
    ssfer_json_put_float(w, "confidence", face->confidence);
    ssfer_json_key(w, "keypoints");
    ssfer_json_begin_flat_array(w);
    for (size_t i = 0; i < 5; i++) {
        ssfer_json_begin_flat_array(w);
        for (size_t k = 0; k < 3; k++)
            ssfer_json_float(w, face->keypoints[i][k]);
        ssfer_json_end(w);
    }
    ssfer_json_end(w);
}

static void json_row(ssfer_json_writer *w, const ssfer_output *o, const ssfer_face_row *row)
{
    ssfer_json_begin_flat_object(w);
    ssfer_json_put_string(w, "file", row->file);
    ssfer_json_put_uint(w, "frame", row->frame);
    ssfer_json_put_string(w, "status", STATUS_NAMES[row->status]);
    if (row->message)
        ssfer_json_put_string(w, "message", row->message);
    if (row->picture)
        ssfer_json_put_string(w, "picture", row->picture);
    if (row->face)
        put_face(w, row->face);
    if (row->status == SSFER_FACE_OK && o->class_count) {
        if (o->regions)
            ssfer_json_put_string(w, "region", region(row));
        ssfer_json_put_string(w, "expression", o->classes[best_of(row->probabilities, o->class_count)]);
        ssfer_json_key(w, "probabilities");
        ssfer_json_begin_flat_object(w);
        for (size_t k = 0; k < o->class_count; k++)
            ssfer_json_put_float(w, o->classes[k], row->probabilities[k]);
        ssfer_json_end(w);
        put_floats(w, "logits", row->logits, o->class_count);
    }
    ssfer_json_end(w);
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

static void csv_header(const ssfer_output *o)
{
    static const char *const points[5] = {"left_eye", "right_eye", "nose", "left_mouth", "right_mouth"};
    fputs("file,frame,status,x1,y1,x2,y2,confidence", o->stream);
    for (size_t i = 0; i < 5 && !o->class_count; i++)
        fprintf(o->stream, ",%s_x,%s_y,%s_confidence", points[i], points[i], points[i]);
    if (o->class_count)
        fputs(o->regions ? ",region,expression" : ",expression", o->stream);
    for (size_t k = 0; k < o->class_count; k++) {
        fputc(',', o->stream);
        ssfer_csv_put(o->stream, "p_", o->classes[k]);
    }
    fputs(",message\n", o->stream);
}

/* A column, empty without a value. */
static void csv_number(const ssfer_output *o, int decimals, const float *value)
{
    fputc(',', o->stream);
    if (value)
        ssfer_fprintf(o->stream, "%.*f", decimals, (double)*value);
}

static void csv_row(const ssfer_output *o, const ssfer_face_row *row)
{
    ssfer_csv_put(o->stream, "", row->file);
    fprintf(o->stream, ",%zu,%s", row->frame, STATUS_NAMES[row->status]);
    for (size_t i = 0; i < 4; i++)
        csv_number(o, 2, row->face ? &row->face->box[i] : NULL);
    csv_number(o, 4, row->face ? &row->face->confidence : NULL);
    for (size_t i = 0; i < 15 && !o->class_count; i++)
        csv_number(o, i % 3 == 2 ? 4 : 2, row->face ? &row->face->keypoints[i / 3][i % 3] : NULL);
    if (o->regions)
        fprintf(o->stream, ",%s", row->status == SSFER_FACE_OK ? region(row) : "");
    if (o->class_count)
        fputc(',', o->stream);
    if (row->status == SSFER_FACE_OK && o->class_count)
        ssfer_csv_put(o->stream, "", o->classes[best_of(row->probabilities, o->class_count)]);
    for (size_t k = 0; k < o->class_count; k++) {
        fputc(',', o->stream);
        if (row->status == SSFER_FACE_OK)
            ssfer_fprintf(o->stream, "%.6f", (double)row->probabilities[k]);
    }
    fputc(',', o->stream);
    ssfer_csv_put(o->stream, "", row->message ? row->message : "");
    fputc('\n', o->stream);
}

/* ---- table ------------------------------------------------------------------------------------------------------- */

enum { FILE_COLUMNS = 40, LEAST_FILE_COLUMNS = 16, CLASS_COLUMNS = 10, MOST_CLASS_COLUMNS = 24, PERCENT_COLUMNS = 7 };
enum { BAR_COLUMNS = 20, PLACE_COLUMNS = 14 /* "at 1234, 1234" */, BOX_COLUMNS = 14 /* "  1234 x 1234 " */ };

/* What fits: on a narrow terminal first the bar goes, then the second class, then the place. */
static void plan_table(ssfer_output *o)
{
    const size_t middle = 2 + (o->regions ? PLACE_COLUMNS : BAR_COLUMNS);
    o->file_columns = FILE_COLUMNS;
    o->class_columns = CLASS_COLUMNS;
    for (size_t k = 0; k < o->class_count; k++)
        o->class_columns = ssfer_max_size(o->class_columns, ssfer_text_columns(o->classes[k]));
    o->class_columns = ssfer_min_size(o->class_columns, MOST_CLASS_COLUMNS);
    const size_t best = 2 + o->class_columns + 1 + PERCENT_COLUMNS, second = best + strlen("then ");
    o->with_middle = o->with_second = true;
    if (!o->columns)
        return;
    size_t needed = o->class_count ? best + middle + second : 2 + PERCENT_COLUMNS + 2 + BOX_COLUMNS + 2 + PLACE_COLUMNS;
    if (o->class_count && !o->regions && needed + LEAST_FILE_COLUMNS > o->columns) {
        o->with_middle = false;
        needed -= middle;
    }
    if (o->class_count && needed + LEAST_FILE_COLUMNS > o->columns) {
        o->with_second = false;
        needed -= second;
    }
    if (o->class_count && o->with_middle && needed + LEAST_FILE_COLUMNS > o->columns) {
        o->with_middle = false;
        needed -= middle;
    }
    const size_t room = o->columns > needed ? o->columns - needed : 0;
    o->file_columns = ssfer_min_size(FILE_COLUMNS, ssfer_max_size(room, LEAST_FILE_COLUMNS));
}

static void table_header(const ssfer_output *o)
{
    fprintf(o->stream, "%s%-*s", o->bold, (int)o->file_columns, "file");
    if (!o->class_count)
        fprintf(o->stream, "  %*s  %*s  at", PERCENT_COLUMNS, "conf.", BOX_COLUMNS, "width x height");
    else
        fprintf(o->stream, "  %-*s %*s", (int)o->class_columns, "expression", PERCENT_COLUMNS, "prob.");
    if (o->class_count && o->regions && o->with_middle)
        fputs("  where", o->stream);
    fprintf(o->stream, "%s\n", o->reset);
}

static void table_face(const ssfer_output *o, const ssfer_face *face)
{
    const float *b = face->box;
    ssfer_fprintf(o->stream, "  %s%5.1f %%%s  %6.0f x %-5.0f  %sat %.0f, %.0f%s\n", o->bold,
                  100.0 * (double)face->confidence, o->reset, (double)(b[2] - b[0]), (double)(b[3] - b[1]), o->dim,
                  (double)b[0], (double)b[1], o->reset);
}

/* A bar, or with a detector where the face is. */
static void table_middle(const ssfer_output *o, const ssfer_face_row *row, float share, bool last)
{
    char text[64] = "";
    if (!o->regions)
        memset(text, '#', (size_t)((double)share * BAR_COLUMNS + 0.5));
    else if (row->face)
        ssfer_snprintf(text, sizeof text, "at %.0f, %.0f", (double)row->face->box[0], (double)row->face->box[1]);
    else
        snprintf(text, sizeof text, "whole picture");
    fprintf(o->stream, "  %-*s", last ? 0 : o->regions ? PLACE_COLUMNS : BAR_COLUMNS, text);
}

/* Why there is no expression; whole, also on a narrow terminal, since it says what to do. */
static void table_reason(const ssfer_output *o, const ssfer_face_row *row)
{
    fprintf(o->stream, "  %s%s", o->dim, row->status == SSFER_FACE_NONE ? "no face" : "error: ");
    if (row->status == SSFER_FACE_ERROR && row->message)
        ssfer_text_print(o->stream, row->message, 0, SSFER_TEXT_LEFT);
    fprintf(o->stream, "%s\n", o->reset);
}

static size_t second_of(const float *p, size_t K, size_t first)
{
    size_t second = first ? 0 : K > 1;
    for (size_t k = 0; k < K; k++)
        if (k != first && p[k] > p[second])
            second = k;
    return second;
}

static void table_row(const ssfer_output *o, const ssfer_face_row *row)
{
    ssfer_text_print(o->stream, row->file, o->file_columns, SSFER_TEXT_CUT_HEAD);
    if (row->status != SSFER_FACE_OK) {
        table_reason(o, row);
        return;
    }
    if (!o->class_count) {
        table_face(o, row->face);
        return;
    }
    const size_t K = o->class_count, first = best_of(row->probabilities, K);
    const size_t second = second_of(row->probabilities, K, first);
    const bool with_second = o->with_second && second != first;
    fprintf(o->stream, "  %s", o->bold);
    ssfer_text_print(o->stream, o->classes[first], o->class_columns, SSFER_TEXT_CUT_TAIL);
    ssfer_fprintf(o->stream, "%s %5.1f %%", o->reset, 100.0 * (double)row->probabilities[first]);
    if (o->with_middle)
        table_middle(o, row, row->probabilities[first], !with_second);
    if (with_second) {
        const size_t columns = ssfer_min_size(ssfer_text_columns(o->classes[second]), o->class_columns);
        fprintf(o->stream, "  %sthen ", o->dim);
        ssfer_text_print(o->stream, o->classes[second], columns, SSFER_TEXT_CUT_TAIL);
        ssfer_fprintf(o->stream, " %.1f %%%s", 100.0 * (double)row->probabilities[second], o->reset);
    }
    fputc('\n', o->stream);
}

void ssfer_output_begin(ssfer_output *o)
{
    o->rows = 0;
    if (o->format == SSFER_OUTPUT_JSON) {
        ssfer_json_writer_init(&o->json, o->stream, 1);
        ssfer_json_begin_array(&o->json);
    } else if (o->format == SSFER_OUTPUT_CSV) {
        csv_header(o);
    } else if (o->format == SSFER_OUTPUT_TABLE) {
        plan_table(o);
        table_header(o);
    }
}

void ssfer_output_row(ssfer_output *o, const ssfer_face_row *row)
{
    switch (o->format) {
    case SSFER_OUTPUT_TABLE:
        table_row(o, row);
        break;
    case SSFER_OUTPUT_JSON:
        json_row(&o->json, o, row);
        break;
    case SSFER_OUTPUT_JSONL:
        ssfer_json_writer_init(&o->json, o->stream, 0); /* ends a line after every object */
        json_row(&o->json, o, row);
        break;
    case SSFER_OUTPUT_CSV:
        csv_row(o, row);
        break;
    }
    o->rows++;
}

void ssfer_output_end(ssfer_output *o)
{
    if (o->format == SSFER_OUTPUT_JSON)
        ssfer_json_end(&o->json);
}

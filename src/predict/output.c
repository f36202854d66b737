#include "predict/output.h"

#include "base/number.h"

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

/* prefix and text as one value. RFC 4180: quotes where it holds a comma, a quote or a line break. */
static void csv_text(FILE *stream, const char *prefix, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fprintf(stream, "%s%s", prefix, text);
        return;
    }
    fprintf(stream, "\"%s", prefix);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', stream);
        fputc(*text, stream);
    }
    fputc('"', stream);
}

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
        csv_text(o->stream, "p_", o->classes[k]);
    }
    fputc('\n', o->stream);
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
    csv_text(o->stream, "", row->file);
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
        csv_text(o->stream, "", o->classes[best_of(row->probabilities, o->class_count)]);
    for (size_t k = 0; k < o->class_count; k++) {
        fputc(',', o->stream);
        if (row->status == SSFER_FACE_OK)
            ssfer_fprintf(o->stream, "%.6f", (double)row->probabilities[k]);
    }
    fputc('\n', o->stream);
}

/* ---- table ------------------------------------------------------------------------------------------------------- */

enum { FILE_COLUMNS = 40, BAR_COLUMNS = 20, PLACE_COLUMNS = 14 };

/* The end of a long path is what tells pictures apart. */
static void table_file(const ssfer_output *o, const char *file)
{
    size_t length = strlen(file);
    if (length > FILE_COLUMNS)
        fprintf(o->stream, "...%s", file + length - (FILE_COLUMNS - 3));
    else
        fprintf(o->stream, "%-*s", FILE_COLUMNS, file);
}

static void table_face(const ssfer_output *o, const ssfer_face *face)
{
    const float *b = face->box;
    ssfer_fprintf(o->stream, "  %s%5.1f %%%s  %6.0f x %-6.0f %sat %.0f, %.0f%s\n", o->bold,
                  100.0 * (double)face->confidence, o->reset, (double)(b[2] - b[0]), (double)(b[3] - b[1]), o->dim,
                  (double)b[0], (double)b[1], o->reset);
}

/* A bar, or with a detector where the face is. */
static void table_middle(const ssfer_output *o, const ssfer_face_row *row, float share)
{
    char text[64] = "";
    if (!o->regions)
        memset(text, '#', (size_t)((double)share * BAR_COLUMNS + 0.5));
    else if (row->face)
        ssfer_snprintf(text, sizeof text, "at %.0f, %.0f", (double)row->face->box[0], (double)row->face->box[1]);
    else
        snprintf(text, sizeof text, "whole picture");
    fprintf(o->stream, "  %-*s", o->regions ? PLACE_COLUMNS : BAR_COLUMNS, text);
}

static void table_row(const ssfer_output *o, const ssfer_face_row *row)
{
    table_file(o, row->file);
    if (row->status != SSFER_FACE_OK) {
        fprintf(o->stream, "  %s%s%s%s\n", o->dim, row->status == SSFER_FACE_NONE ? "no face" : "error: ",
                row->status == SSFER_FACE_ERROR && row->message ? row->message : "", o->reset);
        return;
    }
    if (!o->class_count) {
        table_face(o, row->face);
        return;
    }
    const size_t K = o->class_count, first = best_of(row->probabilities, K);
    size_t second = first ? 0 : K > 1;
    for (size_t k = 0; k < K; k++)
        if (k != first && row->probabilities[k] > row->probabilities[second])
            second = k;
    ssfer_fprintf(o->stream, "  %s%-10s%s %5.1f %%", o->bold, o->classes[first], o->reset,
                  100.0 * (double)row->probabilities[first]);
    table_middle(o, row, row->probabilities[first]);
    if (second != first)
        ssfer_fprintf(o->stream, "  %sthen %s %.1f %%%s", o->dim, o->classes[second],
                      100.0 * (double)row->probabilities[second], o->reset);
    fputc('\n', o->stream);
}

void ssfer_output_begin(ssfer_output *o)
{
    o->rows = 0;
    if (o->format == SSFER_OUTPUT_JSON) {
        ssfer_json_writer_init(&o->json, o->stream, 1);
        ssfer_json_begin_array(&o->json);
    } else if (o->format == SSFER_OUTPUT_CSV)
        csv_header(o);
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

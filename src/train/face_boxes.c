#include "train/face_boxes.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/size.h"
#include "io/json.h"
#include "nn/try.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char FORMAT_NAME[] = "ssfer-face-boxes";
enum { FORMAT_VERSION = 1, BATCH = 16, SIDE = 224 /* of the default box */, STRIDE = 32 /* of the usual detectors */ };
#define MAX_FILE_BYTES ((size_t)1 << 30)
#define FEW 0.02 /* a share of pictures with one face below which FaceMix is mixup but in name */

/* ---- the file ---------------------------------------------------------------------------------------------------- */

void ssfer_face_boxes_hash(char out[24], const unsigned char *data, size_t size_bytes)
{
    snprintf(out, 24, "%016" PRIx64, ssfer_hash64(data, size_bytes, 0));
}

static ssfer_status hash_file(char out[24], const char *path, ssfer_error *err)
{
    ssfer_file_map map;
    TRY(ssfer_file_map_open(&map, path, err));
    ssfer_face_boxes_hash(out, map.data, map.size_bytes);
    ssfer_file_map_close(&map);
    return SSFER_OK;
}

bool ssfer_face_boxes_is_box(const double box[4])
{
    for (int k = 0; k < 4; k++)
        if (!(fabs(box[k]) <= SSFER_FACE_BOX_MAX_PX))
            return false;
    return (float)box[2] > (float)box[0] && (float)box[3] > (float)box[1];
}

/* The entry of a picture: its box, or null (then *found is false). */
static ssfer_status read_entry(double box[4], bool *found, const ssfer_json_iter *entry, const char *file,
                               ssfer_error *err)
{
    size_t k = 0;
    *found = ssfer_json_kind_of(entry->value) != SSFER_JSON_NULL;
    if (!*found)
        return SSFER_OK;
    const bool four = ssfer_json_kind_of(entry->value) == SSFER_JSON_ARRAY && ssfer_json_count(entry->value) == 4;
    while (four && k < 4 && ssfer_json_to_double(&box[k], ssfer_json_at(entry->value, k), "", NULL) == SSFER_OK)
        k++;
    if (k < 4 || !ssfer_face_boxes_is_box(box))
        return ssfer_fail(err, SSFER_ERR_FORMAT,
                          "%s: %.200s: a face is null or [left, top, right, bottom] in pixels; remove the file or give "
                          "another",
                          file, entry->key);
    return SSFER_OK;
}

/* Entries of pictures that are not in the set: another one shares the file. They were read without an error before. */
static void write_others(ssfer_json_writer *w, const ssfer_dataset *set, const ssfer_json *before)
{
    double box[4];
    bool found;
    for (ssfer_json_iter i = ssfer_json_each(ssfer_json_find(before, "faces")); ssfer_json_next(&i);) {
        if (ssfer_dataset_find(set, i.key) != SIZE_MAX || read_entry(box, &found, &i, "", NULL) != SSFER_OK)
            continue;
        ssfer_json_key(w, i.key);
        if (!found) {
            ssfer_json_null(w);
            continue;
        }
        ssfer_json_begin_flat_array(w);
        for (int k = 0; k < 4; k++)
            ssfer_json_double(w, box[k]);
        ssfer_json_end(w);
    }
}

/* before: what the file held, or NULL. */
static ssfer_status save(const ssfer_face_boxes *b, const ssfer_dataset *set, const ssfer_face_boxes_options *o,
                         const char *hash, const ssfer_json *before, ssfer_error *err)
{
    ssfer_file_writer file;
    ssfer_json_writer w;
    TRY(ssfer_file_writer_open(&file, o->file, err));
    ssfer_json_writer_init(&w, file.stream, 1);
    ssfer_json_begin_object(&w);
    ssfer_json_put_string(&w, "format", FORMAT_NAME);
    ssfer_json_put_int(&w, "version", FORMAT_VERSION);
    ssfer_json_put_string(&w, "dataset", ssfer_dataset_source(set));
    ssfer_json_put_string(&w, "detector", hash);
    ssfer_json_put_uint(&w, "size", o->find.size);
    ssfer_json_put_float(&w, "confidence", o->find.confidence);
    ssfer_json_put_float(&w, "iou", o->find.iou);
    ssfer_json_key(&w, "faces");
    ssfer_json_begin_object(&w);
    for (size_t i = 0; i < b->count; i++) {
        if (b->state[i] == SSFER_FACE_BOX_UNKNOWN)
            continue;
        ssfer_json_key(&w, ssfer_dataset_path(set, i));
        if (b->state[i] == SSFER_FACE_BOX_NONE) {
            ssfer_json_null(&w);
            continue;
        }
        ssfer_json_begin_flat_array(&w);
        for (int k = 0; k < 4; k++)
            ssfer_json_float(&w, b->boxes[i][k]);
        ssfer_json_end(&w);
    }
    write_others(&w, set, before);
    ssfer_json_end(&w);
    ssfer_json_end(&w);
    fputc('\n', file.stream);
    return ssfer_file_writer_commit(&file, err);
}

static ssfer_status check_settings(const ssfer_json *document, const ssfer_face_boxes_options *o, const char *hash,
                                   ssfer_error *err)
{
    const char *format = NULL, *made_by = NULL;
    int64_t version = 0;
    size_t size = 0;
    double confidence = 0.0, iou = 0.0;
    if (ssfer_json_get_string(&format, document, "format", o->file, NULL) != SSFER_OK ||
        strcmp(format, FORMAT_NAME) != 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: not a file of face boxes; give another name", o->file);
    TRY(ssfer_json_get_int(&version, document, "version", o->file, err));
    if (version != FORMAT_VERSION)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: version %" PRId64 "; this program reads version %d", o->file,
                          version, FORMAT_VERSION);
    TRY(ssfer_json_get_string(&made_by, document, "detector", o->file, err));
    TRY(ssfer_json_get_size(&size, document, "size", o->file, err));
    TRY(ssfer_json_get_double(&confidence, document, "confidence", o->file, err));
    TRY(ssfer_json_get_double(&iou, document, "iou", o->file, err));
    if (strcmp(made_by, hash) != 0 || size != o->find.size || (float)confidence != o->find.confidence ||
        (float)iou != o->find.iou)
        return ssfer_fail(
            err, SSFER_ERR_ARGUMENT,
            "%s: boxes of another detector, or found with other settings; remove the file or give another", o->file);
    return SSFER_OK;
}

/* Entries of pictures that are not in the set are checked as well, since they will be written again. */
static ssfer_status read_face(ssfer_face_boxes *b, const ssfer_dataset *set, const ssfer_json_iter *entry,
                              const char *file, ssfer_error *err)
{
    double box[4];
    bool found;
    TRY(read_entry(box, &found, entry, file, err));
    const size_t i = ssfer_dataset_find(set, entry->key);
    if (i == SIZE_MAX)
        return SSFER_OK;
    b->state[i] = found ? SSFER_FACE_BOX_ONE : SSFER_FACE_BOX_NONE;
    for (int k = 0; k < 4 && found; k++)
        b->boxes[i][k] = (float)box[k];
    return SSFER_OK;
}

/* *document: what the file holds, for the caller to destroy; NULL without a file. */
static ssfer_status load(ssfer_face_boxes *b, ssfer_json **document, const ssfer_dataset *set,
                         const ssfer_face_boxes_options *o, const char *hash, ssfer_error *err)
{
    const ssfer_json *faces = NULL;
    if (!ssfer_file_exists(o->file))
        return SSFER_OK;
    TRY(ssfer_json_read(document, o->file, MAX_FILE_BYTES, err));
    const ssfer_status fits = check_settings(*document, o, hash, err);
    if (fits == SSFER_ERR_ARGUMENT && o->replace) {
        ssfer_json_destroy(*document);
        *document = NULL;
        return SSFER_OK;
    }
    TRY(fits);
    TRY(ssfer_json_get_container(&faces, *document, "faces", SSFER_JSON_OBJECT, o->file, err));
    for (ssfer_json_iter i = ssfer_json_each(faces); ssfer_json_next(&i);)
        TRY(read_face(b, set, &i, o->file, err));
    return SSFER_OK;
}

/* Names alone do not tell sets apart: a file of another set is worth a line. (Older files do not say.) */
static void tell_origin(const ssfer_json *document, const ssfer_dataset *set, size_t missing, size_t count,
                        const ssfer_face_boxes_options *o)
{
    const char *origin = NULL;
    if (document && ssfer_json_get_string(&origin, document, "dataset", o->file, NULL) == SSFER_OK &&
        strcmp(origin, ssfer_dataset_source(set)) != 0)
        ssfer_warn(o->log, "%s: made for %s; %zu of %zu pictures are new to it, the others are taken to be the same",
                   o->file, origin, missing, count);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static void keep(ssfer_face_boxes *b, size_t sample, const ssfer_faces *faces)
{
    double box[4];
    for (int k = 0; k < 4 && faces->count == 1; k++)
        box[k] = (double)faces->faces[0].box[k];
    const bool one = faces->count == 1 && ssfer_face_boxes_is_box(box);
    b->state[sample] = one ? SSFER_FACE_BOX_ONE : SSFER_FACE_BOX_NONE;
    if (one)
        memcpy(b->boxes[sample], faces->faces[0].box, sizeof b->boxes[sample]);
}

/* Looks at up to BATCH pictures together. */
static ssfer_status look(ssfer_face_boxes *b, ssfer_detector *detector, const ssfer_dataset *set, const size_t *samples,
                         size_t count, ssfer_error *err)
{
    ssfer_image images[BATCH] = {0};
    ssfer_faces faces[BATCH] = {0};
    size_t places[BATCH], readable = 0;
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; i < count && st == SSFER_OK; i++) {
        st = ssfer_dataset_image(set, samples[i], &images[readable], err);
        if (st == SSFER_OK)
            places[readable++] = samples[i];
        else if (st != SSFER_ERR_MEMORY) { /* the loader will report it */
            b->state[samples[i]] = SSFER_FACE_BOX_NONE;
            st = SSFER_OK;
        }
    }
    if (st == SSFER_OK && readable)
        st = ssfer_detector_run(detector, images, readable, faces, err);
    for (size_t i = 0; i < readable; i++) {
        if (st == SSFER_OK)
            keep(b, places[i], &faces[i]);
        ssfer_faces_deinit(&faces[i]);
        ssfer_image_deinit(&images[i]);
    }
    return st;
}

static ssfer_status look_at_all(ssfer_face_boxes *b, const ssfer_dataset *set, const size_t *missing, size_t count,
                                const ssfer_face_boxes_options *o, ssfer_error *err)
{
    ssfer_progress bar;
    ssfer_status st = SSFER_OK;
    ssfer_progress_begin(&bar, o->progress, "finding faces", "img", count);
    for (size_t i = 0; i < count && st == SSFER_OK; i += BATCH) {
        const size_t n = count - i < BATCH ? count - i : BATCH;
        st = look(b, o->detector, set, missing + i, n, err);
        ssfer_progress_update(&bar, i + n, NULL);
        if (st == SSFER_OK && o->stop && o->stop())
            st = ssfer_fail(err, SSFER_ERR_CANCELLED, "stopped while faces were looked for; go on with --resume");
    }
    ssfer_progress_end(&bar);
    return st;
}

bool ssfer_face_boxes_warn(const ssfer_log *log, const char *detector, size_t found, size_t count)
{
    if ((double)found >= FEW * (double)count)
        return false;
    ssfer_warn(log,
               "%s finds exactly one face in %zu of %zu pictures: nearly all pairs overlap fully and FaceMix is plain "
               "mixup; try a lower --detector-conf or, with --facemix on, another --detector-size",
               detector, found, count);
    return true;
}

static void tell(const ssfer_face_boxes *b, const size_t *indices, size_t count, const ssfer_face_boxes_options *o)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += b->state[indices[i]] == SSFER_FACE_BOX_ONE;
    const double share = 100.0 * (double)found / (double)count;
    if (!ssfer_face_boxes_warn(o->log, o->detector_path, found, count))
        ssfer_info(o->log, "one face in %zu of %zu training pictures (%.1f %%); the others get the default box", found,
                   count, share);
}

ssfer_status ssfer_face_boxes_find(ssfer_face_boxes *out, const ssfer_dataset *set, const size_t *indices,
                                   size_t index_count, const ssfer_face_boxes_options *o, ssfer_error *err)
{
    char hash[24];
    const size_t n = ssfer_dataset_count(set);
    *out = (ssfer_face_boxes){.count = n};
    TRY(hash_file(hash, o->detector_path, err));
    size_t *missing = ssfer_calloc(index_count, sizeof *missing), missing_count = 0;
    out->boxes = ssfer_calloc(n, sizeof *out->boxes);
    out->state = ssfer_calloc(n, 1);
    ssfer_json *before = NULL;
    ssfer_status st = missing && out->boxes && out->state
                          ? load(out, &before, set, o, hash, err)
                          : ssfer_fail(err, SSFER_ERR_MEMORY, "face boxes: out of memory");
    for (size_t i = 0; i < index_count && st == SSFER_OK; i++)
        if (out->state[indices[i]] == SSFER_FACE_BOX_UNKNOWN)
            missing[missing_count++] = indices[i];
    if (st == SSFER_OK)
        tell_origin(before, set, missing_count, index_count, o);
    if (st == SSFER_OK && missing_count) {
        st = look_at_all(out, set, missing, missing_count, o, err);
        if (st == SSFER_OK || st == SSFER_ERR_CANCELLED) {
            const ssfer_status saved = save(out, set, o, hash, before, st == SSFER_OK ? err : NULL);
            st = st == SSFER_OK ? saved : st;
        }
    }
    ssfer_json_destroy(before);
    ssfer_free(missing);
    if (st == SSFER_OK)
        tell(out, indices, index_count, o);
    return st;
}

ssfer_status ssfer_face_boxes_check(const ssfer_face_boxes_options *o, ssfer_error *err)
{
    char hash[24];
    ssfer_json *document = NULL;
    if (!ssfer_file_exists(o->file))
        return SSFER_OK;
    TRY(hash_file(hash, o->detector_path, err));
    TRY(ssfer_json_read(&document, o->file, MAX_FILE_BYTES, err));
    const ssfer_status st = check_settings(document, o, hash, err);
    ssfer_json_destroy(document);
    return st;
}

void ssfer_face_boxes_deinit(ssfer_face_boxes *boxes)
{
    ssfer_free(boxes->boxes);
    ssfer_free(boxes->state);
    *boxes = (ssfer_face_boxes){0};
}

/* ---- using ------------------------------------------------------------------------------------------------------- */

ssfer_facemix_box ssfer_face_boxes_in_view(const ssfer_face_boxes *b, size_t sample, const ssfer_seen *view)
{
    float shown[4];
    const bool seen = sample < b->count && b->state[sample] == SSFER_FACE_BOX_ONE &&
                      ssfer_seen_box(shown, view, b->boxes[sample], SIDE);
    return ssfer_facemix_box_of(shown, seen ? 1 : 0, SSFER_FACEMIX_DEFAULT_BOX);
}

/* Where sample i of `to` lies among `from` samples: bilinear, centres at half coordinates, edges repeated. */
typedef struct place {
    size_t first, second;
    float share; /* of the second */
} place;

static place place_of(size_t i, size_t to, size_t from)
{
    const double at = fmin(fmax(((double)i + 0.5) * ((double)from / (double)to) - 0.5, 0.0), (double)(from - 1));
    const size_t first = (size_t)at;
    return (place){first, first + 1 < from ? first + 1 : first, (float)(at - (double)first)};
}

/* Each row of the plane is widened once; an output row lies between two of them. */
static void enlarge(float *out, size_t seen, const float *plane, size_t side)
{
    place across[SIDE];
    float rows[2][SIDE];
    size_t held[2] = {SIZE_MAX, SIZE_MAX};
    for (size_t x = 0; x < seen; x++)
        across[x] = place_of(x, seen, side);
    for (size_t y = 0; y < seen; y++) {
        const place down = place_of(y, seen, side);
        const size_t wanted[2] = {down.first, down.second};
        for (int k = 0; k < 2; k++) {
            float *row = rows[wanted[k] % 2];
            const float *from = plane + wanted[k] * side;
            for (size_t x = 0; x < seen && held[wanted[k] % 2] != wanted[k]; x++)
                row[x] = from[across[x].first] * (1 - across[x].share) + from[across[x].second] * across[x].share;
            held[wanted[k] % 2] = wanted[k];
        }
        const float *top = rows[down.first % 2], *bottom = rows[down.second % 2];
        for (size_t x = 0; x < seen; x++)
            out[y * seen + x] = top[x] * (1 - down.share) + bottom[x] * down.share;
    }
}

size_t ssfer_face_boxes_seen_side(size_t side)
{
    return side < SIDE ? ssfer_min_size(SIDE, ssfer_align_size(2 * side, STRIDE)) : side;
}

ssfer_status ssfer_face_boxes_in_planes(ssfer_facemix_box *boxes, ssfer_detector *detector, const float *planes,
                                        size_t count, size_t side, ssfer_faces *faces, float *scratch, size_t *one_face,
                                        ssfer_error *err)
{
    const size_t seen = ssfer_face_boxes_seen_side(side);
    for (size_t i = 0; seen != side && i < 3 * count; i++)
        enlarge(scratch + i * seen * seen, seen, planes + i * side * side, side);
    TRY(ssfer_detector_run_planes(detector, seen != side ? scratch : planes, count, seen, seen, NULL, NULL, faces,
                                  err));
    const float scale = (float)SIDE / (float)seen;
    *one_face = 0;
    for (size_t i = 0; i < count; i++) {
        float box[4] = {0};
        for (int k = 0; k < 4 && faces[i].count == 1; k++)
            box[k] = faces[i].faces[0].box[k] * scale;
        boxes[i] = ssfer_facemix_box_of(box, faces[i].count, SSFER_FACEMIX_DEFAULT_BOX);
        *one_face += faces[i].count == 1;
        ssfer_faces_deinit(&faces[i]);
    }
    return SSFER_OK;
}

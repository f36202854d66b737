#include "predict/pictures.h"

#include "base/memory.h"
#include "base/size.h"

#include <string.h>

static const size_t ENOUGH_PIXELS = (size_t)64 << 20; /* of a portion */
static const size_t LARGE_PIXELS = (size_t)32 << 20;  /* a larger picture is read when no other is in memory */

struct ssfer_pictures {
    const ssfer_dataset *set;
    size_t most, threads, next;
    ssfer_image *images; /* most */
    ssfer_error *errors;
    size_t *place;
};

ssfer_status ssfer_pictures_create(ssfer_pictures **out, const ssfer_dataset *set, size_t most, size_t threads,
                                   ssfer_error *err)
{
    *out = NULL;
    ssfer_pictures *p = ssfer_calloc(1, sizeof *p);
    if (p) {
        *p = (ssfer_pictures){.set = set, .most = most, .threads = threads ? threads : 1};
        p->images = ssfer_calloc(most, sizeof *p->images);
        p->errors = ssfer_calloc(most, sizeof *p->errors);
        p->place = ssfer_calloc(most, sizeof *p->place);
    }
    if (!p || !p->images || !p->errors || !p->place) {
        ssfer_pictures_destroy(p);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "pictures: out of memory for %zu at a time", most);
    }
    *out = p;
    return SSFER_OK;
}

void ssfer_pictures_destroy(ssfer_pictures *pictures)
{
    if (!pictures)
        return;
    for (size_t i = 0; pictures->images && i < pictures->most; i++)
        ssfer_image_deinit(&pictures->images[i]);
    ssfer_free(pictures->images);
    ssfer_free(pictures->errors);
    ssfer_free(pictures->place);
    ssfer_free(pictures);
}

/* Messages name the picture, as those of ssfer_dataset_image. max_pixels 0: as many as any picture may have. */
static void read_picture(const ssfer_dataset *set, size_t i, size_t max_pixels, ssfer_image *image, ssfer_error *error)
{
    const ssfer_image_options upright = {.apply_exif_orientation = 1, .max_pixels = max_pixels};
    const unsigned char *bytes;
    unsigned char *owned = NULL;
    size_t size;
    char file[SSFER_LOCATION_MAX], shown[SSFER_PATH_SHOWN];
    *error = (ssfer_error){0};
    ssfer_dataset_location(set, i, file, sizeof file);
    ssfer_path_shown(shown, file);
    if (ssfer_dataset_bytes(set, i, &bytes, &size, &owned, error) == SSFER_OK)
        error->status = ssfer_image_decode(image, bytes, size, shown, &upright, error);
    ssfer_free(owned);
}

/* Reads pictures [from, to) of the portion at their own index, up to the first large one; returns where it stopped. A
 * large one is read as the first of a portion, which it ends. */
static size_t read_pictures(ssfer_pictures *p, size_t from, size_t to, bool *ended)
{
    // NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): the pragma reads it
    int threads = (int)p->threads;
    size_t end = from;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t i = (int64_t)from; i < (int64_t)to; i++)
        read_picture(p->set, p->next + (size_t)i, LARGE_PIXELS, &p->images[i], &p->errors[i]);
    while (end < to && p->errors[end].status != SSFER_ERR_LIMIT)
        end++;
    *ended = end < to;
    for (size_t i = end; i < to; i++) /* read again with the next portion */
        ssfer_image_deinit(&p->images[i]);
    if (*ended && end == 0)
        read_picture(p->set, p->next, 0, &p->images[end++], &p->errors[0]);
    return end;
}

ssfer_status ssfer_pictures_next(ssfer_pictures *p, ssfer_portion *portion, ssfer_error *err)
{
    size_t total = ssfer_dataset_count(p->set), pixels = 0, count = 0, readable = 0;
    size_t left = total > p->next ? total - p->next : 0, limit = ssfer_min_size(left, p->most);
    bool ended = false;
    for (size_t i = 0; i < p->most; i++)
        ssfer_image_deinit(&p->images[i]);
    while (count < limit && pixels < ENOUGH_PIXELS && !ended) { /* a few at a time: their sizes are not known before */
        size_t to = read_pictures(p, count, ssfer_min_size(count + p->threads, limit), &ended);
        for (; count < to; count++)
            pixels += p->images[count].width * p->images[count].height;
    }
    for (size_t i = 0; i < count; i++) {
        if (p->errors[i].status == SSFER_ERR_MEMORY)
            return ssfer_fail(err, SSFER_ERR_MEMORY, "%s", p->errors[i].message);
        p->place[i] = readable;
        if (p->errors[i].status == SSFER_OK && i != readable) {
            p->images[readable] = p->images[i];
            p->images[i] = (ssfer_image){0};
        }
        readable += p->errors[i].status == SSFER_OK;
    }
    *portion = (ssfer_portion){p->next, count, readable, p->images, p->errors, p->place};
    p->next += count;
    return SSFER_OK;
}

const char *ssfer_picture_message(const ssfer_error *error, const char *file)
{
    char shown[SSFER_PATH_SHOWN];
    ssfer_path_shown(shown, file);
    const size_t length = strlen(shown);
    bool named = strncmp(error->message, shown, length) == 0 && strncmp(error->message + length, ": ", 2) == 0;
    return error->message + (named ? length + 2 : 0);
}

/* Pictures of a set in portions that fit into memory, decoded by several threads, upright as their EXIF data say: what
 * commands that look for faces read. */
#ifndef SSFER_PREDICT_PICTURES_H
#define SSFER_PREDICT_PICTURES_H

#include "data/dataset.h"

typedef struct ssfer_pictures ssfer_pictures;

/* At most `most` pictures at a time, and no further ones once there are 64 million pixels; a picture of more than 32
 * million comes alone. So no more are in memory than 64 million and 32 million a thread, or than those of the largest
 * picture (that of a file turned upright, twice). The set must outlive it. */
ssfer_status ssfer_pictures_create(ssfer_pictures **out, const ssfer_dataset *set, size_t most, size_t threads,
                                   ssfer_error *err);
void ssfer_pictures_destroy(ssfer_pictures *pictures); /* NULL is fine */

/* Samples first .. first + count - 1 of the set. Those that could be read lie side by side in images; error[i] tells of
 * the others, and place[i] is the index of sample first + i in images. Borrowed until the next call. */
typedef struct ssfer_portion {
    size_t first, count, readable;
    ssfer_image *images;       /* may be changed, also replaced by others */
    const ssfer_error *errors; /* count; status SSFER_OK: readable */
    const size_t *place;       /* count */
} ssfer_portion;

/* The next portion; count is 0 at the end of the set. Errors: SSFER_ERR_MEMORY; a picture that cannot be read is none.
 */
ssfer_status ssfer_pictures_next(ssfer_pictures *pictures, ssfer_portion *portion, ssfer_error *err);

/* The message of an error without the picture's name in front, for rows that have a column for it. */
const char *ssfer_picture_message(const ssfer_error *error, const char *file);

#endif

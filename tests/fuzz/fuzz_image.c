/* Decoding of any bytes, with and without EXIF, and resizing of what comes out. */
#include "image/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t max_pixels = 1 << 18; /* keeps one input fast */
    ssfer_error err = {0};
    for (int upright = 0; upright < 2; upright++) {
        ssfer_image image, small;
        ssfer_image_options options = {.apply_exif_orientation = upright, .max_pixels = max_pixels};
        if (ssfer_image_decode(&image, data, size, "input", &options, &err) != SSFER_OK) {
            if (image.data || !err.message[0])
                abort();
            break;
        }
        if (image.width * image.height > max_pixels)
            abort();
        if (ssfer_image_resize(&small, &image, 7, 5, SSFER_FILTER_LANCZOS, &err) == SSFER_OK)
            ssfer_image_deinit(&small);
        ssfer_image_deinit(&image);
    }
    return 0;
}

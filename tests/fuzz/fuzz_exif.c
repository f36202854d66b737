/* Any bytes as a picture of each format whose EXIF says how it was held. The decoders are the business of fuzz_image:
 * without them far more inputs are tried. */
#include "fuzz_case.h"
#include "image/exif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ssfer_image_format formats[] = {SSFER_IMAGE_FORMAT_JPEG, SSFER_IMAGE_FORMAT_PNG,
                                                 SSFER_IMAGE_FORMAT_WEBP};
    fuzz_begin(size);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const int orientation = ssfer_exif_orientation(data, size, formats[i]);
        fuzz_require(orientation >= 1 && orientation <= 8, "an orientation that there is not");
    }
    fuzz_end();
    return 0;
}

/* The one thing of EXIF that changes a picture: its orientation.
 * Source: EXIF 2.32 (JEITA CP-3451E), tag 0x0112, in a TIFF 6.0 directory. */
#ifndef SSFER_IMAGE_EXIF_H
#define SSFER_IMAGE_EXIF_H

#include "image/codec.h"

/* The orientation (1..8) that the file declares; 1, "as stored", where it declares none or a senseless one. Reads only
 * inside the given bytes and takes time linear in the number of segments; damaged EXIF is no error. */
int ssfer_exif_orientation(const uint8_t *bytes, size_t size_bytes, ssfer_image_format format);

/* Turns a picture that was stored with `orientation` upright, into `out` (made here; must not be `in`). */
ssfer_status ssfer_exif_turn(ssfer_image *out, const ssfer_image *in, int orientation, ssfer_error *err);

#endif

/* What a camera and a file format do to a picture: blur, tone, colour, sensor noise, block quantisation. */
#ifndef SSFER_SYNTH_CAMERA_H
#define SSFER_SYNTH_CAMERA_H

#include "synth/params.h"

/* rgb: size x size x 3 floats 0 .. 255, rows from the top; changed in place. scratch: as many floats. */
void ssfer_synth_expose(float *rgb, float *scratch, size_t size, const synth_params *params);

#endif

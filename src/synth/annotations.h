/* The table of everything that is known about the pictures of a set: annotations.csv. */
#ifndef SSFER_SYNTH_ANNOTATIONS_H
#define SSFER_SYNTH_ANNOTATIONS_H

#include "image/codec.h"
#include "synth/synth.h"

/* Adds the header line, or the line of one picture. Numbers have a point and fixed decimals in every locale.
 * false: no memory. */
bool ssfer_synth_annotations_begin(ssfer_byte_buffer *csv);
bool ssfer_synth_annotations_add(ssfer_byte_buffer *csv, const char *path, const ssfer_synth_truth *truth);

#endif

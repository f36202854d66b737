/* Everything that a face is drawn from. Sampling (params.c, expression.c) and drawing (draw_*.c) meet only here.
 *
 * Head coordinates: x to the picture's right, y down, z towards the viewer; the eyes lie near y = 0, the crown at
 * y = -1, the chin near y = 1, so one unit is half a head. Colours are sRGB, 0 .. 1. */
#ifndef SSFER_SYNTH_PARAMS_H
#define SSFER_SYNTH_PARAMS_H

#include "synth/synth.h"

typedef struct synth_rgb {
    double r, g, b;
} synth_rgb;

typedef enum synth_hair {
    SYNTH_HAIR_BALD,
    SYNTH_HAIR_BUZZ,
    SYNTH_HAIR_SHORT,
    SYNTH_HAIR_SIDE_PART,
    SYNTH_HAIR_RECEDING,
    SYNTH_HAIR_FRINGE,
    SYNTH_HAIR_BOB,
    SYNTH_HAIR_LONG,
    SYNTH_HAIR_CURLY,
    SYNTH_HAIR_BUN,
    SYNTH_HAIR_SCARF,
    SYNTH_HAIR_COUNT
} synth_hair;

typedef enum synth_beard {
    SYNTH_BEARD_NONE,
    SYNTH_BEARD_STUBBLE,
    SYNTH_BEARD_MOUSTACHE,
    SYNTH_BEARD_GOATEE,
    SYNTH_BEARD_FULL
} synth_beard;

typedef enum synth_glasses {
    SYNTH_GLASSES_NONE,
    SYNTH_GLASSES_ROUND,
    SYNTH_GLASSES_SQUARE,
    SYNTH_GLASSES_THICK
} synth_glasses;

typedef enum synth_backdrop {
    SYNTH_BACKDROP_FLAT,
    SYNTH_BACKDROP_GRADIENT,
    SYNTH_BACKDROP_BLOBS,
    SYNTH_BACKDROP_STRIPES,
    SYNTH_BACKDROP_ROOM,
    SYNTH_BACKDROP_CLOUDS,
    SYNTH_BACKDROP_COUNT
} synth_backdrop;

typedef enum synth_occluder {
    SYNTH_OCCLUDER_NONE,
    SYNTH_OCCLUDER_HAND,
    SYNTH_OCCLUDER_MASK_EDGE,
    SYNTH_OCCLUDER_HAIR_STRAND,
    SYNTH_OCCLUDER_OBJECT
} synth_occluder;

/* All fields are double, so that a test can walk over them; deviations are around 0, shares 0 .. 1. */
typedef struct synth_identity {
    double age;       /* 0 young adult .. 1 old */
    double masculine; /* 0 .. 1 */
    double head_width, jaw, chin_width, chin_length, cheek;
    double brow_height, brow_tilt, brow_arch, brow_thickness, brow_length;
    double eye_spacing, eye_size, eye_open, eye_tilt, eye_fold;
    double nose_width, nose_length, nose_bridge;
    double mouth_height, mouth_width, mouth_curve, lip_upper, lip_lower;
    double ear_size, hairline, hair_volume, hair_parting, freckles, makeup;
    synth_rgb skin, hair_colour, brow_colour, iris, lips, clothes, glasses_colour;
} synth_identity;

typedef struct synth_pose {
    double yaw, pitch, roll; /* radians: to the picture's right, up, clockwise */
    double gaze_x, gaze_y;
} synth_pose;

typedef struct synth_light {
    double angle; /* where it comes from, radians, 0 = from the right, -pi/2 = from above */
    double strength, ambient, gloss;
} synth_light;

typedef struct synth_camera {
    double fill, offset_x,
        offset_y; /* the box's longer side as a share of the free picture; place in the rest, -1 .. 1 */
    double blur;  /* Gaussian deviation as a share of the picture's side */
    double exposure, contrast, gamma, warmth, saturation; /* saturation 0 is a gray picture */
    double vignette, noise, quantiser;                    /* quantiser 0: none; 1 is about JPEG quality 25 */
} synth_camera;

typedef struct synth_scene {
    double angle, scale, x, y;                        /* of the backdrop */
    synth_rgb colour[3];                              /* of the backdrop */
    double cover_x, cover_y, cover_angle, cover_size; /* of the occluder */
    synth_rgb cover;
} synth_scene;

typedef struct synth_kinds {
    synth_hair hair;
    synth_beard beard;
    synth_glasses glasses;
    synth_backdrop backdrop;
    synth_occluder occluder;
} synth_kinds;

typedef struct synth_params {
    ssfer_synth_expression expression;
    double au[SSFER_SYNTH_AU_COUNT][2]; /* left and right half as seen in the picture */
    synth_identity identity;
    synth_pose pose;
    synth_light light;
    synth_camera camera;
    synth_scene scene;
    synth_kinds kinds;
    uint64_t seed, index; /* name the random streams of the pixels: texture and sensor noise */
} synth_params;

/* Which part of a face a random stream is for (the stream's `epoch`): one part can change without moving the others.
 * Part of the reproducibility contract: append, never renumber. */
typedef enum synth_stream {
    SYNTH_STREAM_LABEL,
    SYNTH_STREAM_EXPRESSION,
    SYNTH_STREAM_IDENTITY,
    SYNTH_STREAM_POSE,
    SYNTH_STREAM_LIGHT,
    SYNTH_STREAM_CAMERA,
    SYNTH_STREAM_SCENE,
    SYNTH_STREAM_TEXTURE,
    SYNTH_STREAM_NOISE
} synth_stream;

/* Checks the options and draws the parameters of a face. */
ssfer_status ssfer_synth_sample(synth_params *params, const ssfer_synth_options *options, uint64_t index,
                                ssfer_error *err);

/* Action units of one face showing `expression` (expression.c). `stray` scales units that are no part of it. */
void ssfer_synth_sample_action_units(double au[SSFER_SYNTH_AU_COUNT][2], ssfer_synth_expression expression,
                                     double stray, uint64_t seed, uint64_t index);

/* Whether a unit may belong to an expression in some EMFACS combination (the tests compare against it). */
bool ssfer_synth_au_belongs(ssfer_synth_expression expression, ssfer_synth_au au);

#endif

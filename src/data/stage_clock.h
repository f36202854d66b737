/* Where the loader's time goes: each stage of a picture's way from the file to the batch ends with a lap, so that the
 * stages add up to the whole. Processor time of the calling thread, which other programs on the machine do not
 * lengthen.
 */
#ifndef SSFER_DATA_STAGE_CLOCK_H
#define SSFER_DATA_STAGE_CLOCK_H

#include "base/clock.h"

#include <stdbool.h>

typedef enum ssfer_stage {
    SSFER_STAGE_DECODE,   /* reading the file and decoding */
    SSFER_STAGE_RESAMPLE, /* drawing the crop, resizing it */
    SSFER_STAGE_AUGMENT,  /* RandAugment, random erasing */
    SSFER_STAGE_NORMALISE,
    SSFER_STAGE_OTHER, /* handing places to workers, labels */
    SSFER_STAGES
} ssfer_stage;

typedef struct ssfer_stage_clock {
    bool on; /* {0}: laps cost a comparison */
    double last_s, spent_s[SSFER_STAGES];
} ssfer_stage_clock;

static inline void ssfer_stage_lap(ssfer_stage_clock *clock, ssfer_stage stage)
{
    if (!clock->on)
        return;
    const double now = ssfer_thread_clock_s();
    clock->spent_s[stage] += now - clock->last_s;
    clock->last_s = now;
}

#endif

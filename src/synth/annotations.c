#include "synth/annotations.h"

#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const keypoint_names[5] = {"left_eye", "right_eye", "nose", "left_mouth", "right_mouth"};

static bool put_text(ssfer_byte_buffer *csv, const char *text)
{
    return ssfer_byte_buffer_append(csv, text, strlen(text));
}

bool ssfer_synth_annotations_begin(ssfer_byte_buffer *csv)
{
    char cell[48];
    bool good = put_text(csv, "path,label,x1,y1,x2,y2");
    for (int i = 0; i < 5; i++) {
        snprintf(cell, sizeof cell, ",%s_x,%s_y", keypoint_names[i], keypoint_names[i]);
        good = good && put_text(csv, cell);
    }
    good = good && put_text(csv, ",yaw,pitch,roll,occluded");
    for (int i = 0; i < SSFER_SYNTH_AU_COUNT; i++) {
        int number = ssfer_synth_au_number((ssfer_synth_au)i);
        snprintf(cell, sizeof cell, ",au%d_left,au%d_right", number, number);
        good = good && put_text(csv, cell);
    }
    return good && put_text(csv, "\n");
}

/* ",-12.34"; never "-0.00" */
static bool put_number(ssfer_byte_buffer *csv, double value)
{
    char cell[32];
    ssfer_snprintf(cell, sizeof cell, ",%.2f", (double)lround(100 * value) / 100);
    return put_text(csv, cell);
}

bool ssfer_synth_annotations_add(ssfer_byte_buffer *csv, const char *path, const ssfer_synth_truth *truth)
{
    bool good = put_text(csv, path) && put_text(csv, ",") && put_text(csv, ssfer_synth_expression_name(truth->label));
    for (int i = 0; i < 4; i++)
        good = good && put_number(csv, truth->box[i]);
    for (int i = 0; i < 10; i++)
        good = good && put_number(csv, truth->keypoints[i / 2][i % 2]);
    good = good && put_number(csv, truth->yaw_deg) && put_number(csv, truth->pitch_deg);
    good = good && put_number(csv, truth->roll_deg) && put_text(csv, truth->occluded ? ",1" : ",0");
    for (int i = 0; i < 2 * SSFER_SYNTH_AU_COUNT; i++)
        good = good && put_number(csv, truth->au[i / 2][i % 2]);
    return good && put_text(csv, "\n");
}

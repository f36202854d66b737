#include "data/randaugment.h"

#include "base/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* timm's two sets, in its order: an operation by its plain name and by the one whose effect grows with magnitude. */
static const char *const op_names[SSFER_RANDAUGMENT_OPS][2] = {
    {"AutoContrast", "AutoContrast"},
    {"Equalize", "Equalize"},
    {"Invert", "Invert"},
    {"Rotate", "Rotate"},
    {"Posterize", "PosterizeIncreasing"},
    {"Solarize", "SolarizeIncreasing"},
    {"SolarizeAdd", "SolarizeAdd"},
    {"Color", "ColorIncreasing"},
    {"Contrast", "ContrastIncreasing"},
    {"Brightness", "BrightnessIncreasing"},
    {"Sharpness", "SharpnessIncreasing"},
    {"ShearX", "ShearX"},
    {"ShearY", "ShearY"},
    {"TranslateXRel", "TranslateXRel"},
    {"TranslateYRel", "TranslateYRel"},
};

const ssfer_op *ssfer_randaugment_op(const ssfer_randaugment *policy, size_t i)
{
    return ssfer_op_find(op_names[i][policy->increasing]);
}

/* Digits and a point, without sign and exponent: a '-' begins another part. */
static bool read_number(const char *text, size_t length, double *out)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] != '.' && (text[i] < '0' || text[i] > '9'))
            return false;
    return ssfer_parse_double(out, text, length) == SSFER_OK;
}

enum part { PART_M, PART_N, PART_P, PART_MSTD, PART_MMAX, PART_INC, PART_COUNT };

static const struct {
    const char *key, *range;
    double low, high;
    bool whole;
} part_rules[PART_COUNT] = {
    [PART_M] = {"m", "0 to 100", 0.0, SSFER_OP_MAX_MAGNITUDE, false},
    [PART_N] = {"n", "a whole number from 0 to 16", 0.0, SSFER_RANDAUGMENT_MAX_LAYERS, true},
    [PART_P] = {"p", "0 to 1", 0.0, 1.0, false},
    [PART_MSTD] = {"mstd", "0 or more", 0.0, HUGE_VAL, false},
    [PART_MMAX] = {"mmax", "above 0, at most 100", DBL_MIN, SSFER_OP_MAX_MAGNITUDE, false},
    [PART_INC] = {"inc", "0 or 1", 0.0, 1.0, true},
};

static enum part find_part(const char *key, size_t length)
{
    enum part k = 0;
    while (k < PART_COUNT && (strlen(part_rules[k].key) != length || memcmp(part_rules[k].key, key, length) != 0))
        k++;
    return k;
}

/* One part of the text, like m9. values, given: by part. */
static ssfer_status read_part(double values[PART_COUNT], bool given[PART_COUNT], const char *text, size_t length,
                              ssfer_error *err)
{
    const int shown = (int)(length < 40 ? length : 40);
    size_t key = 0;
    double value;
    while (key < length && !(text[key] >= '0' && text[key] <= '9'))
        key++;
    const enum part k = find_part(text, key);
    if (k == PART_COUNT && length && (*text == 'w' || *text == 't')) /* timm's */
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "RandAugment part \"%.*s\": all operations are drawn equally often here; leave it out", shown,
                          text);
    if (k == PART_COUNT)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "RandAugment part \"%.*s\": m, n, p, mstd, mmax and inc are known, each with a number", shown,
                          text);
    if (!read_number(text + key, length - key, &value) || !(value >= part_rules[k].low) ||
        !(value <= part_rules[k].high) || (part_rules[k].whole && value != floor(value)))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "RandAugment part \"%.*s\": %s takes %s", shown, text,
                          part_rules[k].key, part_rules[k].range);
    if (given[k])
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "RandAugment part \"%.*s\": %s comes twice", shown, text,
                          part_rules[k].key);
    given[k] = true;
    values[k] = value;
    return SSFER_OK;
}

ssfer_status ssfer_randaugment_parse(ssfer_randaugment *out, const char *text, ssfer_error *err)
{
    double values[PART_COUNT] = {[PART_M] = 10.0, [PART_N] = 2.0, [PART_P] = 0.5, [PART_MMAX] = 10.0};
    bool given[PART_COUNT] = {false};
    if (!*text || strcmp(text, "none") == 0) {
        *out = (ssfer_randaugment){0};
        return SSFER_OK;
    }
    size_t length = strcspn(text, "-");
    if (length != 4 || memcmp(text, "rand", 4) != 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "augmentation \"%.60s\": none, or like rand-m9-mstd0.5-inc1", text);
    for (const char *at = text + length; *at; at += length) {
        length = strcspn(++at, "-");
        ssfer_status st = read_part(values, given, at, length, err);
        if (st != SSFER_OK)
            return st;
    }
    *out = (ssfer_randaugment){.layers = (unsigned)values[PART_N],
                               .probability = values[PART_P],
                               .magnitude = values[PART_M],
                               .magnitude_std = values[PART_MSTD],
                               .magnitude_max = values[PART_MMAX],
                               .increasing = values[PART_INC] > 0.0};
    return SSFER_OK;
}

/* "0.5": the shortest decimal number that reads back as the same value, without an exponent, whose '-' would begin
 * another part. Values are below 10^3, so 15 digits always suffice for what parse accepts. */
static void append_number(char *out, const char *key, double value)
{
    size_t used = strlen(out);
    long long scale = 1, n = llround(value);
    int digits = 0;
    while ((double)n / (double)scale != value && digits < 15) {
        digits++;
        scale *= 10;
        n = llround(value * (double)scale);
    }
    snprintf(out + used, SSFER_RANDAUGMENT_TEXT - used, digits ? "-%s%lld.%0*lld" : "-%s%lld", key, n / scale, digits,
             n % scale);
}

void ssfer_randaugment_format(const ssfer_randaugment *p, char out[SSFER_RANDAUGMENT_TEXT])
{
    if (p->layers == 0) {
        snprintf(out, SSFER_RANDAUGMENT_TEXT, "none");
        return;
    }
    snprintf(out, SSFER_RANDAUGMENT_TEXT, "rand");
    append_number(out, "m", p->magnitude);
    append_number(out, "n", p->layers);
    append_number(out, "p", p->probability);
    append_number(out, "mstd", p->magnitude_std);
    append_number(out, "mmax", p->magnitude_max);
    append_number(out, "inc", p->increasing);
}

static double draw_magnitude(const ssfer_randaugment *p, ssfer_rng *rng)
{
    double normal = ssfer_rng_normal(rng), uniform = ssfer_rng_uniform(rng);
    double m = p->magnitude_std > 100.0 ? p->magnitude * uniform : p->magnitude + p->magnitude_std * normal;
    return fmax(0.0, fmin(m, p->magnitude_max));
}

void ssfer_randaugment_draw(const ssfer_randaugment *p, ssfer_rng *rng,
                            ssfer_randaugment_step steps[SSFER_RANDAUGMENT_MAX_LAYERS])
{
    for (unsigned k = 0; k < p->layers; k++) {
        /* 32 bits times 15, high word: one number of the stream, and off from uniform by less than 10^-8 */
        size_t i = (size_t)(((uint64_t)ssfer_rng_u32(rng) * SSFER_RANDAUGMENT_OPS) >> 32);
        double coin = ssfer_rng_uniform(rng);
        double magnitude = draw_magnitude(p, rng);
        bool negate = ssfer_rng_u32(rng) >> 31;
        const ssfer_op *op = ssfer_randaugment_op(p, i);
        steps[k] = (ssfer_randaugment_step){op, ssfer_op_argument_up_to(op, magnitude, p->magnitude_max, negate),
                                            !(coin < p->probability)};
    }
}

void ssfer_randaugment_apply(const ssfer_randaugment *p, ssfer_image *image, uint8_t *scratch, const uint8_t fill[3],
                             ssfer_rng *rng)
{
    ssfer_randaugment_step steps[SSFER_RANDAUGMENT_MAX_LAYERS];
    ssfer_randaugment_draw(p, rng, steps);
    for (unsigned k = 0; k < p->layers; k++)
        if (!steps[k].skipped)
            ssfer_op_apply(steps[k].op, image, scratch, steps[k].argument, fill);
}

#include "data/randaugment.h"

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

/* A plain decimal number, read the same way in every locale. */
static bool read_number(const char *text, size_t length, double *out)
{
    double value = 0.0, scale = 1.0;
    bool point = false, digits = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.' && !point) {
            point = true;
        } else if (text[i] >= '0' && text[i] <= '9' && i < 18) {
            digits = true;
            value = value * 10.0 + (text[i] - '0');
            scale *= point ? 10.0 : 1.0;
        } else {
            return false;
        }
    }
    *out = value / scale; /* both exact below 2^53, so this is the nearest double */
    return digits;
}

static ssfer_status set_part(ssfer_randaugment *p, const char *part, size_t length, ssfer_error *err)
{
    size_t key = 0;
    double value;
    while (key < length && !(part[key] >= '0' && part[key] <= '9'))
        key++;
    if (!read_number(part + key, length - key, &value))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "RandAugment part \"%.*s\": a letter and a number, like m9",
                          (int)length, part);
    bool whole = value == floor(value);
    bool good = false;
    if (key == 1 && part[0] == 'm' && (good = value <= 10.0))
        p->magnitude = value;
    else if (key == 1 && part[0] == 'n' && (good = whole && value <= SSFER_RANDAUGMENT_MAX_LAYERS))
        p->layers = (unsigned)value;
    else if (key == 1 && part[0] == 'p' && (good = value <= 1.0))
        p->probability = value;
    else if (key == 4 && memcmp(part, "mstd", 4) == 0 && (good = true))
        p->magnitude_std = value;
    else if (key == 4 && memcmp(part, "mmax", 4) == 0 && (good = value <= 10.0))
        p->magnitude_max = value;
    else if (key == 3 && memcmp(part, "inc", 3) == 0 && (good = value <= 1.0 && whole))
        p->increasing = value > 0.0;
    if (!good)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "RandAugment part \"%.*s\": m, mmax 0-10, n 0-%d, p 0-1, mstd, inc 0|1 are known",
                          (int)length, part, SSFER_RANDAUGMENT_MAX_LAYERS);
    return SSFER_OK;
}

ssfer_status ssfer_randaugment_parse(ssfer_randaugment *out, const char *text, ssfer_error *err)
{
    ssfer_randaugment p = {.layers = 2, .probability = 0.5, .magnitude = 10.0, .magnitude_max = 10.0};
    if (!*text || strcmp(text, "none") == 0) {
        *out = (ssfer_randaugment){0};
        return SSFER_OK;
    }
    size_t length = strcspn(text, "-");
    if (length != 4 || memcmp(text, "rand", 4) != 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "augmentation \"%.60s\": none, or like rand-m9-mstd0.5-inc1", text);
    for (const char *at = text + length; *at; at += length) {
        length = strcspn(++at, "-");
        ssfer_status st = set_part(&p, at, length, err);
        if (st != SSFER_OK)
            return st;
    }
    *out = p;
    return SSFER_OK;
}

/* "0.5": the shortest decimal number that reads back as the same value. By integers, since printf's %f follows the
 * locale. Values are below 10^3, so 15 digits always suffice for what parse accepts. */
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
        strcpy(out, "none");
        return;
    }
    strcpy(out, "rand");
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
        steps[k] = (ssfer_randaugment_step){op, ssfer_op_argument(op, magnitude, negate), !(coin < p->probability)};
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

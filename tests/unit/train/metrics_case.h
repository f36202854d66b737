/* A case small enough to work out by hand: five samples of three classes. */
#ifndef SSFER_TESTS_METRICS_CASE_H
#define SSFER_TESTS_METRICS_CASE_H

#include "train/metrics.h"

#include <math.h>

enum { CASE_CLASSES = 3, CASE_SAMPLES = 5 };

static const char *const CASE_NAMES[CASE_CLASSES] = {"anger", "joy, \"big\"", "fear"};
static const int32_t CASE_LABELS[CASE_SAMPLES] = {0, 0, 1, 2, 2};
static const double CASE_P[CASE_SAMPLES][CASE_CLASSES] = {
    {0.70, 0.20, 0.10}, /* right */
    {0.28, 0.62, 0.10}, /* wrong, but among the two largest */
    {0.10, 0.82, 0.08}, /* right */
    {0.50, 0.30, 0.20}, /* wrong, and third */
    {0.10, 0.08, 0.82}, /* right */
};

static inline void case_logits(float logits[CASE_SAMPLES * CASE_CLASSES])
{
    for (size_t i = 0; i < CASE_SAMPLES; i++)
        for (size_t k = 0; k < CASE_CLASSES; k++)
            logits[i * CASE_CLASSES + k] = (float)(log(CASE_P[i][k]) + 3.0); /* a shift changes no probability */
}

static inline ssfer_metrics *case_metrics(void)
{
    ssfer_metrics *m = NULL;
    float logits[CASE_SAMPLES * CASE_CLASSES];
    case_logits(logits);
    if (ssfer_metrics_create(&m, CASE_NAMES, CASE_CLASSES, NULL) == SSFER_OK)
        ssfer_metrics_add(m, logits, CASE_LABELS, NULL, CASE_SAMPLES, NULL);
    return m;
}

#endif

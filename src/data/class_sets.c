#include "data/class_sets.h"

#include <string.h>

/* numbered: list_patition_label.txt of RAF-DB (Li et al. 2017), the columns of fer2013new.csv of FER+ (Barsoum et al.
 * 2016), `expression` of AffectNet (Mollahosseini et al. 2017), `emotion` of fer2013.csv (Goodfellow et al. 2013).
 * outputs: the test notebook of the published code; its folders are numbered in this order, from 0. */
static const ssfer_class_set SETS[] = {
    {.name = "rafdb",
     .title = "RAF-DB",
     .count = 7,
     .first = 1,
     .numbered = {"surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"},
     .outputs = {"anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"}},
    {.name = "ferplus",
     .title = "FER+",
     .count = 8,
     .numbered = {"neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"},
     .outputs = {"neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"}},
    {.name = "affectnet7",
     .title = "AffectNet-7",
     .count = 7,
     .numbered = {"neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger"},
     .outputs = {"neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger"}},
    {.name = "affectnet8",
     .title = "AffectNet-8",
     .count = 8,
     .numbered = {"neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"},
     .outputs = {"neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"}},
    {.name = "fer2013",
     .title = "FER2013",
     .count = 7,
     .numbered = {"anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"}},
};

const ssfer_class_set *ssfer_class_set_at(size_t i)
{
    return i < sizeof SETS / sizeof *SETS ? &SETS[i] : NULL;
}

const ssfer_class_set *ssfer_class_set_named(const char *name)
{
    for (size_t i = 0; i < sizeof SETS / sizeof *SETS; i++)
        if (strcmp(SETS[i].name, name) == 0)
            return &SETS[i];
    return NULL;
}

const char *ssfer_class_set_number(const ssfer_class_set *set, long number)
{
    return number >= set->first && number - set->first < (long)set->count ? set->numbered[number - set->first] : NULL;
}

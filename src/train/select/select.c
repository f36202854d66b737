#include "train/select/select.h"

#include "base/memory.h"

#include <string.h>

const ssfer_select_method *const SSFER_SELECT_METHODS[] = {&SSFER_SELECT_FIXMATCH,  &SSFER_SELECT_FLEXMATCH,
                                                           &SSFER_SELECT_FREEMATCH, &SSFER_SELECT_SOFTMATCH,
                                                           &SSFER_SELECT_ADA_CM,    NULL};

const ssfer_select_method *ssfer_select_method_named(const char *name)
{
    for (size_t i = 0; SSFER_SELECT_METHODS[i]; i++)
        if (strcmp(SSFER_SELECT_METHODS[i]->name, name) == 0)
            return SSFER_SELECT_METHODS[i];
    return NULL;
}

ssfer_status ssfer_select_init(ssfer_select *s, const ssfer_select_method *method, const ssfer_select_options *options,
                               size_t classes, size_t pictures, ssfer_error *err)
{
    *s = (ssfer_select){.method = method, .options = *options, .classes = classes, .pictures = pictures};
    if (!method->state_count)
        return SSFER_OK;
    s->state_count = method->state_count(classes, pictures);
    s->state = ssfer_calloc(s->state_count, sizeof *s->state);
    if (!s->state)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: no memory for %zu pictures", method->name, pictures);
    if (method->begin)
        method->begin(s);
    return SSFER_OK;
}

void ssfer_select_deinit(ssfer_select *s)
{
    ssfer_free(s->state);
    *s = (ssfer_select){0};
}

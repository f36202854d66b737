/* Any bytes as a recipe. What is read has what its header promises. */
#include "io/yaml.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ssfer_yaml y;
    ssfer_error err = {0};
    if (ssfer_yaml_parse(&y, data, size, "input", &err) != SSFER_OK)
        return 0;
    for (size_t i = 0; i < y.count; i++) {
        const ssfer_yaml_entry *e = &y.entries[i];
        if ((!e->section && !e->key) || (!e->key && e->value_count) || e->line == 0 ||
            e->value_count >= SSFER_YAML_MAX_VALUES || e->values[e->value_count])
            abort();
    }
    ssfer_yaml_deinit(&y);
    return 0;
}

/* Any bytes as a recipe. What is read has what its header promises. */
#include "fuzz_case.h"
#include "io/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ssfer_yaml y;
    ssfer_error err = {0};
    fuzz_begin(size);
    const ssfer_status st = ssfer_yaml_parse(&y, data, size, "input", &err);
    fuzz_check_error(st, &err);
    for (size_t i = 0; st == SSFER_OK && i < y.count; i++) {
        const ssfer_yaml_entry *e = &y.entries[i];
        if ((!e->section && !e->key) || (!e->key && e->value_count) || e->line == 0 ||
            e->value_count >= SSFER_YAML_MAX_VALUES || e->values[e->value_count])
            abort();
    }
    if (st == SSFER_OK)
        ssfer_yaml_deinit(&y);
    fuzz_end();
    return 0;
}

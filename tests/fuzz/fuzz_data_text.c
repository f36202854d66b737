/* Any bytes as a CSV list, as what --data takes, and as a RandAugment policy. */
#include "data/csv.h"
#include "data/randaugment.h"
#include "data/source.h"
#include "fuzz_case.h"

static void check_csv(char *text, size_t size)
{
    ssfer_csv csv;
    ssfer_error err = {0};
    if (ssfer_csv_init(&csv, text, size, "input", &err) != SSFER_OK)
        return;
    while (ssfer_csv_next(&csv, &err) == SSFER_OK && csv.count)
        for (size_t i = 0; i < csv.count; i++)
            if (csv.fields[i] < text || csv.fields[i] + strlen(csv.fields[i]) > text + size)
                abort();
}

static void check_policy(const char *text)
{
    ssfer_randaugment p, again;
    char formatted[SSFER_RANDAUGMENT_TEXT];
    if (ssfer_randaugment_parse(&p, text, NULL) != SSFER_OK)
        return;
    ssfer_randaugment_format(&p, formatted);
    if (ssfer_randaugment_parse(&again, formatted, NULL) != SSFER_OK || p.layers != again.layers)
        abort();
}

static void check_source(const char *text)
{
    ssfer_source_list list;
    if (strlen(text) > 64 || strpbrk(text, "*?[")) /* a pattern would search the machine's disk */
        return;
    if (ssfer_source_expand(&list, text, NULL) == SSFER_OK && list.count == 0)
        abort();
    ssfer_source_list_deinit(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = ssfer_malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    fuzz_begin(size);
    check_policy(text);
    check_source(text);
    check_csv(text, size); /* last: it changes the text */
    fuzz_end();
    ssfer_free(text);
    return 0;
}

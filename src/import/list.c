#include "import/list.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LIST_BYTES ((size_t)2 << 30) /* fer2013.csv has 0.3 GB, AffectNet's training.csv 0.2 */

ssfer_status ssfer_import_text(char **text, size_t *size_bytes, import_list *list, const char *path, ssfer_error *err)
{
    unsigned char *bytes = NULL;
    if (ssfer_reserve((void **)&list->texts, &list->text_capacity, list->text_count + 1, sizeof *list->texts) != 0)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    ssfer_status st = ssfer_file_read(&bytes, size_bytes, path, MAX_LIST_BYTES, err);
    if (st != SSFER_OK)
        return st;
    list->texts[list->text_count++] = bytes;
    *text = (char *)bytes;
    return SSFER_OK;
}

ssfer_status ssfer_import_add(import_list *list, const import_record *record, ssfer_error *err)
{
    if (ssfer_reserve((void **)&list->records, &list->capacity, list->count + 1, sizeof *list->records) != 0)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", record->list);
    list->records[list->count++] = *record;
    return SSFER_OK;
}

bool ssfer_import_number(long *out, const char *text, long min, long max)
{
    int64_t value;
    if (ssfer_parse_int(&value, text, strlen(text)) != SSFER_OK || value < min || value > max)
        return false;
    *out = (long)value;
    return true;
}

ssfer_import_class ssfer_import_class_numbered(const ssfer_class_set *set, long number)
{
    const char *name = ssfer_class_set_number(set, number);
    int k = 0;
    while (k < SSFER_IMPORT_CLASSES && (!name || strcmp(ssfer_import_class_name((ssfer_import_class)k), name) != 0))
        k++;
    return (ssfer_import_class)k;
}

size_t ssfer_import_column(const ssfer_csv *header, const char *a, const char *b)
{
    for (size_t i = 0; i < header->count; i++)
        if (strcasecmp(header->fields[i], a) == 0 || (b && strcasecmp(header->fields[i], b) == 0))
            return i;
    return SIZE_MAX;
}

void ssfer_import_list_deinit(import_list *list)
{
    for (size_t i = 0; i < list->text_count; i++)
        ssfer_free(list->texts[i]);
    ssfer_free(list->texts);
    ssfer_free(list->records);
    ssfer_text_pool_deinit(&list->names);
    *list = (import_list){0};
}

/* RAF-DB, basic emotions: EmoLabel/list_patition_label.txt with lines "train_00001.jpg 5", and the aligned pictures
 * train_00001_aligned.jpg (or the originals, which have the list's names). Li et al. 2017, "Reliable Crowdsourcing and
 * Deep Locality-Preserving Learning for Expression Recognition in the Wild". */
#include "import/list.h"

#include <stdio.h>
#include <string.h>

/* "train_00001.jpg" -> "train_00001_aligned.jpg" */
static const char *aligned_name(import_list *list, const char *name)
{
    char text[256];
    const char *dot = strrchr(name, '.');
    int stem = dot ? (int)(dot - name) : (int)strlen(name);
    int length = snprintf(text, sizeof text, "%.*s_aligned%s", stem, name, dot ? dot : "");
    return length < (int)sizeof text ? ssfer_text_pool_add(&list->names, text, (size_t)length) : name;
}

static ssfer_status read_line(import_list *list, char *text, const char *path, size_t line, ssfer_error *err)
{
    const ssfer_class_set *set = ssfer_class_set_named("rafdb");
    char *rest = text, *name = strtok_r(rest, " \t\r", &rest), *number = strtok_r(NULL, " \t\r", &rest);
    long label = 0;
    if (!name)
        return SSFER_OK; /* an empty line */
    if (!number || !ssfer_import_number(&label, number, set->first, set->first + (long)set->count - 1) ||
        strtok_r(NULL, " \t\r", &rest))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: not a picture's name and a class of 1 to 7", path, line);
    bool train = strncmp(name, "train", 5) == 0;
    if (!train && strncmp(name, "test", 4) != 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: '%.40s' starts neither with train nor with test", path, line,
                          name);
    import_record r = {.picture = name,
                       .alternative = aligned_name(list, name),
                       .name = name,
                       .list = path,
                       .line = line,
                       .part = train ? SSFER_IMPORT_TRAIN : SSFER_IMPORT_TEST,
                       .label = (int16_t)ssfer_import_class_numbered(set, label)};
    if (!r.alternative)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    return ssfer_import_add(list, &r, err);
}

ssfer_status ssfer_import_rafdb(import_list *list, const ssfer_import_options *o, ssfer_error *err)
{
    char *text = NULL;
    size_t size_bytes = 0, line = 0;
    ssfer_status st = ssfer_import_text(&text, &size_bytes, list, o->labels[0], err);
    if (st == SSFER_OK && memchr(text, 0, size_bytes))
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: holds zero bytes, so it is no list", o->labels[0]);
    for (char *row; st == SSFER_OK && (row = strsep(&text, "\n"));)
        st = read_line(list, row, o->labels[0], ++line, err);
    return st;
}

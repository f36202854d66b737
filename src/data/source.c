#include "data/source.h"

#include "base/memory.h"
#include "base/number.h"

#include <ctype.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ssfer_status no_memory(const char *item, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%.200s: out of memory", item);
}

static ssfer_status add_path(ssfer_source_list *list, const char *path, ssfer_error *err)
{
    if (list->count >= SSFER_SOURCE_MAX)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%.200s: names more than %d files", path, SSFER_SOURCE_MAX);
    char *copy = ssfer_strdup(path);
    if (!copy || ssfer_reserve((void **)&list->paths, &list->capacity, list->count + 1, sizeof *list->paths)) {
        ssfer_free(copy);
        return no_memory(path, err);
    }
    list->paths[list->count++] = copy;
    return SSFER_OK;
}

/* The end of a list: an existing name as it is, else a glob, else the name as it is (its reader will complain). */
static ssfer_status add_glob(ssfer_source_list *list, const char *pattern, ssfer_error *err)
{
    if (!strpbrk(pattern, "*?[") || access(pattern, F_OK) == 0)
        return add_path(list, pattern, err);
    glob_t found = {0};
    ssfer_status st = SSFER_OK;
    int result = glob(pattern, 0, NULL, &found);
    if (result == GLOB_NOSPACE)
        st = no_memory(pattern, err);
    else if (result != 0)
        st = ssfer_fail(err, SSFER_ERR_IO, "%.200s: no file or folder matches this pattern", pattern);
    for (size_t i = 0; st == SSFER_OK && i < found.gl_pathc; i++)
        st = add_path(list, found.gl_pathv[i], err);
    globfree(&found);
    return st;
}

static ssfer_status expand_braces(ssfer_source_list *list, const char *item, ssfer_error *err);

static ssfer_status expand_with(ssfer_source_list *list, const char *item, size_t open, size_t close,
                                const char *inside, ssfer_error *err)
{
    char *whole = ssfer_format("%.*s%s%s", (int)open, item, inside, item + close + 1);
    if (!whole)
        return no_memory(item, err);
    ssfer_status st = expand_braces(list, whole, err);
    ssfer_free(whole);
    return st;
}

/* "{00..15}": as many digits as the longer end when one is written with leading zeros. "{a..f}": single letters. */
static ssfer_status expand_range(ssfer_source_list *list, const char *item, size_t open, size_t close,
                                 const char *inside, const char *dots, ssfer_error *err)
{
    const char *last = dots + 2;
    size_t first_length = (size_t)(dots - inside), last_length = strlen(last);
    bool numbers = first_length > 0 && first_length <= 9 && last_length > 0 && last_length <= 9 &&
                   strspn(inside, "0123456789") == first_length && strspn(last, "0123456789") == last_length;
    bool letters =
        first_length == 1 && last_length == 1 && isalpha((unsigned char)inside[0]) && isalpha((unsigned char)last[0]);
    if (!numbers && !letters)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.200s: {%.40s} is not a range such as {00..15} or {a..f}", item,
                          inside);
    int64_t from = (unsigned char)inside[0], to = (unsigned char)last[0];
    if (numbers && (ssfer_parse_int(&from, inside, first_length) != SSFER_OK ||
                    ssfer_parse_int(&to, last, last_length) != SSFER_OK))
        numbers = false; /* cannot be: at most nine digits */
    bool padded = numbers && ((inside[0] == '0' && first_length > 1) || (last[0] == '0' && last_length > 1));
    int width = padded ? (int)(first_length > last_length ? first_length : last_length) : 1;
    ssfer_status st = SSFER_OK;
    for (long step = from <= to ? 1 : -1, k = from; st == SSFER_OK && k != to + step; k += step) {
        char text[24];
        if (numbers)
            snprintf(text, sizeof text, "%0*ld", width, k);
        else
            snprintf(text, sizeof text, "%c", (char)k);
        st = expand_with(list, item, open, close, text, err);
    }
    return st;
}

static ssfer_status expand_braces(ssfer_source_list *list, const char *item, ssfer_error *err)
{
    const char *brace = strchr(item, '{');
    if (!brace || access(item, F_OK) == 0)
        return add_glob(list, item, err);
    size_t open = (size_t)(brace - item), length = strcspn(brace + 1, "{}"), close = open + 1 + length;
    if (item[close] != '}')
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%.200s: a { without its }, or one { inside another", item);
    char *inside = ssfer_format("%.*s", (int)length, brace + 1);
    if (!inside)
        return no_memory(item, err);
    ssfer_status st = SSFER_OK;
    char *dots = strstr(inside, "..");
    if (dots && !strchr(inside, ',')) {
        st = expand_range(list, item, open, close, inside, dots, err);
    } else {
        char *rest = inside, *part;
        while (st == SSFER_OK && (part = strsep(&rest, ",")))
            st = expand_with(list, item, open, close, part, err);
    }
    ssfer_free(inside);
    return st;
}

/* The length of the item that starts here: up to a comma outside braces. */
static size_t item_length(const char *text)
{
    size_t i = 0;
    for (bool inside = false; text[i] && (inside || text[i] != ','); i++)
        inside = text[i] == '{' || (inside && text[i] != '}');
    return i;
}

ssfer_status ssfer_source_expand(ssfer_source_list *out, const char *source, ssfer_error *err)
{
    *out = (ssfer_source_list){0};
    ssfer_source_list list = {0};
    ssfer_status st = SSFER_OK;
    if (*source && access(source, F_OK) == 0) {
        st = add_path(&list, source, err);
    } else {
        for (const char *at = source; st == SSFER_OK;) {
            size_t length = item_length(at);
            char *item = ssfer_format("%.*s", (int)length, at);
            if (!item)
                st = no_memory(source, err);
            else if (length == 0)
                st = ssfer_fail(err, SSFER_ERR_ARGUMENT, "\"%.200s\" names no file or folder%s", source,
                                *source ? ": an item of the list is empty" : "");
            else
                st = expand_braces(&list, item, err);
            ssfer_free(item);
            at += length;
            if (!*at++)
                break;
        }
    }
    if (st == SSFER_OK)
        *out = list;
    else
        ssfer_source_list_deinit(&list);
    return st;
}

void ssfer_source_list_deinit(ssfer_source_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        ssfer_free(list->paths[i]);
    ssfer_free(list->paths);
    *list = (ssfer_source_list){0};
}

#include "data/csv.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>

ssfer_status ssfer_csv_init(ssfer_csv *csv, char *text, size_t size_bytes, const char *name, ssfer_error *err)
{
    *csv = (ssfer_csv){.at = ssfer_utf8_skip_mark(text), .end = text + size_bytes, .name = name, .next_line = 1};
    if (memchr(text, 0, size_bytes))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: holds zero bytes, so it is not a CSV text", name);
    return SSFER_OK;
}

/* A quoted field, moved together over its escapes; *at is left behind the closing quote. */
static ssfer_status read_quoted(ssfer_csv *csv, ssfer_error *err)
{
    char *in = csv->at + 1, *out = csv->at;
    for (;; in++) {
        if (in == csv->end)
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: a quote without its closing quote", csv->name, csv->line);
        if (*in == '"') {
            if (in[1] != '"')
                break;
            in++;
        }
        csv->next_line += *in == '\n';
        *out++ = *in;
    }
    csv->at = in + 1;
    if (*csv->at == '\r' && (csv->at[1] == '\n' || csv->at + 1 == csv->end))
        csv->at++;
    if (csv->at != csv->end && *csv->at != ',' && *csv->at != '\n')
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: text after a closing quote", csv->name, csv->line);
    /* The terminator goes between the field and the separator: it may overwrite the closing quote, nothing behind. */
    *out = 0;
    return SSFER_OK;
}

static void read_plain(ssfer_csv *csv)
{
    while (csv->at != csv->end && *csv->at != ',' && *csv->at != '\n')
        csv->at++;
}

/* Reads one field; *last tells whether it ends the record. */
static ssfer_status read_field(ssfer_csv *csv, bool *last, ssfer_error *err)
{
    if (csv->count == SSFER_CSV_MAX_FIELDS)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s:%zu: more than %d fields", csv->name, csv->line,
                          SSFER_CSV_MAX_FIELDS);
    char *start = csv->at;
    bool quoted = *start == '"';
    if (quoted) {
        ssfer_status st = read_quoted(csv, err);
        if (st != SSFER_OK)
            return st;
    } else {
        read_plain(csv);
    }
    char separator = csv->at == csv->end ? 0 : *csv->at;
    *last = separator != ',';
    if (!quoted && *last && csv->at > start && csv->at[-1] == '\r')
        csv->at[-1] = 0;
    if (!quoted)
        *csv->at = 0;
    if (separator)
        csv->at++;
    csv->next_line += separator == '\n';
    csv->fields[csv->count++] = start;
    return SSFER_OK;
}

ssfer_status ssfer_csv_next(ssfer_csv *csv, ssfer_error *err)
{
    do {
        bool last = false;
        csv->count = 0;
        csv->line = csv->next_line;
        if (csv->at == csv->end)
            return SSFER_OK;
        while (!last) {
            ssfer_status st = read_field(csv, &last, err);
            if (st != SSFER_OK)
                return st;
        }
    } while (csv->count == 1 && !csv->fields[0][0]);
    return SSFER_OK;
}

static void put_part(FILE *stream, const char *text, bool quoted)
{
    for (; *text; text++) {
        if (quoted && *text == '"')
            fputc('"', stream);
        fputc(*text, stream);
    }
}

void ssfer_csv_put(FILE *stream, const char *prefix, const char *text)
{
    static const char special[] = ",\"\r\n";
    const bool quoted = strpbrk(prefix, special) || strpbrk(text, special);
    if (quoted)
        fputc('"', stream);
    put_part(stream, prefix, quoted);
    put_part(stream, text, quoted);
    if (quoted)
        fputc('"', stream);
}

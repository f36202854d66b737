/* AffectNet, in both forms that are given out: the lists training.csv and validation.csv beside folders of pictures,
 * and {train,val}_set/images/N.jpg with a file annotations/N_exp.npy each. Mollahosseini et al. 2017, "AffectNet: A
 * Database for Facial Expression, Valence, and Arousal Computing in the Wild". */
#include "import/list.h"

#include "base/file.h"
#include "base/memory.h"
#include "io/npy.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LAST_CODE = 10 }; /* 8 none, 9 uncertain, 10 no face */

static ssfer_status add_labeled(import_list *list, import_record *r, long code, size_t classes, ssfer_error *err)
{
    if ((size_t)code >= classes) {
        list->left_out++;
        return SSFER_OK;
    }
    r->label = (int16_t)ssfer_import_class_numbered(ssfer_class_set_named("affectnet8"), code);
    return ssfer_import_add(list, r, err);
}

/* ---- lists ---- */

/* In the order of a list that has no header line, as validation.csv is found. */
typedef struct list_columns {
    size_t picture, box[4], expression;
} list_columns;

static const list_columns PLAIN_COLUMNS = {0, {1, 2, 3, 4}, 6};

static ssfer_status find_columns(list_columns *c, bool *header, const ssfer_csv *csv, ssfer_error *err)
{
    static const char *const box_names[] = {"face_x", "face_y", "face_width", "face_height"};
    *c = PLAIN_COLUMNS;
    *header = ssfer_import_column(csv, "expression", NULL) != SIZE_MAX;
    if (!*header && csv->count <= PLAIN_COLUMNS.expression)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:1: no column 'expression'; give a list of AffectNet", csv->name);
    if (!*header)
        return SSFER_OK;
    c->picture = ssfer_import_column(csv, "subDirectory_filePath", "path");
    c->expression = ssfer_import_column(csv, "expression", NULL);
    for (size_t i = 0; i < 4; i++)
        c->box[i] = ssfer_import_column(csv, box_names[i], NULL);
    if (c->picture == SIZE_MAX)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:1: no column 'subDirectory_filePath'; give a list of AffectNet",
                          csv->name);
    return SSFER_OK;
}

static ssfer_status read_box(int32_t box[4], const ssfer_csv *csv, const list_columns *c, ssfer_error *err)
{
    for (size_t i = 0; i < 4; i++) {
        long value = 0;
        if (c->box[i] >= csv->count ||
            !ssfer_import_number(&value, csv->fields[c->box[i]], i < 2 ? -1000000 : 1, 1000000))
            return ssfer_fail(err, SSFER_ERR_FORMAT,
                              "%s:%zu: no box of a face in the columns face_x to face_height; give --crop off",
                              csv->name, csv->line);
        box[i] = (int32_t)value;
    }
    return SSFER_OK;
}

static ssfer_status read_row(import_list *list, const ssfer_csv *csv, const list_columns *c, int16_t part,
                             const ssfer_import_options *o, ssfer_error *err)
{
    long code = 0;
    if (csv->count <= c->picture || csv->count <= c->expression || !*csv->fields[c->picture])
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: no picture and expression; is the file cut?", csv->name,
                          csv->line);
    if (!ssfer_import_number(&code, csv->fields[c->expression], 0, LAST_CODE))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: expression '%.40s' is no number from 0 to %d", csv->name,
                          csv->line, csv->fields[c->expression], LAST_CODE);
    import_record r = {.picture = csv->fields[c->picture],
                       .name = csv->fields[c->picture],
                       .list = csv->name,
                       .line = csv->line,
                       .part = part};
    ssfer_status st = o->crop && (size_t)code < o->classes ? read_box(r.box, csv, c, err) : SSFER_OK;
    return st == SSFER_OK ? add_labeled(list, &r, code, o->classes, err) : st;
}

/* The part is in the file's name: train..., val... */
static ssfer_status list_part(int16_t *part, const char *path, ssfer_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    bool train = strcasestr(name, "train"), valid = strcasestr(name, "val") || strcasestr(name, "test");
    if (train == valid)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%s: its name does not say whether it is for training; name it "
                          "training.csv or validation.csv",
                          path);
    *part = train ? SSFER_IMPORT_TRAIN : SSFER_IMPORT_TEST;
    return SSFER_OK;
}

static ssfer_status read_list(import_list *list, const char *path, const ssfer_import_options *o, ssfer_error *err)
{
    ssfer_csv csv;
    list_columns columns;
    char *text = NULL;
    size_t size_bytes = 0;
    int16_t part = 0;
    bool header = false;
    ssfer_status st = list_part(&part, path, err);
    if (st == SSFER_OK)
        st = ssfer_import_text(&text, &size_bytes, list, path, err);
    if (st == SSFER_OK)
        st = ssfer_csv_init(&csv, text, size_bytes, path, err);
    if (st == SSFER_OK)
        st = ssfer_csv_next(&csv, err);
    if (st == SSFER_OK)
        st = find_columns(&columns, &header, &csv, err);
    if (st == SSFER_OK && header)
        st = ssfer_csv_next(&csv, err);
    while (st == SSFER_OK && csv.count) {
        st = read_row(list, &csv, &columns, part, o, err);
        if (st == SSFER_OK)
            st = ssfer_csv_next(&csv, err);
    }
    return st;
}

/* ---- a file of its own for each label ---- */

static int is_expression(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > strlen("_exp.npy") && strcmp(entry->d_name + length - strlen("_exp.npy"), "_exp.npy") == 0;
}

/* "7_exp.npy" -> "train_set/images/7.jpg", and from it the picture's own name */
static ssfer_status add_file(import_list *list, const char *folder, const char *set, const char *file, int16_t part,
                             const ssfer_import_options *o, ssfer_error *err)
{
    double code = -1;
    char *path = ssfer_format("%s/%s", folder, file);
    int stem = (int)(strlen(file) - strlen("_exp.npy"));
    char *picture = ssfer_format("%s/images/%.*s.jpg", set, stem, file);
    const char *kept = picture ? ssfer_text_pool_add(&list->names, picture, strlen(picture)) : NULL;
    ssfer_status st = path && kept ? ssfer_npy_read_number(&code, path, err)
                                   : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", folder);
    if (st == SSFER_OK && !(code >= 0 && code <= LAST_CODE && code == (double)(long)code))
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: expression %g is no number from 0 to %d", path, code, LAST_CODE);
    if (st == SSFER_OK) {
        import_record r = {.picture = kept, .name = strrchr(kept, '/') + 1, .list = o->labels[0], .part = part};
        st = add_labeled(list, &r, (long)code, o->classes, err);
    }
    ssfer_free(picture);
    ssfer_free(path);
    return st;
}

static ssfer_status read_folder(import_list *list, const char *set, int16_t part, const ssfer_import_options *o,
                                ssfer_error *err)
{
    struct dirent **files = NULL;
    char *folder = ssfer_format("%s/%s/annotations", o->labels[0], set);
    if (!folder)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", o->labels[0]);
    int count = scandir(folder, &files, is_expression, alphasort);
    ssfer_status st = SSFER_OK;
    for (int i = 0; i < count; i++) {
        if (st == SSFER_OK)
            st = add_file(list, folder, set, files[i]->d_name, part, o, err);
        free(files[i]);
    }
    free(files);
    ssfer_free(folder);
    return st;
}

ssfer_status ssfer_import_affectnet(import_list *list, const ssfer_import_options *o, ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    if (!ssfer_folder_exists(o->labels[0])) {
        for (size_t i = 0; st == SSFER_OK && i < o->label_count; i++)
            st = read_list(list, o->labels[i], o, err);
        return st;
    }
    st = read_folder(list, "train_set", SSFER_IMPORT_TRAIN, o, err);
    if (st == SSFER_OK)
        st = read_folder(list, "val_set", SSFER_IMPORT_TEST, o, err);
    if (st == SSFER_OK && list->count + list->left_out == 0)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: no train_set/annotations/*_exp.npy below it; check the path",
                        o->labels[0]);
    return st;
}

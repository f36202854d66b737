#include "cli/commands.h"
#include "import/import.h"

#include <string.h>

typedef struct import_args {
    int kind, rule, parts, classes, crop;
    ssfer_strings labels;
    const char *pictures, *output;
    double max_missing;
} import_args;

static const char *const KIND_CHOICES[] = {"ferplus", "rafdb", "affectnet", NULL}; /* as ssfer_import_kind */
static const char *const RULE_CHOICES[] = {"most-voted", "majority", NULL};
static const char *const PARTS_CHOICES[] = {"three", "two", NULL};
static const char *const CLASSES_CHOICES[] = {"7", "8", NULL};
static const char *const ON_OFF[] = {"on", "off", NULL};

static const ssfer_option OPERANDS[] = {{SSFER_OPTION_CHOICE(import_args, kind), .name = "SET", .choices = KIND_CHOICES,
                                         .required = true, .help = "which data set: ferplus, rafdb or affectnet"},
                                        {0}};

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRINGS(import_args, labels), .name = "labels", .value = "FILE", .required = true,
     .help =
         "who shows what: fer2013new.csv; list_patition_label.txt; training.csv and validation.csv (give it twice), "
         "or the folder of train_set/annotations"},
    {SSFER_OPTION_STRING(import_args, pictures), .name = "pictures", .value = "P", .required = true,
     .help = "the pictures: a folder or tar file, at any depth in it; for ferplus also fer2013.csv"},
    {SSFER_OPTION_STRING(import_args, output), .name = "output", .letter = 'o', .value = "DIR|TAR", .required = true,
     .help = "folder or, ending in .tar, tar file to make"},
    {SSFER_OPTION_FLOAT(import_args, max_missing), .name = "max-missing", .value = "X", .initial = "0.01", .max = 1,
     .help = "stop when a larger share of the listed pictures is missing or damaged"},
    {0}};

static const ssfer_option SET_OPTIONS[] = {
    {SSFER_OPTION_CHOICE(import_args, rule), .name = "rule", .choices = RULE_CHOICES, .initial = "most-voted",
     .help = "ferplus: the most voted of the ten columns, as the published accuracies, or the majority of FER+'s own "
             "code: single votes ignored, more than half of the others"},
    {SSFER_OPTION_CHOICE(import_args, parts), .name = "parts", .choices = PARTS_CHOICES, .initial = "three",
     .help = "ferplus: train, valid and test, or both of the latter as test, as the published accuracies"},
    {SSFER_OPTION_CHOICE(import_args, classes), .name = "classes", .choices = CLASSES_CHOICES, .initial = "7",
     .help = "affectnet: 8 keeps contempt"},
    {SSFER_OPTION_CHOICE(import_args, crop), .name = "crop", .choices = ON_OFF, .initial = "on",
     .help = "affectnet's CSV lists: cut the pictures to the listed box of the face"},
    {0}};

static void print_row(FILE *out, const char *name, const size_t *counts, size_t stride)
{
    fprintf(out, "%-10s", name);
    for (int p = 0; p < SSFER_IMPORT_PARTS; p++)
        fprintf(out, " %8zu", counts[(size_t)p * stride]);
    fprintf(out, "\n");
}

static void print_table(FILE *out, const ssfer_import_report *report)
{
    fprintf(out, "%-10s %8s %8s %8s\n", "class", "train", "valid", "test");
    for (int k = 0; k < SSFER_IMPORT_CLASSES; k++)
        print_row(out, ssfer_import_class_name((ssfer_import_class)k), &report->counts[0][k], SSFER_IMPORT_CLASSES);
    print_row(out, "all", report->totals, 1);
    print_row(out, "repeated", report->repeated, 1);
    if (report->published[SSFER_IMPORT_TRAIN])
        print_row(out, "published", report->published, 1);
    else
        fprintf(out, "%-10s nothing for this rule\n", "published");
    fprintf(out, "%-10s %zu\n%-10s %s\n", "left out", report->left_out, "rule", report->rule);
}

static void warn_about(const ssfer_cli *cli, const ssfer_import_report *report, const char *output)
{
    if (report->missing)
        ssfer_warn(&cli->log, "%s: %zu listed pictures are missing or damaged", output, report->missing);
    for (int p = 0; p < SSFER_IMPORT_PARTS; p++) {
        size_t listed = report->totals[p] + report->repeated[p];
        if (report->published[p] && listed != report->published[p])
            ssfer_warn(&cli->log, "%s: %zu pictures in %s, published are %zu; accuracies will not compare", output,
                       listed, ssfer_import_part_name((ssfer_import_part)p), report->published[p]);
    }
}

/* An option of one set must not be ignored for another. */
static ssfer_status check_options(ssfer_cli *cli, const import_args *a, ssfer_error *err)
{
    static const struct {
        const char *name;
        ssfer_import_kind kind;
    } own[] = {{"rule", SSFER_IMPORT_FERPLUS},
               {"parts", SSFER_IMPORT_FERPLUS},
               {"classes", SSFER_IMPORT_AFFECTNET},
               {"crop", SSFER_IMPORT_AFFECTNET}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (ssfer_cli_given(cli, own[i].name) && a->kind != (int)own[i].kind)
            return ssfer_cli_usage(cli, err, "--%s goes with %s only", own[i].name, KIND_CHOICES[own[i].kind]);
    if (a->labels.count > 1 && a->kind != SSFER_IMPORT_AFFECTNET)
        return ssfer_cli_usage(cli, err, "--labels: %s has a single list", KIND_CHOICES[a->kind]);
    return SSFER_OK;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const import_args *a = data;
    ssfer_import_report report;
    const ssfer_import_options options = {.kind = (ssfer_import_kind)a->kind,
                                          .labels = a->labels.items,
                                          .label_count = a->labels.count,
                                          .pictures = a->pictures,
                                          .output = a->output,
                                          .majority = a->rule == 1,
                                          .joined = a->parts == 1,
                                          .classes = a->classes == 1 ? 8 : 7,
                                          .crop = a->crop == 0,
                                          .max_missing = a->max_missing,
                                          .log = &cli->log,
                                          .progress = cli->progress};
    ssfer_status st = check_options(cli, a, err);
    if (st == SSFER_OK)
        st = ssfer_import(&options, &report, err);
    if (st != SSFER_OK)
        return st;
    print_table(cli->out, &report);
    warn_about(cli, &report, a->output);
    return SSFER_OK;
}

const ssfer_command SSFER_COMMAND_IMPORT = {
    .name = "import",
    .group = SSFER_COMMAND_GROUP_DATA,
    .summary = "bring FERPlus, RAF-DB or AffectNet into the form that training reads",
    .description =
        "Takes a data set as its authors distribute it and writes PART/CLASS/NAME, as a folder or a tar file. Pictures "
        "are copied as they are; FER2013's pixels become PNG files. Classes are words: anger, contempt, disgust, fear, "
        "happiness, neutral, sadness, surprise. The counts are printed beside the published ones, with a warning where "
        "they differ.\n"
        "\n"
        "  FERPlus    --labels fer2013new.csv, --pictures fer2013.csv or the folder of its PNG files\n"
        "  RAF-DB     --labels list_patition_label.txt, --pictures aligned; its classes are 1 surprise,\n"
        "             2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral\n"
        "  AffectNet  --labels training.csv --labels validation.csv, or the folder that holds\n"
        "             {train,val}_set/annotations; its classes are 0 neutral, 1 happiness, 2 sadness,\n"
        "             3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt; its validation set becomes test,\n"
        "             as in the published accuracies",
    .groups = {{"Options", OPTIONS, 0}, {"Options of one set", SET_OPTIONS, 0}},
    .operands = OPERANDS,
    .examples = {{"ssfer import ferplus --labels fer2013new.csv --pictures fer2013.csv --output ferplus.tar",
                  "FER+ from the two files."},
                 {"ssfer import rafdb --labels EmoLabel/list_patition_label.txt --pictures Image/aligned -o rafdb",
                  "RAF-DB's aligned faces, as folders."}},
    .args_size = sizeof(import_args),
    .run = run,
};

/* What class folders stand for: the numbers of known data sets, of a model, of a file; what must be refused. */
#include "scene.h"

#include "data/class_map.h"
#include "data/class_sets.h"

static const char *const SEVEN[] = {"anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"};
static const char *const EIGHT[] = {"anger",     "contempt", "disgust", "fear",
                                    "happiness", "neutral",  "sadness", "surprise"};
static const char *const AFFECTNET[] = {"neutral", "happiness", "sadness", "surprise",
                                        "fear",    "disgust",   "anger",   "contempt"};

/* "0 1 2" as an array. */
typedef struct names {
    char text[64];
    const char *items[16];
    size_t count;
} names;

static void split_names(names *n, const char *text)
{
    char *rest = n->text;
    snprintf(n->text, sizeof n->text, "%s", text);
    n->count = 0;
    for (char *word; (word = strtok_r(rest, " ", &rest));)
        n->items[n->count++] = word;
}

static void release(ssfer_class_map *map)
{
    for (size_t k = 0; k < map->class_count; k++)
        ssfer_free(map->classes[k]);
    ssfer_free(map->classes);
    ssfer_free(map->to);
}

static ssfer_class_map_options with(const char *const *classes, size_t count)
{
    return (ssfer_class_map_options){.source = "set", .classes = classes, .class_count = count};
}

/* The folders become these classes, and the log says `said` (NULL: nothing). */
static void check(const char *folders, ssfer_class_map_options o, const char *classes, const char *said)
{
    names found, wanted;
    ssfer_class_map map;
    scene_log kept = {0};
    const ssfer_log log = {scene_log_write, &kept, SSFER_LOG_INFO};
    split_names(&found, folders);
    split_names(&wanted, classes);
    o.log = &log;
    assert_ok(ssfer_class_map_init(&map, found.items, found.count, &o, err));
    assert_int_equal(wanted.count, found.count);
    for (size_t i = 0; i < found.count; i++)
        assert_string_equal(map.classes[map.to[i]], wanted.items[i]);
    for (size_t k = 0; o.classes && k < o.class_count; k++)
        assert_string_equal(map.classes[k], o.classes[k]);
    assert_int_equal(kept.count, said != NULL);
    if (said)
        assert_string_equal(kept.last, said);
    release(&map);
}

static void check_refused(const char *folders, ssfer_class_map_options o, ssfer_status status, const char *message)
{
    names found;
    ssfer_class_map map;
    split_names(&found, folders);
    assert_fails(ssfer_class_map_init(&map, found.items, found.count, &o, err), status, message);
    assert_null(map.classes);
    assert_null(map.to);
}

#define assert_agrees(list, set, field)                                                                                \
    do {                                                                                                               \
        for (size_t agrees_k = 0; agrees_k < (set)->count; agrees_k++)                                                 \
            assert_string_equal((set)->field[agrees_k], (list)[agrees_k]);                                             \
    } while (0)

/* The table against the orders as their sources have them, written down here once more. */
static void test_sets(void **state)
{
    (void)state;
    static const char *const rafdb[] = {"surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"};
    static const char *const ferplus[] = {"neutral", "happiness", "surprise", "sadness",
                                          "anger",   "disgust",   "fear",     "contempt"};
    static const char *const fer2013[] = {"anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"};
    assert_agrees(rafdb, ssfer_class_set_named("rafdb"), numbered);
    assert_agrees(SEVEN, ssfer_class_set_named("rafdb"), outputs);
    assert_agrees(ferplus, ssfer_class_set_named("ferplus"), numbered);
    assert_agrees(AFFECTNET, ssfer_class_set_named("ferplus"), outputs);
    assert_agrees(AFFECTNET, ssfer_class_set_named("affectnet7"), numbered);
    assert_agrees(AFFECTNET, ssfer_class_set_named("affectnet7"), outputs);
    assert_agrees(AFFECTNET, ssfer_class_set_named("affectnet8"), numbered);
    assert_agrees(AFFECTNET, ssfer_class_set_named("affectnet8"), outputs);
    assert_agrees(fer2013, ssfer_class_set_named("fer2013"), numbered);
    assert_null(ssfer_class_set_named("rafd"));
    assert_null(ssfer_class_set_number(ssfer_class_set_named("rafdb"), 0));
    assert_string_equal(ssfer_class_set_number(ssfer_class_set_named("rafdb"), 1), "surprise");
    assert_string_equal(ssfer_class_set_number(ssfer_class_set_named("rafdb"), 7), "neutral");
    assert_null(ssfer_class_set_number(ssfer_class_set_named("rafdb"), 8));
    assert_null(ssfer_class_set_number(ssfer_class_set_named("ferplus"), -1));
    assert_null(ssfer_class_set_number(ssfer_class_set_named("affectnet7"), 7));
}

/* What help says is what the table has. */
static void test_lists_in_help(void **state)
{
    (void)state;
    char all[128] = "", outputs[128] = "";
    const ssfer_class_set *set;
    for (size_t i = 0; (set = ssfer_class_set_at(i)); i++) {
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", *all ? ", " : "", set->name);
        if (set->outputs[0])
            snprintf(outputs + strlen(outputs), sizeof outputs - strlen(outputs), "%s%s", *outputs ? ", " : "",
                     set->name);
    }
    assert_string_equal(all, SSFER_CLASS_SETS_ALL);
    assert_string_equal(outputs, SSFER_CLASS_SETS_WITH_OUTPUTS);
}

static void test_names(void **state)
{
    (void)state;
    check("Fear anger", with(SEVEN, 7), "fear anger", NULL);
    check_refused("anger joy", with(SEVEN, 7), SSFER_ERR_ARGUMENT,
                  "set: class joy is unknown to the model; it has ang");
    /* Numbers that are the model's own classes. */
    static const char *const numbers[] = {"1", "2", "3"};
    check("2 3", with(numbers, 3), "2 3", NULL);
    check_refused("0 1", with(numbers, 3), SSFER_ERR_ARGUMENT, "class 0 is unknown to the model; it has 1, 2, 3");
    check_refused("1 anger", with(SEVEN, 7), SSFER_ERR_ARGUMENT, "class 1 is unknown to the model");
    check_refused("-1 2", with(SEVEN, 7), SSFER_ERR_ARGUMENT, "class -1 is unknown to the model");
    check_refused("123456", with(SEVEN, 7), SSFER_ERR_ARGUMENT, "class 123456 is unknown to the model");
}

static void test_rafdb(void **state)
{
    (void)state;
    static const char said[] = "set: classes as in RAF-DB: 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, "
                               "6 anger, 7 neutral";
    static const char words[] = "surprise fear disgust happiness sadness anger neutral";
    ssfer_class_map_options o = with(SEVEN, 7);
    check("1 2 3 4 5 6 7", o, words, said);
    o.outputs_of = "rafdb";
    check("1 2 3 4 5 6 7", o, words, said);
    o.outputs_of = "names.txt"; /* no known set */
    check("1 2 3 4 5 6 7", o, words, said);
    check("1 2 3 4 5 6 7", with(AFFECTNET, 7), words, said);
    /* A model of eight classes: only RAF-DB has these seven numbers and no others. */
    check("1 2 3 4 5 6 7", with(EIGHT, 8), words, said);
    check("1 2 3 4 5 6 7", with(AFFECTNET, 8), words, said);
    /* Gaps: 7 is none of AffectNet-7's or FER2013's. */
    check("1 4 7", with(SEVEN, 7), "surprise happiness neutral",
          "set: classes as in RAF-DB: 1 surprise, 4 happiness, 7 neutral");
    /* Leading zeros. */
    check(
        "01 02 03 04 05 06 07", with(SEVEN, 7), words,
        "set: classes as in RAF-DB: 01 surprise, 02 fear, 03 disgust, 04 happiness, 05 sadness, 06 anger, 07 neutral");
}

static void test_affectnet(void **state)
{
    (void)state;
    ssfer_class_map_options o = with(AFFECTNET, 7);
    check("0 1 2 3 4 5 6", o, "neutral happiness sadness surprise fear disgust anger",
          "set: classes as in AffectNet-7: 0 neutral, 1 happiness, 2 sadness, 3 surprise, 4 fear, 5 disgust, 6 anger");
    o = with(AFFECTNET, 8);
    o.outputs_of = "affectnet8";
    check("0 1 2 3 4 5 6 7", o, "neutral happiness sadness surprise fear disgust anger contempt",
          "set: classes as in AffectNet-8: 0 neutral, 1 happiness, 2 sadness, 3 surprise, 4 fear, 5 disgust, 6 anger, "
          "7 contempt");
}

/* Where known data sets disagree, nothing is guessed. */
static void test_ambiguous(void **state)
{
    (void)state;
    ssfer_class_map_options o = with(SEVEN, 7);
    check_refused("0 1 2 3 4 5 6", o, SSFER_ERR_ARGUMENT,
                  "set: its classes are numbers, and 0 is neutral in AffectNet-7, but anger in FER2013; say which they "
                  "are with --folder-classes affectnet7 or --folder-classes fer2013");
    o.outputs_of = "rafdb"; /* RAF-DB has no 0 */
    check_refused("0 1 2 3 4 5 6", o, SSFER_ERR_ARGUMENT, "0 is neutral in AffectNet-7, but anger in FER2013");
    check_refused("1 2 4", with(SEVEN, 7), SSFER_ERR_ARGUMENT, "1 is surprise in RAF-DB, but happiness in AffectNet-7");
    o.outputs_of = "rafdb"; /* the published code would number its own folders from 0 */
    check_refused("1 2 4", o, SSFER_ERR_ARGUMENT,
                  "1 is surprise in RAF-DB, but disgust in the order of the model's outputs; say which they are with "
                  "--folder-classes rafdb or --folder-classes model");
    check_refused("0 1 2 3 4 5 6 7", with(EIGHT, 8), SSFER_ERR_ARGUMENT,
                  "2 is surprise in FER+, but sadness in AffectNet-8");
    check_refused("0 1 2 3 4 5 6 7", with(AFFECTNET, 8), SSFER_ERR_ARGUMENT,
                  "2 is surprise in FER+, but sadness in AffectNet-8");
    o = with(AFFECTNET, 8);
    o.outputs_of = "ferplus";
    check_refused("0 1 2 3 4 5 6 7", o, SSFER_ERR_ARGUMENT,
                  "2 is surprise in FER+, but sadness in the order of the model's outputs; say which they are with "
                  "--folder-classes ferplus or --folder-classes model");
    /* Unknown altogether. */
    check_refused("1 2 3 4 5 6 7 8", with(EIGHT, 8), SSFER_ERR_ARGUMENT, "no known data set");
    check_refused("0 1 2 3 4 5 6 7", with(SEVEN, 7), SSFER_ERR_ARGUMENT, "no known data set");
    check_refused("0 99999", with(SEVEN, 7), SSFER_ERR_ARGUMENT, "no known data set");
    static const char *const two[] = {"happy", "sad"};
    check_refused("0 1", with(two, 2), SSFER_ERR_ARGUMENT,
                  "numbers (0, 1), and no known data set has these for the model's classes (happy, sad)");
}

static ssfer_class_map_options said(const char *folder_classes, const char *const *classes, size_t count)
{
    ssfer_class_map_options o = with(classes, count);
    o.folder_classes = folder_classes;
    return o;
}

static void test_said(void **state)
{
    (void)state;
    /* Over what would be guessed, and where nothing could be. */
    check("1 2 4", said("affectnet7", SEVEN, 7), "happiness sadness fear",
          "set: classes as in AffectNet-7: 1 happiness, 2 sadness, 4 fear");
    check("1 2 3 4 5 6", said("fer2013", SEVEN, 7), "disgust fear happiness sadness surprise neutral",
          "set: classes as in FER2013: 1 disgust, 2 fear, 3 happiness, 4 sadness, 5 surprise, 6 neutral");
    check("0 2 7", said("ferplus", AFFECTNET, 8), "neutral surprise contempt",
          "set: classes as in FER+: 0 neutral, 2 surprise, 7 contempt");
    check("0 2 7", said("model", EIGHT, 8), "anger disgust surprise",
          "set: classes as in the model's order: 0 anger, 2 disgust, 7 surprise");
    check("1 8", said("model", EIGHT, 8), "anger surprise",
          "set: classes as in the model's order: 1 anger, 8 surprise");
    /* Without a model they become words, sorted as folders would be. */
    check("1 2 7", said("rafdb", NULL, 0), "surprise fear neutral",
          "set: classes as in RAF-DB: 1 surprise, 2 fear, 7 neutral");
    check("anger fear", said("rafdb", NULL, 0), "anger fear",
          "set: its classes are not numbers, so --folder-classes rafdb changes nothing");
    check_refused("0 1", said("rafdb", SEVEN, 7), SSFER_ERR_ARGUMENT,
                  "set: RAF-DB numbers its classes 1 to 7, so 0 is none");
    check_refused("7 8", said("rafdb", NULL, 0), SSFER_ERR_ARGUMENT, "RAF-DB numbers its classes 1 to 7, so 8 is none");
    check_refused("1 anger", said("rafdb", SEVEN, 7), SSFER_ERR_ARGUMENT,
                  "some classes are numbers, some are not (1, anger)");
    check_refused("0 7", said("affectnet8", SEVEN, 7), SSFER_ERR_ARGUMENT,
                  "set: class contempt (7 in AffectNet-8) is unknown to the model; it has anger, ");
    check_refused("1 2", said("model", SEVEN, 7), SSFER_ERR_ARGUMENT,
                  "the numbers 1 to 2 do not tell which of the model's 7");
    check_refused("1 2", said("model", NULL, 0), SSFER_ERR_ARGUMENT, "there is no model that names its classes");
    check_refused(
        "1 2", said("rafbd", SEVEN, 7), SSFER_ERR_ARGUMENT,
        "folder classes 'rafbd': give rafdb, ferplus, affectnet7, affectnet8, fer2013, model or a file with a "
        "line FOLDER CLASS for each folder");
    check_refused("1 2", said("/", SEVEN, 7), SSFER_ERR_ARGUMENT, "folder classes '/': give");
}

static void test_file(void **state)
{
    (void)state;
    scene s = scene_create();
    const scene_path path = scene_at(&s, "folders.txt");
    char text[600];
    scene_text(&s, "folders.txt",
               "\xef\xbb\xbf"
               "1 happiness\r\n\n  joy\thappiness  \n2 anger\n9 none of all\n");
    snprintf(text, sizeof text, "set: classes as in %s: 1 happiness, 2 anger, joy happiness", path.text);
    check("1 2 joy", said(path.text, SEVEN, 7), "happiness anger happiness", text);
    check("1 2 joy", said(path.text, NULL, 0), "happiness anger happiness", text);
    check_refused("1 9", said(path.text, SEVEN, 7), SSFER_ERR_ARGUMENT, "class none of all (9 in ");
    check_refused("1 3", said(path.text, SEVEN, 7), SSFER_ERR_ARGUMENT, "folders.txt: does not say what 3 of set is");
    scene_text(&s, "folders.txt", "1 happiness\n2\n");
    check_refused("1 2", said(path.text, SEVEN, 7), SSFER_ERR_FORMAT, "folders.txt:2: '2' is no line FOLDER CLASS");
    scene_text(&s, "folders.txt", "1 happiness\n\n1 anger\n");
    check_refused("1 2", said(path.text, SEVEN, 7), SSFER_ERR_FORMAT, "folders.txt:3: the folder 1 is there twice");
    scene_file(&s, "folders.txt", "1 a\0b\n", 6);
    check_refused("1", said(path.text, SEVEN, 7), SSFER_ERR_FORMAT, "folders.txt: not a text file");
    scene_text(&s, "folders.txt", "");
    check_refused("1", said(path.text, SEVEN, 7), SSFER_ERR_ARGUMENT, "folders.txt: does not say what 1 of set is");
    scene_destroy(&s);
}

/* Through the data set: labels follow, folders of one class are joined, lists are treated alike. */
static void test_in_a_set(void **state)
{
    (void)state;
    scene s = scene_create();
    scene_log kept = {0};
    const ssfer_log log = {scene_log_write, &kept, SSFER_LOG_INFO};
    ssfer_dataset *set;
    for (char k = '1'; k <= '7'; k++)
        scene_text(&s, (char[]){'s', 'e', 't', '/', k, '/', 'a', '.', 'p', 'n', 'g', 0}, "-");
    const scene_path folder = scene_at(&s, "set"), file = scene_at(&s, "two.txt");
    assert_ok(ssfer_dataset_open(&set, folder.text,
                                 &(ssfer_dataset_options){.classes = SEVEN, .class_count = 7, .log = &log}, err));
    static const int32_t labels[] = {6, 2, 1, 3, 5, 0, 4};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(ssfer_dataset_label(set, i), labels[i]);
    assert_int_equal(kept.count, 1);
    assert_non_null(strstr(kept.last, "classes as in RAF-DB: 1 surprise"));
    ssfer_dataset_close(set);
    /* Names as they are when nobody asks. */
    assert_ok(ssfer_dataset_open(&set, folder.text, &(ssfer_dataset_options){.log = &log}, err));
    assert_string_equal(ssfer_dataset_class_name(set, 0), "1");
    assert_int_equal(kept.count, 1);
    ssfer_dataset_close(set);
    scene_text(&s, "two.txt", "1 good\n2 bad\n3 bad\n4 good\n5 bad\n6 bad\n7 good\n");
    assert_ok(ssfer_dataset_open(&set, folder.text, &(ssfer_dataset_options){.folder_classes = file.text}, err));
    assert_int_equal(ssfer_dataset_class_count(set), 2);
    assert_string_equal(ssfer_dataset_class_name(set, 0), "bad");
    static const int32_t joined[] = {1, 0, 0, 1, 0, 0, 1};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(ssfer_dataset_label(set, i), joined[i]);
    assert_int_equal(ssfer_dataset_find(set, "4/a.png"), 3);
    ssfer_dataset_close(set);
    scene_text(&s, "two.txt", "1 good\n2 good\n3 good\n4 good\n5 good\n6 good\n7 good\n");
    assert_fails(ssfer_dataset_open(&set, folder.text, &(ssfer_dataset_options){.folder_classes = file.text}, err),
                 SSFER_ERR_FORMAT, "only one class (good)");
    scene_text(&s, "set/list.csv", "1/a.png,4\n2/a.png,7\n");
    const scene_path list = scene_at(&s, "set/list.csv");
    assert_ok(ssfer_dataset_open(&set, list.text, &(ssfer_dataset_options){.folder_classes = "rafdb"}, err));
    assert_string_equal(ssfer_dataset_class_name(set, 0), "happiness");
    assert_string_equal(ssfer_dataset_class_name(set, 1), "neutral");
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    scene s = scene_create();
    const scene_path file = scene_at(&s, "folders.txt");
    scene_text(&s, "folders.txt", "1 happiness\n2 anger\n");
    static const char *const folders[] = {"1", "2"};
    const ssfer_class_map_options o = said(file.text, NULL, 0);
    ssfer_class_map map;
    ssfer_status st = SSFER_ERR_MEMORY;
    size_t n = 0;
    while (st == SSFER_ERR_MEMORY) {
        ssfer_memory_fail_at(++n);
        st = ssfer_class_map_init(&map, folders, 2, &o, NULL);
        ssfer_memory_fail_at(0);
    }
    assert_int_equal(st, SSFER_OK);
    assert_true(n > 5);
    release(&map);
    scene_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),      cmocka_unit_test(test_lists_in_help),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_rafdb),
        cmocka_unit_test(test_affectnet), cmocka_unit_test(test_ambiguous),
        cmocka_unit_test(test_said),      cmocka_unit_test(test_file),
        cmocka_unit_test(test_in_a_set),  cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

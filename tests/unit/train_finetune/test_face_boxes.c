/* The file that keeps where faces are: what is read from it, and what is wrong with one that cannot be used. The files
 * here know every picture, so that no detector has to look. */
#include "unit/data/scene.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "train/face_boxes.h"

#include <inttypes.h>

static char logged[1024];

static void keep_log(void *user, ssfer_log_level level, const char *line)
{
    (void)user;
    snprintf(logged + strlen(logged), sizeof logged - strlen(logged), "%d %s\n", (int)level, line);
}

typedef struct boxes_case {
    scene_path detector, file;
    char hash[24]; /* of the detector's bytes */
    ssfer_dataset *set;
    ssfer_face_boxes boxes;
    ssfer_error err;
} boxes_case;

static const char DETECTOR[] = "weights";

/* Two pictures, a/0.png and b/0.png. */
static void set_up(boxes_case *c, const scene *s)
{
    *c = (boxes_case){.detector = scene_at(s, "detector.pt"), .file = scene_at(s, "boxes.json")};
    snprintf(c->hash, sizeof c->hash, "%016" PRIx64, ssfer_hash64(DETECTOR, strlen(DETECTOR), 0));
    scene_file(s, "detector.pt", DETECTOR, strlen(DETECTOR));
    scene_file(s, "set/a/0.png", "-", 1); /* nobody looks at it */
    scene_file(s, "set/b/0.png", "-", 1);
    if (ssfer_dataset_open(&c->set, scene_at(s, "set").text, &(ssfer_dataset_options){0}, &c->err) != SSFER_OK)
        fail_msg("%s", c->err.message);
}

static void tear_down(boxes_case *c)
{
    ssfer_face_boxes_deinit(&c->boxes);
    ssfer_dataset_close(c->set);
}

static ssfer_status find(boxes_case *c, const scene *s, const char *hash, const char *faces)
{
    static const ssfer_log log = {.write = keep_log, .most = SSFER_LOG_INFO};
    char text[1024];
    const ssfer_face_boxes_options o = {.detector_path = c->detector.text,
                                        .find = {.size = 160, .confidence = 0.5f, .iou = 0.5f},
                                        .file = c->file.text,
                                        .log = &log};
    const int n = snprintf(text, sizeof text,
                           "{\"format\": \"ssfer-face-boxes\", \"version\": 1, \"detector\": \"%s\", \"size\": 160, "
                           "\"confidence\": 0.5, \"iou\": 0.5, \"faces\": %s",
                           hash, faces);
    scene_file(s, "boxes.json", text, (size_t)n);
    *logged = 0;
    c->err = (ssfer_error){0};
    ssfer_face_boxes_deinit(&c->boxes);
    return ssfer_face_boxes_find(&c->boxes, c->set, (size_t[]){0, 1}, 2, &o, &c->err);
}

static void test_read(void **state)
{
    boxes_case c;
    set_up(&c, *state);
    assert_int_equal(find(&c, *state, c.hash, "{\"a/0.png\": [1, 2, 3.5, 4], \"b/0.png\": null, \"gone.png\": null}}"),
                     SSFER_OK);
    assert_memory_equal(c.boxes.boxes[0], ((float[]){1, 2, 3.5f, 4}), sizeof c.boxes.boxes[0]);
    assert_true(c.boxes.state[0] == 1 && c.boxes.state[1] == 2);
    assert_non_null(strstr(logged, "one face in 1 of 2 training pictures"));
    tear_down(&c);
}

/* A detector that finds nothing: one warning, and every view has the default box. */
static void test_nothing_found(void **state)
{
    boxes_case c;
    set_up(&c, *state);
    assert_int_equal(find(&c, *state, c.hash, "{\"a/0.png\": null, \"b/0.png\": null}}"), SSFER_OK);
    const char *warning = strstr(logged, "finds exactly one face in 0 of 2 pictures");
    assert_non_null(warning);
    assert_null(strchr(strchr(warning, '\n') + 1, '\n')); /* nothing after it */
    const ssfer_facemix_box box = ssfer_face_boxes_in_view(&c.boxes, 0, &(ssfer_seen){0}),
                            none = ssfer_facemix_box_of(NULL, 0, SSFER_FACEMIX_DEFAULT_BOX);
    assert_memory_equal(&box, &none, sizeof box);
    tear_down(&c);
}

/* A warning below 2 %, and no more above. */
static void test_few_found(void **state)
{
    (void)state;
    static const ssfer_log log = {.write = keep_log, .most = SSFER_LOG_INFO};
    *logged = 0;
    assert_true(ssfer_face_boxes_warn(&log, "d.pt", 19, 1000));
    assert_non_null(strstr(logged, "d.pt finds exactly one face in 19 of 1000 pictures"));
    *logged = 0;
    assert_false(ssfer_face_boxes_warn(&log, "d.pt", 20, 1000));
    assert_string_equal(logged, "");
}

/* As released: 224 pixels as they are, smaller pictures at twice their side in whole strides. */
static void test_seen_side(void **state)
{
    (void)state;
    static const size_t sides[][2] = {{16, 32},   {48, 96},   {64, 128},  {100, 224},
                                      {112, 224}, {223, 224}, {224, 224}, {256, 256}};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        assert_int_equal(ssfer_face_boxes_seen_side(sides[i][0]), sides[i][1]);
}

static void test_refused(void **state)
{
    boxes_case c;
    set_up(&c, *state);
    static const struct {
        const char *hash, *faces; /* hash NULL: the right one */
        ssfer_status status;
        const char *part;
    } cases[] = {
        {"0123456789abcdef", "{}}", SSFER_ERR_ARGUMENT, "boxes of another detector, or found with other settings"},
        {NULL, "{\"a/0.png\": [1, 2, 3]}}", SSFER_ERR_FORMAT, "a/0.png: a face is null or [left, top, right, bottom]"},
        {NULL, "{\"a/0.png\": [1, 2, 3, 4, 5]}}", SSFER_ERR_FORMAT,
         "a/0.png: a face is null or [left, top, right, bottom]"},
        {NULL, "{\"a/0.png\": 7}}", SSFER_ERR_FORMAT, "a/0.png: a face is null or [left, top, right, bottom]"},
        {NULL, "{\"a/0.png\": [1, 2, \"x\", 4]}}", SSFER_ERR_FORMAT, "a/0.png: a face is null or"},
        {NULL, "{\"a/0.png\": {\"x\": 1, \"y\": 2, \"z\": 3, \"w\": 4}}}", SSFER_ERR_FORMAT,
         "a/0.png: a face is null or"},
        {NULL, "{\"a/0.png\": [1, 2, 1e39, 4]}}", SSFER_ERR_FORMAT, "a/0.png: a face is null or"},
        {NULL, "{\"a/0.png\": [5, 2, 5, 4]}}", SSFER_ERR_FORMAT, "a/0.png: a face is null or"},
        {NULL, "{\"a/0.png\": [1, 9, 5, 4]}}", SSFER_ERR_FORMAT, "a/0.png: a face is null or"},
        {NULL, "{\"of another set.png\": [[[]]]}}", SSFER_ERR_FORMAT, "of another set.png: a face is null or"},
        {NULL, "{\"a/0.png\": null, \"a/0.png\": [1, 2, 3, 4]}}", SSFER_ERR_FORMAT, "duplicate object key"},
        {NULL, "[]}", SSFER_ERR_FORMAT, "faces"},
        {NULL, "{\"a/0.png\": [1, 2", SSFER_ERR_FORMAT, "boxes.json"},
        {NULL, "{\"a/0.png\": null", SSFER_ERR_FORMAT, "boxes.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ssfer_status st = find(&c, *state, cases[i].hash ? cases[i].hash : c.hash, cases[i].faces);
        if (st != cases[i].status || !strstr(c.err.message, cases[i].part))
            fail_msg("case %zu: %s, \"%s\"", i, ssfer_status_name(st), c.err.message);
    }
    tear_down(&c);
}

/* A picture that the file lacks is added to it, and what the file says of other sets stays as it was. (Nobody can read
 * the picture, so that no detector has to look: it counts as one without a face.) */
static void test_others_stay(void **state)
{
    boxes_case c;
    unsigned char *text = NULL;
    size_t size = 0;
    set_up(&c, *state);
    assert_int_equal(
        find(&c, *state, c.hash,
             "{\"b/0.png\": [1, 2, 3.5, 4], \"other/1.png\": [0.1, -2, 3.25, 1e3], \"other/2.png\": null}}"),
        SSFER_OK);
    assert_int_equal(ssfer_file_read(&text, &size, c.file.text, 10000, &c.err), SSFER_OK);
    static const char expected[] = "  \"a/0.png\": null,\n"
                                   "  \"b/0.png\": [1, 2, 3.5, 4],\n"
                                   "  \"other/1.png\": [0.1, -2, 3.25, 1000],\n"
                                   "  \"other/2.png\": null\n";
    if (!strstr((const char *)text, expected))
        fail_msg("%s", (const char *)text);
    ssfer_free(text);
    tear_down(&c);
}

/* An entry of another set that nests deeper than anything is written: refused, and the file is as it was. */
static void test_deep_entry(void **state)
{
    enum { DEPTH = 90 };
    boxes_case c;
    char faces[2 * DEPTH + 64];
    unsigned char *text = NULL;
    size_t size = 0;
    set_up(&c, *state);
    snprintf(faces, sizeof faces, "{\"b/0.png\": null, \"other.png\": %0*d}}", 2 * DEPTH, 0);
    char *zeros = strstr(faces, "00");
    memset(zeros, '[', DEPTH);
    memset(zeros + DEPTH, ']', DEPTH);
    assert_int_equal(find(&c, *state, c.hash, faces), SSFER_ERR_FORMAT);
    assert_non_null(strstr(c.err.message, "other.png: a face is null or [left, top, right, bottom]"));
    assert_int_equal(ssfer_file_read(&text, &size, c.file.text, 10000, &c.err), SSFER_OK);
    assert_non_null(strstr((const char *)text, faces));
    ssfer_free(text);
    tear_down(&c);
}

/* fail_at: which allocation of the reading fails; 0: none. */
static ssfer_status read_csv_failing(boxes_case *c, const scene *s, const char *text, size_t fail_at)
{
    static const ssfer_log log = {.write = keep_log, .most = SSFER_LOG_INFO};
    scene_file(s, "boxes.csv", text, strlen(text));
    *logged = 0;
    c->err = (ssfer_error){0};
    ssfer_face_boxes_deinit(&c->boxes);
    const scene_path path = scene_at(s, "boxes.csv");
    ssfer_memory_fail_at(fail_at);
    const ssfer_status st = ssfer_face_boxes_read_csv(&c->boxes, c->set, (size_t[]){0, 1}, 2, path.text, &log, &c->err);
    ssfer_memory_fail_at(0);
    return st;
}

static ssfer_status read_csv(boxes_case *c, const scene *s, const char *text)
{
    return read_csv_failing(c, s, text, 0);
}

/* Columns in any order and others between them; rows of other pictures. */
static void test_csv(void **state)
{
    boxes_case c;
    set_up(&c, *state);
    assert_int_equal(read_csv(&c, *state, "y2,label,path,x1,y1,x2\n4,b,b/0.png,1,2e0,3.5\n9,a,other.png,x,y,z\n"),
                     SSFER_OK);
    assert_memory_equal(c.boxes.boxes[1], ((float[]){1, 2, 3.5f, 4}), sizeof c.boxes.boxes[1]);
    assert_true(c.boxes.state[0] == SSFER_FACE_BOX_UNKNOWN && c.boxes.state[1] == SSFER_FACE_BOX_ONE);
    assert_non_null(strstr(logged, "one face in 1 of 2 training pictures"));
    tear_down(&c);
}

/* Two faces in a picture: as with a detector, neither counts. */
static void test_csv_two_faces(void **state)
{
    boxes_case c;
    char hash[24];
    set_up(&c, *state);
    assert_int_equal(read_csv(&c, *state, "path,x1,y1,x2,y2\na/0.png,1,2,3,4\nb/0.png,1,2,3,4\nb/0.png,5,6,7,8\n"),
                     SSFER_OK);
    assert_true(c.boxes.state[0] == SSFER_FACE_BOX_ONE && c.boxes.state[1] == SSFER_FACE_BOX_NONE);
    memcpy(hash, c.boxes.hash, sizeof hash);
    assert_int_equal(read_csv(&c, *state, "path,x1,y1,x2,y2\na/0.png,1,2,3,5\n"), SSFER_OK);
    assert_string_not_equal(c.boxes.hash, hash); /* another file */
    tear_down(&c);
}

/* The annotations of a whole set, of which one split is trained on. */
static void test_csv_split(void **state)
{
    const scene *s = *state;
    boxes_case c;
    set_up(&c, s);
    scene_file(s, "parts/train/a/0.png", "-", 1);
    scene_file(s, "parts/train/b/0.png", "-", 1);
    scene_file(s, "parts/test/a/0.png", "-", 1);
    ssfer_dataset_close(c.set);
    assert_int_equal(
        ssfer_dataset_open(&c.set, scene_at(s, "parts").text, &(ssfer_dataset_options){.split = "train"}, &c.err),
        SSFER_OK);
    assert_int_equal(read_csv(&c, s, "path,x1,y1,x2,y2\ntest/a/0.png,9,9,10,10\ntrain/a/0.png,1,2,3,4\n"), SSFER_OK);
    assert_memory_equal(c.boxes.boxes[0], ((float[]){1, 2, 3, 4}), sizeof c.boxes.boxes[0]);
    assert_true(c.boxes.state[0] == SSFER_FACE_BOX_ONE && c.boxes.state[1] == SSFER_FACE_BOX_UNKNOWN);
    tear_down(&c);
}

static void test_csv_refused(void **state)
{
    boxes_case c;
    set_up(&c, *state);
    static const struct {
        const char *text;
        ssfer_status status;
        const char *part;
    } cases[] = {
        {"", SSFER_ERR_FORMAT, "boxes.csv: its header has no 'path'"},
        {"path,x1,y1,x2\n", SSFER_ERR_FORMAT, "its header has no 'y2'"},
        {"path,x1,y1,x2,y2\na/0.png,1,2,3\n", SSFER_ERR_FORMAT, "boxes.csv:2: 4 fields, fewer than the header"},
        {"path,x1,y1,x2,y2\na/0.png,1,2,3,nan\n", SSFER_ERR_FORMAT, "boxes.csv:2: 'nan' is not a number"},
        {"path,x1,y1,x2,y2\na/0.png,1,2,3,\n", SSFER_ERR_FORMAT, "boxes.csv:2: '' is not a number"},
        {"path,x1,y1,x2,y2\na/0.png,3,2,1,4\n", SSFER_ERR_FORMAT, "boxes.csv:2: a box from 3,2 to 1,4 has no area"},
        {"path,x1,y1,x2,y2\na/0.png,3,2,5,1e39\n", SSFER_ERR_FORMAT, "or lies beyond any picture"},
        {"path,x1,y1,x2,y2\na/0.png,3,2,5,1e309\n", SSFER_ERR_FORMAT, "'1e309' is not a number"},
        {"path,x1,y1,x2,y2\nc.png,1,2,3,4\n", SSFER_ERR_ARGUMENT,
         "boxes.csv: none of the training pictures has one face in it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ssfer_status st = read_csv(&c, *state, cases[i].text);
        if (st != cases[i].status || !strstr(c.err.message, cases[i].part))
            fail_msg("case %zu: %s, \"%s\"", i, ssfer_status_name(st), c.err.message);
    }
    for (size_t n = 1; n < 8; n++) { /* whichever allocation fails */
        const ssfer_status st = read_csv_failing(&c, *state, "path,x1,y1,x2,y2\na/0.png,1,2,3,4\n", n);
        assert_true(st == (n < 4 ? SSFER_ERR_MEMORY : SSFER_OK));
    }
    tear_down(&c);
}

static int setup(void **state)
{
    static scene s;
    s = scene_create();
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    scene_destroy(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_read),       TEST(test_nothing_found), TEST(test_few_found),
                                       TEST(test_seen_side),  TEST(test_refused),       TEST(test_others_stay),
                                       TEST(test_deep_entry), TEST(test_csv),           TEST(test_csv_two_faces),
                                       TEST(test_csv_split),  TEST(test_csv_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

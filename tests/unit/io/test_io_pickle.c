/* The interpreter, opcode by opcode: pickles written by hand, since Python writes only some of what it may read. */
#include "io_case.h"

#include "io/torch/pickle.h"
#include "io/torch/pickle_json.h"

/* A pickle from a literal, which may contain zero bytes. */
#define PARSE(literal) parse("\x80\x02" literal, sizeof("\x80\x02" literal) - 1)
#define REFUSE(literal, says) refuse("\x80\x02" literal, sizeof("\x80\x02" literal) - 1, says)

static ssfer_pickle *parse(const char *bytes, size_t size)
{
    ssfer_pickle *pickle = NULL;
    ssfer_error err = {0};
    size_t used = 0;
    unsigned char *exact = ssfer_malloc(size);
    memcpy(exact, bytes, size);
    CHECK_OK(ssfer_pickle_parse(&pickle, exact, size, &used, "t.pkl", &err), err);
    assert_int_equal(used, size);
    ssfer_free(exact); /* nodes must not point into it */
    return pickle;
}

static void refuse(const char *bytes, size_t size, const char *says)
{
    ssfer_pickle *pickle = NULL;
    ssfer_error err = {0};
    unsigned char *exact = ssfer_malloc(size);
    memcpy(exact, bytes, size);
    assert_int_equal(ssfer_pickle_parse(&pickle, exact, size, NULL, "t.pkl", &err), SSFER_ERR_FORMAT);
    assert_null(pickle);
    CHECK_MESSAGE(err, "t.pkl");
    CHECK_MESSAGE(err, says);
    ssfer_free(exact);
}

static void check_int(const char *bytes, size_t size, int64_t want)
{
    ssfer_pickle *p = parse(bytes, size);
    int64_t got = 0;
    assert_int_equal(ssfer_pickle_kind_of(ssfer_pickle_root(p)), SSFER_PICKLE_INT);
    assert_true(ssfer_pickle_int(ssfer_pickle_root(p), &got));
    assert_true(got == want);
    ssfer_pickle_destroy(p);
}
#define INT(literal, want) check_int("\x80\x02" literal, sizeof("\x80\x02" literal) - 1, want)

static void test_integers(void **state)
{
    (void)state;
    INT("K\xff.", 255);
    INT("M\x01\x02.", 513);
    INT("J\xff\xff\xff\xff.", -1);
    INT("J\x00\x00\x00\x80.", INT32_MIN);
    INT("\x8a\x00.", 0);
    INT("\x8a\x01\xff.", -1);
    INT("\x8a\x02\xff\x00.", 255);
    INT("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", INT64_MIN);
    INT("\x8b\x01\x00\x00\x00\x7f.", 127);
    ssfer_pickle *p = PARSE("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.");
    int64_t unused;
    double d;
    size_t size;
    assert_int_equal(ssfer_pickle_kind_of(ssfer_pickle_root(p)), SSFER_PICKLE_LONG);
    assert_false(ssfer_pickle_int(ssfer_pickle_root(p), &unused));
    assert_false(ssfer_pickle_double(ssfer_pickle_root(p), &d));
    assert_int_equal(ssfer_pickle_bytes(ssfer_pickle_root(p), &size)[8], 1);
    assert_int_equal(size, 9);
    ssfer_pickle_destroy(p);
    REFUSE("\x8b\x01\x04\x00\x00", "more than 1024");
}

static void test_scalars(void **state)
{
    (void)state;
    ssfer_pickle *p =
        PARSE("(N\x88\x89G\x3f\xf8\x00\x00\x00\x00\x00\x00X\x02\x00\x00\x00\xc3\xa9U\x01zT\x01\x00\x00\x00y"
              "\x8c\x01x\x8d\x01\x00\x00\x00\x00\x00\x00\x00w"
              "C\x02\x00\x01\x42\x01\x00\x00\x00\x07\x8e\x01\x00\x00\x00\x00\x00\x00\x00\x08"
              "\x96\x01\x00\x00\x00\x00\x00\x00\x00\x09t.");
    const ssfer_pickle_node *t = ssfer_pickle_root(p);
    bool flag = false;
    double number = 0;
    size_t size;
    assert_int_equal(ssfer_pickle_kind_of(t), SSFER_PICKLE_TUPLE);
    assert_int_equal(ssfer_pickle_count(t), 13);
    assert_int_equal(ssfer_pickle_kind_of(ssfer_pickle_at(t, 0)), SSFER_PICKLE_NONE);
    assert_non_null(ssfer_pickle_at(t, 0)); /* None is there, unlike what is absent */
    assert_true(ssfer_pickle_bool(ssfer_pickle_at(t, 1), &flag) && flag);
    assert_true(ssfer_pickle_bool(ssfer_pickle_at(t, 2), &flag) && !flag);
    assert_true(ssfer_pickle_double(ssfer_pickle_at(t, 3), &number) && number == 1.5);
    static const char *const texts[] = {"\xc3\xa9", "z", "y", "x", "w"};
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(ssfer_pickle_text(ssfer_pickle_at(t, 4 + i)), texts[i]);
    assert_memory_equal(ssfer_pickle_bytes(ssfer_pickle_at(t, 9), &size), "\x00\x01", 2);
    assert_int_equal(size, 2);
    assert_null(ssfer_pickle_text(ssfer_pickle_at(t, 9)));
    for (size_t i = 10; i < 13; i++) {
        assert_int_equal(ssfer_pickle_bytes(ssfer_pickle_at(t, i), &size)[0], i - 3);
        assert_int_equal(size, 1);
    }
    assert_null(ssfer_pickle_at(t, 13));
    ssfer_pickle_destroy(p);
}

static void test_containers(void **state)
{
    (void)state;
    /* {"l": [1, 2, 3], 5: {6}, "l": []} and two shared references to the list */
    ssfer_pickle *p = PARSE("}(X\x01\x00\x00\x00l](K\x01K\x02"
                            "eK\x03"
                            "aq\x07K\x05\x8f(K\x06\x90uX\x01\x00\x00\x00m"
                            "h\x07s"
                            "X\x01\x00\x00\x00l]s.");
    const ssfer_pickle_node *d = ssfer_pickle_root(p), *m = ssfer_pickle_get(d, "m");
    int64_t last = 0;
    assert_int_equal(ssfer_pickle_count(d), 4);
    assert_int_equal(ssfer_pickle_count(ssfer_pickle_get(d, "l")), 0); /* the later assignment */
    assert_ptr_equal(m, ssfer_pickle_value_at(d, 0));
    assert_int_equal(ssfer_pickle_count(m), 3);
    assert_true(ssfer_pickle_int(ssfer_pickle_at(m, 2), &last) && last == 3);
    assert_int_equal(ssfer_pickle_kind_of(ssfer_pickle_get_int(d, 5)), SSFER_PICKLE_SET);
    assert_int_equal(ssfer_pickle_count(ssfer_pickle_get_int(d, 5)), 1);
    assert_null(ssfer_pickle_get_int(d, 6));
    assert_null(ssfer_pickle_get(d, "z"));
    assert_null(ssfer_pickle_get(m, "l")); /* not a dict */
    assert_null(ssfer_pickle_key_at(m, 0));
    assert_null(ssfer_pickle_at(d, 0));
    ssfer_pickle_destroy(p);
}

static void test_known_calls(void **state)
{
    (void)state;
    ssfer_pickle *p =
        PARSE("(ccollections\nOrderedDict\n](K\x01K\x02\x86K\x03K\x04\x86"
              "e\x85R"
              "c__builtin__\nset\n](K\x01K\x02"
              "e\x85R"
              "ctorch\nSize\n](K\x01K\x02"
              "e\x85R"
              "c_codecs\nencode\nX\x03\x00\x00\x00\xc3\xbf"
              "aX\x06\x00\x00\x00latin1\x86R"
              "c__builtin__\nbytearray\n)R"
              "ccollections\ndefaultdict\nc__builtin__\nlist\n\x85RK\x01K\x02s"
              "ccopy_reg\n_reconstructor\ncmod\nClass\nc__builtin__\nobject\nN\x87R}X\x01\x00\x00\x00kK\x09sb"
              "t.");
    const ssfer_pickle_node *t = ssfer_pickle_root(p);
    size_t size;
    int64_t n = 0;
    assert_int_equal(ssfer_pickle_kind_of(ssfer_pickle_at(t, 0)), SSFER_PICKLE_DICT);
    assert_true(ssfer_pickle_int(ssfer_pickle_get_int(ssfer_pickle_at(t, 0), 3), &n) && n == 4);
    assert_int_equal(ssfer_pickle_kind_of(ssfer_pickle_at(t, 1)), SSFER_PICKLE_SET);
    assert_int_equal(ssfer_pickle_count(ssfer_pickle_at(t, 1)), 2);
    assert_int_equal(ssfer_pickle_kind_of(ssfer_pickle_at(t, 2)), SSFER_PICKLE_TUPLE);
    assert_int_equal(ssfer_pickle_count(ssfer_pickle_at(t, 2)), 2);
    assert_memory_equal(ssfer_pickle_bytes(ssfer_pickle_at(t, 3), &size),
                        "\xff"
                        "a",
                        2);
    assert_int_equal(size, 2);
    assert_int_equal(ssfer_pickle_kind_of(ssfer_pickle_at(t, 4)), SSFER_PICKLE_BYTES);
    assert_int_equal(ssfer_pickle_kind_of(ssfer_pickle_at(t, 5)), SSFER_PICKLE_DICT);
    assert_int_equal(ssfer_pickle_count(ssfer_pickle_at(t, 5)), 1);
    assert_true(ssfer_pickle_is(ssfer_pickle_at(t, 6), "mod.Class"));
    assert_true(ssfer_pickle_int(ssfer_pickle_attr(ssfer_pickle_at(t, 6), "k"), &n) && n == 9);
    ssfer_pickle_destroy(p);
}

static void test_objects(void **state)
{
    (void)state;
    /* mod.Sub(1) filled like a list, with slots; sub-calls of objects; NEWOBJ_EX; STACK_GLOBAL; a persistent id */
    ssfer_pickle *p = PARSE("(\x8c\x03mod\x8c\x03Sub\x93K\x01\x85RK\x05"
                            "aN}\x8c\x01sK\x07s\x86"
                            "b"
                            "cos\nsystem\nX\x02\x00\x00\x00rm\x85R"
                            "cmod\nNew\n)}\x92"
                            "K\x2aQ"
                            "cfunctools\npartial\n)R)R"
                            "t.");
    const ssfer_pickle_node *t = ssfer_pickle_root(p), *o = ssfer_pickle_at(t, 0);
    int64_t n = 0;
    char text[100];
    assert_string_equal(ssfer_pickle_class(o), "mod.Sub");
    assert_true(ssfer_pickle_int(ssfer_pickle_arg(o, 0), &n) && n == 1);
    assert_int_equal(ssfer_pickle_count(o), 1);
    assert_true(ssfer_pickle_int(ssfer_pickle_at(o, 0), &n) && n == 5);
    assert_true(ssfer_pickle_int(ssfer_pickle_attr(o, "s"), &n) && n == 7);
    assert_null(ssfer_pickle_attr(o, "t"));
    assert_true(ssfer_pickle_is(ssfer_pickle_at(t, 1), "os.system")); /* kept, never called */
    assert_true(ssfer_pickle_is(ssfer_pickle_at(t, 2), "mod.New"));
    assert_int_equal(ssfer_pickle_persistent_count(p), 1);
    assert_ptr_equal(ssfer_pickle_persistent_at(p, 0), ssfer_pickle_at(t, 3));
    assert_true(ssfer_pickle_int(ssfer_pickle_args(ssfer_pickle_at(t, 3)), &n) && n == 42);
    assert_null(ssfer_pickle_class(ssfer_pickle_at(t, 4)));
    assert_string_equal(ssfer_pickle_describe(o, text, sizeof text), "an object of class mod.Sub");
    assert_string_equal(ssfer_pickle_describe(NULL, text, sizeof text), "None");
    ssfer_pickle_destroy(p);
}

static void test_stack(void **state)
{
    (void)state;
    ssfer_pickle *p = PARSE("K\x01(K\x02K\x03"
                            "1(0K\x04"
                            "02\x86\x94"
                            "0h\x00.");
    int64_t n = 0;
    assert_int_equal(ssfer_pickle_count(ssfer_pickle_root(p)), 2); /* (1, 1), by DUP and TUPLE2 */
    assert_true(ssfer_pickle_int(ssfer_pickle_at(ssfer_pickle_root(p), 1), &n) && n == 1);
    ssfer_pickle_destroy(p);
}

static void test_damage(void **state)
{
    (void)state;
    refuse("K\x01.", 3, "not a pickle of protocol 2");
    refuse("", 0, "not a pickle");
    refuse("\x80\x06N.", 4, "protocol");
    REFUSE("", "ends in the middle");
    REFUSE("N", "ends in the middle");
    REFUSE(".", "values left over");
    REFUSE("NN.", "values left over");
    REFUSE("(N.", "values left over");
    REFUSE("(\x85.", "too few values");
    REFUSE("N(\x86.", "too few values");
    REFUSE("N(2.", "empty stack");
    REFUSE("t.", "no mark");
    REFUSE("0.", "no mark");
    REFUSE("X\xff\xff\xff\xff"
           "a.",
           "ends in the middle");
    REFUSE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
           "a.",
           "ends in the middle");
    REFUSE("\x95\xff\x00\x00\x00\x00\x00\x00\x00N.", "frame");
    REFUSE("cmod\nName", "middle of a name");
    REFUSE("cmod\nNa\x00me\n.", "impossible name");
    REFUSE("K\x01X\x01\x00\x00\x00"
           "a\x93.",
           "not text");
    REFUSE("h\x00.", "never stored");
    REFUSE("Nq\x01h\x00.", "never stored");
    REFUSE("Nr\xff\xff\xff\x7f.", "memo index");
    REFUSE("NN"
           "a.",
           "fills something");
    REFUSE("}K\x01"
           "a.",
           "fills something");
    REFUSE("](K\x01K\x02u.", "fills something");
    REFUSE("}(K\x01u.", "key without a value");
    REFUSE("NNb.", "plain value");
    REFUSE("NNR.", "not a tuple");
    REFUSE("N)R.", "not a class");
    REFUSE("ccollections\nOrderedDict\n](K\x01"
           "e\x85R.",
           "list of pairs");
    REFUSE("c_codecs\nencode\nX\x03\x00\x00\x00\xe2\x82\xacX\x06\x00\x00\x00latin1\x86R.", "Latin-1");
    REFUSE("I01\n.", "operation 0x49");
    REFUSE("ios\nsystem\n.", "operation 0x69");
    REFUSE("\x82\x01.", "operation 0x82");
    REFUSE("\x97.", "operation 0x97");
}

/* One list that contains itself: nothing loops, and a dump gives up. */
static void test_cycle(void **state)
{
    (void)state;
    ssfer_pickle *p = PARSE("]q\x00h\x00"
                            "a.");
    ssfer_error err = {0};
    char *text = NULL;
    assert_ptr_equal(ssfer_pickle_at(ssfer_pickle_root(p), 0), ssfer_pickle_root(p));
    CHECK_OK(ssfer_pickle_json_text(&text, ssfer_pickle_root(p), &err), err);
    assert_null(text);
    ssfer_pickle_destroy(p);
}

/* A short pickle that asks for a copy of a long dict again and again must end with a clear refusal. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    enum { ENTRIES = 300000, COPIES = 300000 };
    static const char copy[] = "h\x01h\x00\x85R0";
    size_t size = 64 + 2 * ENTRIES + COPIES * (sizeof copy - 1), at = 0;
    char *bytes = ssfer_malloc(size);
    static const char head[] = "\x80\x02"
                               "ccollections\nOrderedDict\nq\x01}q\x00(";
    memcpy(bytes, head, sizeof head - 1);
    at = sizeof head - 1;
    memset(bytes + at, 'N', 2 * ENTRIES);
    at += 2 * ENTRIES;
    bytes[at++] = 'u';
    for (size_t i = 0; i < COPIES; i++, at += sizeof copy - 1)
        memcpy(bytes + at, copy, sizeof copy - 1);
    bytes[at++] = '.';
    ssfer_pickle *pickle;
    ssfer_error err = {0};
    assert_int_equal(ssfer_pickle_parse(&pickle, (unsigned char *)bytes, at, NULL, "t.pkl", &err), SSFER_ERR_LIMIT);
    CHECK_MESSAGE(err, "t.pkl: its objects take more than");
    ssfer_free(bytes);
}

static void check_number(const char *bytes, size_t size, double want)
{
    ssfer_pickle *p = parse(bytes, size);
    double got = 0;
    assert_true(ssfer_pickle_double(ssfer_pickle_root(p), &got));
    assert_true(got == want);
    ssfer_pickle_destroy(p);
}
/* numpy.core.multiarray.scalar(dtype(code), bytes), as Python 2 wrote it (bytes are str there) */
#define SCALAR(code, order, data)                                                                                      \
    "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02" code "\x89\x88\x87R(K\x03U\x01" order                       \
    "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb" data "\x86R."
#define NUMPY(literal, want) check_number("\x80\x02" literal, sizeof("\x80\x02" literal) - 1, want)

static void test_numpy_scalars(void **state)
{
    (void)state;
    NUMPY(SCALAR("f8", "<", "U\x08\x00\x00\x00\x00\x00\x00\xf8\x3f"), 1.5);
    NUMPY(SCALAR("f8", ">", "U\x08\x3f\xf8\x00\x00\x00\x00\x00\x00"), 1.5);
    NUMPY(SCALAR("f4", "<", "U\x04\x00\x00\xc0\xbf"), -1.5);
    NUMPY(SCALAR("f2", "<", "U\x02\x00\x3e"), 1.5);
    NUMPY(SCALAR("i2", "<", "U\x02\xfe\xff"), -2);
    NUMPY(SCALAR("u2", "<", "U\x02\xfe\xff"), 65534);
    NUMPY(SCALAR("i8", "<", "U\x08\xff\xff\xff\xff\xff\xff\xff\xff"), -1);
    NUMPY(SCALAR("b1", "|", "U\x01\x01"), 1);
#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        "\x80\x02" literal, sizeof("\x80\x02" literal) - 1                                                             \
    }
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {BYTES(SCALAR("f8", "<", "U\x04\x00\x00\xc0\xbf")),
               BYTES(SCALAR("S8", "<",
                            "U\x08"
                            "abcdefgh")),
               BYTES(SCALAR("f3", "<",
                            "U\x03"
                            "abc"))};
    for (size_t i = 0; i < 3; i++) {
        ssfer_pickle *p = NULL;
        ssfer_error err = {0};
        double unused;
        CHECK_OK(ssfer_pickle_parse(&p, (const unsigned char *)bad[i].bytes, bad[i].size, NULL, "t", &err), err);
        assert_false(ssfer_pickle_double(ssfer_pickle_root(p), &unused));
        ssfer_pickle_destroy(p);
    }
}

static void test_json(void **state)
{
    (void)state;
    ssfer_pickle *p = PARSE(
        "}(K\x01G\x3f\xb9\x99\x99\x99\x99\x99\x9aX\x01\x00\x00\x00k(NK\x02\x88X\x02\x00\x00\x00\"xtX\x01\x00\x00\x00o"
        "cmod\nC\n)RX\x01\x00\x00\x00l\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fu.");
    ssfer_error err = {0};
    char *text = NULL;
    CHECK_OK(ssfer_pickle_json_text(&text, ssfer_pickle_root(p), &err), err);
    assert_string_equal(text, "{\"1\":0.1,\"k\":[null,2,true,\"\\\"x\"],\"o\":null,\"l\":9223372036854775807}");
    ssfer_free(text);
    ssfer_pickle_destroy(p);
}

static void test_null_is_nothing(void **state)
{
    (void)state;
    size_t size;
    assert_int_equal(ssfer_pickle_kind_of(NULL), SSFER_PICKLE_NONE);
    assert_int_equal(ssfer_pickle_count(NULL), 0);
    assert_null(ssfer_pickle_text(ssfer_pickle_get(ssfer_pickle_attr(ssfer_pickle_arg(NULL, 0), "a"), "b")));
    assert_null(ssfer_pickle_bytes(NULL, &size));
    assert_null(ssfer_pickle_state(NULL));
    ssfer_pickle_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),      cmocka_unit_test(test_scalars), cmocka_unit_test(test_containers),
        cmocka_unit_test(test_known_calls),   cmocka_unit_test(test_objects), cmocka_unit_test(test_stack),
        cmocka_unit_test(test_damage),        cmocka_unit_test(test_cycle),   cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_numpy_scalars), cmocka_unit_test(test_json),    cmocka_unit_test(test_null_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

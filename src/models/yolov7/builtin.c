/* The published networks of YOLOv7-face, for weights that come without a configuration (bare state dicts). Written
 * out in the text form of models/yolov7/config.h from pieces that repeat. */
#include "models/yolov7/config.h"

#include <string.h>

#define L(from, rest) "layer " from " 1 " rest "\n"

#define HEADER(width, blocks)                                                                                          \
    "classes 1\nkeypoints 5\ndepth 1\nwidth " width "\nkeypoint_blocks " blocks "\n"                                   \
    "anchors 4,5 6,8 10,12\nanchors 15,19 23,30 39,52\nanchors 72,97 123,164 209,297\n"

/* ---- lite: ShuffleNet blocks, then a pyramid of separable convolutions. c: channels of the head, n3 and n4: repeats
 * of the second and third stage, pool: kernel of the pooling, detect: layers that are read by the head ---- */
#define LITE(stem, c3, c4, c5, n3, n4, c, pool, detect)                                                                \
    HEADER("1", "no")                                                                                                  \
    L("-1", "StemBlock " stem " 3 2")                                                                                  \
    L("-1", "Shuffle_Block " c3 " 2")                                                                                  \
    "layer -1 " n3 " Shuffle_Block " c3                                                                                \
    " 1\n" L("-1", "Shuffle_Block " c4 " 2") "layer -1 " n4 " Shuffle_Block " c4 " 1\n" L(                             \
        "-1", "Shuffle_Block " c5 " 2") "layer -1 " n3 " Shuffle_Block " c5 " 1\n" L("-1", "SPPF " c5 " " pool)        \
        L("-1", "Conv " c " 1 1") L("-1", "nn.Upsample None 2 nearest") L("-1,4", "Concat 1")                          \
            L("-1", "DWConvblock " c " 3 1") L("-1", "Conv " c " 1 1") L("-1", "nn.Upsample None 2 nearest")           \
                L("-1,2", "Concat 1") L("-1", "DWConvblock " c " 3 1") L("-1", "DWConvblock " c " 3 2")                \
                    L("-1,12", "ADD 1") L("-1", "DWConvblock " c " 3 1") L("-1", "DWConvblock " c " 3 2")              \
                        L("-1,8", "ADD 1") L("-1", "DWConvblock " c " 3 1") L(detect, "IKeypoint nc anchors nkpt")

/* ---- tiny: LeakyReLU throughout; its aggregation has two 3x3 convolutions ---- */
#define TC(from, c, k, s) L(from, "Conv " c " " k " " s " None 1 nn.LeakyReLU(0.1)")
#define TINY_ELAN(c, wide)                                                                                             \
    TC("-1", c, "1", "1")                                                                                              \
    TC("-2", c, "1", "1")                                                                                              \
    TC("-1", c, "3", "1") TC("-1", c, "3", "1") L("-1,-2,-3,-4", "Concat 1") TC("-1", wide, "1", "1")
#define TINY_UP(c, route)                                                                                              \
    TC("-1", c, "1", "1") L("-1", "nn.Upsample None 2 nearest") TC(route, c, "1", "1") L("-1,-2", "Concat 1")
#define TINY                                                                                                           \
    HEADER("1", "yes")                                                                                                 \
    TC("-1", "32", "3", "2")                                                                                           \
    TC("-1", "64", "3", "2")                                                                                           \
    TINY_ELAN("32", "64")                                                                                              \
    L("-1", "MP")                                                                                                      \
    TINY_ELAN("64", "128") /* 14 */                                                                                    \
    L("-1", "MP")                                                                                                      \
    TINY_ELAN("128", "256") /* 21 */                                                                                   \
    L("-1", "MP")                                                                                                      \
    TINY_ELAN("256", "512") /* 28 */                                                                                   \
        TC("-1", "256", "1", "1") TC("-2", "256", "1", "1") L("-1", "SPF 5") L("-2", "SPF 9") L("-3", "SPF 13")        \
            L("-1,-2,-3,-4", "Concat 1") TC("-1", "256", "1", "1") L("-1,-7", "Concat 1")                              \
                TC("-1", "256", "1", "1")                                        /* 37 */                              \
        TINY_UP("128", "21") TINY_ELAN("64", "128")                              /* 47 */                              \
        TINY_UP("64", "14") TINY_ELAN("32", "64")                                /* 57 */                              \
        TC("-1", "128", "3", "2") L("-1,47", "Concat 1") TINY_ELAN("64", "128")  /* 65 */                              \
        TC("-1", "256", "3", "2") L("-1,37", "Concat 1") TINY_ELAN("128", "256") /* 73 */                              \
        TC("57", "128", "3", "1") TC("65", "256", "3", "1") TC("73", "512", "3", "1")                                  \
            L("74,75,76", "IKeypoint nc anchors nkpt")

/* ---- yolov7 and its narrow form: aggregation blocks of the backbone (B) and the head (H), down-sampling by pooling
 * and a strided convolution side by side ---- */
#define C1(from, c) L(from, "Conv " c " 1 1")
#define C3(from, c, s) L(from, "Conv " c " 3 " s)
#define ELAN_B(c, wide)                                                                                                \
    C1("-1", c)                                                                                                        \
    C1("-2", c)                                                                                                        \
    C3("-1", c, "1") C3("-1", c, "1") C3("-1", c, "1") C3("-1", c, "1") L("-1,-3,-5,-6", "Concat 1") C1("-1", wide)
#define ELAN_H(c, half)                                                                                                \
    C1("-1", c)                                                                                                        \
    C1("-2", c)                                                                                                        \
    C3("-1", half, "1")                                                                                                \
    C3("-1", half, "1") C3("-1", half, "1") C3("-1", half, "1") L("-1,-2,-3,-4,-5,-6", "Concat 1") C1("-1", c)
#define DOWN(c, join) L("-1", "MP") C1("-1", c) C1("-3", c) C3("-1", c, "2") L(join, "Concat 1")
#define UP(c, route) C1("-1", c) L("-1", "nn.Upsample None 2 nearest") C1(route, c) L("-1,-2", "Concat 1")
/* p3, p4, p5: last layers of the backbone's and the pyramid's levels; stem: the layers before the first aggregation */
#define YOLOV7(width, stem, pool, b3, b4, h5, h4, d3, d4, d5, kernel, detect)                                          \
    HEADER(width, "no")                                                                                                \
    stem C3("-1", "128", "2") ELAN_B("64", "256") DOWN("128", "-1,-3") ELAN_B("128", "512") DOWN("256", "-1,-3")       \
        ELAN_B("256", "1024") DOWN("512", "-1,-3") ELAN_B("256", "1024") L("-1", pool) UP("256", b4)                   \
            ELAN_H("256", "128") UP("128", b3) ELAN_H("128", "64") DOWN("128", "-1,-3," h4) ELAN_H("256", "128")       \
                DOWN("256", "-1,-3," h5) ELAN_H("512", "256") L(d3, "Conv 256 " kernel " 1")                           \
                    L(d4, "Conv 512 " kernel " 1") L(d5, "Conv 1024 " kernel " 1")                                     \
                        L(detect, "IKeypoint nc anchors nkpt")

static const struct {
    const char *name, *text;
} table[] = {
    {"yolov7-lite-t", LITE("16", "48", "96", "192", "2", "5", "48", "5", "15,18,21")},
    /* the topology of the released weights of lite-t, which is not the published configuration's */
    {"yolov7-lite-t-released", LITE("16", "48", "96", "192", "2", "5", "48", "3", "14,17,20")},
    {"yolov7-lite-s", LITE("32", "96", "192", "384", "3", "7", "96", "5", "15,18,21")},
    {"yolov7-tiny-face", TINY},
    {"yolov7s-face", YOLOV7("0.4", C3("-1", "64", "2") C3("-1", "64", "1"), "SPPF 512 3", "23", "36", "50", "62", "74",
                            "87", "100", "1", "101,102,103")},
    {"yolov7-face", YOLOV7("1", C3("-1", "32", "1") C3("-1", "64", "2") C3("-1", "64", "1"), "SPPFCSPC 512", "24", "37",
                           "51", "63", "75", "88", "101", "3", "102,103,104")},
};

const char *ssfer_yolo_builtin_name(size_t i)
{
    return i < sizeof table / sizeof *table ? table[i].name : NULL;
}

const char *ssfer_yolo_builtin_text(size_t i)
{
    return i < sizeof table / sizeof *table ? table[i].text : NULL;
}

const char *ssfer_yolo_builtin_find(const char *name)
{
    const char *best = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t n = strlen(table[i].name);
        if (n > longest && strncmp(name, table[i].name, n) == 0) {
            longest = n;
            best = table[i].text;
        }
    }
    return best;
}

/* Nodes of a pickle as the interpreter builds them; only pickle.c and pickle_tree.c look inside. */
#ifndef SSFER_IO_TORCH_PICKLE_NODE_H
#define SSFER_IO_TORCH_PICKLE_NODE_H

#include "io/torch/pickle.h"

struct ssfer_pickle_node {
    ssfer_pickle_kind kind;
    union {
        int64_t integer; /* BOOL, INT */
        double number;   /* FLOAT */
        struct {
            const char *bytes; /* a zero byte follows */
            size_t size;
        } text; /* STRING, BYTES, LONG, GLOBAL */
        struct {
            ssfer_pickle_node **items; /* DICT: key, value, key, value... */
            size_t count, capacity;
            ssfer_pickle_node *state; /* DICT only: what BUILD gave */
        } list;                       /* LIST, TUPLE, SET, DICT */
        struct {
            ssfer_pickle_node *callee; /* normally a GLOBAL; NULL for PERSISTENT */
            ssfer_pickle_node *args, *state, *contents;
        } object; /* OBJECT, PERSISTENT */
    };
};

#endif

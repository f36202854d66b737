/* Python pickles as inert data. A small closed interpreter for the opcodes of protocols 2 to 5: nothing is imported,
 * looked up or called. What Python would build by calling something is kept as a node that says what was to be called
 * with which arguments.
 *
 * The result is a graph of nodes owned by one ssfer_pickle: nodes are valid until it is destroyed. Memory is bounded by
 * the size of the pickle (and by a hard limit). A hostile pickle can contain itself or be shared exponentially often:
 * whoever walks it in depth must bound depth and number of visits.
 *
 * What becomes what:
 *   None, bool, int, float, str, bytes/bytearray   nodes of these kinds; an int beyond 64 bits is SSFER_PICKLE_LONG
 *   list, tuple, dict, set/frozenset               the same; also OrderedDict, defaultdict, Counter (DICT), torch.Size
 *                                                  (TUPLE); duplicate keys of a dict are all kept, lookup finds the
 * last a class or function by name                    GLOBAL, "module.name" (Python 2 names are given as Python 3's)
 *   anything made by a call: a tensor, a module... OBJECT: class, args, state, and contents if it is a list or dict
 *   a reference to outside (a tensor's storage)    PERSISTENT, its id is ssfer_pickle_args
 *
 * All accessors take NULL and nodes of any kind, and then answer "nothing" (NULL, false, 0), so that lookups can be
 * chained: ssfer_pickle_text(ssfer_pickle_get(ssfer_pickle_attr(model, "yaml"), "backbone")). */
#ifndef SSFER_IO_TORCH_PICKLE_H
#define SSFER_IO_TORCH_PICKLE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ssfer_pickle_kind {
    SSFER_PICKLE_NONE, /* also the kind of NULL */
    SSFER_PICKLE_BOOL,
    SSFER_PICKLE_INT,
    SSFER_PICKLE_LONG,
    SSFER_PICKLE_FLOAT,
    SSFER_PICKLE_STRING,
    SSFER_PICKLE_BYTES,
    SSFER_PICKLE_LIST,
    SSFER_PICKLE_TUPLE,
    SSFER_PICKLE_DICT,
    SSFER_PICKLE_SET,
    SSFER_PICKLE_GLOBAL,
    SSFER_PICKLE_OBJECT,
    SSFER_PICKLE_PERSISTENT
} ssfer_pickle_kind;

typedef struct ssfer_pickle ssfer_pickle;           /* owns the nodes */
typedef struct ssfer_pickle_node ssfer_pickle_node; /* read-only for everyone outside */

/* Interprets one pickle from its first opcode to STOP; *used (may be NULL) is how many bytes that took. `name` is for
 * messages. The bytes may go away afterwards.
 * Errors: SSFER_ERR_FORMAT (not a pickle, cut, an opcode outside the closed list, stack misuse), SSFER_ERR_LIMIT,
 * SSFER_ERR_MEMORY. */
ssfer_status ssfer_pickle_parse(ssfer_pickle **out, const unsigned char *bytes, size_t size_bytes, size_t *used,
                                const char *name, ssfer_error *err);
void ssfer_pickle_destroy(ssfer_pickle *pickle); /* NULL is fine */
const ssfer_pickle_node *ssfer_pickle_root(const ssfer_pickle *pickle);

/* Every PERSISTENT node of the pickle, in order of appearance (the legacy container needs the list). */
size_t ssfer_pickle_persistent_count(const ssfer_pickle *pickle);
const ssfer_pickle_node *ssfer_pickle_persistent_at(const ssfer_pickle *pickle, size_t i);

ssfer_pickle_kind ssfer_pickle_kind_of(const ssfer_pickle_node *node);
/* For messages: "None", "a dict", "an object of class models.yolo.Model"... The text is written to `buffer`. */
const char *ssfer_pickle_describe(const ssfer_pickle_node *node, char *buffer, size_t size);

/* Plain values; *out is set on success only. Numbers may also be numpy scalars or numpy arrays of one element.
 * bool: BOOL (INT 0 or 1 too). int: INT, BOOL. double: INT, BOOL, FLOAT. */
bool ssfer_pickle_bool(const ssfer_pickle_node *node, bool *out);
bool ssfer_pickle_int(const ssfer_pickle_node *node, int64_t *out);
bool ssfer_pickle_double(const ssfer_pickle_node *node, double *out);
/* The text of a STRING, terminated; NULL for other kinds and for text that contains a zero character. */
const char *ssfer_pickle_text(const ssfer_pickle_node *node);
/* The bytes of STRING (UTF-8), BYTES or LONG (two's complement, little-endian). */
const unsigned char *ssfer_pickle_bytes(const ssfer_pickle_node *node, size_t *size_bytes);

/* Containers. count: elements of LIST, TUPLE, SET, entries of DICT. An OBJECT that was filled like a list or a dict
 * (a subclass of them) answers like one. at: an element; for a DICT use key_at and value_at (order of insertion). */
size_t ssfer_pickle_count(const ssfer_pickle_node *node);
const ssfer_pickle_node *ssfer_pickle_at(const ssfer_pickle_node *node, size_t i);
const ssfer_pickle_node *ssfer_pickle_key_at(const ssfer_pickle_node *node, size_t i);
const ssfer_pickle_node *ssfer_pickle_value_at(const ssfer_pickle_node *node, size_t i);
/* The value of a string key (or an integer key) of a DICT. A present None is a node of kind NONE, not NULL. */
const ssfer_pickle_node *ssfer_pickle_get(const ssfer_pickle_node *node, const char *key);
const ssfer_pickle_node *ssfer_pickle_get_int(const ssfer_pickle_node *node, int64_t key);

/* GLOBAL: its own name. OBJECT: the class or function that Python would have called: "torch._utils._rebuild_tensor_v2",
 * "models.yolo.Model". NULL otherwise. */
const char *ssfer_pickle_class(const ssfer_pickle_node *node);
bool ssfer_pickle_is(const ssfer_pickle_node *node, const char *class_name); /* an OBJECT of that class */
/* OBJECT: arguments of the call (normally a TUPLE). PERSISTENT: the id. */
const ssfer_pickle_node *ssfer_pickle_args(const ssfer_pickle_node *node);
const ssfer_pickle_node *ssfer_pickle_arg(const ssfer_pickle_node *node, size_t i); /* at(args, i) */
/* OBJECT (or DICT): the state that BUILD gave it; NULL without. */
const ssfer_pickle_node *ssfer_pickle_state(const ssfer_pickle_node *node);
/* An attribute of an OBJECT: looked up by name in its state, which is a dict, or a pair of dicts (with __slots__). */
const ssfer_pickle_node *ssfer_pickle_attr(const ssfer_pickle_node *node, const char *name);

#endif

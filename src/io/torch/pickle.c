/* The interpreter: a stack machine over a closed list of opcodes (Python's Lib/pickletools.py documents each).
 * A table maps an opcode to its function; an opcode without one is refused. */
#include "base/memory.h"
#include "base/size.h"
#include "io/torch/pickle_node.h"

#include <inttypes.h>
#include <string.h>

enum {
    CHUNK_BYTES = 64 * 1024,
    MAX_NAME_BYTES = 512,  /* of a module or a class */
    MAX_LONG_BYTES = 1024, /* of one big integer */
    MAX_PICKLE_BYTES = 1 << 26,
    MAX_TREE_BYTES = 1 << 28 /* nodes and texts; the largest published checkpoints need 1 % of it */
};

typedef struct chunk {
    struct chunk *next;
    size_t size, used;
    max_align_t memory[];
} chunk;

struct ssfer_pickle {
    ssfer_pickle_node none, yes, no, empty_tuple; /* the commonest nodes, shared: nothing changes them */
    chunk *chunks;
    size_t tree_bytes;
    ssfer_pickle_node *root;
    ssfer_pickle_node **persistent;
    size_t persistent_count, persistent_capacity;
};

typedef struct machine {
    const unsigned char *start, *at, *end;
    const char *name;
    ssfer_error *err;
    ssfer_pickle *pickle;
    ssfer_pickle_node **stack, **memo;
    size_t stack_count, stack_capacity, memo_size, memo_capacity, memo_used;
    size_t *marks;
    size_t mark_count, mark_capacity;
    bool stopped;
} machine;

typedef ssfer_status (*operation)(machine *m, unsigned char opcode);

/* ---- errors, input, memory ----------------------------------------------------------------------------------- */

static ssfer_status corrupt(machine *m, const char *what)
{
    return ssfer_fail(m->err, SSFER_ERR_FORMAT, "%s: damaged pickle at byte %zu: %s", m->name,
                      (size_t)(m->at - m->start), what);
}

static ssfer_status no_memory(machine *m)
{
    return ssfer_fail(m->err, SSFER_ERR_MEMORY, "%s: out of memory while reading its objects", m->name);
}

static ssfer_status take(machine *m, const unsigned char **bytes, uint64_t count)
{
    if (count > (uint64_t)(m->end - m->at))
        return corrupt(m, "it ends in the middle of an object");
    *bytes = m->at;
    m->at += count;
    return SSFER_OK;
}

/* An unsigned little-endian number of `width` bytes. */
static ssfer_status take_number(machine *m, uint64_t *number, size_t width)
{
    const unsigned char *bytes = NULL;
    ssfer_status st = take(m, &bytes, width);
    *number = 0;
    for (size_t i = 0; st == SSFER_OK && i < width; i++)
        *number |= (uint64_t)bytes[i] << (8 * i);
    return st;
}

static void *allocate(machine *m, size_t size)
{
    ssfer_pickle *p = m->pickle;
    size = ssfer_align_size(size, sizeof(max_align_t));
    if (size > MAX_TREE_BYTES - p->tree_bytes)
        return NULL;
    p->tree_bytes += size;
    if (!p->chunks || size > p->chunks->size - p->chunks->used) {
        size_t room = size > CHUNK_BYTES / 4 ? size : CHUNK_BYTES; /* large pieces get a chunk of their own */
        chunk *c = ssfer_malloc(sizeof *c + room);
        if (!c)
            return NULL;
        *c = (chunk){.size = room};
        if (room == size && p->chunks) { /* keep filling the current chunk afterwards */
            c->next = p->chunks->next;
            p->chunks->next = c;
            c->used = size;
            return c->memory;
        }
        c->next = p->chunks;
        p->chunks = c;
    }
    void *memory = (unsigned char *)p->chunks->memory + p->chunks->used;
    p->chunks->used += size;
    return memory;
}

static ssfer_status new_node(machine *m, ssfer_pickle_kind kind, ssfer_pickle_node **out)
{
    ssfer_pickle_node *node = allocate(m, sizeof *node);
    if (!node)
        return no_memory(m);
    memset(node, 0, sizeof *node);
    node->kind = kind;
    *out = node;
    return SSFER_OK;
}

static ssfer_status new_text(machine *m, ssfer_pickle_kind kind, const void *bytes, size_t size,
                             ssfer_pickle_node **out)
{
    char *copy = allocate(m, size + 1);
    if (!copy)
        return no_memory(m);
    if (size)
        memcpy(copy, bytes, size);
    copy[size] = 0;
    ssfer_status st = new_node(m, kind, out);
    if (st == SSFER_OK) {
        (*out)->text.bytes = copy;
        (*out)->text.size = size;
    }
    return st;
}

/* Appends to a list, set or dict. Growth leaves the old array behind in the chunks: at most doubles the memory. */
static ssfer_status extend(machine *m, ssfer_pickle_node *list, ssfer_pickle_node *const *items, size_t count)
{
    size_t wanted = list->list.count + count;
    if (wanted > list->list.capacity) {
        size_t capacity = ssfer_max_size(wanted, 2 * list->list.capacity);
        ssfer_pickle_node **grown = allocate(m, capacity * sizeof *grown);
        if (!grown)
            return no_memory(m);
        if (list->list.count)
            memcpy(grown, list->list.items, list->list.count * sizeof *grown);
        list->list.items = grown;
        list->list.capacity = capacity;
    }
    if (count)
        // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): there are `count` items
        memcpy(list->list.items + list->list.count, items, count * sizeof *items);
    list->list.count = wanted;
    return SSFER_OK;
}

static ssfer_status new_list(machine *m, ssfer_pickle_kind kind, ssfer_pickle_node *const *items, size_t count,
                             ssfer_pickle_node **out)
{
    ssfer_status st = new_node(m, kind, out);
    return st == SSFER_OK && count ? extend(m, *out, items, count) : st;
}

/* ---- the stack ----------------------------------------------------------------------------------------------- */

static ssfer_status push(machine *m, ssfer_pickle_node *node)
{
    if (ssfer_reserve((void **)&m->stack, &m->stack_capacity, m->stack_count + 1, sizeof *m->stack))
        return no_memory(m);
    m->stack[m->stack_count++] = node;
    return SSFER_OK;
}

/* Operations other than those that take a MARK must not reach below the last one. */
static size_t available(const machine *m)
{
    return m->stack_count - (m->mark_count ? m->marks[m->mark_count - 1] : 0);
}

static ssfer_status pop(machine *m, ssfer_pickle_node **items, size_t count)
{
    if (available(m) < count)
        return corrupt(m, "an operation finds too few values on the stack");
    m->stack_count -= count;
    memcpy(items, m->stack + m->stack_count, count * sizeof *items);
    return SSFER_OK;
}

/* All values above the last mark; they stay in place (until the next push) and the mark goes. */
static ssfer_status pop_to_mark(machine *m, ssfer_pickle_node ***items, size_t *count)
{
    if (!m->mark_count)
        return corrupt(m, "an operation finds no mark on the stack");
    size_t mark = m->marks[--m->mark_count];
    *items = m->stack ? m->stack + mark : NULL; /* nothing was ever pushed */
    *count = m->stack_count - mark;
    m->stack_count = mark;
    return SSFER_OK;
}

static ssfer_status top(machine *m, ssfer_pickle_node **node)
{
    if (!available(m))
        return corrupt(m, "an operation finds an empty stack");
    *node = m->stack[m->stack_count - 1];
    return SSFER_OK;
}

static ssfer_status op_mark(machine *m, unsigned char opcode)
{
    (void)opcode;
    if (ssfer_reserve((void **)&m->marks, &m->mark_capacity, m->mark_count + 1, sizeof *m->marks))
        return no_memory(m);
    m->marks[m->mark_count++] = m->stack_count;
    return SSFER_OK;
}

static ssfer_status op_pop(machine *m, unsigned char opcode)
{
    ssfer_pickle_node *dropped, **items = NULL;
    size_t count = 0;
    if (opcode == '1' || !available(m)) /* POP of a mark is allowed */
        return pop_to_mark(m, &items, &count);
    return pop(m, &dropped, 1);
}

static ssfer_status op_dup(machine *m, unsigned char opcode)
{
    (void)opcode;
    ssfer_pickle_node *node = NULL;
    ssfer_status st = top(m, &node);
    return st == SSFER_OK ? push(m, node) : st;
}

static ssfer_status op_stop(machine *m, unsigned char opcode)
{
    (void)opcode;
    if (m->mark_count || m->stack_count != 1)
        return corrupt(m, "it stops with values left over");
    m->pickle->root = m->stack[0];
    m->stopped = true;
    return SSFER_OK;
}

static ssfer_status op_proto(machine *m, unsigned char opcode)
{
    (void)opcode;
    uint64_t protocol = 0;
    ssfer_status st = take_number(m, &protocol, 1);
    if (st == SSFER_OK && (protocol < 2 || protocol > 5))
        st = corrupt(m, "its protocol is not one of 2 to 5");
    return st;
}

static ssfer_status op_frame(machine *m, unsigned char opcode)
{
    (void)opcode;
    uint64_t size = 0;
    ssfer_status st = take_number(m, &size, 8);
    if (st == SSFER_OK && size > (uint64_t)(m->end - m->at))
        st = corrupt(m, "a frame is longer than the file");
    return st; /* only a hint for readers that fetch ahead */
}

/* ---- plain values -------------------------------------------------------------------------------------------- */

static ssfer_status op_constant(machine *m, unsigned char opcode)
{
    ssfer_pickle *p = m->pickle;
    return push(m, opcode == 'N' ? &p->none : opcode == 0x88 ? &p->yes : opcode == 0x89 ? &p->no : &p->empty_tuple);
}

static ssfer_status push_int(machine *m, int64_t value)
{
    ssfer_pickle_node *node = NULL;
    ssfer_status st = new_node(m, SSFER_PICKLE_INT, &node);
    if (st != SSFER_OK)
        return st;
    node->integer = value;
    return push(m, node);
}

static ssfer_status op_int(machine *m, unsigned char opcode)
{
    uint64_t bits = 0;
    ssfer_status st = take_number(m, &bits, opcode == 'K' ? 1 : opcode == 'M' ? 2 : 4);
    if (st != SSFER_OK)
        return st;
    return push_int(m, opcode == 'J' ? (int64_t)(int32_t)(uint32_t)bits : (int64_t)bits);
}

static ssfer_status op_long(machine *m, unsigned char opcode)
{
    uint64_t size = 0, bits = 0;
    const unsigned char *bytes = NULL;
    ssfer_pickle_node *node = NULL;
    ssfer_status st = take_number(m, &size, opcode == 0x8a ? 1 : 4);
    if (st == SSFER_OK && size > MAX_LONG_BYTES)
        st = corrupt(m, "an integer of more than 1024 bytes");
    if (st == SSFER_OK)
        st = take(m, &bytes, size);
    if (st != SSFER_OK)
        return st;
    if (size > 8) {
        st = new_text(m, SSFER_PICKLE_LONG, bytes, (size_t)size, &node);
        return st == SSFER_OK ? push(m, node) : st;
    }
    for (size_t i = 0; i < size; i++)
        bits |= (uint64_t)bytes[i] << (8 * i);
    unsigned unused = (unsigned)(64 - 8 * size);
    return push_int(m, size ? (int64_t)(bits << unused) >> unused : 0);
}

static ssfer_status op_float(machine *m, unsigned char opcode)
{
    (void)opcode;
    const unsigned char *bytes = NULL;
    ssfer_pickle_node *node = NULL;
    uint64_t bits = 0;
    ssfer_status st = take(m, &bytes, 8);
    if (st == SSFER_OK)
        st = new_node(m, SSFER_PICKLE_FLOAT, &node);
    if (st != SSFER_OK)
        return st;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i]; /* the only big-endian value of the format */
    memcpy(&node->number, &bits, sizeof bits);
    return push(m, node);
}

static ssfer_status push_text(machine *m, ssfer_pickle_kind kind, size_t width)
{
    uint64_t size = 0;
    const unsigned char *bytes = NULL;
    ssfer_pickle_node *node = NULL;
    ssfer_status st = take_number(m, &size, width);
    if (st == SSFER_OK)
        st = take(m, &bytes, size);
    if (st == SSFER_OK)
        st = new_text(m, kind, bytes, (size_t)size, &node);
    return st == SSFER_OK ? push(m, node) : st;
}

static ssfer_status op_string(machine *m, unsigned char opcode)
{
    size_t width = opcode == 'U' || opcode == 0x8c ? 1 : opcode == 0x8d ? 8 : 4;
    return push_text(m, SSFER_PICKLE_STRING, width); /* 'T', 'U': str of Python 2, of unknown encoding */
}

static ssfer_status op_bytes(machine *m, unsigned char opcode)
{
    return push_text(m, SSFER_PICKLE_BYTES, opcode == 'C' ? 1 : opcode == 'B' ? 4 : 8);
}

/* ---- containers ---------------------------------------------------------------------------------------------- */

static ssfer_status op_empty(machine *m, unsigned char opcode)
{
    ssfer_pickle_node *node = NULL;
    ssfer_pickle_kind kind = opcode == ']' ? SSFER_PICKLE_LIST : opcode == '}' ? SSFER_PICKLE_DICT : SSFER_PICKLE_SET;
    ssfer_status st = new_node(m, kind, &node);
    return st == SSFER_OK ? push(m, node) : st;
}

static ssfer_status op_tuple(machine *m, unsigned char opcode)
{
    ssfer_pickle_node *fixed[3] = {0}, **items = fixed, *node = NULL;
    size_t count = opcode >= 0x85 && opcode <= 0x87 ? (size_t)(opcode - 0x84) : 0;
    ssfer_status st = count ? pop(m, fixed, count) : pop_to_mark(m, &items, &count);
    if (st == SSFER_OK)
        st = new_list(m, opcode == 0x91 ? SSFER_PICKLE_SET : SSFER_PICKLE_TUPLE, items, count, &node);
    return st == SSFER_OK ? push(m, node) : st;
}

/* The list or dict to fill: the node itself, or one that an object of a derived class gets for it. */
static ssfer_status filled(machine *m, ssfer_pickle_node *node, ssfer_pickle_kind kind, ssfer_pickle_node **target)
{
    ssfer_status st = SSFER_OK;
    if (node->kind == SSFER_PICKLE_OBJECT && kind != SSFER_PICKLE_SET) {
        if (!node->object.contents)
            st = new_node(m, kind, &node->object.contents);
        node = node->object.contents;
    }
    if (st == SSFER_OK && node->kind != kind)
        st = corrupt(m, "an operation fills something that is not a container of its kind");
    *target = node;
    return st;
}

static ssfer_status fill(machine *m, ssfer_pickle_kind kind, ssfer_pickle_node **items, size_t count)
{
    ssfer_pickle_node *node = NULL, *target = NULL;
    if (kind == SSFER_PICKLE_DICT && count % 2)
        return corrupt(m, "a dict gets a key without a value");
    ssfer_status st = top(m, &node);
    if (st == SSFER_OK)
        st = filled(m, node, kind, &target);
    return st == SSFER_OK ? extend(m, target, items, count) : st;
}

/* APPENDS, SETITEMS, ADDITEMS */
static ssfer_status op_fill_many(machine *m, unsigned char opcode)
{
    ssfer_pickle_node **items = NULL;
    size_t count = 0;
    ssfer_status st = pop_to_mark(m, &items, &count);
    if (st != SSFER_OK)
        return st;
    ssfer_pickle_kind kind = opcode == 'e' ? SSFER_PICKLE_LIST : opcode == 'u' ? SSFER_PICKLE_DICT : SSFER_PICKLE_SET;
    return fill(m, kind, items, count);
}

/* APPEND, SETITEM */
static ssfer_status op_fill_one(machine *m, unsigned char opcode)
{
    ssfer_pickle_node *items[2] = {0};
    size_t count = opcode == 'a' ? 1 : 2;
    ssfer_status st = pop(m, items, count);
    return st == SSFER_OK ? fill(m, count == 1 ? SSFER_PICKLE_LIST : SSFER_PICKLE_DICT, items, count) : st;
}

/* ---- memo ---------------------------------------------------------------------------------------------------- */

static ssfer_status op_put(machine *m, unsigned char opcode)
{
    uint64_t index = m->memo_used;
    ssfer_pickle_node *node = NULL;
    ssfer_status st = opcode == 0x94 ? SSFER_OK : take_number(m, &index, opcode == 'q' ? 1 : 4);
    if (st == SSFER_OK)
        st = top(m, &node);
    if (st == SSFER_OK && index > (uint64_t)(m->at - m->start)) /* each entry costs a byte: this bounds the table */
        st = corrupt(m, "a memo index that no real pickle has");
    if (st != SSFER_OK)
        return st;
    size_t i = (size_t)index;
    if (ssfer_reserve((void **)&m->memo, &m->memo_capacity, i + 1, sizeof *m->memo))
        return no_memory(m);
    for (; m->memo_size <= i; m->memo_size++)
        m->memo[m->memo_size] = NULL;
    m->memo_used += m->memo[i] == NULL;
    m->memo[i] = node;
    return SSFER_OK;
}

static ssfer_status op_get(machine *m, unsigned char opcode)
{
    uint64_t index;
    ssfer_status st = take_number(m, &index, opcode == 'h' ? 1 : 4);
    if (st == SSFER_OK && (index >= m->memo_size || !m->memo[index]))
        st = corrupt(m, "a reference to an object that was never stored");
    return st == SSFER_OK ? push(m, m->memo[index]) : st;
}

/* ---- names and calls ----------------------------------------------------------------------------------------- */

static ssfer_status push_global(machine *m, const char *module, size_t module_size, const char *name, size_t name_size)
{
    static const char *const renamed[][2] = {{"__builtin__", "builtins"}, {"copy_reg", "copyreg"}};
    if (module_size > MAX_NAME_BYTES || name_size > MAX_NAME_BYTES || memchr(module, 0, module_size) ||
        memchr(name, 0, name_size))
        return corrupt(m, "an impossible name of a class");
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
        if (module_size == strlen(renamed[i][0]) && memcmp(module, renamed[i][0], module_size) == 0) {
            module = renamed[i][1]; /* Python 2's name of the module */
            module_size = strlen(module);
            break;
        }
    char whole[2 * MAX_NAME_BYTES + 1];
    memcpy(whole, module, module_size);
    whole[module_size] = '.';
    memcpy(whole + module_size + 1, name, name_size);
    ssfer_pickle_node *node = NULL;
    ssfer_status st = new_text(m, SSFER_PICKLE_GLOBAL, whole, module_size + 1 + name_size, &node);
    return st == SSFER_OK ? push(m, node) : st;
}

static ssfer_status take_line(machine *m, const char **line, size_t *size)
{
    const unsigned char *newline = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!newline)
        return corrupt(m, "it ends in the middle of a name");
    *line = (const char *)m->at;
    *size = (size_t)(newline - m->at);
    m->at = newline + 1;
    return SSFER_OK;
}

static ssfer_status op_global(machine *m, unsigned char opcode)
{
    (void)opcode;
    const char *module = NULL, *name = NULL;
    size_t module_size = 0, name_size = 0;
    ssfer_status st = take_line(m, &module, &module_size);
    if (st == SSFER_OK)
        st = take_line(m, &name, &name_size);
    return st == SSFER_OK ? push_global(m, module, module_size, name, name_size) : st;
}

static ssfer_status op_stack_global(machine *m, unsigned char opcode)
{
    (void)opcode;
    ssfer_pickle_node *parts[2] = {0};
    ssfer_status st = pop(m, parts, 2);
    if (st == SSFER_OK && (parts[0]->kind != SSFER_PICKLE_STRING || parts[1]->kind != SSFER_PICKLE_STRING))
        st = corrupt(m, "the name of a class is not text");
    if (st != SSFER_OK)
        return st;
    return push_global(m, parts[0]->text.bytes, parts[0]->text.size, parts[1]->text.bytes, parts[1]->text.size);
}

/* torch.save's older container names the class of a module by a persistent id: ("module", class, file, source text). */
static ssfer_pickle_node *class_in_id(const ssfer_pickle_node *id)
{
    if (id->kind != SSFER_PICKLE_TUPLE || id->list.count < 2)
        return NULL;
    const ssfer_pickle_node *kind = id->list.items[0];
    bool module = kind->kind == SSFER_PICKLE_STRING && strcmp(kind->text.bytes, "module") == 0;
    return module && id->list.items[1]->kind == SSFER_PICKLE_GLOBAL ? id->list.items[1] : NULL;
}

static ssfer_status op_persistent(machine *m, unsigned char opcode)
{
    (void)opcode;
    ssfer_pickle *p = m->pickle;
    ssfer_pickle_node *id = NULL, *node = NULL;
    ssfer_status st = pop(m, &id, 1);
    if (st == SSFER_OK && (node = class_in_id(id)))
        return push(m, node);
    if (st == SSFER_OK)
        st = new_node(m, SSFER_PICKLE_PERSISTENT, &node);
    if (st != SSFER_OK)
        return st;
    node->object.args = id;
    if (ssfer_reserve((void **)&p->persistent, &p->persistent_capacity, p->persistent_count + 1, sizeof *p->persistent))
        return no_memory(m);
    p->persistent[p->persistent_count++] = node;
    return push(m, node);
}

/* bytes as protocol 2 spells them: _codecs.encode("text", "latin1"), each character one byte. */
static ssfer_status encode_latin1(machine *m, const ssfer_pickle_node *text, ssfer_pickle_node **out)
{
    size_t n = 0;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the caller knows that it is text
    ssfer_status st = new_text(m, SSFER_PICKLE_BYTES, text->text.bytes, text->text.size, out);
    if (st != SSFER_OK)
        return st;
    const unsigned char *in = (const unsigned char *)text->text.bytes, *end = in + text->text.size;
    unsigned char *to = (unsigned char *)(uintptr_t)(*out)->text.bytes;
    while (in < end) {
        if (*in < 0x80) {
            to[n++] = *in++;
        } else if ((*in & 0xfc) == 0xc0 && in + 1 < end && (in[1] & 0xc0) == 0x80) {
            to[n++] = (unsigned char)((in[0] & 3) << 6 | (in[1] & 0x3f));
            in += 2;
        } else {
            return corrupt(m, "bytes that are not encoded as Latin-1");
        }
    }
    to[n] = 0;
    (*out)->text.size = n;
    return SSFER_OK;
}

/* Pairs [(key, value), ...] or a dict, as OrderedDict(...) and Counter(...) take them. */
static ssfer_status fill_dict_from(machine *m, ssfer_pickle_node *dict, const ssfer_pickle_node *source)
{
    if (ssfer_pickle_kind_of(source) == SSFER_PICKLE_DICT)
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): NULL is of another kind
        return extend(m, dict, source->list.items, source->list.count);
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; st == SSFER_OK && i < ssfer_pickle_count(source); i++) {
        const ssfer_pickle_node *pair = ssfer_pickle_at(source, i);
        if (ssfer_pickle_count(pair) != 2 || pair->kind == SSFER_PICKLE_DICT || pair->kind == SSFER_PICKLE_OBJECT)
            return corrupt(m, "a dict is made from something that is not a list of pairs");
        st = extend(m, dict, pair->list.items, 2);
    }
    return st;
}

/* The calls whose result is plain data. *out stays NULL for all others. */
static ssfer_status call_known(machine *m, const char *name, const ssfer_pickle_node *args, ssfer_pickle_node **out)
{
    size_t count = args->list.count;
    const ssfer_pickle_node *first = count ? args->list.items[0] : NULL;
    *out = NULL;
    bool counter = strcmp(name, "collections.OrderedDict") == 0 || strcmp(name, "collections.Counter") == 0 ||
                   strcmp(name, "builtins.dict") == 0;
    if (counter || strcmp(name, "collections.defaultdict") == 0) {
        ssfer_status st = new_node(m, SSFER_PICKLE_DICT, out);
        return st == SSFER_OK && counter ? fill_dict_from(m, *out, first) : st; /* defaultdict: first is its factory */
    }
    bool set = strcmp(name, "builtins.set") == 0 || strcmp(name, "builtins.frozenset") == 0;
    bool tuple = strcmp(name, "builtins.tuple") == 0 || strcmp(name, "torch.Size") == 0;
    if (set || tuple || strcmp(name, "builtins.list") == 0) {
        ssfer_pickle_kind kind = set ? SSFER_PICKLE_SET : tuple ? SSFER_PICKLE_TUPLE : SSFER_PICKLE_LIST;
        bool sequence = first && (first->kind == SSFER_PICKLE_LIST || first->kind == SSFER_PICKLE_TUPLE);
        return new_list(m, kind, sequence ? first->list.items : NULL, sequence ? first->list.count : 0, out);
    }
    bool bytes = strcmp(name, "builtins.bytes") == 0 || strcmp(name, "builtins.bytearray") == 0;
    if (bytes && count == 0)
        return new_text(m, SSFER_PICKLE_BYTES, "", 0, out);
    if (bytes && first->kind == SSFER_PICKLE_BYTES)
        return new_text(m, SSFER_PICKLE_BYTES, first->text.bytes, first->text.size, out);
    const char *encoding = ssfer_pickle_text(ssfer_pickle_at(args, 1));
    if ((bytes || strcmp(name, "_codecs.encode") == 0) && ssfer_pickle_kind_of(first) == SSFER_PICKLE_STRING &&
        encoding && (strcmp(encoding, "latin1") == 0 || strcmp(encoding, "latin-1") == 0))
        return encode_latin1(m, first, out);
    return SSFER_OK;
}

static ssfer_status make_object(machine *m, ssfer_pickle_node *callee, ssfer_pickle_node *args)
{
    ssfer_pickle_node *node = NULL;
    ssfer_status st = SSFER_OK;
    if (args->kind != SSFER_PICKLE_TUPLE)
        return corrupt(m, "a call whose arguments are not a tuple");
    if (callee->kind != SSFER_PICKLE_GLOBAL && callee->kind != SSFER_PICKLE_OBJECT)
        return corrupt(m, "a call of something that is not a class");
    if (callee->kind == SSFER_PICKLE_GLOBAL) {
        if (strcmp(callee->text.bytes, "copyreg._reconstructor") == 0 && args->list.count == 3) {
            callee = args->list.items[0]; /* the older spelling of NEWOBJ */
            args = &m->pickle->empty_tuple;
        } else {
            st = call_known(m, callee->text.bytes, args, &node);
        }
    }
    if (st == SSFER_OK && !node) {
        st = new_node(m, SSFER_PICKLE_OBJECT, &node);
        if (st == SSFER_OK) {
            node->object.callee = callee;
            node->object.args = args;
        }
    }
    return st == SSFER_OK ? push(m, node) : st;
}

/* REDUCE, NEWOBJ: callable and arguments; NEWOBJ_EX: also keyword arguments, which nothing here needs */
static ssfer_status op_call(machine *m, unsigned char opcode)
{
    ssfer_pickle_node *parts[3] = {0};
    ssfer_status st = pop(m, parts, opcode == 0x92 ? 3 : 2);
    return st == SSFER_OK ? make_object(m, parts[0], parts[1]) : st;
}

static ssfer_status op_build(machine *m, unsigned char opcode)
{
    (void)opcode;
    ssfer_pickle_node *state = NULL, *node = NULL;
    ssfer_status st = pop(m, &state, 1);
    if (st == SSFER_OK)
        st = top(m, &node);
    if (st != SSFER_OK)
        return st;
    if (node->kind == SSFER_PICKLE_OBJECT)
        node->object.state = state;
    else if (node->kind == SSFER_PICKLE_DICT)
        node->list.state = state;
    else
        return corrupt(m, "attributes are given to a plain value");
    return SSFER_OK;
}

/* ---- the loop ------------------------------------------------------------------------------------------------ */

static const operation operations[256] = {
    ['('] = op_mark,          ['.'] = op_stop,       ['0'] = op_pop,      ['1'] = op_pop,       ['2'] = op_dup,
    [0x80] = op_proto,        [0x95] = op_frame,     ['N'] = op_constant, [0x88] = op_constant, [0x89] = op_constant,
    [')'] = op_constant,      ['J'] = op_int,        ['K'] = op_int,      ['M'] = op_int,       [0x8a] = op_long,
    [0x8b] = op_long,         ['G'] = op_float,      ['T'] = op_string,   ['U'] = op_string,    ['X'] = op_string,
    [0x8c] = op_string,       [0x8d] = op_string,    ['B'] = op_bytes,    ['C'] = op_bytes,     [0x8e] = op_bytes,
    [0x96] = op_bytes,        [']'] = op_empty,      ['}'] = op_empty,    [0x8f] = op_empty,    ['t'] = op_tuple,
    [0x85] = op_tuple,        [0x86] = op_tuple,     [0x87] = op_tuple,   [0x91] = op_tuple,    ['e'] = op_fill_many,
    ['u'] = op_fill_many,     [0x90] = op_fill_many, ['a'] = op_fill_one, ['s'] = op_fill_one,  ['q'] = op_put,
    ['r'] = op_put,           [0x94] = op_put,       ['h'] = op_get,      ['j'] = op_get,       ['c'] = op_global,
    [0x93] = op_stack_global, ['Q'] = op_persistent, ['R'] = op_call,     [0x81] = op_call,     [0x92] = op_call,
    ['b'] = op_build,
};

static ssfer_status run(machine *m)
{
    ssfer_status st = SSFER_OK;
    if (m->at == m->end || *m->at != 0x80)
        return ssfer_fail(m->err, SSFER_ERR_FORMAT, "%s: not a pickle of protocol 2 or later", m->name);
    while (st == SSFER_OK && !m->stopped) {
        const unsigned char *opcode = m->at;
        st = take(m, &opcode, 1);
        if (st == SSFER_OK && !operations[*opcode])
            st = ssfer_fail(
                m->err, SSFER_ERR_FORMAT,
                "%s: the pickle holds the operation 0x%02x at byte %zu, which is not read here; save it with "
                "torch.save",
                m->name, *opcode, (size_t)(opcode - m->start));
        else if (st == SSFER_OK)
            st = operations[*opcode](m, *opcode);
    }
    return st;
}

ssfer_status ssfer_pickle_parse(ssfer_pickle **out, const unsigned char *bytes, size_t size_bytes, size_t *used,
                                const char *name, ssfer_error *err)
{
    machine m = {.start = bytes, .at = bytes, .name = name, .err = err};
    *out = NULL;
    bool clipped = size_bytes > MAX_PICKLE_BYTES; /* more may follow a pickle; this one must end before the limit */
    m.end = bytes + (clipped ? MAX_PICKLE_BYTES : size_bytes);
    m.pickle = ssfer_calloc(1, sizeof *m.pickle);
    if (!m.pickle)
        return no_memory(&m);
    m.pickle->yes = (ssfer_pickle_node){.kind = SSFER_PICKLE_BOOL, .integer = 1};
    m.pickle->no = (ssfer_pickle_node){.kind = SSFER_PICKLE_BOOL};
    m.pickle->empty_tuple = (ssfer_pickle_node){.kind = SSFER_PICKLE_TUPLE};
    ssfer_status st = run(&m);
    if (st == SSFER_ERR_FORMAT && clipped && (size_t)(m.end - m.at) < 16)
        st = ssfer_fail(err, SSFER_ERR_LIMIT, "%s: its pickle is longer than %d bytes", name, MAX_PICKLE_BYTES);
    if (st == SSFER_ERR_MEMORY && m.pickle->tree_bytes > MAX_TREE_BYTES / 2)
        st = ssfer_fail(err, SSFER_ERR_LIMIT, "%s: its objects take more than %d bytes", name, MAX_TREE_BYTES);
    ssfer_free(m.stack);
    ssfer_free(m.memo);
    ssfer_free(m.marks);
    if (st != SSFER_OK) {
        ssfer_pickle_destroy(m.pickle);
        return st;
    }
    if (used)
        *used = (size_t)(m.at - m.start);
    *out = m.pickle;
    return SSFER_OK;
}

void ssfer_pickle_destroy(ssfer_pickle *pickle)
{
    if (!pickle)
        return;
    while (pickle->chunks) {
        chunk *next = pickle->chunks->next;
        ssfer_free(pickle->chunks);
        pickle->chunks = next;
    }
    ssfer_free(pickle->persistent);
    ssfer_free(pickle);
}

const ssfer_pickle_node *ssfer_pickle_root(const ssfer_pickle *pickle)
{
    return pickle->root;
}

size_t ssfer_pickle_persistent_count(const ssfer_pickle *pickle)
{
    return pickle->persistent_count;
}

const ssfer_pickle_node *ssfer_pickle_persistent_at(const ssfer_pickle *pickle, size_t i)
{
    return i < pickle->persistent_count ? pickle->persistent[i] : NULL;
}

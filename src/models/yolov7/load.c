#include "models/yolov7/network.h"

#include "base/file.h"
#include "base/memory.h"
#include "models/yolov7/pickled.h"
#include "models/yolov7/yaml_json.h"
#include "ssfer/detect.h"

#include <string.h>

static const char metadata_key[] = "ssfer.detector"; /* the configuration in a safetensors file */

typedef struct source {
    ssfer_yolo_config config;
    bool has_config;
    ssfer_tensor_set *weights;
} source;

/* A file, or its bytes with a name for messages. */
typedef struct input {
    const char *path;
    const unsigned char *bytes; /* NULL: read the file */
    size_t size;
} input;

static void source_deinit(source *s)
{
    ssfer_yolo_config_deinit(&s->config);
    ssfer_tensor_set_destroy(s->weights);
    *s = (source){0};
}

/* ---- reading ---- */

/* A torch file with a module inside gives configuration and weights; anything else is left to the general reader. */
static ssfer_status read_pickled(source *s, const input *in, ssfer_error *err)
{
    const char *path = in->path;
    ssfer_torch_file *file;
    ssfer_status st = in->bytes ? ssfer_torch_file_open_memory(&file, in->bytes, in->size, path, err)
                                : ssfer_torch_file_open(&file, path, err);
    if (st != SSFER_OK)
        return st;
    const ssfer_pickle_node *module = ssfer_yolo_pickled_module(ssfer_torch_file_root(file));
    if (module) {
        st = ssfer_yolo_pickled_config(&s->config, module, path, err);
        s->has_config = st == SSFER_OK;
        if (st == SSFER_OK)
            st = ssfer_tensor_set_create(&s->weights, err);
        if (st == SSFER_OK)
            st = ssfer_torch_module_add(s->weights, "", file, module, err);
    }
    ssfer_torch_file_close(file);
    return st;
}

static ssfer_status is_torch(bool *out, const input *in, ssfer_error *err)
{
    ssfer_file_map map = {in->bytes, in->size};
    ssfer_status st = in->bytes ? SSFER_OK : ssfer_file_map_open(&map, in->path, err);
    if (st != SSFER_OK)
        return st;
    *out = ssfer_torch_file_recognise(map.data, map.size_bytes);
    if (!in->bytes)
        ssfer_file_map_close(&map);
    return st;
}

static ssfer_status read_source(source *s, const input *in, ssfer_error *err)
{
    const char *path = in->path;
    bool torch = false;
    *s = (source){0};
    ssfer_status st = is_torch(&torch, in, err);
    if (st == SSFER_OK && torch)
        st = read_pickled(s, in, err);
    if (st == SSFER_OK && !s->weights)
        st = in->bytes ? ssfer_checkpoint_parse(&s->weights, in->bytes, in->size, path, NULL, err)
                       : ssfer_checkpoint_read(&s->weights, path, NULL, err);
    if (st != SSFER_OK || s->has_config)
        return st;
    const char *text = ssfer_tensor_set_get(s->weights, metadata_key);
    const char *yaml = ssfer_tensor_set_get(s->weights, "yaml"); /* of a pickled model, kept by the general converter */
    if (text)
        st = ssfer_yolo_config_parse(&s->config, text, path, err);
    else if (yaml)
        st = ssfer_yolo_yaml_json(&s->config, yaml, path, err);
    s->has_config = st == SSFER_OK && (text || yaml);
    return st;
}

/* ---- configurations for bare weights ---- */

static ssfer_status named_config(ssfer_yolo_config *config, const char *name, ssfer_error *err)
{
    enum { MAX_BYTES = 1 << 20 };
    unsigned char *text;
    size_t size;
    if (!ssfer_file_exists(name)) {
        const char *builtin = ssfer_yolo_builtin_find(name);
        if (!builtin)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                              "%s: neither a file nor a known network; known are " SSFER_YOLO_BUILTIN_NAMES, name);
        return ssfer_yolo_config_parse(config, builtin, name, err);
    }
    ssfer_status st = ssfer_file_read(&text, &size, name, MAX_BYTES, err);
    if (st != SSFER_OK)
        return st;
    st = strlen((const char *)text) == size ? ssfer_yolo_config_parse(config, (const char *)text, name, err)
                                            : ssfer_fail(err, SSFER_ERR_FORMAT, "%s: not a text file", name);
    ssfer_free(text);
    return st;
}

/* The published network that accounts for every tensor of the file. */
static ssfer_status fitting_builtin(ssfer_yolo **out, ssfer_yolo_config *config, const ssfer_tensor_set *weights,
                                    const char *path, ssfer_error *err)
{
    for (size_t i = 0; ssfer_yolo_builtin_name(i); i++) {
        ssfer_error ignored = {0};
        ssfer_yolo *net = NULL;
        ssfer_status st = ssfer_yolo_config_parse(config, ssfer_yolo_builtin_text(i), path, err);
        if (st != SSFER_OK)
            return st;
        st = ssfer_yolo_build(&net, config, weights, path, &ignored);
        if (st == SSFER_OK && net->unused == 0) {
            *out = net;
            return SSFER_OK;
        }
        ssfer_yolo_destroy(net);
        ssfer_yolo_config_deinit(config);
        if (st == SSFER_ERR_MEMORY)
            return ssfer_fail(err, st, "%s: out of memory", path);
    }
    return ssfer_fail(err, SSFER_ERR_UNSUPPORTED,
                      "%s: the weights fit none of the known face detectors; name the network's configuration", path);
}

static ssfer_status build_source(ssfer_yolo **out, char **config_text, source *s, const input *in,
                                 const char *config_name, ssfer_error *err)
{
    ssfer_yolo *net = NULL;
    char *text = NULL;
    ssfer_status st = SSFER_OK;
    if (config_name && !s->has_config) {
        st = named_config(&s->config, config_name, err);
        s->has_config = st == SSFER_OK;
    }
    if (st == SSFER_OK)
        st = s->has_config ? ssfer_yolo_build(&net, &s->config, s->weights, in->path, err)
                           : fitting_builtin(&net, &s->config, s->weights, in->path, err);
    if (st == SSFER_OK && config_text)
        st = ssfer_yolo_config_format(&text, &s->config, err);
    if (st != SSFER_OK) {
        ssfer_yolo_destroy(net);
        return st;
    }
    *out = net;
    if (config_text)
        *config_text = text;
    return st;
}

ssfer_status ssfer_yolo_load(ssfer_yolo **out, char **config_text, ssfer_tensor_set **weights, const char *path,
                             const char *config_name, ssfer_error *err)
{
    const input in = {.path = path};
    source s;
    *out = NULL;
    ssfer_status st = read_source(&s, &in, err);
    if (st == SSFER_OK)
        st = build_source(out, config_text, &s, &in, config_name, err);
    if (st == SSFER_OK && weights) {
        *weights = s.weights;
        s.weights = NULL;
    }
    source_deinit(&s);
    return st;
}

ssfer_status ssfer_yolo_load_memory(ssfer_yolo **out, const unsigned char *bytes, size_t size_bytes, const char *name,
                                    const char *config_name, ssfer_error *err)
{
    const input in = {name, bytes, size_bytes};
    source s;
    *out = NULL;
    ssfer_status st = read_source(&s, &in, err);
    if (st == SSFER_OK)
        st = build_source(out, NULL, &s, &in, config_name, err);
    source_deinit(&s);
    return st;
}

int ssfer_detector_recognise(const char *path)
{
    const input in = {.path = path};
    ssfer_torch_file *file;
    ssfer_tensor_set *set;
    bool torch = false, found = false;
    if (!path || is_torch(&torch, &in, NULL) != SSFER_OK)
        return 0;
    if (torch && ssfer_torch_file_open(&file, path, NULL) == SSFER_OK) {
        const char *class = ssfer_pickle_class(ssfer_yolo_pickled_module(ssfer_torch_file_root(file)));
        found = class && strncmp(class, "models.yolo.", 12) == 0;
        ssfer_torch_file_close(file);
    } else if (!torch && ssfer_safetensors_read(&set, path, NULL) == SSFER_OK) {
        found = ssfer_tensor_set_get(set, metadata_key) != NULL;
        ssfer_tensor_set_destroy(set);
    }
    return found;
}

ssfer_status ssfer_yolo_store(const char *path, ssfer_tensor_set *weights, const char *config_text, ssfer_error *err)
{
    ssfer_status st = ssfer_tensor_set_put(weights, metadata_key, config_text, err);
    if (st == SSFER_OK)
        st = ssfer_tensor_set_put(weights, "architecture", "yolov7-face", err);
    if (st == SSFER_OK)
        st = ssfer_tensor_set_put(weights, "format", "pt", err);
    return st == SSFER_OK ? ssfer_safetensors_write(weights, path, err) : st;
}

ssfer_status ssfer_detector_convert(const char *in, const char *out, const char *network, ssfer_error *err)
{
    ssfer_yolo *net;
    ssfer_tensor_set *weights;
    char *text;
    SSFER_REQUIRE(err, in, "in");
    SSFER_REQUIRE(err, out, "out");
    ssfer_status st = ssfer_yolo_load(&net, &text, &weights, in, network, err);
    if (st != SSFER_OK)
        return st;
    st = ssfer_yolo_store(out, weights, text, err);
    ssfer_free(text);
    ssfer_yolo_destroy(net);
    ssfer_tensor_set_destroy(weights);
    return st;
}

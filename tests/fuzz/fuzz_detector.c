/* Whatever the bytes are: read as a detector file (pickled, bare weights, safetensors) and as a configuration in both
 * forms; what becomes a network is run once on a small picture, if it is not too large for that. */
#include "base/memory.h"
#include "models/yolov7/select.h"
#include "models/yolov7/yaml_json.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ARENA = 1 << 22, MAX_PARAMETERS = 1 << 20, MAX_LAYERS = 64 };

static void run_network(const ssfer_yolo *net)
{
    ssfer_conv_plan *plan;
    ssfer_conv_workspace *ws;
    ssfer_yolo_rows rows = {0};
    ssfer_yolo_pick *picks = NULL;
    size_t count = 0, side = net->max_stride;
    ssfer_error err = {0};
    if (net->parameters > MAX_PARAMETERS || net->layer_count > MAX_LAYERS || side > 64 ||
        ssfer_yolo_plan(&plan, net, side, side, false, MAX_ARENA, &err) != SSFER_OK)
        return;
    if (ssfer_conv_workspace_create(&ws, plan, &err) == SSFER_OK) {
        float *input = ssfer_conv_workspace_input(ws);
        for (size_t i = 0; i < 3 * side * side; i++)
            input[i] = (float)(i % 255) / 255.0f;
        if (ssfer_conv_workspace_run(ws, &err) == SSFER_OK &&
            ssfer_yolo_decode(&rows, net, plan, ws, -1, &err) == SSFER_OK &&
            ssfer_yolo_select(&picks, &count, rows.data, rows.count, rows.values, net->classes, 0.1f, 0.5, &err) ==
                SSFER_OK &&
            count > rows.count)
            abort();
        ssfer_free(picks);
        ssfer_yolo_rows_deinit(&rows);
        ssfer_conv_workspace_destroy(ws);
    }
    ssfer_conv_plan_destroy(plan);
}

/* A configuration that was read is written, read and written again: the same text. */
static void use_config(ssfer_yolo_config *config)
{
    ssfer_yolo_config again;
    ssfer_error err = {0};
    char *text = NULL, *second = NULL;
    for (size_t i = 0; i < config->fact_count; i++)
        config->facts[i].needed = true;
    if (ssfer_yolo_config_format(&text, config, &err) == SSFER_OK && strlen(text) < 1 << 19) {
        if (ssfer_yolo_config_parse(&again, text, "again", &err) != SSFER_OK)
            abort();
        for (size_t i = 0; i < again.fact_count; i++)
            again.facts[i].needed = true;
        if (again.layer_count != config->layer_count || again.fact_count != config->fact_count ||
            ssfer_yolo_config_format(&second, &again, &err) != SSFER_OK || strlen(second) != strlen(text))
            abort();
        ssfer_yolo_config_deinit(&again);
    }
    ssfer_free(text);
    ssfer_free(second);
    ssfer_yolo_config_deinit(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ssfer_error err = {0};
    ssfer_yolo *net;
    ssfer_yolo_config config;
    char *text = ssfer_malloc(size + 1);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    if (ssfer_yolo_load_memory(&net, data, size, "file", NULL, &err) == SSFER_OK) {
        run_network(net);
        ssfer_yolo_destroy(net);
    }
    if (ssfer_yolo_config_parse(&config, text, "text", &err) == SSFER_OK)
        use_config(&config);
    if (ssfer_yolo_yaml_json(&config, text, "json", &err) == SSFER_OK)
        use_config(&config);
    ssfer_free(text);
    return 0;
}

/* `ssfer forward --what mae` against PyTorch: mask, prediction and loss of every checkpoint of the folder. */
#include "mae_fixture.h"

#include <unistd.h>

static const char *program;

static void check_checkpoint(const char *name, const fixture_value *config, const fixture_value *tolerances)
{
    char file[96], out[64];
    ssfer_error err = {0};
    ssfer_tensor_set *want, *got;
    snprintf(file, sizeof file, "%s_forward.safetensors", name);
    snprintf(out, sizeof out, "forward_%d.safetensors", (int)getpid());
    if (!(want = read_set(file)))
        return;
    char *input = fixture_path("mae", file);
    snprintf(file, sizeof file, "%s_checkpoint.pth", name);
    char *model = fixture_path("mae", file);
    char *command = ssfer_format(
        "'%s' forward --what mae --model '%s' --input '%s' --output '%s' --heads %.0f --decoder-heads %.0f --threads 1",
        program, model, input, out, fixture_number(config, "num_heads", 0),
        fixture_number(config, "decoder_num_heads", 0));
    check_equal(command, (size_t)system(command), 0);
    must(ssfer_safetensors_read(&got, out, &err), err.message);
    const fixture_value *atols = fixture_find(tolerances, name);
    const char *const names[][2] = {{"mask", "mask"}, {"pred", "pred"}, {"loss", "loss_norm_pix_False"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t count;
        float *values = floats(got, names[i][0], &count);
        check_equal(names[i][0], count, ssfer_tensor_set_find(want, names[i][1])->count);
        check_tensor(name, names[i][1], values, want, i == 0 ? 0.0 : atol_of(atols, names[i][1]));
        ssfer_free(values);
    }
    remove(out);
    ssfer_tensor_set_destroy(got);
    ssfer_tensor_set_destroy(want);
    ssfer_free(input);
    ssfer_free(model);
    ssfer_free(command);
}

static void check_folder(void)
{
    fixture_value *config = fixture_json("mae", "config.json"), *tolerances = fixture_json("mae", "tolerances.json");
    for (const fixture_value *m = config && tolerances ? config->child : NULL; m; m = m->next)
        if (fixture_find(m, "embed_dim"))
            check_checkpoint(m->key, m, tolerances);
    fixture_free(config);
    fixture_free(tolerances);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        printf("give the program's path\n");
        return 1;
    }
    program = argv[1];
    return fixture_main(check_folder);
}

#include "cli/mae_args.h"

static const char *const OFF_ON[] = {"off", "on", NULL};

const ssfer_option SSFER_DECODER_OPTIONS[] = {
    {SSFER_OPTION_INT(ssfer_decoder_args, dim), .name = "decoder-dim", .value = "N", .initial_help = "that of --arch",
     .min = 1, .max = 16384, .help = "width of the decoder's tokens"},
    {SSFER_OPTION_INT(ssfer_decoder_args, depth), .name = "decoder-depth", .value = "N",
     .initial_help = "that of --arch", .min = 1, .max = 256, .help = "blocks of the decoder"},
    {SSFER_OPTION_INT(ssfer_decoder_args, heads), .name = "decoder-heads", .value = "N",
     .initial_help = "that of --arch", .min = 1, .max = 1024, .help = "attention heads of the decoder"},
    {SSFER_OPTION_FLOAT(ssfer_decoder_args, mask_ratio), .name = "mask-ratio", .value = "X", .initial = "0.75",
     .above_min = true, .max = 1, .below_max = true, .help = "share of the patches that is hidden"},
    {SSFER_OPTION_CHOICE(ssfer_decoder_args, norm_pix), .name = "norm-pix", .choices = OFF_ON, .initial = "off",
     .help = "learn each hidden patch relative to its own mean and deviation: finer features, but the model cannot "
             "paint a whole picture by itself"},
    {0}};

ssfer_status ssfer_mae_model_config(ssfer_mae_config *c, const ssfer_model_args *m, const ssfer_decoder_args *d,
                                    ssfer_error *err)
{
    ssfer_mae_config_named(c, SSFER_ARCH_CHOICES[m->arch]);
    if (m->image_size)
        c->image_size = (size_t)m->image_size;
    if (m->patch_size)
        c->patch_size = (size_t)m->patch_size;
    if (m->embed_dim) {
        c->embed_dim = (size_t)m->embed_dim;
        c->hidden = 4 * c->embed_dim;
        c->heads = ssfer_mae_heads_for(c->embed_dim);
    }
    if (m->depth)
        c->depth = (size_t)m->depth;
    if (m->heads)
        c->heads = (size_t)m->heads;
    if (d->dim) {
        c->decoder_dim = (size_t)d->dim;
        c->decoder_hidden = 4 * c->decoder_dim;
        c->decoder_heads = ssfer_mae_decoder_heads_for(c->decoder_dim);
    }
    if (d->depth)
        c->decoder_depth = (size_t)d->depth;
    if (d->heads)
        c->decoder_heads = (size_t)d->heads;
    c->mask_ratio = d->mask_ratio;
    c->norm_pix = d->norm_pix == 1;
    return ssfer_mae_config_check(c, err);
}

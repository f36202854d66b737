/* JPEG by libjpeg-turbo, with its defaults, which are the reference's: accurate integer inverse DCT, triangle ("fancy")
 * chroma upsampling. Baseline, progressive and arithmetic coding; gray, YCbCr, RGB, CMYK and YCCK. */
#include "image/codec.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it first */

#include <jpeglib.h>

#include <jerror.h>

/* A progressive file is a list of scans, each over the whole picture: a small file could keep us busy for hours. Real
 * files have about ten; 500 is the limit that the library's own fuzzers use. */
enum { MAX_SCANS = 500 };

/* libjpeg calls back with a pointer to its first member and never returns from an error: it must jump. */
typedef struct jpeg_errors {
    struct jpeg_error_mgr base;
    jmp_buf jump;
    char text[JMSG_LENGTH_MAX];
} jpeg_errors;

static _Noreturn void give_up(j_common_ptr info, const char *why)
{
    jpeg_errors *errors = (jpeg_errors *)info->err;
    snprintf(errors->text, sizeof errors->text, "%s", why);
    longjmp(errors->jump, 1);
}

static void on_error(j_common_ptr info)
{
    jpeg_errors *errors = (jpeg_errors *)info->err;
    errors->base.format_message(info, errors->text);
    longjmp(errors->jump, 1);
}

/* Warnings (level -1). Those about damaged picture data are errors here: libjpeg would go on with gray blocks.
 * The rest (junk between segments, unusual versions) leaves every pixel intact. */
static void on_message(j_common_ptr info, int level)
{
    if (level >= 0)
        return;
    switch (info->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
        info->err->error_exit(info);
        break;
    default:
        info->err->num_warnings++;
    }
}

static void print_nothing(j_common_ptr info)
{
    (void)info;
}

static struct jpeg_error_mgr *install_errors(jpeg_errors *errors)
{
    jpeg_std_error(&errors->base);
    errors->base.error_exit = on_error;
    errors->base.emit_message = on_message;
    errors->base.output_message = print_nothing;
    return &errors->base;
}

/* --- reading --- */

typedef struct jpeg_reader {
    struct jpeg_decompress_struct info;
    jpeg_errors errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    const ssfer_decode_job *job;
    uint8_t *cmyk_row;
    ssfer_status status; /* set with err where we, not libjpeg, refuse the file */
} jpeg_reader;

static void source_start(j_decompress_ptr info)
{
    (void)info;
}

/* The whole file is in memory from the start: wanting more means that it is cut. */
static boolean source_is_cut(j_decompress_ptr info)
{
    give_up((j_common_ptr)info, "it ends too early");
}

static void source_skip(j_decompress_ptr info, long count)
{
    if (count <= 0)
        return;
    if ((size_t)count > info->src->bytes_in_buffer)
        source_is_cut(info);
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= (size_t)count;
}

static void count_scans(j_common_ptr info)
{
    j_decompress_ptr reader = (j_decompress_ptr)info;
    if (reader->input_scan_number > MAX_SCANS)
        give_up(info, "too many scans");
}

/* Huffman coding spends at least a bit on every block, so a file far shorter than the picture it declares is cut (or
 * made to exhaust memory); it is refused before the pixels are allocated. */
static bool is_implausibly_small(const struct jpeg_decompress_struct *info, size_t size_bytes)
{
    size_t mcu_w = 8 * (size_t)info->max_h_samp_factor, mcu_h = 8 * (size_t)info->max_v_samp_factor;
    size_t mcus = (info->image_width + mcu_w - 1) / mcu_w * ((info->image_height + mcu_h - 1) / mcu_h);
    return !info->arith_code && mcus / 8 > size_bytes;
}

/* CMYK as Adobe writes it (0 = full ink, so 255 - ink), to RGB as Pillow's convert("RGB") does. libjpeg has turned YCCK
 * into CMYK already. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t width)
{
    for (size_t x = 0; x < width; x++, rgb += 3, cmyk += 4) {
        unsigned light = cmyk[3];
        for (int c = 0; c < 3; c++) {
            unsigned product = (255u - cmyk[c]) * light + 128; /* rounded division by 255 */
            rgb[c] = (uint8_t)(light - ((product + (product >> 8)) >> 8));
        }
    }
}

static void read_pixels(jpeg_reader *r, ssfer_error *err)
{
    const ssfer_decode_job *job = r->job;
    struct jpeg_decompress_struct *info = &r->info;
    jpeg_read_header(info, TRUE);
    bool cmyk = info->num_components == 4;
    if (info->num_components != 1 && info->num_components != 3 && !cmyk) {
        r->status = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a JPEG of %d components; 1, 3 and 4 are known", job->name,
                               info->num_components);
        return;
    }
    r->status = ssfer_decode_check_size(job, info->image_width, info->image_height, err);
    if (r->status == SSFER_OK && is_implausibly_small(info, job->size_bytes))
        give_up((j_common_ptr)info, "it is too short for the size that it declares");
    if (r->status == SSFER_OK)
        r->status = ssfer_decode_begin(job, info->image_width, info->image_height, err);
    if (r->status == SSFER_OK && cmyk && !(r->cmyk_row = ssfer_malloc(4 * (size_t)info->image_width)))
        r->status = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", job->name);
    if (r->status != SSFER_OK)
        return;
    info->out_color_space = cmyk ? JCS_CMYK : JCS_RGB; /* gray is replicated */
    jpeg_start_decompress(info);
    while (info->output_scanline < info->output_height) {
        uint8_t *rgb = job->out->image.data + 3 * (size_t)info->output_scanline * info->image_width;
        JSAMPROW row = cmyk ? r->cmyk_row : rgb;
        jpeg_read_scanlines(info, &row, 1);
        if (cmyk)
            cmyk_to_rgb(rgb, r->cmyk_row, info->image_width);
    }
    jpeg_finish_decompress(info); /* reads up to the end marker: a file without one is cut */
}

/* Apart from ssfer_jpeg_decode, whose locals must survive the jump. */
static void run_reader(jpeg_reader *r, ssfer_error *err)
{
    if (setjmp(r->errors.jump)) {
        bool memory = r->errors.base.msg_code == JERR_OUT_OF_MEMORY;
        r->status = ssfer_fail(err, memory ? SSFER_ERR_MEMORY : SSFER_ERR_FORMAT, "%s: damaged or cut JPEG: %s",
                               r->job->name, r->errors.text);
        return;
    }
    jpeg_create_decompress(&r->info);
    r->info.src = &r->source;
    r->info.progress = &r->progress;
    read_pixels(r, err);
}

ssfer_status ssfer_jpeg_decode(const ssfer_decode_job *job, ssfer_error *err)
{
    jpeg_reader r = {.job = job,
                     .source = {.next_input_byte = job->bytes,
                                .bytes_in_buffer = job->size_bytes,
                                .init_source = source_start,
                                .fill_input_buffer = source_is_cut,
                                .skip_input_data = source_skip,
                                .resync_to_restart = jpeg_resync_to_restart,
                                .term_source = source_start},
                     .progress = {.progress_monitor = count_scans}};
    r.info.err = install_errors(&r.errors);
    run_reader(&r, err);
    jpeg_destroy_decompress(&r.info);
    ssfer_free(r.cmyk_row);
    return r.status;
}

/* --- writing --- */

enum { BLOCK_BYTES = 16384 };

typedef struct jpeg_writer {
    struct jpeg_compress_struct info;
    jpeg_errors errors;
    struct jpeg_destination_mgr destination;
    ssfer_byte_buffer *out;
    const ssfer_image *image;
    uint8_t block[BLOCK_BYTES];
} jpeg_writer;

static void destination_start(j_compress_ptr info)
{
    jpeg_writer *w = info->client_data;
    w->destination.next_output_byte = w->block;
    w->destination.free_in_buffer = BLOCK_BYTES;
}

static void destination_append(j_compress_ptr info, size_t size_bytes)
{
    jpeg_writer *w = info->client_data;
    if (!ssfer_byte_buffer_append(w->out, w->block, size_bytes)) {
        info->err->msg_code = JERR_OUT_OF_MEMORY;
        info->err->msg_parm.i[0] = 0;
        info->err->error_exit((j_common_ptr)info);
    }
    destination_start(info);
}

static boolean destination_full(j_compress_ptr info)
{
    destination_append(info, BLOCK_BYTES); /* the documented contract: all of it, whatever free_in_buffer says */
    return TRUE;
}

static void destination_end(j_compress_ptr info)
{
    jpeg_writer *w = info->client_data;
    destination_append(info, BLOCK_BYTES - w->destination.free_in_buffer);
}

static void write_pixels(jpeg_writer *w)
{
    struct jpeg_compress_struct *info = &w->info;
    info->image_width = (JDIMENSION)w->image->width;
    info->image_height = (JDIMENSION)w->image->height;
    info->input_components = 3;
    info->in_color_space = JCS_RGB;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, SSFER_JPEG_QUALITY, TRUE);
    for (int c = 0; c < info->num_components; c++) /* full colour resolution */
        info->comp_info[c].h_samp_factor = info->comp_info[c].v_samp_factor = 1;
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < info->image_height) {
        JSAMPROW row = w->image->data + 3 * (size_t)info->next_scanline * w->image->width;
        jpeg_write_scanlines(info, &row, 1);
    }
    jpeg_finish_compress(info);
}

static bool run_writer(jpeg_writer *w)
{
    if (setjmp(w->errors.jump))
        return false;
    jpeg_create_compress(&w->info);
    w->info.client_data = w;
    w->info.dest = &w->destination;
    write_pixels(w);
    return true;
}

ssfer_status ssfer_jpeg_encode(ssfer_byte_buffer *out, const ssfer_image *image, const char *name, ssfer_error *err)
{
    if (image->width > JPEG_MAX_DIMENSION || image->height > JPEG_MAX_DIMENSION)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: %zu x %zu pixels; a JPEG holds at most %ld a side, use PNG", name,
                          image->width, image->height, JPEG_MAX_DIMENSION);
    jpeg_writer w = {.out = out,
                     .image = image,
                     .destination = {.init_destination = destination_start,
                                     .empty_output_buffer = destination_full,
                                     .term_destination = destination_end}};
    w.info.err = install_errors(&w.errors);
    ssfer_status st = SSFER_OK;
    if (!run_writer(&w)) {
        bool memory = w.errors.base.msg_code == JERR_OUT_OF_MEMORY;
        st = ssfer_fail(err, memory ? SSFER_ERR_MEMORY : SSFER_ERR_IO, "%s: cannot write: %s", name, w.errors.text);
    }
    jpeg_destroy_compress(&w.info);
    return st;
}

/* PNG by libpng: every colour type and depth, interlaced or not, to 8-bit RGB. Transparency (alpha channel or tRNS) is
 * dropped without blending, samples of 16 bits keep their high byte, those of 1, 2 and 4 bits are spread to 0..255.
 *
 * That equals Pillow's convert("RGB") except for 16-bit gray, which Pillow 9.4 clips at 255 (nearly all white); here
 * gray and colour of 16 bits follow the same rule. */
#include "image/codec.h"

#include "base/memory.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

enum { SIGNATURE_BYTES = 8, DEFLATE_MOST = 1032 /* the largest ratio by which deflate can expand */ };

/* State of one call; libpng reports errors by on_error, which must not return. */
typedef struct png_job {
    png_structp png;
    png_infop info;
    jmp_buf jump;
    char text[128];
    bool out_of_memory;
    /* reading */
    const ssfer_decode_job *job;
    size_t at;
    ssfer_status status; /* set with err where we, not libpng, refuse the file */
    /* writing */
    ssfer_byte_buffer *out;
    const ssfer_image *image;
} png_job;

static _Noreturn void on_error(png_structp png, png_const_charp message)
{
    png_job *p = png_get_error_ptr(png);
    size_t length = strnlen(message, sizeof p->text - 1);
    memcpy(p->text, message, length);
    p->text[length] = 0;
    longjmp(p->jump, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png; /* about chunks that do not matter for the pixels */
    (void)message;
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t size_bytes)
{
    void *memory = ssfer_malloc(size_bytes);
    if (!memory)
        ((png_job *)png_get_mem_ptr(png))->out_of_memory = true;
    return memory;
}

static void on_free(png_structp png, png_voidp memory)
{
    (void)png;
    ssfer_free(memory);
}

static void on_read(png_structp png, png_bytep to, size_t count)
{
    png_job *p = png_get_io_ptr(png);
    if (count > p->job->size_bytes - p->at)
        png_error(png, "it ends too early");
    memcpy(to, p->job->bytes + p->at, count);
    p->at += count;
}

static void set_transforms(png_job *p)
{
    png_set_strip_16(p->png);
    png_set_palette_to_rgb(p->png);
    png_set_expand_gray_1_2_4_to_8(p->png);
    png_set_gray_to_rgb(p->png);
    png_set_strip_alpha(p->png); /* after the palette's own transparency has become a channel */
}

/* A deflate stream cannot expand without end: a picture that declares more than that is cut, or made to exhaust
 * memory, and is refused before its pixels are allocated. */
static bool is_implausibly_small(const png_job *p)
{
    size_t row = png_get_rowbytes(p->png, p->info), height = png_get_image_height(p->png, p->info);
    return row * height / DEFLATE_MOST > p->job->size_bytes; /* cannot overflow: the size has been checked */
}

static void read_pixels(png_job *p, ssfer_error *err)
{
    const ssfer_decode_job *job = p->job;
    png_set_read_fn(p->png, p, on_read);
    png_set_keep_unknown_chunks(p->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* only what makes pixels is parsed */
    png_set_user_limits(p->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);         /* the limits are ours, below */
    png_read_info(p->png, p->info);
    size_t width = png_get_image_width(p->png, p->info), height = png_get_image_height(p->png, p->info);
    p->status = ssfer_decode_check_size(job, width, height, err);
    if (p->status == SSFER_OK && is_implausibly_small(p))
        png_error(p->png, "it is too short for the size that it declares");
    if (p->status == SSFER_OK)
        p->status = ssfer_decode_begin(job, width, height, err);
    if (p->status != SSFER_OK)
        return;
    set_transforms(p);
    int passes = png_set_interlace_handling(p->png);
    png_read_update_info(p->png, p->info);
    if (png_get_rowbytes(p->png, p->info) != 3 * width)
        png_error(p->png, "an unknown pixel layout");
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++)
            png_read_row(p->png, job->out->image.data + 3 * width * y, NULL);
    png_read_end(p->png, NULL); /* up to IEND: a file without one is cut */
}

/* Apart from ssfer_png_decode, whose locals must survive the jump. */
static void run_reader(png_job *p, ssfer_error *err)
{
    if (setjmp(p->jump)) {
        p->status = ssfer_fail(err, p->out_of_memory ? SSFER_ERR_MEMORY : SSFER_ERR_FORMAT,
                               "%s: damaged or cut PNG: %s", p->job->name, p->text);
        return;
    }
    read_pixels(p, err);
}

ssfer_status ssfer_png_decode(const ssfer_decode_job *job, ssfer_error *err)
{
    png_job p = {.job = job};
    p.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &p, on_error, on_warning, &p, on_malloc, on_free);
    if (p.png)
        p.info = png_create_info_struct(p.png);
    if (p.info)
        run_reader(&p, err);
    else
        p.status = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", job->name);
    png_destroy_read_struct(&p.png, &p.info, NULL);
    return p.status;
}

static void on_write(png_structp png, png_bytep from, size_t count)
{
    png_job *p = png_get_io_ptr(png);
    if (!ssfer_byte_buffer_append(p->out, from, count)) {
        p->out_of_memory = true;
        png_error(png, "out of memory");
    }
}

static void on_flush(png_structp png)
{
    (void)png;
}

static bool run_writer(png_job *p)
{
    if (setjmp(p->jump))
        return false;
    const ssfer_image *image = p->image;
    png_set_write_fn(p->png, p, on_write, on_flush);
    png_set_IHDR(p->png, p->info, (png_uint_32)image->width, (png_uint_32)image->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(p->png, p->info);
    for (size_t y = 0; y < image->height; y++)
        png_write_row(p->png, image->data + 3 * image->width * y);
    png_write_end(p->png, NULL);
    return true;
}

ssfer_status ssfer_png_encode(ssfer_byte_buffer *out, const ssfer_image *image, const char *name, ssfer_error *err)
{
    if (image->width > SSFER_IMAGE_MAX_SIDE || image->height > SSFER_IMAGE_MAX_SIDE)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: %zu x %zu pixels; at most %d a side can be written", name,
                          image->width, image->height, SSFER_IMAGE_MAX_SIDE);
    png_job p = {.out = out, .image = image};
    p.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &p, on_error, on_warning, &p, on_malloc, on_free);
    if (p.png)
        p.info = png_create_info_struct(p.png);
    ssfer_status st = SSFER_OK;
    if (!p.info || p.out_of_memory)
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", name);
    else if (!run_writer(&p))
        st = ssfer_fail(err, p.out_of_memory ? SSFER_ERR_MEMORY : SSFER_ERR_IO, "%s: cannot write: %s", name, p.text);
    png_destroy_write_struct(&p.png, &p.info);
    return st;
}

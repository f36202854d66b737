#include "image/plot.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/size.h"
#include "image/axis.h"
#include "image/canvas.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- making a file of a drawing --- */

/* A drawing of a known size; `draw` uses only the canvas and the plot. */
typedef struct drawing {
    size_t width, height;
    void (*draw)(ssfer_canvas *canvas, const void *plot);
    const void *plot;
} drawing;

static ssfer_status encode_svg(const drawing *d, uint8_t **bytes, size_t *size_bytes, ssfer_error *err)
{
    ssfer_canvas canvas;
    ssfer_status st = ssfer_canvas_create_svg(&canvas, d->width, d->height, err);
    if (st != SSFER_OK)
        return st;
    d->draw(&canvas, d->plot);
    st = ssfer_canvas_finish_svg(&canvas, bytes, size_bytes, err);
    ssfer_canvas_deinit(&canvas);
    return st;
}

static ssfer_status encode_png(const drawing *d, uint8_t **bytes, size_t *size_bytes, ssfer_error *err)
{
    ssfer_canvas canvas;
    ssfer_image image = {0};
    ssfer_status st = ssfer_canvas_create(&canvas, d->width, d->height, err);
    if (st != SSFER_OK)
        return st;
    d->draw(&canvas, d->plot);
    st = ssfer_image_create(&image, d->width, d->height, err);
    if (st == SSFER_OK)
        st = ssfer_canvas_read(&canvas, &image, err);
    ssfer_canvas_deinit(&canvas);
    if (st == SSFER_OK)
        st = ssfer_image_encode(bytes, size_bytes, &image, SSFER_IMAGE_FORMAT_PNG, "plot", err);
    ssfer_image_deinit(&image);
    return st;
}

static ssfer_status encode(const drawing *d, ssfer_plot_format format, uint8_t **bytes, size_t *size_bytes,
                           ssfer_error *err)
{
    *bytes = NULL;
    *size_bytes = 0;
    return format == SSFER_PLOT_FORMAT_SVG ? encode_svg(d, bytes, size_bytes, err)
                                           : encode_png(d, bytes, size_bytes, err);
}

static ssfer_status save(const drawing *d, const char *path, ssfer_error *err)
{
    const char *dot = strrchr(path, '.');
    bool svg = dot && strcasecmp(dot, ".svg") == 0;
    uint8_t *bytes;
    size_t size_bytes;
    if (!svg && ssfer_image_format_of_path(path) != SSFER_IMAGE_FORMAT_PNG)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: plots are written as .png or .svg", path);
    ssfer_status st = encode(d, svg ? SSFER_PLOT_FORMAT_SVG : SSFER_PLOT_FORMAT_PNG, &bytes, &size_bytes, err);
    if (st != SSFER_OK)
        return ssfer_fail_prefix(err, st, "%s", path);
    st = ssfer_file_write(path, bytes, size_bytes, err);
    ssfer_free(bytes);
    return st;
}

/* --- what all plots share --- */

typedef struct area {
    double x, y, w, h;
} area;

/* Text size: 14 pixels on a plot of 960 x 540; smaller plots keep relatively larger text. */
static double text_size(double width, double height)
{
    return fmax(7.0, 14.0 * sqrt(fmin(width / 960.0, height / 540.0)));
}

/* "12,345" */
static void format_count(double count, char *out, size_t size)
{
    char digits[32];
    size_t length = (size_t)ssfer_snprintf(digits, sizeof digits, "%.0f", count), used = 0;
    for (size_t i = 0; i < length && i < sizeof digits - 1 && used + 2 < size; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = 0;
}

/* The title; returns the y below it. */
static double draw_title(ssfer_canvas *canvas, const char *title, double x, double size)
{
    if (!title)
        return 0.8 * size;
    ssfer_canvas_text(canvas, x, 1.7 * size, title,
                      (ssfer_text_style){1.3 * size, SSFER_COLOUR_INK, true, 0.0, canvas->width - x - size});
    return 3.1 * size;
}

typedef struct legend_entry {
    const char *name;
    uint32_t colour;
    bool dashed, line; /* a line or a box */
} legend_entry;

/* One entry, at (*x, *y); starts a new row when the line is full. */
static void draw_legend_entry(ssfer_canvas *canvas, legend_entry entry, double left, double *x, double *y, double size)
{
    double mark = entry.line ? 1.8 * size : 0.9 * size, gap = 0.5 * size;
    double w = mark + gap + ssfer_canvas_text_width(canvas, entry.name, size, false);
    if (*x + w > canvas->width - size && *x > left) {
        *x = left;
        *y += 1.7 * size;
    }
    if (entry.line) {
        double dashes[] = {0.45 * size, 0.3 * size};
        cairo_save(canvas->cr);
        cairo_set_dash(canvas->cr, dashes, entry.dashed ? 2 : 0, 0.0);
        ssfer_canvas_line(canvas, *x, *y, *x + mark, *y, 0.18 * size, entry.colour);
        cairo_restore(canvas->cr);
    } else {
        ssfer_canvas_fill_rounded(canvas, *x, *y - mark / 2.0, mark, mark, 0.2 * size, entry.colour, 1.0);
    }
    ssfer_canvas_text(canvas, *x + mark + gap, *y, entry.name,
                      (ssfer_text_style){size, SSFER_COLOUR_TEXT, false, 0.0, canvas->width - *x - mark - size});
    *x += w + 1.6 * size;
}

/* Colours of series by index, dark enough for thin lines. */
static uint32_t series_colour(size_t i)
{
    return ssfer_colour_of_class(NULL, i);
}

static double widest_tick(ssfer_canvas *canvas, const ssfer_axis *axis, double size)
{
    double w = 0.0;
    for (size_t i = 0; i < axis->tick_count; i++) {
        char text[32];
        ssfer_axis_format(axis, axis->ticks[i], text, sizeof text);
        w = fmax(w, ssfer_canvas_text_width(canvas, text, size, false));
    }
    return w;
}

/* --- lines --- */

static double series_x(const ssfer_plot_series *s, size_t i)
{
    return s->x ? s->x[i] : (double)i;
}

static bool is_shown(const ssfer_plot_lines *plot, const ssfer_plot_series *s, size_t i)
{
    return isfinite(s->y[i]) && isfinite(series_x(s, i)) && (!plot->log_y || s->y[i] > 0.0);
}

typedef struct range {
    double lo, hi; /* lo > hi: empty */
} range;

static void extend(range *r, double v)
{
    r->lo = fmin(r->lo, v);
    r->hi = fmax(r->hi, v);
}

static void data_ranges(const ssfer_plot_lines *plot, range *x, range *y)
{
    *x = *y = (range){HUGE_VAL, -HUGE_VAL};
    for (size_t k = 0; k < plot->series_count; k++)
        for (size_t i = 0; i < plot->series[k].count; i++)
            if (is_shown(plot, &plot->series[k], i)) {
                extend(x, series_x(&plot->series[k], i));
                extend(y, plot->series[k].y[i]);
            }
}

static ssfer_axis make_y_axis(const ssfer_plot_lines *plot, range y)
{
    if (plot->y_min < plot->y_max && (!plot->log_y || plot->y_min > 0.0))
        return ssfer_axis_make(plot->y_min, plot->y_max, plot->log_y, plot->percent, 7, false);
    /* Starting at zero is honest where it costs little room. */
    if (!plot->log_y && y.lo > 0.0 && y.lo < 0.35 * y.hi)
        y.lo = 0.0;
    return ssfer_axis_make(y.lo, y.hi, plot->log_y, plot->percent, 7, true);
}

static void draw_axes(ssfer_canvas *canvas, const ssfer_plot_lines *plot, area a, const ssfer_axis *x,
                      const ssfer_axis *y, double size)
{
    char text[32];
    ssfer_text_style style = {size, SSFER_COLOUR_TEXT, false, 1.0, 0.0};
    for (size_t i = 0; i < y->tick_count; i++) {
        double py = a.y + a.h * (1.0 - ssfer_axis_at(y, y->ticks[i]));
        ssfer_canvas_line(canvas, a.x, py, a.x + a.w, py, fmax(1.0, 0.07 * size), SSFER_COLOUR_GRID);
        ssfer_axis_format(y, y->ticks[i], text, sizeof text);
        ssfer_canvas_text(canvas, a.x - 0.6 * size, py, text, style);
    }
    style.align = 0.5;
    for (size_t i = 0; i < x->tick_count; i++) {
        double px = a.x + a.w * ssfer_axis_at(x, x->ticks[i]), bottom = a.y + a.h;
        ssfer_canvas_line(canvas, px, bottom, px, bottom + 0.35 * size, fmax(1.0, 0.07 * size), SSFER_COLOUR_FAINT);
        ssfer_axis_format(x, x->ticks[i], text, sizeof text);
        ssfer_canvas_text(canvas, px, bottom + 1.2 * size, text, style);
    }
    ssfer_canvas_line(canvas, a.x, a.y + a.h, a.x + a.w, a.y + a.h, fmax(1.0, 0.08 * size), SSFER_COLOUR_FAINT);
    if (plot->x_label)
        ssfer_canvas_text(canvas, a.x + a.w / 2.0, a.y + a.h + 2.9 * size, plot->x_label, style);
    if (plot->y_label)
        ssfer_canvas_text_turned(canvas, 1.2 * size, a.y + a.h / 2.0, plot->y_label, style, -M_PI / 2.0);
}

/* Exponentially weighted mean over about `span` values, without the bias of its start. */
typedef struct running_mean {
    double sum, weight;
} running_mean;

static double smoothed(running_mean *mean, double value, size_t span)
{
    double keep = 1.0 - 2.0 / ((double)span + 1.0);
    mean->sum = keep * mean->sum + (1.0 - keep) * value;
    mean->weight = keep * mean->weight + (1.0 - keep);
    return mean->sum / mean->weight;
}

/* The lines of one series as a path; with span > 1 those of its running mean. Where many values share a column of
 * pixels only the first, lowest, highest and last of them are kept, which draws the same and keeps an SVG of a long run
 * small. */
static void trace_series(ssfer_canvas *canvas, const ssfer_plot_lines *plot, const ssfer_plot_series *s, area a,
                         const ssfer_axis *x, const ssfer_axis *y, size_t span)
{
    running_mean mean = {0};
    double column = -HUGE_VAL, lowest = 0.0, highest = 0.0, last = 0.0;
    bool drawing_line = false;
    cairo_new_path(canvas->cr);
    for (size_t i = 0; i < s->count; i++) {
        if (!is_shown(plot, s, i)) {
            drawing_line = false;
            continue;
        }
        double value = span > 1 ? smoothed(&mean, s->y[i], span) : s->y[i];
        double px = a.x + a.w * ssfer_axis_at(x, series_x(s, i)), py = a.y + a.h * (1.0 - ssfer_axis_at(y, value));
        if (!drawing_line || floor(px) != column) {
            if (drawing_line && highest > lowest) {
                cairo_line_to(canvas->cr, column + 0.5, lowest);
                cairo_line_to(canvas->cr, column + 0.5, highest);
                cairo_line_to(canvas->cr, column + 0.5, last);
            }
            if (drawing_line)
                cairo_line_to(canvas->cr, px, py);
            else
                cairo_move_to(canvas->cr, px, py);
            drawing_line = true;
            column = floor(px);
            lowest = highest = py;
        }
        lowest = fmin(lowest, py);
        highest = fmax(highest, py);
        last = py;
    }
    if (drawing_line && highest > lowest)
        cairo_line_to(canvas->cr, column + 0.5, last);
}

static void draw_markers(ssfer_canvas *canvas, const ssfer_plot_lines *plot, const ssfer_plot_series *s, area a,
                         const ssfer_axis *x, const ssfer_axis *y, double radius)
{
    for (size_t i = 0; i < s->count; i++) {
        bool alone = (i == 0 || !is_shown(plot, s, i - 1)) && (i + 1 == s->count || !is_shown(plot, s, i + 1));
        if (!is_shown(plot, s, i) || !(s->markers || alone))
            continue;
        cairo_new_path(canvas->cr);
        cairo_arc(canvas->cr, a.x + a.w * ssfer_axis_at(x, series_x(s, i)),
                  a.y + a.h * (1.0 - ssfer_axis_at(y, s->y[i])), radius, 0.0, 2.0 * M_PI);
        cairo_fill(canvas->cr);
    }
}

static void draw_series(ssfer_canvas *canvas, const ssfer_plot_lines *plot, size_t k, area a, const ssfer_axis *x,
                        const ssfer_axis *y, double size)
{
    const ssfer_plot_series *s = &plot->series[k];
    double dashes[] = {0.45 * size, 0.3 * size};
    cairo_save(canvas->cr);
    cairo_rectangle(canvas->cr, a.x - 0.3 * size, a.y - 0.3 * size, a.w + 0.6 * size, a.h + 0.6 * size);
    cairo_clip(canvas->cr);
    cairo_set_line_join(canvas->cr, CAIRO_LINE_JOIN_ROUND);
    if (s->smooth > 1) {
        trace_series(canvas, plot, s, a, x, y, 1);
        ssfer_canvas_colour(canvas, series_colour(k), 0.22);
        cairo_set_line_width(canvas->cr, 0.08 * size);
        cairo_stroke(canvas->cr);
    }
    trace_series(canvas, plot, s, a, x, y, s->smooth);
    ssfer_canvas_colour(canvas, series_colour(k), 1.0);
    cairo_set_line_width(canvas->cr, 0.16 * size);
    cairo_set_dash(canvas->cr, dashes, s->dashed ? 2 : 0, 0.0);
    cairo_stroke(canvas->cr);
    cairo_set_dash(canvas->cr, dashes, 0, 0.0);
    draw_markers(canvas, plot, s, a, x, y, 0.26 * size);
    cairo_restore(canvas->cr);
}

static void draw_lines(ssfer_canvas *canvas, const void *data)
{
    const ssfer_plot_lines *plot = data;
    double size = text_size(canvas->width, canvas->height), left = 1.2 * size;
    range xr, yr;
    data_ranges(plot, &xr, &yr);
    ssfer_axis y = make_y_axis(plot, yr);
    double top = draw_title(canvas, plot->title, left, size), at = left;
    top += 0.2 * size;
    for (size_t k = 0; k < plot->series_count && plot->series_count > 1; k++)
        draw_legend_entry(canvas, (legend_entry){plot->series[k].name, series_colour(k), plot->series[k].dashed, true},
                          left, &at, &top, size);
    top += plot->series_count > 1 ? 1.7 * size : 0.4 * size;
    area a = {.x = widest_tick(canvas, &y, size) + 1.6 * size + (plot->y_label ? 1.6 * size : 0.0), .y = top};
    a.w = canvas->width - a.x - 1.8 * size;
    a.h = canvas->height - top - (plot->x_label ? 4.0 : 2.4) * size;
    if (a.w < size || a.h < size)
        return; /* nothing but titles fits */
    size_t wanted = (size_t)(a.w / (5.5 * size)) + 2;
    ssfer_axis x = ssfer_axis_make(xr.lo, xr.hi, false, false, wanted < 12 ? wanted : 12, false);
    draw_axes(canvas, plot, a, &x, &y, size);
    for (size_t k = 0; k < plot->series_count; k++)
        draw_series(canvas, plot, k, a, &x, &y, size);
    if (xr.lo > xr.hi)
        ssfer_canvas_text(canvas, a.x + a.w / 2.0, a.y + a.h / 2.0, "no values",
                          (ssfer_text_style){size, SSFER_COLOUR_FAINT, false, 0.5, 0.0});
}

static drawing lines_drawing(const ssfer_plot_lines *plot)
{
    return (drawing){plot->width ? plot->width : 960, plot->height ? plot->height : 540, draw_lines, plot};
}

ssfer_status ssfer_plot_lines_save(const ssfer_plot_lines *plot, const char *path, ssfer_error *err)
{
    drawing d = lines_drawing(plot);
    return save(&d, path, err);
}

ssfer_status ssfer_plot_lines_encode(const ssfer_plot_lines *plot, ssfer_plot_format format, uint8_t **bytes,
                                     size_t *size_bytes, ssfer_error *err)
{
    drawing d = lines_drawing(plot);
    return encode(&d, format, bytes, size_bytes, err);
}

/* --- confusion matrix --- */

typedef struct matrix_layout {
    double cell, size, name_size, left, top; /* sizes of text; where the cells begin */
    bool turned;                             /* names of the columns are slanted */
} matrix_layout;

static double row_sum(const ssfer_plot_confusion *plot, size_t row)
{
    double sum = 0.0;
    for (size_t c = 0; c < plot->classes; c++)
        sum += (double)plot->counts[row * plot->classes + c];
    return sum;
}

/* White to the blue of the palette. */
static uint32_t shade(double share)
{
    static const double from[3] = {250, 251, 252}, to[3] = {23, 82, 158};
    uint32_t colour = 0;
    for (int c = 0; c < 3; c++)
        colour = colour << 8 | (uint32_t)lround(from[c] + pow(share, 0.8) * (to[c] - from[c]));
    return colour;
}

static void describe_accuracy(const ssfer_plot_confusion *plot, char *out, size_t size)
{
    double right = 0.0, total = 0.0, recall = 0.0, present = 0.0;
    for (size_t k = 0; k < plot->classes; k++) {
        double sum = row_sum(plot, k), hits = (double)plot->counts[k * plot->classes + k];
        right += hits;
        total += sum;
        recall += sum > 0.0 ? hits / sum : 0.0;
        present += sum > 0.0;
    }
    char count[48];
    format_count(total, count, sizeof count);
    if (total > 0.0)
        ssfer_snprintf(out, size, "accuracy %.2f %%, mean class accuracy %.2f %%, %s pictures", 100.0 * right / total,
                       100.0 * recall / present, count);
    else
        snprintf(out, size, "no pictures");
}

static void draw_cell(ssfer_canvas *canvas, const ssfer_plot_confusion *plot, const matrix_layout *m, size_t row,
                      size_t column, double sum)
{
    double count = (double)plot->counts[row * plot->classes + column], share = sum > 0.0 ? count / sum : 0.0;
    double x = m->left + (double)column * m->cell, y = m->top + (double)row * m->cell, gap = fmax(0.5, 0.012 * m->cell);
    char text[48];
    cairo_rectangle(canvas->cr, x + gap, y + gap, m->cell - 2.0 * gap, m->cell - 2.0 * gap);
    ssfer_canvas_colour(canvas, shade(share), 1.0);
    cairo_fill(canvas->cr);
    double size = fmin(0.24 * m->cell, 1.5 * m->size);
    if (size < 5.0)
        return; /* too many classes for text */
    uint32_t colour = share > 0.45 ? 0xFFFFFF : row == column ? SSFER_COLOUR_INK : SSFER_COLOUR_TEXT;
    ssfer_snprintf(text, sizeof text, share > 0.0 && share < 0.0995 ? "%.1f %%" : "%.0f %%", 100.0 * share);
    ssfer_canvas_text(canvas, x + m->cell / 2.0, y + 0.41 * m->cell, sum > 0.0 ? text : "\xE2\x80\x93",
                      (ssfer_text_style){size, colour, row == column, 0.5, 0.94 * m->cell});
    format_count(count, text, sizeof text);
    ssfer_canvas_text(
        canvas, x + m->cell / 2.0, y + 0.41 * m->cell + 1.15 * size, text,
        (ssfer_text_style){0.78 * size, share > 0.45 ? 0xDDE8F5 : SSFER_COLOUR_FAINT, false, 0.5, 0.9 * m->cell});
}

static void draw_matrix_names(ssfer_canvas *canvas, const ssfer_plot_confusion *plot, const matrix_layout *m)
{
    double n = (double)plot->classes, side = n * m->cell, step = 1.4 * m->name_size;
    size_t every = m->cell < step ? (size_t)ceil(step / m->cell) : 1; /* names that fit */
    for (size_t k = 0; k < plot->classes; k += every) {
        double middle = ((double)k + 0.5) * m->cell, gap = 0.5 * m->name_size;
        ssfer_text_style style = {m->name_size, SSFER_COLOUR_INK, false, 1.0, 12.5 * m->name_size};
        ssfer_canvas_text(canvas, m->left - gap, m->top + middle, plot->names[k], style);
        if (m->turned) {
            ssfer_canvas_text_turned(canvas, m->left + middle, m->top + side + gap, plot->names[k], style, -M_PI / 4.0);
        } else {
            style.align = 0.5;
            ssfer_canvas_text(canvas, m->left + middle, m->top + side + 2.0 * gap, plot->names[k], style);
        }
    }
    ssfer_text_style axis = {0.95 * m->size, SSFER_COLOUR_FAINT, false, 0.5, 0.0};
    ssfer_canvas_text(canvas, m->left + side / 2.0, canvas->height - 1.2 * m->size, "predicted", axis);
    ssfer_canvas_text_turned(canvas, 1.2 * m->size, m->top + side / 2.0, "true", axis, -M_PI / 2.0);
}

static double longest_name(ssfer_canvas *canvas, const ssfer_plot_confusion *plot, double size)
{
    double w = 0.0;
    for (size_t k = 0; k < plot->classes; k++)
        w = fmax(w, ssfer_canvas_text_width(canvas, plot->names[k], size, false));
    return fmin(w, 12.0 * size);
}

/* Names take room from the cells and many cells make names smaller, so the two are settled together. */
static matrix_layout lay_out_matrix(ssfer_canvas *canvas, const ssfer_plot_confusion *plot)
{
    double n = (double)plot->classes;
    matrix_layout m = {.size = fmax(8.0, 15.0 * sqrt(canvas->width / 720.0))};
    m.top = 5.2 * m.size;
    m.name_size = m.size;
    for (int attempt = 0; attempt < 3; attempt++) {
        double names = longest_name(canvas, plot, m.name_size);
        m.left = names + 3.2 * m.size;
        double w = canvas->width - m.left - 1.2 * m.size, h = canvas->height - m.top;
        m.cell = fmin(w, h - 3.4 * m.size) / n;
        m.turned = names > 0.95 * m.cell;
        if (m.turned)
            m.cell = fmin(w, h - 3.0 * m.size - 0.72 * names) / n;
        m.name_size = fmax(8.0, fmin(m.size, 0.75 * m.cell));
    }
    return m;
}

static void draw_confusion(ssfer_canvas *canvas, const void *data)
{
    const ssfer_plot_confusion *plot = data;
    char text[160];
    matrix_layout m = lay_out_matrix(canvas, plot);
    double edge = 1.2 * m.size, width = canvas->width - 2.0 * edge;
    ssfer_canvas_text(canvas, edge, 1.6 * m.size, plot->title ? plot->title : "Confusion matrix",
                      (ssfer_text_style){1.3 * m.size, SSFER_COLOUR_INK, true, 0.0, width});
    describe_accuracy(plot, text, sizeof text);
    ssfer_canvas_text(canvas, edge, 3.4 * m.size, text,
                      (ssfer_text_style){m.size, SSFER_COLOUR_TEXT, false, 0.0, width});
    if (m.cell < 1.0)
        return;
    for (size_t r = 0; r < plot->classes; r++) {
        double sum = row_sum(plot, r);
        for (size_t c = 0; c < plot->classes; c++)
            draw_cell(canvas, plot, &m, r, c, sum);
    }
    draw_matrix_names(canvas, plot, &m);
}

static drawing confusion_drawing(const ssfer_plot_confusion *plot)
{
    size_t width = plot->width ? plot->width : ssfer_max_size(720, ssfer_min_size(1800, 90 * plot->classes));
    return (drawing){width, width, draw_confusion, plot};
}

static ssfer_status check_confusion(const ssfer_plot_confusion *plot, ssfer_error *err)
{
    if (plot->classes == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a confusion matrix of no classes");
    return SSFER_OK;
}

ssfer_status ssfer_plot_confusion_save(const ssfer_plot_confusion *plot, const char *path, ssfer_error *err)
{
    drawing d = confusion_drawing(plot);
    ssfer_status st = check_confusion(plot, err);
    return st == SSFER_OK ? save(&d, path, err) : st;
}

ssfer_status ssfer_plot_confusion_encode(const ssfer_plot_confusion *plot, ssfer_plot_format format, uint8_t **bytes,
                                         size_t *size_bytes, ssfer_error *err)
{
    drawing d = confusion_drawing(plot);
    ssfer_status st = check_confusion(plot, err);
    *bytes = NULL;
    *size_bytes = 0;
    return st == SSFER_OK ? encode(&d, format, bytes, size_bytes, err) : st;
}

/* --- bars --- */

/* A value that a bar can show. */
static double bar_value(const ssfer_plot_bars *plot, size_t series, size_t i)
{
    double v = plot->values[series * plot->count + i];
    return isfinite(v) && v > 0.0 ? v : 0.0;
}

static void format_value(const ssfer_plot_bars *plot, double value, char *out, size_t size)
{
    if (!isfinite(value))
        snprintf(out, size, "\xE2\x80\x93");
    else if (plot->percent)
        ssfer_snprintf(out, size, "%.1f %%", 100.0 * value);
    else if (fabs(value) >= 1e6 || value == floor(value))
        format_count(value, out, size);
    else
        ssfer_snprintf(out, size, "%.3g", value);
}

static void draw_group(ssfer_canvas *canvas, const ssfer_plot_bars *plot, size_t i, area a, const ssfer_axis *x,
                       double size)
{
    double row = a.h / (double)plot->count, thick = 0.72 * row / (double)plot->series_count;
    double top = a.y + row * (double)i + 0.14 * row;
    for (size_t k = 0; k < plot->series_count; k++) {
        char text[32];
        double y = top + (double)k * thick, w = a.w * fmin(1.0, ssfer_axis_at(x, bar_value(plot, k, i)));
        uint32_t colour = plot->series_count > 1 ? series_colour(k) : ssfer_colour_of_class(NULL, 0);
        ssfer_canvas_fill_rounded(canvas, a.x, y + 0.06 * thick, w, 0.88 * thick, 0.12 * size, colour, 0.92);
        format_value(plot, plot->values[k * plot->count + i], text, sizeof text);
        ssfer_canvas_text(canvas, a.x + w + 0.5 * size, y + thick / 2.0, text,
                          (ssfer_text_style){fmin(size, fmax(6.0, 1.05 * thick)), SSFER_COLOUR_TEXT, false, 0.0, 0.0});
    }
    ssfer_canvas_text(
        canvas, a.x - 0.6 * size, a.y + row * ((double)i + 0.5), plot->names[i],
        (ssfer_text_style){fmin(size, fmax(6.0, 0.9 * row)), SSFER_COLOUR_INK, false, 1.0, a.x - 1.2 * size});
}

static void draw_bar_axis(ssfer_canvas *canvas, const ssfer_plot_bars *plot, area a, const ssfer_axis *x, double size)
{
    for (size_t i = 0; i < x->tick_count; i++) {
        char text[32];
        double px = a.x + a.w * ssfer_axis_at(x, x->ticks[i]);
        ssfer_canvas_line(canvas, px, a.y, px, a.y + a.h, fmax(1.0, 0.07 * size), SSFER_COLOUR_GRID);
        ssfer_axis_format(x, x->ticks[i], text, sizeof text);
        ssfer_canvas_text(canvas, px, a.y + a.h + 1.1 * size, text,
                          (ssfer_text_style){size, SSFER_COLOUR_TEXT, false, 0.5, 0.0});
    }
    if (plot->x_label)
        ssfer_canvas_text(canvas, a.x + a.w / 2.0, a.y + a.h + 2.8 * size, plot->x_label,
                          (ssfer_text_style){size, SSFER_COLOUR_TEXT, false, 0.5, 0.0});
}

static void draw_bars(ssfer_canvas *canvas, const void *data)
{
    const ssfer_plot_bars *plot = data;
    double size = text_size(canvas->width, canvas->width), left = 1.2 * size, names = 0.0, most = 0.0;
    for (size_t i = 0; i < plot->count; i++) {
        names = fmax(names, ssfer_canvas_text_width(canvas, plot->names[i], size, false));
        for (size_t k = 0; k < plot->series_count; k++)
            most = fmax(most, bar_value(plot, k, i));
    }
    double top = draw_title(canvas, plot->title, left, size) + (plot->series_names ? 0.3 * size : 0.0), at = left;
    for (size_t k = 0; plot->series_names && k < plot->series_count; k++)
        draw_legend_entry(canvas, (legend_entry){plot->series_names[k], series_colour(k), false, false}, left, &at,
                          &top, size);
    top += plot->series_names ? 1.4 * size : 0.0;
    area a = {.x = fmin(names, 0.35 * canvas->width) + 2.0 * size, .y = top};
    a.w = canvas->width - a.x - 5.0 * size; /* room for the value of the longest bar */
    a.h = canvas->height - top - (plot->x_label ? 4.0 : 2.3) * size;
    if (a.w < size || a.h < 1.0)
        return;
    double right = plot->x_max > 0.0 ? plot->x_max : most > 0.0 ? most : 1.0;
    ssfer_axis x = ssfer_axis_make(0.0, right, false, plot->percent, 7, plot->x_max <= 0.0);
    draw_bar_axis(canvas, plot, a, &x, size);
    for (size_t i = 0; i < plot->count; i++)
        draw_group(canvas, plot, i, a, &x, size);
    ssfer_canvas_line(canvas, a.x, a.y, a.x, a.y + a.h, fmax(1.0, 0.08 * size), SSFER_COLOUR_FAINT);
}

static ssfer_status bars_drawing(drawing *d, const ssfer_plot_bars *plot, ssfer_error *err)
{
    if (plot->count == 0 || plot->series_count == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a bar chart of nothing");
    size_t row = plot->series_count > 1 ? 20 * plot->series_count : 30;
    size_t height = plot->height ? plot->height : 140 + row * ssfer_min_size(plot->count, 900);
    *d = (drawing){plot->width ? plot->width : 960, height, draw_bars, plot};
    return SSFER_OK;
}

ssfer_status ssfer_plot_bars_save(const ssfer_plot_bars *plot, const char *path, ssfer_error *err)
{
    drawing d = {0};
    ssfer_status st = bars_drawing(&d, plot, err);
    return st == SSFER_OK ? save(&d, path, err) : st;
}

ssfer_status ssfer_plot_bars_encode(const ssfer_plot_bars *plot, ssfer_plot_format format, uint8_t **bytes,
                                    size_t *size_bytes, ssfer_error *err)
{
    drawing d = {0};
    ssfer_status st = bars_drawing(&d, plot, err);
    *bytes = NULL;
    *size_bytes = 0;
    return st == SSFER_OK ? encode(&d, format, bytes, size_bytes, err) : st;
}

#include "image/draw.h"

#include "base/memory.h"
#include "base/number.h"
#include "image/canvas.h"
#include "image/resample.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct rect {
    double x, y, w, h;
} rect;

/* `lo` wins where there is no room, and a NaN never comes out. */
static double clamp(double v, double lo, double hi)
{
    v = v < hi ? v : hi;
    return v > lo ? v : lo;
}

static double overlap(rect a, rect b)
{
    double w = fmin(a.x + a.w, b.x + b.w) - fmax(a.x, b.x), h = fmin(a.y + a.h, b.y + b.h) - fmax(a.y, b.y);
    return w > 0.0 && h > 0.0 ? w * h : 0.0;
}

static size_t best_class(ssfer_draw_classes classes)
{
    size_t best = 0;
    for (size_t k = 1; k < classes.count; k++)
        if (classes.probabilities[k] > classes.probabilities[best])
            best = k;
    return best;
}

/* A share for drawing: NaN and anything outside 0..1 must not reach a coordinate. */
static double share_of(float probability)
{
    return probability > 0.0f ? fmin((double)probability, 1.0) : 0.0;
}

static void format_percent(char *out, size_t size, double share)
{
    ssfer_snprintf(out, size, "%.0f %%", 100.0 * share);
}

/* --- bars: one row a class, name, bar, share --- */

typedef struct bars {
    double size, row, names, bar, shares, gap; /* text size, row height, widths of the columns, space between them */
} bars;

static bars measure_bars(ssfer_canvas *canvas, ssfer_draw_classes classes, double size, double bar)
{
    bars b = {.size = size, .row = 1.5 * size, .bar = bar, .gap = 0.6 * size};
    for (size_t k = 0; k < classes.count; k++)
        b.names = fmax(b.names, ssfer_canvas_text_width(canvas, classes.names[k], size, true));
    b.names = fmin(b.names, 12.0 * size);
    b.shares = ssfer_canvas_text_width(canvas, "100 %", size, true);
    return b;
}

static double bars_width(bars b)
{
    return b.names + b.bar + b.shares + 2.0 * b.gap;
}

/* (x, y) is the upper left corner. */
static void draw_bars(ssfer_canvas *canvas, ssfer_draw_classes classes, bars b, double x, double y)
{
    size_t best = best_class(classes);
    for (size_t k = 0; k < classes.count; k++) {
        char text[16];
        double middle = y + ((double)k + 0.5) * b.row, left = x + b.names + b.gap, thick = 0.62 * b.size;
        double share = share_of(classes.probabilities[k]);
        uint32_t colour = ssfer_colour_of_class(classes.names[k], k);
        ssfer_text_style style = {.size = b.size, .bold = k == best, .align = 1.0, .max_width = b.names};
        style.colour = k == best ? SSFER_COLOUR_INK : SSFER_COLOUR_TEXT;
        ssfer_canvas_text(canvas, x + b.names, middle, classes.names[k], style);
        ssfer_canvas_fill_rounded(canvas, left, middle - thick / 2.0, b.bar, thick, thick / 2.0, SSFER_COLOUR_GRID,
                                  1.0);
        cairo_save(canvas->cr);
        ssfer_canvas_rounded(canvas, left, middle - thick / 2.0, b.bar, thick, thick / 2.0);
        cairo_clip(canvas->cr); /* the bar's length is exact; only its track is rounded */
        ssfer_canvas_fill_rounded(canvas, left, middle - thick / 2.0, share * b.bar, thick, 0.0, colour,
                                  k == best ? 1.0 : 0.65);
        cairo_restore(canvas->cr);
        format_percent(text, sizeof text, share);
        style.max_width = 0.0;
        ssfer_canvas_text(canvas, left + b.bar + b.gap + b.shares, middle, text, style);
    }
}

/* --- faces in a photo --- */

/* What is settled about each face before anything is drawn. */
typedef struct face_marks {
    rect box, label, chart; /* w 0: none */
    double font;
    uint32_t colour;
    char text[128]; /* of the label */
    bars bars;
} face_marks;

static double chart_padding(bars b)
{
    return 0.7 * b.size;
}

/* Overlap with everything that belongs to other faces and is placed already. */
static double hidden_by(rect at, const face_marks *all, size_t count, size_t own)
{
    double sum = 0.0;
    for (size_t k = 0; k < count; k++)
        if (k != own)
            sum += overlap(at, all[k].box) + overlap(at, all[k].label) + overlap(at, all[k].chart);
    return sum;
}

/* What is against a chart lying there: what it hides of other faces, of its own label, and of the middle of its own
 * face. HUGE_VAL if it hides too much of another face. */
static double chart_cost(rect at, const face_marks *all, size_t count, size_t own)
{
    const face_marks *f = &all[own];
    const rect box = f->box, core = {box.x + box.w / 4.0, box.y + box.h / 4.0, box.w / 2.0, box.h / 2.0};
    const double others = hidden_by(at, all, count, own);
    if (others > 0.12 * at.w * at.h)
        return HUGE_VAL;
    return 4.0 * (others + overlap(at, f->label)) + overlap(at, box) + 2.0 * overlap(at, core);
}

/* The best place around the box, on five columns and five rows of positions. */
static double place_beside(rect *best, const face_marks *all, size_t count, size_t own, double width, double height)
{
    const face_marks *f = &all[own];
    const rect box = f->box;
    rect at = *best;
    double gap = 0.6 * f->font, least = HUGE_VAL, above = fmin(f->label.y, box.y);
    double below = fmax(f->label.y + f->label.h, box.y + box.h); /* the label may be on either side */
    const double xs[] = {box.x + box.w + gap, box.x - gap - at.w, box.x, box.x + box.w - at.w,
                         box.x + (box.w - at.w) / 2.0};
    const double ys[] = {box.y, box.y + box.h - at.h, below + gap, above - gap - at.h, box.y + (box.h - at.h) / 2.0};
    for (size_t i = 0; i < 25; i++) {
        at.x = clamp(xs[i % 5], 0.0, width - at.w);
        at.y = clamp(ys[i / 5], 0.0, height - at.h);
        double cost = chart_cost(at, all, count, own) + 0.002 * at.w * at.h * (double)i; /* earlier ones look better */
        if (cost < least) {
            least = cost;
            *best = at;
        }
    }
    return least;
}

/* The best place anywhere: near the face. */
static double place_anywhere(rect *best, const face_marks *all, size_t count, size_t own, double width, double height)
{
    enum { STEPS = 24 };
    const rect box = all[own].box;
    rect at = *best;
    double least = HUGE_VAL;
    for (size_t i = 0; i <= STEPS; i++)
        for (size_t k = 0; k <= STEPS; k++) {
            at.x = (width - at.w) * (double)k / STEPS;
            at.y = (height - at.h) * (double)i / STEPS;
            double away = hypot(at.x + (at.w - box.w) / 2.0 - box.x, at.y + (at.h - box.h) / 2.0 - box.y);
            double cost = chart_cost(at, all, count, own) + away * sqrt(at.w * at.h);
            if (cost < least) {
                least = cost;
                *best = at;
            }
        }
    return least;
}

/* Beside the box, or else wherever there is room: *room becomes false when there is none for a chart of this size, so
 * that it is not looked for again. False if there is none. */
static bool place_chart(face_marks *all, size_t count, size_t own, double width, double height, bool *room)
{
    rect at = {0.0, 0.0, all[own].chart.w, all[own].chart.h};
    all[own].chart.w = 0.0; /* not in its own way */
    bool placed = place_beside(&at, all, count, own, width, height) < HUGE_VAL;
    if (!placed && *room)
        *room = placed = place_anywhere(&at, all, count, own, width, height) < HUGE_VAL;
    if (placed)
        all[own].chart = at;
    return placed;
}

/* Text size of a chart: as the label, smaller if the picture is, none (0) if it would be illegible. */
static double chart_font(ssfer_canvas *canvas, const ssfer_draw_face *face, double font)
{
    double size = 0.85 * font;
    for (int attempt = 0; attempt < 12; attempt++, size *= 0.88) {
        bars b = measure_bars(canvas, face->classes, size, 6.0 * size);
        double padding = 2.0 * chart_padding(b);
        if (size < 6.0)
            return 0.0;
        if (bars_width(b) + padding <= canvas->width && b.row * (double)face->classes.count + padding <= canvas->height)
            return size;
    }
    return 0.0;
}

static face_marks measure_face(ssfer_canvas *canvas, const ssfer_draw_face *face)
{
    double a = face->box[0], b = face->box[1], c = face->box[2], d = face->box[3];
    double x1 = clamp(fmin(a, c), 0.0, canvas->width), x2 = clamp(fmax(a, c), 0.0, canvas->width);
    double y1 = clamp(fmin(b, d), 0.0, canvas->height), y2 = clamp(fmax(b, d), 0.0, canvas->height);
    face_marks m = {.box = {x1, y1, x2 - x1, y2 - y1}};
    /* 16 pixels on a picture of 700 x 700, less on small faces, never below what can be read. */
    double unit = sqrt(canvas->width * canvas->height) / 700.0;
    m.font = clamp(0.14 * fmin(m.box.w, m.box.h), fmax(9.0, 10.0 * unit), fmax(10.0, 17.0 * unit));
    size_t best = best_class(face->classes);
    m.colour = face->classes.count ? ssfer_colour_of_class(face->classes.names[best], best) : 0x2B6CC4;
    return m;
}

static void compose_label(face_marks *m, const ssfer_draw_face *face)
{
    size_t best = best_class(face->classes);
    if (face->label) {
        snprintf(m->text, sizeof m->text, "%s", face->label);
    } else if (face->classes.count) {
        char percent[16];
        format_percent(percent, sizeof percent, share_of(face->classes.probabilities[best]));
        snprintf(m->text, sizeof m->text, "%s %s", face->classes.names[best], percent);
    }
}

/* Above the box, below it, or inside it where the picture ends; beginning or ending with it, whatever hides least. */
static void place_label(ssfer_canvas *canvas, face_marks *all, size_t count, size_t own)
{
    face_marks *m = &all[own];
    rect box = m->box, at = {0.0, 0.0, 0.0, 1.7 * m->font};
    if (!m->text[0])
        return;
    at.w = fmin(ssfer_canvas_text_width(canvas, m->text, m->font, true) + 0.9 * m->font, canvas->width);
    double edge = m->font / 8.0, gap = 0.25 * m->font, least = HUGE_VAL;
    const double xs[] = {box.x - edge, box.x + box.w + edge - at.w};
    const double ys[] = {box.y - at.h - gap, box.y + gap, box.y + box.h + gap};
    for (size_t i = 0; i < 6; i++) {
        rect place = at;
        place.x = clamp(xs[i % 2], 0.0, canvas->width - at.w);
        place.y = clamp(ys[i / 2], 0.0, canvas->height - at.h);
        double cost = 4.0 * hidden_by(place, all, count, own) + overlap(place, box) + 0.01 * at.w * at.h * (double)i;
        if (cost < least) {
            least = cost;
            m->label = place;
        }
    }
}

static void measure_chart(ssfer_canvas *canvas, const ssfer_draw_face *faces, face_marks *all, size_t count, size_t i,
                          bool *room)
{
    face_marks *m = &all[i];
    double size = faces[i].classes.count ? chart_font(canvas, &faces[i], m->font) : 0.0;
    if (size == 0.0)
        return;
    m->bars = measure_bars(canvas, faces[i].classes, size, 6.0 * size);
    double padding = 2.0 * chart_padding(m->bars);
    m->chart.w = bars_width(m->bars) + padding;
    m->chart.h = m->bars.row * (double)faces[i].classes.count + padding;
    if (!place_chart(all, count, i, canvas->width, canvas->height, room))
        m->chart = (rect){0};
}

static void draw_box(ssfer_canvas *canvas, const face_marks *m)
{
    double line = fmax(1.5, m->font / 6.0), radius = 0.5 * m->font;
    ssfer_canvas_rounded(canvas, m->box.x, m->box.y, m->box.w, m->box.h, radius);
    ssfer_canvas_colour(canvas, 0xFFFFFF, 0.85); /* a light rim keeps the colour visible on any background */
    cairo_set_line_width(canvas->cr, 2.0 * line);
    cairo_stroke_preserve(canvas->cr);
    ssfer_canvas_colour(canvas, m->colour, 1.0);
    cairo_set_line_width(canvas->cr, line);
    cairo_stroke(canvas->cr);
}

static void draw_points(ssfer_canvas *canvas, const face_marks *m, const float *points)
{
    double radius = clamp(0.018 * fmin(m->box.w, m->box.h), 1.2, 0.5 * m->font);
    for (int i = 0; points && i < 5; i++) {
        double x = points[2 * i], y = points[2 * i + 1];
        if (!isfinite(x) || !isfinite(y))
            continue;
        cairo_new_path(canvas->cr);
        cairo_arc(canvas->cr, x, y, radius, 0.0, 2.0 * M_PI);
        ssfer_canvas_colour(canvas, m->colour, 1.0);
        cairo_fill_preserve(canvas->cr);
        ssfer_canvas_colour(canvas, 0xFFFFFF, 0.95);
        cairo_set_line_width(canvas->cr, fmax(0.7, 0.45 * radius));
        cairo_stroke(canvas->cr);
    }
}

/* From the box to its chart by the shortest way, so that a chart among several faces says whose it is. */
static void draw_link(ssfer_canvas *canvas, const face_marks *m)
{
    const rect a = m->box, b = m->chart;
    if (b.w == 0.0 || overlap(a, b) > 0.0)
        return;
    double x1 = clamp(b.x + b.w / 2.0, a.x, a.x + a.w), y1 = clamp(b.y + b.h / 2.0, a.y, a.y + a.h);
    double x2 = clamp(x1, b.x, b.x + b.w), y2 = clamp(y1, b.y, b.y + b.h), line = fmax(2.0, m->font / 4.0);
    ssfer_canvas_line(canvas, x1, y1, x2, y2, 2.0 * line, 0xFFFFFF);
    ssfer_canvas_line(canvas, x1, y1, x2, y2, line, m->colour);
}

static void draw_label(ssfer_canvas *canvas, const face_marks *m)
{
    if (m->label.w == 0.0)
        return;
    ssfer_canvas_fill_rounded(canvas, m->label.x, m->label.y, m->label.w, m->label.h, 0.4 * m->font, m->colour, 0.95);
    ssfer_canvas_text(canvas, m->label.x + m->label.w / 2.0, m->label.y + m->label.h / 2.0, m->text,
                      (ssfer_text_style){m->font, 0xFFFFFF, true, 0.5, fmax(m->label.w - 0.5 * m->font, m->font)});
}

static void draw_chart(ssfer_canvas *canvas, const face_marks *m, const ssfer_draw_face *face)
{
    double padding = chart_padding(m->bars), radius = 0.5 * m->font;
    if (m->chart.w == 0.0)
        return;
    ssfer_canvas_fill_rounded(canvas, m->chart.x, m->chart.y, m->chart.w, m->chart.h, radius, 0xFFFFFF, 0.9);
    ssfer_canvas_rounded(canvas, m->chart.x, m->chart.y, m->chart.w, m->chart.h, radius);
    ssfer_canvas_colour(canvas, m->colour, 0.8);
    cairo_set_line_width(canvas->cr, fmax(1.0, m->font / 14.0));
    cairo_stroke(canvas->cr);
    draw_bars(canvas, face->classes, m->bars, m->chart.x + padding, m->chart.y + padding);
}

ssfer_status ssfer_draw_faces(ssfer_image *picture, const ssfer_draw_face *faces, size_t count, ssfer_error *err)
{
    ssfer_canvas canvas;
    bool room = true;
    face_marks *marks = ssfer_calloc(count, sizeof *marks);
    if (!marks)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for the marks of %zu faces", count);
    ssfer_status st = ssfer_canvas_create_from(&canvas, picture, err);
    if (st == SSFER_OK) {
        for (size_t i = 0; i < count; i++) {
            marks[i] = measure_face(&canvas, &faces[i]);
            compose_label(&marks[i], &faces[i]);
        }
        for (size_t i = 0; i < count; i++)
            place_label(&canvas, marks, count, i);
        for (size_t i = 0; i < count; i++)
            measure_chart(&canvas, faces, marks, count, i, &room);
        for (size_t i = 0; i < count; i++) {
            draw_box(&canvas, &marks[i]);
            draw_points(&canvas, &marks[i], faces[i].points);
        }
        for (size_t i = 0; i < count; i++)
            draw_link(&canvas, &marks[i]);
        for (size_t i = 0; i < count; i++) /* charts and labels lie above all boxes */
            draw_chart(&canvas, &marks[i], &faces[i]);
        for (size_t i = 0; i < count; i++)
            draw_label(&canvas, &marks[i]);
        st = ssfer_canvas_read(&canvas, picture, err);
    }
    ssfer_canvas_deinit(&canvas);
    ssfer_free(marks);
    return st;
}

/* --- shared by card and sheet --- */

/* Shows the picture inside the square, centred, as large as fits. Returns where it lies. */
static ssfer_status draw_fitted(ssfer_canvas *canvas, const ssfer_image *image, double x, double y, double side,
                                double radius, rect *where, ssfer_error *err)
{
    double scale = side / (double)(image->width > image->height ? image->width : image->height);
    double w = fmax(1.0, round(scale * (double)image->width)), h = fmax(1.0, round(scale * (double)image->height));
    ssfer_image resized;
    *where = (rect){round(x + (side - w) / 2.0), round(y + (side - h) / 2.0), w, h};
    ssfer_status st = ssfer_image_resize(&resized, image, (size_t)w, (size_t)h, SSFER_FILTER_BICUBIC, err);
    if (st == SSFER_OK)
        st = ssfer_canvas_picture(canvas, &resized, where->x, where->y, w, h, radius, err);
    ssfer_image_deinit(&resized);
    return st;
}

/* The finished drawing as a new picture; the canvas is released in any case. */
static ssfer_status take_image(ssfer_image *out, ssfer_canvas *canvas, ssfer_status st, ssfer_error *err)
{
    ssfer_image image = {0};
    if (st == SSFER_OK)
        st = ssfer_image_create(&image, (size_t)canvas->width, (size_t)canvas->height, err);
    if (st == SSFER_OK)
        st = ssfer_canvas_read(canvas, &image, err);
    if (st == SSFER_OK)
        *out = image;
    else
        ssfer_image_deinit(&image);
    ssfer_canvas_deinit(canvas);
    return st;
}

static void draw_frame(ssfer_canvas *canvas, rect at, double radius, double line, uint32_t colour, double opacity)
{
    ssfer_canvas_rounded(canvas, at.x, at.y, at.w, at.h, radius);
    ssfer_canvas_colour(canvas, colour, opacity);
    cairo_set_line_width(canvas->cr, line);
    cairo_stroke(canvas->cr);
}

/* --- card --- */

/* Title, headline and truth; returns the y below them. */
static double draw_card_head(ssfer_canvas *canvas, const char *title, const char *truth, ssfer_draw_classes classes,
                             double x, double width, double unit)
{
    double y = 1.5 * unit;
    size_t best = best_class(classes);
    if (title) {
        ssfer_canvas_text(canvas, x, y, title, (ssfer_text_style){0.75 * unit, SSFER_COLOUR_FAINT, false, 0.0, width});
        y += 1.65 * unit;
    }
    if (classes.count) {
        char percent[16];
        uint32_t colour = ssfer_colour_of_class(classes.names[best], best);
        format_percent(percent, sizeof percent, share_of(classes.probabilities[best]));
        double room = width - ssfer_canvas_text_width(canvas, percent, 1.5 * unit, false) - unit;
        ssfer_canvas_text(canvas, x, y, classes.names[best], (ssfer_text_style){1.5 * unit, colour, true, 0.0, room});
        ssfer_canvas_text(canvas, x + width, y, percent,
                          (ssfer_text_style){1.5 * unit, SSFER_COLOUR_INK, false, 1.0, 0.0});
        y += 1.6 * unit;
    }
    if (truth) {
        char text[128];
        bool right = classes.count && strcmp(truth, classes.names[best]) == 0;
        snprintf(text, sizeof text, right ? "correct" : "labeled %s", truth);
        uint32_t colour = !classes.count ? SSFER_COLOUR_TEXT : right ? SSFER_COLOUR_GOOD : SSFER_COLOUR_BAD;
        ssfer_canvas_text(canvas, x, y, text, (ssfer_text_style){0.85 * unit, colour, true, 0.0, width});
        y += 1.3 * unit;
    }
    return y;
}

ssfer_status ssfer_draw_card(ssfer_image *out, const ssfer_image *picture, const char *title, const char *truth,
                             ssfer_draw_classes classes, size_t height, ssfer_error *err)
{
    ssfer_canvas canvas;
    *out = (ssfer_image){0};
    height = height ? height : 360;
    if (height > SSFER_CANVAS_MAX_SIDE / 3)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "a card %zu pixels high is too large", height);
    ssfer_status st = ssfer_canvas_create(&canvas, height * 22 / 10 + 1, height, err);
    if (st != SSFER_OK)
        return st;
    double h = (double)height, unit = h / 20.0, side = round(h - 2.0 * unit);
    rect where;
    st = draw_fitted(&canvas, picture, unit, unit, side, 0.5 * unit, &where, err);
    if (st == SSFER_OK) {
        double x = side + 2.5 * unit, width = canvas.width - x - 1.5 * unit;
        double y = draw_card_head(&canvas, title, truth, classes, x, width, unit) + 0.2 * unit;
        /* The rows share what is left, but are never further apart than looks well. */
        double room = h - y - unit, size = fmin(0.9 * unit, room / (1.5 * fmax(1.0, (double)classes.count)));
        bars b = measure_bars(&canvas, classes, size, 0.0);
        b.bar = fmax(width - bars_width(b), 0.0);
        b.row = fmin(room / fmax(1.0, (double)classes.count), 2.2 * size);
        draw_bars(&canvas, classes, b, x, y);
        draw_frame(&canvas, (rect){0.5, 0.5, canvas.width - 1.0, h - 1.0}, 0.0, 1.0, SSFER_COLOUR_GRID, 1.0);
    }
    return take_image(out, &canvas, st, err);
}

/* --- contact sheet --- */

typedef struct sheet {
    size_t columns, rows;
    double cell, gap, margin, text, caption_height, header_height, row_height, top;
} sheet;

static sheet plan_sheet(const ssfer_draw_cell *cells, size_t count, const ssfer_draw_sheet_options *options)
{
    sheet s = {.columns = options->columns, .cell = options->cell ? (double)options->cell : 128.0};
    if (s.columns == 0)
        s.columns = (size_t)ceil(sqrt((double)count));
    s.rows = (count + s.columns - 1) / s.columns;
    bool captions = false, notes = false;
    for (size_t i = 0; i < count; i++) {
        captions |= cells[i].caption != NULL;
        notes |= cells[i].note != NULL;
    }
    s.text = clamp(0.1 * s.cell, 9.0, 20.0);
    s.gap = fmax(6.0, round(0.09 * s.cell));
    s.margin = 1.6 * s.gap;
    s.caption_height = (captions ? 1.7 * s.text : 0.0) + (notes ? 1.4 * s.text : 0.0);
    s.header_height = options->column_names ? 2.0 * s.text : 0.0;
    s.row_height = s.cell + s.caption_height + s.gap;
    s.top = s.margin + (options->title ? 2.6 * s.text : 0.0) + s.header_height;
    return s;
}

static ssfer_status draw_cell(ssfer_canvas *canvas, const sheet *s, const ssfer_draw_cell *cell, double x, double y,
                              ssfer_error *err)
{
    static const uint32_t colours[] = {SSFER_COLOUR_INK, SSFER_COLOUR_GOOD, SSFER_COLOUR_BAD};
    double radius = 0.04 * s->cell, below = y + s->cell + 0.95 * s->text;
    rect where;
    ssfer_status st = SSFER_OK;
    if (cell->image)
        st = draw_fitted(canvas, cell->image, x, y, s->cell, radius, &where, err);
    if (st != SSFER_OK)
        return st;
    if (cell->image && cell->mark != SSFER_DRAW_MARK_NONE)
        draw_frame(canvas, where, radius, fmax(1.5, 0.02 * s->cell), colours[cell->mark], 1.0);
    if (cell->caption) {
        ssfer_canvas_text(canvas, x + s->cell / 2.0, below, cell->caption,
                          (ssfer_text_style){s->text, colours[cell->mark], true, 0.5, s->cell + 0.6 * s->gap});
        below += 1.35 * s->text;
    }
    if (cell->note)
        ssfer_canvas_text(canvas, x + s->cell / 2.0, below, cell->note,
                          (ssfer_text_style){0.88 * s->text, SSFER_COLOUR_TEXT, false, 0.5, s->cell + 0.6 * s->gap});
    return SSFER_OK;
}

ssfer_status ssfer_draw_sheet(ssfer_image *out, const ssfer_draw_cell *cells, size_t count,
                              const ssfer_draw_sheet_options *options, ssfer_error *err)
{
    ssfer_canvas canvas;
    *out = (ssfer_image){0};
    if (count == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a contact sheet of no pictures");
    sheet s = plan_sheet(cells, count, options);
    double width = 2.0 * s.margin + (double)s.columns * (s.cell + s.gap) - s.gap;
    double height = s.top + (double)s.rows * s.row_height - s.gap + s.margin;
    if (!(width <= SSFER_CANVAS_MAX_SIDE && height <= SSFER_CANVAS_MAX_SIDE))
        return ssfer_fail(err, SSFER_ERR_LIMIT, "a contact sheet of %zu pictures is too large; show fewer", count);
    ssfer_status st = ssfer_canvas_create(&canvas, (size_t)width, (size_t)height, err);
    if (st != SSFER_OK)
        return st;
    if (options->title)
        ssfer_canvas_text(&canvas, s.margin, s.margin + 0.7 * s.text, options->title,
                          (ssfer_text_style){1.3 * s.text, SSFER_COLOUR_INK, true, 0.0, width - 2.0 * s.margin});
    for (size_t c = 0; options->column_names && c < s.columns; c++)
        ssfer_canvas_text(&canvas, s.margin + (double)c * (s.cell + s.gap) + s.cell / 2.0,
                          s.top - 0.5 * s.header_height, options->column_names[c],
                          (ssfer_text_style){s.text, SSFER_COLOUR_TEXT, true, 0.5, s.cell});
    for (size_t i = 0; st == SSFER_OK && i < count; i++) {
        size_t column = i % s.columns, row = i / s.columns;
        double x = s.margin + (double)column * (s.cell + s.gap), y = s.top + (double)row * s.row_height;
        st = draw_cell(&canvas, &s, &cells[i], x, y, err);
    }
    return take_image(out, &canvas, st, err);
}

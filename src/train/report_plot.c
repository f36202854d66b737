#include "train/report_plot.h"

#include "base/number.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

void ssfer_html_text(FILE *out, const char *text)
{
    for (size_t bytes; *text; text += bytes) {
        const bool shown = ssfer_text_is_shown(text, &bytes);
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fwrite(shown ? text : "?", 1, shown ? bytes : 1, out);
        }
    }
}

/* ---- axes ------------------------------------------------------------------------------------------------------ */

typedef struct axis {
    double low, high, step; /* the ends are multiples of the step */
} axis;

/* Round numbers that cover low .. high in about `ticks` steps of 1, 2 or 5 times a power of ten. */
static axis make_axis(double low, double high, double ticks)
{
    double size = fmax(fabs(low), fabs(high));
    if (!(high - low > 1e-9 * size)) { /* all the same, or so close that a step would drown in rounding */
        double around = size > 0 ? size * 0.1 : 1.0;
        low -= around;
        high += around;
    }
    double raw = (high - low) / ticks, power = pow(10.0, floor(log10(raw))), mantissa = raw / power;
    double step = (mantissa <= 1 ? 1 : mantissa <= 2 ? 2 : mantissa <= 5 ? 5 : 10) * power;
    return (axis){floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step, step};
}

static double place(const axis *a, double value, double from, double to)
{
    return from + (to - from) * (value - a->low) / (a->high - a->low);
}

/* 1.5e-4 rather than printf's 0.00015 or 1.5e-04. */
static void write_scientific(FILE *out, double value)
{
    double power = floor(log10(fabs(value)) + 1e-9);
    ssfer_fprintf(out, "%.3ge%.0f", value / pow(10.0, power), power);
}

static void write_number(FILE *out, double value, double step, bool percent)
{
    if (fabs(value) < step * 1e-6)
        value = 0;
    if (percent)
        ssfer_fprintf(out, "%.*f&#8239;%%", step < 0.00999 ? 1 : 0, 100 * value);
    else if (fabs(value) >= 1e4 && step >= 100)
        ssfer_fprintf(out, "%gk", value / 1000);
    else if (value != 0 && fabs(value) < 0.001)
        write_scientific(out, value);
    else
        ssfer_fprintf(out, "%g", value);
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

enum {
    PLOT_WIDTH = 560,
    PLOT_HEIGHT = 260,
    LEFT = 58,
    RIGHT = 14,
    TOP = 10,
    BOTTOM = 40,
    MAX_POINTS = 160, /* more than this and lines turn into hair */
    MAX_DOTS = 40
};

typedef struct point {
    double x, mean, least, most;
} point;

/* Point i of a line thinned to at most MAX_POINTS. */
static size_t thinned_count(const ssfer_plot_line *line)
{
    return line->count <= MAX_POINTS ? line->count : MAX_POINTS;
}

static point thinned_point(const ssfer_plot_line *line, size_t i)
{
    size_t n = thinned_count(line), first = i * line->count / n, end = (i + 1) * line->count / n;
    point p = {0, 0, line->y[first], line->y[first]};
    for (size_t k = first; k < end; k++) {
        p.x += line->x[k];
        p.mean += line->y[k];
        p.least = fmin(p.least, line->y[k]);
        p.most = fmax(p.most, line->y[k]);
    }
    p.x /= (double)(end - first);
    p.mean /= (double)(end - first);
    return p;
}

static void find_ranges(axis *x, axis *y, const ssfer_plot *plot)
{
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    for (size_t l = 0; l < plot->count; l++)
        for (size_t i = 0; i < plot->lines[l].count; i++) {
            x0 = fmin(x0, plot->lines[l].x[i]);
            x1 = fmax(x1, plot->lines[l].x[i]);
            y0 = fmin(y0, plot->lines[l].y[i]);
            y1 = fmax(y1, plot->lines[l].y[i]);
        }
    if (y0 > 0 && y0 < 0.5 * y1)
        y0 = 0; /* near enough that zero gives the eye a scale */
    *x = make_axis(x0 > 0 && x0 < 0.2 * x1 ? 0 : x0, x1, 6);
    x->high = fmax(x1, x->low + 1e-9 * fabs(x->low)); /* no empty strip at the right */
    if (!(x->high > x->low))
        *x = make_axis(x0, x1, 6);
    if (y0 == 0 && y1 == 0)
        y1 = 1; /* a line of zeros lies at the bottom, not in the middle */
    *y = make_axis(y0, y1, 5);
    if (plot->percent && y->high > 1)
        y->high = 1;
}

static void write_axes(FILE *out, const axis *x, const axis *y, const ssfer_plot *plot)
{
    int bottom = PLOT_HEIGHT - BOTTOM, right = PLOT_WIDTH - RIGHT;
    // NOLINTNEXTLINE(clang-analyzer-security.FloatLoopCounter): a few steps, and room for their rounding
    for (double v = y->low; v <= y->high + y->step * 1e-6; v += y->step) {
        double at = place(y, v, bottom, TOP);
        ssfer_fprintf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, right, at, at);
        ssfer_fprintf(out, "<text class=\"tick\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">", LEFT - 8, at + 4);
        write_number(out, v, y->step, plot->percent);
        fputs("</text>", out);
    }
    // NOLINTNEXTLINE(clang-analyzer-security.FloatLoopCounter): a few steps, and room for their rounding
    for (double v = x->low; v <= x->high + x->step * 1e-6; v += x->step) {
        double at = place(x, v, LEFT, right);
        ssfer_fprintf(out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", at, at, bottom,
                      bottom + 4);
        ssfer_fprintf(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">", at, bottom + 18);
        write_number(out, v, x->step, false);
        fputs("</text>", out);
    }
    fprintf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", LEFT, right, bottom, bottom);
    fprintf(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"%d\" y=\"%d\">", (LEFT + right) / 2, PLOT_HEIGHT - 4);
    ssfer_html_text(out, plot->x_label);
    fputs("</text>", out);
}

static void write_band(FILE *out, const ssfer_plot_line *line, const axis *x, const axis *y, size_t colour)
{
    size_t n = thinned_count(line);
    int bottom = PLOT_HEIGHT - BOTTOM, right = PLOT_WIDTH - RIGHT;
    fprintf(out, "<polygon class=\"band c%zu\" points=\"", colour);
    for (size_t i = 0; i < n; i++) {
        point p = thinned_point(line, i);
        ssfer_fprintf(out, "%.1f,%.1f ", place(x, p.x, LEFT, right), place(y, p.most, bottom, TOP));
    }
    for (size_t i = n; i-- > 0;) {
        point p = thinned_point(line, i);
        ssfer_fprintf(out, "%.1f,%.1f ", place(x, p.x, LEFT, right), place(y, p.least, bottom, TOP));
    }
    fputs("\"/>", out);
}

static void write_line(FILE *out, const ssfer_plot_line *line, const axis *x, const axis *y, size_t colour,
                       bool percent)
{
    size_t n = thinned_count(line);
    int bottom = PLOT_HEIGHT - BOTTOM, right = PLOT_WIDTH - RIGHT;
    if (line->count > MAX_POINTS)
        write_band(out, line, x, y, colour);
    fprintf(out, "<polyline class=\"line c%zu\" points=\"", colour);
    for (size_t i = 0; i < n; i++) {
        point p = thinned_point(line, i);
        ssfer_fprintf(out, "%.1f,%.1f ", place(x, p.x, LEFT, right), place(y, p.mean, bottom, TOP));
    }
    fputs("\"/>", out);
    for (size_t i = 0; n <= MAX_DOTS && i < n; i++) {
        ssfer_fprintf(out, "<circle class=\"dot c%zu\" r=\"2.6\" cx=\"%.1f\" cy=\"%.1f\"><title>", colour,
                      place(x, line->x[i], LEFT, right), place(y, line->y[i], bottom, TOP));
        ssfer_html_text(out, line->name);
        ssfer_fprintf(out, " %.*f%s at %g</title></circle>", percent ? 2 : 5, line->y[i] * (percent ? 100 : 1),
                      percent ? " %" : "", line->x[i]);
    }
}

static void write_value(FILE *out, double value, bool percent)
{
    if (percent)
        ssfer_fprintf(out, "%.2f&#8239;%%", 100 * value);
    else if (value != 0 && fabs(value) < 0.001)
        write_scientific(out, value);
    else
        ssfer_fprintf(out, "%.4g", value);
}

static void write_legend(FILE *out, const ssfer_plot *plot)
{
    fputs("<figcaption><b>", out);
    ssfer_html_text(out, plot->title);
    fputs("</b><span class=\"legend\">", out);
    for (size_t l = 0; l < plot->count; l++) {
        const ssfer_plot_line *line = &plot->lines[l];
        fputs("<span>", out);
        if (plot->count > 1)
            fprintf(out, "<i class=\"key c%zu\"></i>", l + 1);
        ssfer_html_text(out, line->name);
        fputs(" <em>", out);
        write_value(out, line->y[line->count - 1], plot->percent);
        fputs("</em></span>", out);
    }
    fputs("</span></figcaption>", out);
}

void ssfer_plot_write(FILE *out, const ssfer_plot *plot)
{
    axis x, y;
    ssfer_plot shown = *plot;
    shown.count = 0;
    for (size_t l = 0; l < plot->count; l++)
        if (plot->lines[l].count)
            shown.lines[shown.count++] = plot->lines[l];
    if (shown.count == 0)
        return;
    find_ranges(&x, &y, &shown);
    fputs("<figure class=\"card\">", out);
    write_legend(out, &shown);
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", PLOT_WIDTH, PLOT_HEIGHT);
    ssfer_html_text(out, plot->title);
    fputs("\">", out);
    write_axes(out, &x, &y, &shown);
    for (size_t l = 0; l < shown.count; l++)
        write_line(out, &shown.lines[l], &x, &y, l + 1, plot->percent);
    fputs("</svg></figure>\n", out);
}

/* ---- confusion matrix ------------------------------------------------------------------------------------------- */

static size_t code_points(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static void write_cell(FILE *out, const ssfer_evaluation *e, size_t k, size_t j, double left, double top, double side)
{
    size_t K = e->class_count, n = e->confusion[k * K + j], support = e->per_class[k].support;
    double share = support ? (double)n / (double)support : 0, x = left + side * (double)j, y = top + side * (double)k;
    fprintf(out, "<g><title>");
    ssfer_html_text(out, e->classes[k]);
    fputs(" taken for ", out);
    ssfer_html_text(out, e->classes[j]);
    ssfer_fprintf(out, ": %zu of %zu (%.1f %%)</title>", n, support, 100 * share);
    ssfer_fprintf(out, "<rect class=\"cell\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x, y, side, side);
    if (n)
        ssfer_fprintf(
            out, "<rect class=\"heat%s\" fill-opacity=\"%.3f\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
            j == k ? " right" : "", 0.06 + 0.94 * share, x, y, side, side);
    if (side >= 30) {
        const char *tone = share > 0.6 ? " on" : n ? "" : " faint";
        double middle = x + side / 2;
        ssfer_fprintf(out, "<text class=\"count%s\" x=\"%.1f\" y=\"%.1f\">%zu</text>", tone, middle, y + side / 2 + 1,
                      n);
        ssfer_fprintf(out, "<text class=\"share%s\" x=\"%.1f\" y=\"%.1f\">%.0f&#8239;%%</text>", tone, middle,
                      y + side / 2 + 15, 100 * share);
    }
    fputs("</g>", out);
}

void ssfer_plot_confusion(FILE *out, const ssfer_evaluation *e)
{
    size_t K = e->class_count, longest = 1;
    for (size_t k = 0; k < K; k++) {
        size_t n = code_points(e->classes[k]);
        longest = n > longest ? n : longest;
    }
    double side = K <= 10 ? 58 : K <= 16 ? 44 : K <= 40 ? 16 : 640.0 / (double)K, label = 8.0 * (double)longest + 12;
    double left = label + 22, top = label * 0.72 + 30, width = left + side * (double)K + label * 0.7,
           height = top + side * (double)K + 6;
    ssfer_fprintf(out,
                  "<svg class=\"matrix\" viewBox=\"0 0 %.0f %.0f\" style=\"max-width:%.0fpx\" role=\"img\" "
                  "aria-label=\"Confusion matrix\">",
                  width, height, width);
    ssfer_fprintf(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"14\">predicted</text>",
                  left + side * (double)K / 2);
    ssfer_fprintf(
        out, "<text class=\"tick\" text-anchor=\"middle\" transform=\"translate(14 %.1f) rotate(-90)\">true</text>",
        top + side * (double)K / 2);
    for (size_t k = 0; k < K && K <= 40; k++) {
        double at = side * ((double)k + 0.5);
        ssfer_fprintf(out, "<text class=\"name\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">", left - 8, top + at + 4);
        ssfer_html_text(out, e->classes[k]);
        ssfer_fprintf(out, "</text><text class=\"name\" transform=\"translate(%.1f %.1f) rotate(-40)\">", left + at,
                      top - 8);
        ssfer_html_text(out, e->classes[k]);
        fputs("</text>", out);
    }
    for (size_t k = 0; k < K; k++)
        for (size_t j = 0; j < K; j++)
            if (K <= 40 || e->confusion[k * K + j]) /* most cells of a large matrix are empty */
                write_cell(out, e, k, j, left, top, side);
    fputs("</svg>\n", out);
}

/* ---- calibration ------------------------------------------------------------------------------------------------ */

void ssfer_plot_calibration(FILE *out, const ssfer_evaluation *e)
{
    enum { SIDE = 260, PLOT_LEFT = 52, PLOT_TOP = 8 };
    const double bin = (double)SIDE / SSFER_CALIBRATION_BINS, bottom = PLOT_TOP + SIDE;
    fprintf(out,
            "<svg class=\"calibration\" viewBox=\"0 0 %d %d\" style=\"max-width:%dpx\" role=\"img\" "
            "aria-label=\"Calibration\">",
            PLOT_LEFT + SIDE + 14, PLOT_TOP + SIDE + 42, PLOT_LEFT + SIDE + 60);
    for (int t = 0; t <= 5; t++) {
        double at = bottom - SIDE * t / 5.0, x = PLOT_LEFT + SIDE * t / 5.0;
        ssfer_fprintf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", PLOT_LEFT,
                      PLOT_LEFT + SIDE, at, at);
        ssfer_fprintf(out, "<text class=\"tick\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%d</text>", PLOT_LEFT - 8,
                      at + 4, 20 * t);
        ssfer_fprintf(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%d</text>", x,
                      bottom + 18, 20 * t);
    }
    for (size_t b = 0; b < SSFER_CALIBRATION_BINS; b++) {
        const ssfer_calibration_bin *c = &e->calibration[b];
        double x = PLOT_LEFT + bin * (double)b, height = SIDE * c->accuracy,
               share = (double)c->count / (double)e->count;
        if (c->count == 0)
            continue;
        ssfer_fprintf(out,
                      "<rect class=\"bar c1\" fill-opacity=\"%.2f\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                      "height=\"%.1f\"><title>%zu images: confidence %.1f %%, accuracy %.1f %%</title></rect>",
                      0.35 + 0.65 * sqrt(share), x + 1, bottom - height, bin - 2, height, c->count, 100 * c->confidence,
                      100 * c->accuracy);
    }
    ssfer_fprintf(out, "<line class=\"ideal\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%d\"/>", PLOT_LEFT, bottom,
                  PLOT_LEFT + SIDE, PLOT_TOP);
    ssfer_fprintf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", PLOT_LEFT,
                  PLOT_LEFT + SIDE, bottom, bottom);
    ssfer_fprintf(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"%d\" y=\"%.1f\">confidence (%%)</text>",
                  PLOT_LEFT + SIDE / 2, bottom + 36);
    fprintf(out,
            "<text class=\"tick\" text-anchor=\"middle\" transform=\"translate(12 %d) rotate(-90)\">accuracy "
            "(%%)</text></svg>\n",
            PLOT_TOP + SIDE / 2);
}

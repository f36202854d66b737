#include "image/axis.h"

#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The smallest of 1, 2, 5 times a power of ten that is at least `raw`. */
static double round_step(double raw)
{
    double power = pow(10.0, floor(log10(raw)));
    const double factors[] = {1.0, 2.0, 5.0, 10.0};
    for (size_t i = 0; i < 4; i++)
        if (factors[i] * power >= raw * (1.0 - 1e-9))
            return factors[i] * power;
    return 10.0 * power;
}

static void linear_ticks(ssfer_axis *axis, size_t wanted, bool round_out)
{
    axis->step = round_step((axis->hi - axis->lo) / (double)(wanted > 1 ? wanted - 1 : 1));
    if (round_out) {
        axis->lo = axis->step * floor(axis->lo / axis->step + 1e-9);
        axis->hi = axis->step * ceil(axis->hi / axis->step - 1e-9);
    }
    double first = ceil(axis->lo / axis->step - 1e-9);
    for (size_t i = 0; axis->tick_count < SSFER_AXIS_MAX_TICKS; i++) {
        double tick = axis->step * (first + (double)i);
        if (tick > axis->hi + 1e-9 * axis->step)
            break;
        axis->ticks[axis->tick_count++] = fabs(tick) < 1e-9 * axis->step ? 0.0 : tick;
    }
}

/* Powers of ten; with less than two of them in range also 2 and 5 times these. */
static void log_ticks(ssfer_axis *axis, size_t wanted, bool round_out)
{
    double decades = log10(axis->hi / axis->lo);
    int skip = (int)ceil(decades / (double)(wanted > 1 ? wanted : 2));
    bool fine = decades < 2.0;
    if (round_out && !fine) {
        axis->lo = pow(10.0, floor(log10(axis->lo) + 1e-9));
        axis->hi = pow(10.0, ceil(log10(axis->hi) - 1e-9));
    }
    for (int power = (int)floor(log10(axis->lo)); axis->tick_count < SSFER_AXIS_MAX_TICKS; power++) {
        static const double factors[] = {1.0, 2.0, 5.0};
        if (pow(10.0, power) > axis->hi * (1.0 + 1e-9))
            break;
        for (size_t i = 0; i < (fine ? 3 : 1) && axis->tick_count < SSFER_AXIS_MAX_TICKS; i++) {
            double tick = factors[i] * pow(10.0, power);
            if (tick >= axis->lo * (1.0 - 1e-9) && tick <= axis->hi * (1.0 + 1e-9) && (skip <= 1 || power % skip == 0))
                axis->ticks[axis->tick_count++] = tick;
        }
    }
}

ssfer_axis ssfer_axis_make(double lo, double hi, bool log, bool percent, size_t wanted, bool round_out)
{
    ssfer_axis axis = {.log = log, .percent = percent};
    if (!isfinite(lo) || !isfinite(hi) || lo > hi || (log && !(lo > 0.0))) {
        lo = log ? 1.0 : 0.0;
        hi = log ? 10.0 : 1.0;
    }
    /* Within a range whose width and ticks are numbers, too. */
    lo = fmin(fmax(lo, log ? 1e-300 : -1e300), 1e300);
    hi = fmin(fmax(hi, lo), 1e300);
    /* Closer together than doubles can tell apart in a tick: widen. */
    if (hi - lo <= 1e-9 * fmax(fabs(lo), fabs(hi)) || hi - lo < 1e-300) {
        double middle = lo, half = middle != 0.0 ? 0.5 * fabs(middle) : 0.5;
        lo = log ? middle / 2.0 : middle - half;
        hi = log ? middle * 2.0 : middle + half;
    }
    axis.lo = lo;
    axis.hi = hi;
    if (log)
        log_ticks(&axis, wanted, round_out);
    else
        linear_ticks(&axis, wanted, round_out);
    return axis;
}

double ssfer_axis_at(const ssfer_axis *axis, double value)
{
    double at = axis->log ? (log10(value) - log10(axis->lo)) / (log10(axis->hi) - log10(axis->lo))
                          : (value - axis->lo) / (axis->hi - axis->lo);
    return fmin(fmax(at, -10.0), 11.0);
}

/* "1e-5" rather than "1e-05". */
static void format_power(double value, char *out, size_t size)
{
    char text[32];
    int exponent = (int)floor(log10(fabs(value)) + 1e-9);
    double mantissa = value / pow(10.0, exponent);
    ssfer_snprintf(text, sizeof text, "%.2g", mantissa);
    snprintf(out, size, "%se%d", text, exponent);
}

void ssfer_axis_format(const ssfer_axis *axis, double tick, char *out, size_t size)
{
    double shown = axis->percent ? 100.0 * tick : tick, step = axis->percent ? 100.0 * axis->step : axis->step;
    double largest = fmax(fabs(axis->lo), fabs(axis->hi)) * (axis->percent ? 100.0 : 1.0);
    const char *unit = axis->percent ? " %" : "";
    if (shown == 0.0) {
        snprintf(out, size, "0%s", unit);
    } else if (axis->log) {
        bool plain = fabs(shown) >= 1e-3 * (1.0 - 1e-9) && fabs(shown) < 1e5;
        if (plain)
            ssfer_snprintf(out, size, "%.10g%s", shown, unit);
        else
            format_power(shown, out, size);
    } else if ((step < 1e-4 && largest < 1e-2) || largest >= 1e10) {
        format_power(shown, out, size);
    } else if (largest >= 1e6 && step >= 1e5) {
        ssfer_snprintf(out, size, "%.10gM%s", round(shown / step) * (step / 1e6), unit);
    } else if (largest >= 1e4 && step >= 100.0) {
        ssfer_snprintf(out, size, "%.10gk%s", round(shown / step) * (step / 1e3), unit);
    } else {
        int decimals = step >= 1.0 || step <= 0.0 ? 0 : (int)ceil(-log10(step) - 1e-9);
        ssfer_snprintf(out, size, "%.*f%s", decimals > 9 ? 9 : decimals, shown, unit);
    }
}

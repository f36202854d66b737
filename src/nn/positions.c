#include "nn/positions.h"

#include <math.h>
#include <string.h>

void ssfer_sincos_positions(float *table, size_t dim, size_t side)
{
    const size_t quarter = dim / 4;
    memset(table, 0, (side * side + 1) * dim * sizeof *table);
    for (size_t row = 0; row < side; row++)
        for (size_t column = 0; column < side; column++)
            for (size_t i = 0; i < quarter; i++) {
                float *to = table + (1 + row * side + column) * dim;
                const double omega = pow(10000.0, -(double)i / (double)quarter);
                to[i] = (float)sin((double)column * omega);
                to[quarter + i] = (float)cos((double)column * omega);
                to[2 * quarter + i] = (float)sin((double)row * omega);
                to[3 * quarter + i] = (float)cos((double)row * omega);
            }
}

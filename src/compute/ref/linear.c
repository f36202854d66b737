#include "compute/ref/ref.h"

void REF(linear_forward)(real *y, const real *x, const real *w, const real *b, ssfer_linear_dims d, ssfer_epilogue e)
{
    for (size_t m = 0; m < d.rows; m++)
        for (size_t j = 0; j < d.out; j++) {
            double sum = b ? (double)b[j] : 0.0;
            for (size_t k = 0; k < d.in; k++)
                sum += (double)x[m * d.in + k] * (double)w[j * d.in + k];
            y[m * d.out + j] = (real)sum;
        }
    if (e == SSFER_EPILOGUE_GELU)
        REF(gelu_forward)(y, y, d.rows * d.out);
}

void REF(linear_backward_dx)(real *dx, const real *dy, const real *w, ssfer_linear_dims d)
{
    for (size_t m = 0; m < d.rows; m++)
        for (size_t k = 0; k < d.in; k++) {
            double sum = 0.0;
            for (size_t j = 0; j < d.out; j++)
                sum += (double)dy[m * d.out + j] * (double)w[j * d.in + k];
            dx[m * d.in + k] = (real)sum;
        }
}

void REF(linear_backward_dw)(real *dw, real *db, const real *dy, const real *x, ssfer_linear_dims d)
{
    for (size_t j = 0; j < d.out; j++) {
        for (size_t k = 0; k < d.in; k++) {
            double sum = 0.0;
            for (size_t m = 0; m < d.rows; m++)
                sum += (double)dy[m * d.out + j] * (double)x[m * d.in + k];
            dw[j * d.in + k] += (real)sum;
        }
        double bias = 0.0;
        for (size_t m = 0; m < d.rows; m++)
            bias += (double)dy[m * d.out + j];
        if (db)
            db[j] += (real)bias;
    }
}

/* Fixed positions of a square grid of patches. */
#ifndef SSFER_NN_POSITIONS_H
#define SSFER_NN_POSITIONS_H

#include <stddef.h>

/* table (side * side + 1, dim) =: row 0 (the class token) zero, then the patches in row order. The first half of the
 * channels encodes the column, the second half the row; each half is dim/4 sines, then dim/4 cosines, of
 * position / 10000^(i / (dim/4)); channels beyond 4 * (dim/4) are zero. Vaswani et al. 2017, section 3.5, in two
 * dimensions; as He et al. 2022 use it. */
void ssfer_sincos_positions(float *table, size_t dim, size_t side);

#endif

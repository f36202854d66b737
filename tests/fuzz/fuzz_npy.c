/* Any bytes as a number in a .npy file. */
#include "fuzz_case.h"
#include "io/npy.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double value = 42;
    ssfer_error err = {0};
    fuzz_begin(size);
    const ssfer_status st = ssfer_npy_number(&value, data, size, "input", &err);
    fuzz_check_error(st, &err);
    fuzz_require(st == SSFER_OK ? isfinite(value) : value == 42, "no number, or a number after an error");
    fuzz_end();
    return 0;
}

/* TRY(x): leave the function with x's status unless it is SSFER_OK. For sequences of operations that own nothing. */
#ifndef SSFER_NN_TRY_H
#define SSFER_NN_TRY_H

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        ssfer_status try_status = (call);                                                                              \
        if (try_status != SSFER_OK)                                                                                    \
            return try_status;                                                                                         \
    } while (0)

#endif

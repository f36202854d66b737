/* Errors are values: every function that can fail returns an ssfer_status and writes one line for people into the
 * caller's ssfer_error. The library never exits, aborts or prints.
 *
 * In all headers: `err` may be NULL (then there is the status alone). NULL for any other pointer that is not said to be
 * optional is SSFER_ERR_ARGUMENT; functions without a status answer 0, NULL or a structure of zeros. An array of 0
 * elements may be NULL. */
#ifndef SSFER_STATUS_H
#define SSFER_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ssfer_status {
    SSFER_OK = 0,
    SSFER_ERR_ARGUMENT,    /* the caller passed something out of range */
    SSFER_ERR_IO,          /* the system refused: missing file, no permission, disk full */
    SSFER_ERR_FORMAT,      /* a file is not what it should be: corrupt, cut, of another kind */
    SSFER_ERR_SHAPE,       /* tensors or sizes that do not fit together */
    SSFER_ERR_LIMIT,       /* larger than we accept, to keep memory bounded */
    SSFER_ERR_MEMORY,      /* an allocation failed */
    SSFER_ERR_UNSUPPORTED, /* valid, but not handled by this build */
    SSFER_ERR_NUMERIC,     /* NaN or infinity where a number is needed */
    SSFER_ERR_CANCELLED    /* stopped on request (signal or callback) */
} ssfer_status;

enum { SSFER_ERROR_MESSAGE_SIZE = 512 };

/* Zero-initialise it ({0}). `message` is a single line, "WHERE: what is wrong; what to do", always terminated. */
typedef struct ssfer_error {
    ssfer_status status;
    char message[SSFER_ERROR_MESSAGE_SIZE];
} ssfer_error;

/* A short name such as "format", valid forever. */
const char *ssfer_status_name(ssfer_status status);

/* The library's version, "0.1.0", and one line naming what it was built with. Valid forever. */
const char *ssfer_version(void);
const char *ssfer_build_info(void);

#ifdef __cplusplus
}
#endif
#endif

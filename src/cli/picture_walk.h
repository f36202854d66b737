/* What commands that go through pictures and print a row for each face have in common: portions of pictures, rows for
 * those that cannot be read, the progress bar, names of the pictures written. */
#ifndef SSFER_CLI_PICTURE_WALK_H
#define SSFER_CLI_PICTURE_WALK_H

#include "cli/cli.h"
#include "predict/output.h"
#include "predict/pictures.h"

/* For the descriptions of the commands. */
#define SSFER_INPUTS_TEXT                                                                                              \
    "Rows come in the order of the inputs, those of a folder or tar sorted by path. A picture that cannot be read, "   \
    "or "                                                                                                              \
    "an input that is missing or no picture, is a row that says why and does not stop the others; the exit code then " \
    "is 1. Files of a folder or tar whose names do not end in png, jpg, jpeg or webp are left out and counted on "     \
    "standard error."

extern const char *const SSFER_OUTPUT_FORMATS[]; /* choices of --format, in the order of ssfer_output_format */

typedef struct ssfer_picture_walk {
    ssfer_cli *cli;
    ssfer_dataset *set;
    ssfer_pictures *pictures;
    ssfer_output output; /* the command sets classes before it runs */
    const char *folder;  /* for pictures, or NULL */
    size_t failed;       /* pictures that could not be read */
} ssfer_picture_walk;

/* folder: created if it is missing; NULL: none. most: pictures of a portion. Close it also after a failure. */
ssfer_status ssfer_picture_walk_open(ssfer_picture_walk *walk, ssfer_cli *cli, const ssfer_strings *inputs, int format,
                                     const char *folder, size_t most, ssfer_error *err);
void ssfer_picture_walk_close(ssfer_picture_walk *walk);

/* What a command does with the pictures. */
typedef struct ssfer_picture_visitor {
    void *context;
    const char *doing; /* "detecting", for the progress bar */
    /* Computes what there is to know of a portion's images. */
    ssfer_status (*portion)(void *context, const ssfer_portion *portion, ssfer_error *err);
    /* Then for each of the images, in order: prints its rows, and writes a picture to `png` unless that is NULL. k: its
     * index in the portion's images. The image may be changed. */
    ssfer_status (*picture)(void *context, size_t k, const char *file, ssfer_image *image, const char *png,
                            ssfer_error *err);
    void (*done)(void *context); /* after the last image of a portion, also after a failure */
} ssfer_picture_visitor;

/* Walks all pictures in the order of the inputs. One that cannot be read, or an input that cannot, is a row that says
 * why and does not stop the others; at the end such rows are a failure. */
ssfer_status ssfer_picture_walk_run(ssfer_picture_walk *walk, const ssfer_picture_visitor *visitor, ssfer_error *err);

#endif

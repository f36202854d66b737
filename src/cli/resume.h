/* `ssfer finetune --resume RUN`: a training goes on with the options that it was started with.
 *
 * RUN/recipe.yaml holds them as they were given, in the section SSFER_RECIPE_OPTIONS. They are put in front of the
 * command line and parsed by the command's own table, so that a training that goes on takes the same way as one that
 * starts. `--out RUN --resume` with all options, or some, means the same; where RUN holds nothing yet it starts. */
#ifndef SSFER_CLI_RESUME_H
#define SSFER_CLI_RESUME_H

#include "cli/options.h"
#include "train/run_recipe.h"

typedef struct ssfer_resume {
    int argc;
    char *const *argv; /* the completed command line; as it was given if there was nothing to complete */
    char **words;      /* what argv is made of, if it was */
    size_t word_count, word_capacity;
    size_t owned; /* so many of the first words are to be freed */
    bool differs; /* the error is that the run was started with another option */
} ssfer_resume;

/* Completes the command line of a resumable command from the run's record; leaves any other as it is. argv must outlive
 * `out`. Errors: mistakes in the words; SSFER_ERR_ARGUMENT where an option is given that is not the run's, naming it; a
 * folder that holds no such run, or a damaged record. Release with deinit, also after an error. */
ssfer_status ssfer_resume_complete(ssfer_resume *out, const ssfer_command *command, int argc, char *const *argv,
                                   ssfer_error *err);
void ssfer_resume_deinit(ssfer_resume *resume); /* {0} is fine */

/* The section that ssfer_resume_complete reads: the options that were given, but for those of the call. */
void ssfer_resume_describe(ssfer_recipe *recipe, const ssfer_parsed *parsed);

/* The same options as keys of the section that is open. */
void ssfer_resume_put_options(ssfer_recipe *recipe, const ssfer_parsed *parsed);

#endif

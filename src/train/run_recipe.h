/* What a run was made with, as `recipe.yaml`: sections of keys in the order they were put, every value resolved.
 *
 *     ssfer_recipe r = {0};
 *     ssfer_recipe_section(&r, "optimizer");
 *     ssfer_recipe_double(&r, "lr", 1.5e-4);
 *     ssfer_recipe_section(&r, "machine");
 *     ssfer_recipe_free_choice(&r);            // from here to the next section: may differ on --resume
 *     ssfer_recipe_size(&r, "threads", 2);
 *     ssfer_recipe_deinit(&r);
 *
 * Putting never fails visibly: a lack of memory is kept and reported when the recipe is written or compared. */
#ifndef SSFER_TRAIN_RUN_RECIPE_H
#define SSFER_TRAIN_RUN_RECIPE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct ssfer_recipe_entry {
    char *section, *key;
    char *value; /* as YAML text */
    bool free_choice;
} ssfer_recipe_entry;

typedef struct ssfer_recipe {
    ssfer_recipe_entry *entries;
    size_t count, capacity;
    char *section; /* the one being filled */
    bool free_choice, failed;
} ssfer_recipe;

void ssfer_recipe_section(ssfer_recipe *r, const char *name);
void ssfer_recipe_free_choice(ssfer_recipe *r);

void ssfer_recipe_string(ssfer_recipe *r, const char *key, const char *value); /* NULL: null */
void ssfer_recipe_double(ssfer_recipe *r, const char *key, double value);      /* the shortest that reads back equal */
void ssfer_recipe_size(ssfer_recipe *r, const char *key, size_t value);
void ssfer_recipe_u64(ssfer_recipe *r, const char *key, uint64_t value);
void ssfer_recipe_bool(ssfer_recipe *r, const char *key, bool value);
void ssfer_recipe_strings(ssfer_recipe *r, const char *key, const char *const *values, size_t count);
void ssfer_recipe_doubles(ssfer_recipe *r, const char *key, const double *values, size_t count);

/* Adds the entries of `more`, whose sections come after those that are there. */
void ssfer_recipe_append(ssfer_recipe *r, const ssfer_recipe *more);

/* The section that says with which options the run was started, as they were given: `command` and their names. It is
 * what --resume reads; what follows from them stands in the other sections, so it is not compared. */
#define SSFER_RECIPE_OPTIONS "options"

/* The value of a key as YAML text, NULL if absent. Valid until the next put. */
const char *ssfer_recipe_find(const ssfer_recipe *r, const char *section, const char *key);

/* Writes atomically. */
ssfer_status ssfer_recipe_write(const ssfer_recipe *r, const char *path, ssfer_error *err);

/* Reads what ssfer_recipe_write wrote (not YAML in general: two levels, one value a line). Other lines are an error
 * that names the line. */
ssfer_status ssfer_recipe_read(ssfer_recipe *out, const char *path, ssfer_error *err);

/* Whether a run may go on with this recipe: SSFER_ERR_ARGUMENT names the first key that differs, both values and what
 * to do. Keys put after ssfer_recipe_free_choice in `now` and the section of options are not compared; a key that only
 * one side has counts as different. `path` is for the message. */
ssfer_status ssfer_recipe_compare(const ssfer_recipe *now, const ssfer_recipe *before, const char *path,
                                  ssfer_error *err);

void ssfer_recipe_deinit(ssfer_recipe *r);

#endif

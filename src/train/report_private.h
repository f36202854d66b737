/* What the report's files share. They write to a stream whose errors the caller looks at. */
#ifndef SSFER_TRAIN_REPORT_PRIVATE_H
#define SSFER_TRAIN_REPORT_PRIVATE_H

#include "train/report.h"
#include "train/run_history.h"
#include "train/run_recipe.h"

#include <stdio.h>

extern const char SSFER_REPORT_STYLE[]; /* CSS */

/* ---- the runs that led here (report_chain.c) ---- */

enum { SSFER_REPORT_MAX_RUNS = 8 };

/* A run, and what its folder holds. */
typedef struct ssfer_report_run {
    char *folder;
    ssfer_history history;
    ssfer_recipe recipe;
} ssfer_report_run;

/* The run in a folder and those before it: a run's recipe names the model from which it started, and where that lies in
 * a run's folder, too, that run is part of the story. */
typedef struct ssfer_report_chain {
    ssfer_report_run runs[SSFER_REPORT_MAX_RUNS]; /* the first stage first */
    size_t count;
} ssfer_report_chain;

/* folder NULL: none. Whatever cannot be read is left out, with a warning if it is of the folder itself. */
void ssfer_report_chain_read(ssfer_report_chain *chain, const char *folder, const ssfer_log *log);
void ssfer_report_chain_deinit(ssfer_report_chain *chain);

/* A row a run: how long it was, and what it reached. Nothing for a single run. */
void ssfer_report_write_chain(FILE *out, const ssfer_report_chain *chain);

/* ---- sections ---- */

/* What the guards (train/guards.h) found in which epochs: nothing where there is nothing. */
void ssfer_report_write_warnings(FILE *out, const ssfer_report_run *run);                  /* report_sections.c */
void ssfer_report_write_curves(FILE *out, const ssfer_history *history);                   /* report_curves.c */
void ssfer_report_write_evaluation(FILE *out, const ssfer_evaluation *evaluation);         /* report_sections.c */
void ssfer_report_write_groups(FILE *out, const ssfer_report_group *groups, size_t count); /* report_sections.c */
void ssfer_report_write_split(FILE *out, const ssfer_report_split *split);                 /* report_sections.c */
void ssfer_report_write_recipe(FILE *out, const char *title, const ssfer_recipe *recipe);  /* report_sections.c */
void ssfer_report_write_picture(FILE *out, const char *path, const char *title,
                                const char *note); /* a file, if there */

#endif

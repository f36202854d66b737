/* What a plan would cost: pictures, steps, parameters, memory and time of each stage. */
#ifndef SSFER_CLI_ESTIMATE_H
#define SSFER_CLI_ESTIMATE_H

#include "cli/plan.h"

/* Prints the plan, which has been rehearsed. Data that cannot be opened leave their columns empty: a recipe can be
 * looked at before its data are there. Times are measured: steps of a small batch, some seconds for a stage; without
 * validation.
 */
ssfer_status ssfer_plan_print(FILE *out, const train_plan *plan, const ssfer_cli *cli, ssfer_error *err);

#endif

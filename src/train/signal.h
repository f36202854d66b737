/* Stopping a training on request: Ctrl-C or SIGTERM asks the loop to save a checkpoint and end; a second one ends the
 * process at once.
 *
 * A signal handler can only reach process-wide state, so there is one flag per process. The library installs nothing by
 * itself: the program does, around a training. */
#ifndef SSFER_TRAIN_SIGNAL_H
#define SSFER_TRAIN_SIGNAL_H

#include "base/status.h"

#include <stdbool.h>

/* Clears the flag and takes over SIGINT and SIGTERM, except one that is being ignored (nohup, a background job).
 * SSFER_ERR_ARGUMENT when they are installed already. */
ssfer_status ssfer_signals_install(ssfer_error *err);

/* The signal that asked to stop, 0 if none did. Cheap: for every step. */
int ssfer_signals_received(void);

/* Puts back what was there before the install; fine if nothing is installed. The flag stays readable. */
void ssfer_signals_restore(void);

#endif

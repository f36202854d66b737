/* TensorBoard event files: scalars over steps, so that `tensorboard --logdir RUN` shows a run while it lasts.
 *
 * A file is a sequence of TFRecords: length (u64 little-endian), masked CRC32C of those 8 bytes, the data, its masked
 * CRC32C. The data is a protobuf `Event` {1: wall_time double, 2: step int64, 3: file_version string, 5: Summary {1:
 * repeated Value {1: tag string, 2: simple_value float}}}, encoded by hand here. Sources: TensorFlow's record_writer.h
 * and event.proto; checked by a parser in tests/unit/train/test_events.c. */
#ifndef SSFER_TRAIN_EVENTS_H
#define SSFER_TRAIN_EVENTS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ssfer_events ssfer_events;

/* Starts FOLDER/events.out.tfevents.SECONDS.ssfer; wall_time_s is seconds since 1970. */
ssfer_status ssfer_events_create(ssfer_events **out, const char *folder, double wall_time_s, ssfer_error *err);

/* Goes on with the folder's last event file, without its events of end_step and later (and without all behind the first
 * damaged record); creates one if there is none. */
ssfer_status ssfer_events_resume(ssfer_events **out, const char *folder, uint64_t end_step, double wall_time_s,
                                 ssfer_error *err);

/* Appends one event: values[i] under tags[i], e.g. "finetune/loss". Reaches the file at once, entirely or not at all.
 */
ssfer_status ssfer_events_scalars(ssfer_events *events, uint64_t step, double wall_time_s, const char *const *tags,
                                  const double *values, size_t count, ssfer_error *err);

void ssfer_events_close(ssfer_events *events); /* NULL is fine */

/* CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), and TensorFlow's mask of it. */
uint32_t ssfer_crc32c(const void *data, size_t size_bytes);
uint32_t ssfer_crc32c_mask(uint32_t crc);

/* Bytes of the leading records whose step is below end_step, up to the first that is damaged, cut or not below. */
size_t ssfer_events_prefix(const unsigned char *data, size_t size_bytes, uint64_t end_step);

#endif

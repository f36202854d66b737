#include "train/events.h"

#include "base/file.h"
#include "base/memory.h"
#include "train/append.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char PREFIX[] = "events.out.tfevents.";

struct ssfer_events {
    ssfer_append file;
};

/* A growing buffer; `failed` is kept, so that encoding need not look after every byte. */
typedef struct buffer {
    unsigned char *data;
    size_t size, capacity;
    bool failed;
} buffer;

uint32_t ssfer_crc32c(const void *data, size_t size_bytes)
{
    static const uint32_t NIBBLE[16] = {/* of the polynomial, four bits at a time: small, and events are few */
                                        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const unsigned char *bytes = data;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ NIBBLE[crc & 15];
        crc = (crc >> 4) ^ NIBBLE[crc & 15];
    }
    return ~crc;
}

uint32_t ssfer_crc32c_mask(uint32_t crc)
{
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static void put_bytes(buffer *b, const void *data, size_t size)
{
    if (b->failed || ssfer_reserve((void **)&b->data, &b->capacity, b->size + size, 1) != 0) {
        b->failed = true;
        return;
    }
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void put_little_endian(buffer *b, uint64_t value, size_t bytes)
{
    unsigned char out[8];
    for (size_t i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * i));
    put_bytes(b, out, bytes);
}

static void put_varint(buffer *b, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_little_endian(b, (value & 0x7f) | 0x80, 1);
    put_little_endian(b, value, 1);
}

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void put_key(buffer *b, unsigned field, enum wire_type type)
{
    put_varint(b, field << 3 | (unsigned)type);
}

static void put_double(buffer *b, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(b, field, WIRE_64);
    put_little_endian(b, bits, 8);
}

static void put_float(buffer *b, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(b, field, WIRE_32);
    put_little_endian(b, bits, 4);
}

static void put_text(buffer *b, unsigned field, const void *data, size_t size)
{
    put_key(b, field, WIRE_BYTES);
    put_varint(b, size);
    put_bytes(b, data, size);
}

/* Summary {1: Value {1: tag, 2: simple_value}}, appended to `out` as field 5 of an Event. */
static void put_summary(buffer *out, const char *const *tags, const double *values, size_t count)
{
    buffer summary = {0};
    for (size_t i = 0; i < count; i++) {
        buffer value = {0};
        put_text(&value, 1, tags[i], strlen(tags[i]));
        put_float(&value, 2, (float)values[i]);
        put_text(&summary, 1, value.data, value.size);
        summary.failed |= value.failed;
        ssfer_free(value.data);
    }
    put_text(out, 5, summary.data, summary.size);
    out->failed |= summary.failed;
    ssfer_free(summary.data);
}

/* Frames an event and appends it to the file. The event's memory is freed. */
static ssfer_status append_record(ssfer_events *events, buffer *event, ssfer_error *err)
{
    buffer record = {.failed = event->failed};
    put_little_endian(&record, event->size, 8);
    put_little_endian(&record, record.failed ? 0 : ssfer_crc32c_mask(ssfer_crc32c(record.data, 8)), 4);
    put_bytes(&record, event->data, event->size);
    put_little_endian(&record, event->failed ? 0 : ssfer_crc32c_mask(ssfer_crc32c(event->data, event->size)), 4);
    ssfer_status st = record.failed ? ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", events->file.path)
                                    : ssfer_append_write(&events->file, record.data, record.size, err);
    ssfer_free(record.data);
    ssfer_free(event->data);
    return st;
}

static ssfer_status open_file(ssfer_events **out, const char *path, uint64_t keep_bytes, double wall_time_s,
                              ssfer_error *err)
{
    ssfer_events *events = ssfer_calloc(1, sizeof *events);
    if (!events)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    ssfer_status st = ssfer_append_open(&events->file, path, keep_bytes, err);
    if (st == SSFER_OK && events->file.size_bytes == 0) {
        buffer event = {0};
        put_double(&event, 1, wall_time_s);
        put_text(&event, 3, "brain.Event:2", strlen("brain.Event:2")); /* what makes it an event file */
        st = append_record(events, &event, err);
    }
    if (st != SSFER_OK) {
        ssfer_events_close(events);
        return st;
    }
    *out = events;
    return SSFER_OK;
}

ssfer_status ssfer_events_create(ssfer_events **out, const char *folder, double wall_time_s, ssfer_error *err)
{
    *out = NULL;
    char *path = ssfer_format("%s/%s%010.0f.ssfer", folder, PREFIX, wall_time_s);
    if (!path)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", folder);
    ssfer_status st = open_file(out, path, 0, wall_time_s, err);
    ssfer_free(path);
    return st;
}

/* The last event file of a folder by name, that is by time; *path NULL if there is none. */
static ssfer_status find_last(char **path, const char *folder, ssfer_error *err)
{
    char last[NAME_MAX + 1] = "";
    *path = NULL;
    DIR *list = opendir(folder);
    if (!list)
        return ssfer_fail_errno(err, folder, NULL, errno);
    for (struct dirent *entry; (entry = readdir(list));)
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) == 0 && strcmp(entry->d_name, last) > 0)
            snprintf(last, sizeof last, "%s", entry->d_name);
    closedir(list);
    if (*last && !(*path = ssfer_format("%s/%s", folder, last)))
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", folder);
    return SSFER_OK;
}

ssfer_status ssfer_events_resume(ssfer_events **out, const char *folder, uint64_t end_step, double wall_time_s,
                                 ssfer_error *err)
{
    char *path;
    ssfer_file_map map;
    *out = NULL;
    ssfer_status st = find_last(&path, folder, err);
    if (st != SSFER_OK || !path)
        return st != SSFER_OK ? st : ssfer_events_create(out, folder, wall_time_s, err);
    st = ssfer_file_map_open(&map, path, err);
    if (st == SSFER_OK) {
        size_t keep = ssfer_events_prefix(map.data, map.size_bytes, end_step);
        ssfer_file_map_close(&map);
        st = open_file(out, path, keep, wall_time_s, err);
    }
    ssfer_free(path);
    return st;
}

ssfer_status ssfer_events_scalars(ssfer_events *events, uint64_t step, double wall_time_s, const char *const *tags,
                                  const double *values, size_t count, ssfer_error *err)
{
    buffer event = {0};
    put_double(&event, 1, wall_time_s);
    put_key(&event, 2, WIRE_VARINT);
    put_varint(&event, step);
    put_summary(&event, tags, values, count);
    return append_record(events, &event, err);
}

void ssfer_events_close(ssfer_events *events)
{
    if (!events)
        return;
    ssfer_append_close(&events->file);
    ssfer_free(events);
}

static uint64_t get_little_endian(const unsigned char *data, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)data[i] << (8 * i);
    return value;
}

/* False at the end of the data or beyond 64 bits. */
static bool get_varint(uint64_t *value, const unsigned char **at, const unsigned char *end)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The step (field 2) of an Event, 0 where absent as protobuf has it. False if the bytes are no message. */
static bool event_step(uint64_t *step, const unsigned char *at, size_t size)
{
    const unsigned char *end = at + size;
    *step = 0;
    while (at < end) {
        uint64_t key, value, skip = 0;
        if (!get_varint(&key, &at, end))
            return false;
        switch (key & 7) {
        case WIRE_VARINT:
            if (!get_varint(&value, &at, end))
                return false;
            if (key >> 3 == 2)
                *step = value;
            break;
        case WIRE_64:
            skip = 8;
            break;
        case WIRE_BYTES:
            if (!get_varint(&skip, &at, end))
                return false;
            break;
        case WIRE_32:
            skip = 4;
            break;
        default:
            return false;
        }
        if (skip > (uint64_t)(end - at))
            return false;
        at += skip;
    }
    return true;
}

size_t ssfer_events_prefix(const unsigned char *data, size_t size_bytes, uint64_t end_step)
{
    size_t at = 0;
    while (size_bytes - at >= 16) {
        const unsigned char *record = data + at;
        uint64_t size = get_little_endian(record, 8), step;
        if (get_little_endian(record + 8, 4) != ssfer_crc32c_mask(ssfer_crc32c(record, 8)) ||
            size > size_bytes - at - 16)
            break;
        if (get_little_endian(record + 12 + size, 4) != ssfer_crc32c_mask(ssfer_crc32c(record + 12, (size_t)size)) ||
            !event_step(&step, record + 12, (size_t)size) || step >= end_step)
            break;
        at += 16 + (size_t)size;
    }
    return at;
}

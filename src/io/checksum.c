#include "io/checksum.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"
#include "io/tensor_set_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    THREADS = 4,           /* memory gives no more than a few can take */
    ALONE_BYTES = 8 << 20, /* below, starting threads would take longer */
    KIND_METADATA = 1,     /* seeds, so that an entry never counts as a tensor */
    KIND_TENSOR = 2
};

static const char FORM[] = "hash64-";

uint64_t ssfer_checksum_metadata(const char *key, const char *value)
{
    return ssfer_hash64(value, strlen(value), ssfer_hash64(key, strlen(key), KIND_METADATA));
}

uint64_t ssfer_checksum_tensor(const char *name, const ssfer_tensor *t, uint64_t data)
{
    const char *dtype = ssfer_dtype_name(t->dtype);
    uint64_t h = ssfer_hash64(name, strlen(name), KIND_TENSOR);
    h = ssfer_hash64(dtype, strlen(dtype), h);
    for (size_t d = 0; d < t->ndim; d++) {
        const uint64_t size = t->shape[d];
        h = ssfer_hash64(&size, sizeof size, h);
    }
    return ssfer_hash64(&data, sizeof data, h);
}

typedef struct data_job {
    const ssfer_tensor_set *set;
    uint64_t *hashes;
} data_job;

static void hash_one(void *user, size_t i)
{
    const data_job *job = user;
    const ssfer_tensor *t = ssfer_tensor_set_at(job->set, i);
    job->hashes[i] = ssfer_hash64(t->data, t->size_bytes, 0);
}

void ssfer_checksum_data(uint64_t *hashes, const ssfer_tensor_set *set)
{
    const size_t count = ssfer_tensor_set_count(set);
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += ssfer_tensor_set_at(set, i)->size_bytes; /* they exist, in memory or in a map */
    const size_t threads = bytes > ALONE_BYTES ? ssfer_min_size(ssfer_thread_default(), THREADS) : 1;
    ssfer_threads_run(threads, count, hash_one, &(data_job){set, hashes});
}

void ssfer_checksum_format(char text[SSFER_CHECKSUM_SIZE], uint64_t sum)
{
    snprintf(text, SSFER_CHECKSUM_SIZE, "%s%016" PRIx64, FORM, sum);
}

ssfer_status ssfer_checksum_verify(ssfer_tensor_set *set, const char *name, ssfer_error *err)
{
    const size_t count = ssfer_tensor_set_count(set), entries = ssfer_tensor_set_metadata_count(set);
    const char *stored = ssfer_tensor_set_get(set, SSFER_CHECKSUM_KEY);
    char text[SSFER_CHECKSUM_SIZE];
    uint64_t sum = 0;
    if (!stored)
        return SSFER_OK;
    if (strncmp(stored, FORM, sizeof FORM - 1) != 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT,
                          "%s: its " SSFER_CHECKSUM_KEY
                          " is of no kind that is known here; the file is damaged, or of a "
                          "newer ssfer",
                          name);
    uint64_t *hashes = ssfer_calloc(count ? count : 1, sizeof *hashes);
    if (!hashes)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", name);
    ssfer_checksum_data(hashes, set);
    for (size_t i = 0; i < count; i++) {
        const ssfer_tensor *t = ssfer_tensor_set_at(set, i);
        sum += ssfer_checksum_tensor(t->name, t, hashes[i]);
    }
    ssfer_free(hashes);
    for (size_t i = 0; i < entries; i++) {
        const ssfer_metadata_entry e = ssfer_tensor_set_metadata_at(set, i);
        sum += strcmp(e.key, SSFER_CHECKSUM_KEY) == 0 ? 0 : ssfer_checksum_metadata(e.key, e.value);
    }
    ssfer_checksum_format(text, sum);
    if (strcmp(text, stored) != 0)
        return ssfer_fail(
            err, SSFER_ERR_FORMAT,
            "%s: the checksum does not agree (%s, computed %s): the file is damaged, fetch or save it again; "
            "if another program has changed it, remove " SSFER_CHECKSUM_KEY " from its metadata",
            name, stored, text);
    ssfer_tensor_set_remove(set, SSFER_CHECKSUM_KEY);
    return SSFER_OK;
}

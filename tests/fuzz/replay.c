/* Runs a fuzz target once on every file named, and on every file in a folder named: how corpora are replayed without
 * libFuzzer. */
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t replay(const char *path)
{
    unsigned char *data;
    size_t size, count = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char *inner = ssfer_format("%s/%s", path, entry->d_name);
        if (inner && ssfer_file_exists(inner))
            count += replay(inner);
        ssfer_free(inner);
    }
    if (folder) {
        closedir(folder);
        return count;
    }
    ssfer_error err = {0};
    if (ssfer_file_read(&data, &size, path, (size_t)1 << 30, &err) != SSFER_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 0;
    }
    uint8_t *exact = ssfer_malloc(size); /* no byte behind it: a sanitizer sees the first one read beyond */
    memcpy(exact, data, size);
    ssfer_free(data);
    LLVMFuzzerTestOneInput(exact, size);
    ssfer_free(exact);
    return 1;
}

int main(int argc, char **argv)
{
    size_t total = 0;
    for (int i = 1; i < argc; i++) {
        size_t count = replay(argv[i]);
        printf("%s: %zu inputs\n", argv[i], count);
        if (count == 0)
            return 1; /* an empty corpus proves nothing */
        total += count;
    }
    return total ? 0 : 1;
}

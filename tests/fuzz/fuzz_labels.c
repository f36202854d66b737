/* Any bytes as labels.json, for a small set. What is read is, saved and read again, the same choice. */
#include "data/split.h"
#include "fuzz_case.h"

/* Classes a and b of two pictures each; nobody looks at them. */
static ssfer_dataset *open_set(void)
{
    static const char *const files[] = {"set/a/0.png", "set/a/1.png", "set/b/0.png", "set/b/1.png"};
    ssfer_dataset *set;
    ssfer_error err = {0};
    fuzz_must(ssfer_folder_create(fuzz_path("set/a"), &err), &err);
    fuzz_must(ssfer_folder_create(fuzz_path("set/b"), &err), &err);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        fuzz_file(files[i], "-", 1);
    fuzz_must(ssfer_dataset_open(&set, fuzz_path("set"), &(ssfer_dataset_options){0}, &err), &err);
    return set;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ssfer_dataset *set;
    ssfer_split split, again;
    ssfer_error err = {0};
    if (!set)
        set = open_set();
    const char *path = fuzz_file("labels.json", data, size);
    fuzz_begin(size);
    const ssfer_status st = ssfer_split_load(&split, set, path, &err);
    fuzz_check_error(st, &err);
    if (st == SSFER_OK) {
        fuzz_require(split.labeled_count && split.labeled_count + split.unlabeled_count == 4, "samples are missing");
        fuzz_must(ssfer_split_save(&split, set, fuzz_path("again.json"), &err), &err);
        fuzz_must(ssfer_split_load(&again, set, fuzz_path("again.json"), &err), &err);
        fuzz_require(again.labeled_count == split.labeled_count && again.seed == split.seed &&
                         again.fraction == split.fraction &&
                         memcmp(again.labeled, split.labeled, split.labeled_count * sizeof *split.labeled) == 0,
                     "another choice");
        ssfer_split_deinit(&again);
        ssfer_split_deinit(&split);
    }
    fuzz_end();
    return 0;
}

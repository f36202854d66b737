/* How many samples of each class a fraction labels, against the reference's own split function. */
#include "data/split.h"
#include "fixture.h"

static void check_case(const cJSON *c, size_t n)
{
    double fraction = fixture_number(c, "fraction", -1.0);
    const cJSON *sizes = cJSON_GetObjectItemCaseSensitive(c, "class_sizes");
    const cJSON *labelled = cJSON_GetObjectItemCaseSensitive(c, "labelled_per_class");
    double total = 0.0, all = 0.0;
    if (!cJSON_IsArray(sizes) || cJSON_GetArraySize(sizes) != cJSON_GetArraySize(labelled)) {
        printf("case %zu: sizes and counts do not fit\n", n);
        failed++;
        return;
    }
    for (int k = 0; k < cJSON_GetArraySize(sizes); k++) {
        double size = cJSON_GetArrayItem(sizes, k)->valuedouble, wanted = cJSON_GetArrayItem(labelled, k)->valuedouble;
        size_t count = ssfer_split_class_count(fraction, (size_t)size);
        total += (double)count;
        all += size;
        if ((double)count != wanted) {
            printf("case %zu: %g of %g give %zu, expected %g\n", n, fraction, size, count, wanted);
            failed++;
        }
    }
    if (total != fixture_number(c, "labelled", -1.0) || all - total != fixture_number(c, "unlabelled", -1.0)) {
        printf("case %zu: %g labeled of %g\n", n, total, all);
        failed++;
    }
}

static void check_folder(void)
{
    cJSON *json = fixture_json("losses", "labelled_split_counts.json");
    const cJSON *c;
    cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(json, "cases")) check_case(c, checked++);
    cJSON_Delete(json);
}

int main(void)
{
    return fixture_main(check_folder);
}

/* How many samples of each class a fraction labels, against the reference's own split function. */
#include "data/split.h"
#include "fixture.h"

static void check_case(const fixture_value *c, size_t n)
{
    double fraction = fixture_number(c, "fraction", -1.0);
    const fixture_value *sizes = fixture_find(c, "class_sizes");
    const fixture_value *labelled = fixture_find(c, "labelled_per_class");
    double total = 0.0, all = 0.0;
    if (!fixture_is_array(sizes) || fixture_count(sizes) != fixture_count(labelled)) {
        printf("case %zu: sizes and counts do not fit\n", n);
        failed++;
        return;
    }
    for (int k = 0; k < fixture_count(sizes); k++) {
        double size = fixture_at(sizes, k)->number, wanted = fixture_at(labelled, k)->number;
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
    fixture_value *json = fixture_json("losses", "labelled_split_counts.json");
    const fixture_value *c;
    for (c = fixture_first(fixture_find(json, "cases")); c; c = c->next)
        check_case(c, checked++);
    fixture_free(json);
}

int main(void)
{
    return fixture_main(check_folder);
}

#include "train/guards.h"

#include <string.h>

static const double LEAST_ENTROPY = 0.1; /* over log K */

const ssfer_guard SSFER_GUARD_TABLE[SSFER_GUARDS] = {
    {"pseudo_label_rate", 0.001, "fewer than 0.1 % of the pseudo-labels count, so the labeled pictures alone teach",
     "try a lower --threshold, another --select, or a longer Stage II"},
    {"pseudo_label_entropy", LEAST_ENTROPY, "the teacher gives nearly all unlabeled pictures the same label",
     "try a lower --lr, --align labels, --logit-adjustment 1 or a lower --unlabeled-weight"},
    {"prediction_entropy", LEAST_ENTROPY, "nearly all validation pictures are taken to be of the same class",
     "try another --lr or more epochs; for classes of unequal size --balance in Stage II, --logit-adjustment or "
     "--align in Stage III"},
};

void ssfer_guards_warn(const ssfer_metric_list *figures, size_t epoch, double warmup_epochs, const ssfer_log *log)
{
    for (size_t g = 0; (double)epoch > warmup_epochs && g < SSFER_GUARDS; g++) {
        const ssfer_guard *guard = &SSFER_GUARD_TABLE[g];
        for (size_t i = 0; i < figures->count; i++)
            if (strcmp(figures->items[i].name, guard->metric) == 0 && figures->items[i].value < guard->least)
                ssfer_warn(log, "epoch %zu: %s (%s %.3g); %s", epoch, guard->what, guard->metric,
                           figures->items[i].value, guard->advice);
    }
}

void ssfer_guards_measure(ssfer_metric_list *figures, const ssfer_evaluation *e)
{
    const size_t K = e->class_count;
    double predicted = 0.0, true_ones = 0.0;
    if (K < 2 || e->count < 2 * K)
        return;
    for (size_t k = 0; k < K; k++) {
        predicted += ssfer_entropy_term((double)e->per_class[k].predicted / (double)e->count);
        true_ones += ssfer_entropy_term((double)e->per_class[k].support / (double)e->count);
    }
    if (true_ones / log((double)K) >= LEAST_ENTROPY)
        ssfer_metric_list_add(figures, "prediction_entropy", predicted / log((double)K));
}

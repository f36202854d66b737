/* Learning rates against those recorded from the reference's own schedulers. */
#include "fixture.h"
#include "nn/schedule.h"

#include <math.h>
#include <string.h>

static double rtol;
static void check_rate(double got, const fixture_value *want, const char *what, size_t t)
{
    checked++;
    /* A cosine that ends at exactly 0 in the reference leaves 1e-20 by rounding; rates are of the order 1e-4. */
    if (!fixture_is_number(want) || !(fabs(got - want->number) <= rtol * fabs(want->number) + 1e-18)) {
        failed++;
        printf("%s[%zu]: %.17g, the reference has %.17g\n", what, t, got,
               fixture_is_number(want) ? want->number : (double)NAN);
    }
}

static const fixture_value *list(const fixture_value *object, const char *key)
{
    const fixture_value *values = fixture_find(object, key);
    if (!fixture_is_array(values) || fixture_count(values) == 0) {
        printf("no list %s in the fixture\n", key);
        exit(1);
    }
    return values;
}

/* Every file is one case or a list of them; siblings are linked through `next` either way. */
static const fixture_value *first_case(const fixture_value *json)
{
    return fixture_is_array(json) ? json->child : json;
}

static void check_epochs(const ssfer_schedule *s, size_t iteration, const fixture_value *object, const char *key)
{
    ssfer_error err = {0};
    if (ssfer_schedule_check(s, &err) != SSFER_OK) {
        printf("%s\n", err.message);
        exit(1);
    }
    size_t epoch = 0;
    for (const fixture_value *want = list(object, key)->child; want; want = want->next, epoch++)
        check_rate(ssfer_schedule_at(s, epoch, iteration), want, key, epoch);
}

static void check_stage1(const fixture_value *json)
{
    for (const fixture_value *c = first_case(json); c; c = c->next) {
        ssfer_schedule s = {.kind = SSFER_SCHEDULE_STAGE1_RELEASED, .iterations = 7};
        s.base_lr = fixture_number(c, "base_lr", NAN);
        s.warmup_epochs = fixture_number(c, "warmup_epochs", NAN);
        s.epochs = fixture_number(c, "epochs", NAN);
        check_epochs(&s, 0, c, "lr_used_in_epoch");
        check_epochs(&s, 6, c, "lr_used_in_epoch");
    }
}

static ssfer_timm_cosine read_timm(const fixture_value *c)
{
    ssfer_timm_cosine t = {.base_lr = fixture_number(c, "base_lr", NAN), .min_lr = fixture_number(c, "lr_min", 0)};
    t.t_initial = fixture_number(c, "t_initial", NAN);
    t.warmup_t = fixture_number(c, "warmup_t", 0);
    t.warmup_lr = fixture_number(c, "warmup_lr_init", 0);
    t.warmup_prefix = fixture_is_true(fixture_find(c, "warmup_prefix"));
    t.cycle_mul = fixture_number(c, "cycle_mul", 1);
    t.cycle_decay = fixture_number(c, "cycle_decay", 1);
    t.cycle_limit = (size_t)fixture_number(c, "cycle_limit", 1);
    return t;
}

static void check_stage2(const fixture_value *json)
{
    for (const fixture_value *c = first_case(json); c; c = c->next) {
        size_t epochs = (size_t)fixture_number(c, "num_epochs", 0),
               n = (size_t)fixture_number(c, "iterations_per_epoch", 0);
        ssfer_schedule s = ssfer_schedule_stage2_released(fixture_number(c, "base_lr", NAN),
                                                          fixture_number(c, "lr_min", NAN), epochs, n);
        s.timm = read_timm(c); /* other folders may hold other warm-ups than the released constants */
        check_epochs(&s, 0, c, "lr_first_iteration_of_epoch");
        for (size_t i = 1; i < n; i++)
            check_epochs(&s, i, c, "lr_remaining_iterations_of_epoch");
    }
}

static void check_stage3(const fixture_value *json)
{
    for (const fixture_value *c = first_case(json); c; c = c->next) {
        ssfer_schedule s = {.kind = SSFER_SCHEDULE_MULTISTEP, .epochs = 100, .iterations = 3};
        s.base_lr = fixture_number(c, "base_lr", NAN);
        s.gamma = fixture_number(c, "gamma", NAN);
        for (const fixture_value *m = list(c, "milestones")->child; m; m = m->next)
            if (s.milestone_count < SSFER_SCHEDULE_MAX_MILESTONES)
                s.milestones[s.milestone_count++] = (size_t)m->number;
        check_epochs(&s, 1, c, "lr_if_scheduler_stepped_once_per_epoch");
        s.kind = SSFER_SCHEDULE_CONSTANT;
        check_epochs(&s, 1, c, "lr_as_released_first_50_epochs");
    }
}

static void check_timm(const fixture_value *json)
{
    for (const fixture_value *c = first_case(json); c; c = c->next) {
        ssfer_schedule s = {.kind = SSFER_SCHEDULE_TIMM_COSINE, .epochs = 1, .iterations = 1, .timm = read_timm(c)};
        check_epochs(&s, 0, c, "lr_at_t");
    }
}

static void check_folder(void)
{
    static const struct {
        const char *file;
        void (*check)(const fixture_value *json);
    } files[] = {
        {"stage1_lambda_lr.json", check_stage1},
        {"stage2_cosine_lr.json", check_stage2},
        {"stage3_multistep_lr.json", check_stage3},
        {"timm_cosine_plain.json", check_timm},
    };
    fixture_value *tolerances = fixture_json("schedules", "tolerances.json");
    rtol = fixture_number(fixture_find(tolerances, "learning_rates"), "rtol", 1e-9);
    fixture_free(tolerances);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        fixture_value *json = fixture_json("schedules", files[i].file);
        if (json)
            files[i].check(json);
        fixture_free(json);
    }
}

int main(void)
{
    return fixture_main(check_folder);
}

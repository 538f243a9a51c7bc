/* load_main - the command line of `outdial load`: runs the plan's stages and tells the result. */
#include "bench/load/load.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/load/knee.h"
#include "bench/load/report.h"
#include "bench/load/run.h"

/* One line a second; in place on a terminal. */
static void show_progress(const struct od_load_run *run)
{
    const struct od_load_tally *t = run->tally;
    const struct od_load_second *s = &t->seconds[t->seconds_n ? t->seconds_n - 1 : 0];
    if (run->plan->quiet)
        return;
    bool terminal = isatty(STDERR_FILENO);
    fprintf(stderr,
            "%s%4zu s  %u due  %u answered  %u failed  %u up   setup p50 %.1f p99 %.1f ms%s",
            terminal ? "\r\033[K" : "", t->seconds_n, (unsigned)s->due, (unsigned)s->answered,
            (unsigned)s->failed, (unsigned)s->alive, s->setup_p50_us / 1e3, s->setup_p99_us / 1e3,
            terminal ? "" : "\n");
}

static void end_progress(const struct od_load_plan *plan)
{
    if (!plan->quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\n");
}

/* Tries paces until the search is over; the tally left behind is that of the highest that held, or
 * of the last one when none did. */
static bool search(struct od_load_run *run, struct od_load_result *result,
                   struct od_load_tally *best)
{
    const struct od_load_plan *plan = run->plan;
    struct od_knee knee;
    bool more = true, whole = true;
    od_knee_init(&knee, plan->arrivals.cps, plan->knee_cps_most);
    while (more && whole) {
        struct od_load_tally tally;
        if (!od_load_tally_init(&tally))
            return false;
        double cps = knee.cps;
        whole = od_load_run_stage(run, cps, &tally, show_progress);
        end_progress(plan);
        bool met = whole && od_objectives_met(&plan->objectives, &tally);
        fprintf(stderr, "outdial load: %.2f calls/s: %s\n", cps,
                !whole ? "interrupted"
                : met  ? "held"
                       : "missed");
        if (met || knee.held == 0) {
            od_load_tally_deinit(best);
            *best = tally;
            result->cps = cps;
        } else {
            od_load_tally_deinit(&tally);
        }
        more = whole && od_knee_take(&knee, met);
    }
    result->searched = true;
    result->held_cps = knee.held;
    result->missed_cps = knee.missed;
    result->interrupted = !whole;
    return true;
}

static bool tell(const struct od_load_result *result)
{
    bool good = true;
    if (result->plan->json)
        od_load_report_json(result, stdout);
    else
        od_load_report_text(result, stdout);
    for (const char *const *path = result->plan->reports; *path; path++)
        good = od_load_report_file(result, *path) && good;
    return good;
}

static int run_plan(const struct od_load_plan *plan)
{
    struct od_load_run *run;
    struct od_load_tally tally = {0};
    struct od_load_result result = {.plan = plan, .tally = &tally, .cps = plan->arrivals.cps};
    if (od_load_run_create(&run, plan))
        return EXIT_FAILURE;
    bool good;
    if (plan->knee) {
        good = search(run, &result, &tally);
    } else {
        good = od_load_tally_init(&tally);
        result.interrupted =
            good && !od_load_run_stage(run, plan->arrivals.cps, &tally, show_progress);
        end_progress(plan);
    }
    if (good)
        good = tell(&result);
    good =
        good && (plan->knee ? result.held_cps > 0 : od_objectives_met(&plan->objectives, &tally));
    od_load_run_destroy(run);
    od_load_tally_deinit(&tally);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int od_load_main(int argc, char **argv)
{
    struct od_load_plan plan;
    int status = od_load_plan_read(&plan, argc, argv);
    if (status)
        return status;
    if (plan.help) {
        od_load_plan_help();
        return EXIT_SUCCESS;
    }
    signal(SIGPIPE, SIG_IGN);
    return run_plan(&plan);
}

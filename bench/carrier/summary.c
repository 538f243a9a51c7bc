/* summary: see summary.h. One table of figures feeds both forms, so that they can't disagree. */
#include "bench/carrier/summary.h"

#include <inttypes.h>

struct figure {
    const char *name;
    uint64_t value;
    bool breaks; /* above 0 it breaks an invariant */
};

enum { FIGURES_MAX = 48 };

static size_t list_figures(const struct od_carrier_report *r, struct figure out[FIGURES_MAX])
{
    const struct od_carrier_tally *t = &r->tally;
    const struct figure figures[] = {
        {"invites", t->invites, false},
        {"calls", t->calls, false},
        {"invite_retransmissions", t->invite_retransmissions, false},
        {"invites_in_second_max", r->invites_in_second_most, false},
        {"live_max", t->live_most, false},
        {"answered", t->answered, false},
        {"acked", t->acked, false},
        {"byes_from_caller", t->byes_in, false},
        {"byes_from_callee", t->byes_out, false},
        {"byes_unanswered", t->byes_unanswered, false},
        {"refusals_unacked", t->refusals_unacked, false},
        {"cancels", t->cancels, false},
        {"off_hook", t->off_hook, true},
        {"never_acked", t->never_acked, true},
        {"ringing_abandoned", t->ringing_abandoned, false},
        {"numbers", r->numbers, false},
        {"numbers_forgotten", r->numbers_forgotten, false},
        {"redials", t->redials, false},
        {"double_dials", t->double_dials, r->once},
        {"refused_cps", t->refused_cps, false},
        {"refused_max_calls", t->refused_calls, false},
        {"refused_other", t->refused_other, false},
        {"rtp_in", t->rtp_in, false},
        {"rtp_out", t->rtp_out, false},
        {"rtp_lost", t->rtp_lost, false},
        {"rtp_wrong_place", t->rtp_wrong_place, true},
        {"rtp_after_bye", t->rtp_after_bye, false},
        {"options", t->options, false},
        {"other_requests", t->other_requests, false},
        {"strays", t->strays, false},
        {"malformed", t->malformed, false},
        {"datagrams_in", t->datagrams, false},
        {"responses_out", t->responses_out, false},
        {"dropped_in", t->dropped_in, false},
        {"dropped_out", t->dropped_out, false},
        {"duplicated_out", t->duplicated_out, false},
        {"unsendable", t->unsendable, false},
        {"ledger_lines", r->ledger_lines, false},
        {"ledger_lost", r->ledger_lost, true},
    };
    const size_t n = sizeof figures / sizeof *figures;
    _Static_assert(sizeof figures / sizeof *figures <= FIGURES_MAX, "room for every figure");
    for (size_t i = 0; i < n; i++)
        out[i] = figures[i];
    return n;
}

bool od_summary_good(const struct od_carrier_report *r)
{
    struct figure figures[FIGURES_MAX];
    size_t n = list_figures(r, figures);
    for (size_t i = 0; i < n; i++) {
        if (figures[i].breaks && figures[i].value)
            return false;
    }
    return true;
}

void od_summary_json(const struct od_carrier_report *r, FILE *out)
{
    struct figure figures[FIGURES_MAX];
    size_t n = list_figures(r, figures);
    fprintf(out, "{\"fact\":\"summary\",\"good\":%s", od_summary_good(r) ? "true" : "false");
    for (size_t i = 0; i < n; i++)
        fprintf(out, ",\"%s\":%" PRIu64, figures[i].name, figures[i].value);
    fprintf(out, ",\"outcomes\":{");
    for (int i = 0; i < OD_OUTCOMES; i++)
        fprintf(out, "%s\"%s\":%" PRIu64, i ? "," : "", od_outcome_name((enum od_outcome)i),
                r->tally.outcomes[i]);
    fprintf(out, "},\"run_s\":%.3f,\"cpu_s\":%.3f}\n", r->run_s, r->cpu_s);
}

void od_summary_table(const struct od_carrier_report *r, FILE *out)
{
    struct figure figures[FIGURES_MAX];
    size_t n = list_figures(r, figures);
    fprintf(out, "carrier: %s after %.1f s, %.2f s of CPU\n",
            od_summary_good(r) ? "all invariants held" : "AN INVARIANT WAS BROKEN", r->run_s,
            r->cpu_s);
    for (int i = 0; i < OD_OUTCOMES; i++) {
        if (r->tally.outcomes[i])
            fprintf(out, "  outcome %-16s %10" PRIu64 "\n", od_outcome_name((enum od_outcome)i),
                    r->tally.outcomes[i]);
    }
    for (size_t i = 0; i < n; i++) {
        /* zeros are left out, but for what a reader looks for to be zero */
        if (figures[i].value || figures[i].breaks)
            fprintf(out, "  %-24s %10" PRIu64 "%s\n", figures[i].name, figures[i].value,
                    figures[i].breaks && figures[i].value ? "  BROKEN" : "");
    }
}

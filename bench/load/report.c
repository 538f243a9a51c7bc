/* report - see report.h. The page of HTML has a file of its own. */
#include "bench/load/report.h"

#include <errno.h>
#include <string.h>

static const double quantiles[] = {0.5, 0.9, 0.95, 0.99, 0.999};
enum { QUANTILES = sizeof quantiles / sizeof *quantiles };
/* Lateness of our own that makes the figures ours, not the target's. */
enum { LATE_US_MAX = 10000 };

static const char *const endings[] = {".html", ".json", ".csv"};

/* An index of endings; -1: none of them. */
static int ending_of(const char *path)
{
    for (int i = 0; i < 3; i++) {
        size_t bytes = strlen(path), end = strlen(endings[i]);
        if (bytes > end && strcmp(path + bytes - end, endings[i]) == 0)
            return i;
    }
    return -1;
}

bool od_load_report_known(const char *path)
{
    return ending_of(path) >= 0;
}

bool od_load_report_file(const struct od_load_result *r, const char *path)
{
    static void (*const writers[])(const struct od_load_result *, FILE *) = {
        od_load_report_html, od_load_report_json, od_load_report_csv};
    FILE *file = fopen(path, "we");
    bool good = file;
    if (file) {
        writers[ending_of(path)](r, file);
        good = !ferror(file);
        good = fclose(file) == 0 && good;
    }
    if (!good)
        fprintf(stderr, "outdial load: can't write %s: %s\n", path, strerror(errno));
    return good;
}

const char *od_load_report_warning(const struct od_load_result *r, unsigned nth, char *text,
                                   size_t bytes)
{
    const struct od_load_tally *t = r->tally;
    uint64_t late_us = od_hist_quantile(&t->metrics[OD_LOAD_LATE], 0.99);
    if (late_us > LATE_US_MAX && nth-- == 0) {
        snprintf(
            text, bytes,
            "this machine was late itself: p99 %.1f ms from due to sent (it is in setup and pdd)",
            (double)late_us / 1e3);
        return text;
    }
    if (t->outcomes[OD_LOAD_SKIPPED] && nth-- == 0) {
        snprintf(text, bytes,
                 "%llu calls were due while --max-calls (or all audio ports) were in use",
                 (unsigned long long)t->outcomes[OD_LOAD_SKIPPED]);
        return text;
    }
    if (t->unsendable && nth-- == 0) {
        snprintf(text, bytes, "%llu datagrams were refused by this machine's network",
                 (unsigned long long)t->unsendable);
        return text;
    }
    if (t->rtp_mute && nth-- == 0) {
        snprintf(text, bytes, "%llu of %llu answered calls heard no audio at all",
                 (unsigned long long)t->rtp_mute, (unsigned long long)t->rtp_calls);
        return text;
    }
    return NULL;
}

static void text_metrics(const struct od_load_tally *t, FILE *out)
{
    fprintf(out, "\n%-8s %10s %10s %10s %10s %10s %10s %10s   ms\n", "", "count", "p50", "p90",
            "p95", "p99", "p99.9", "max");
    for (int m = 0; m < OD_LOAD_METRICS; m++) {
        const struct od_hist *hist = &t->metrics[m];
        if (!hist->count)
            continue;
        fprintf(out, "%-8s %10llu", od_load_metric_name((enum od_load_metric)m),
                (unsigned long long)hist->count);
        for (int q = 0; q < QUANTILES; q++)
            fprintf(out, " %10.3f", (double)od_hist_quantile(hist, quantiles[q]) / 1e3);
        fprintf(out, " %10.3f\n", (double)hist->max / 1e3);
    }
}

static void text_objectives(const struct od_load_result *r, FILE *out)
{
    const struct od_objectives *list = &r->plan->objectives;
    if (list->count)
        fprintf(out, "\n");
    for (size_t i = 0; i < list->count; i++) {
        const struct od_objective *o = &list->list[i];
        bool time = o->what == OD_OBJECTIVE_METRIC;
        fprintf(out, "%-7s %s  (%.3f %s)\n", od_objective_met(o, r->tally) ? "met" : "MISSED",
                o->text, od_objective_value(o, r->tally) / (time ? 1e3 : 1), time ? "ms" : "%");
    }
    if (!r->searched)
        return;
    if (r->held_cps > 0)
        fprintf(out, "knee    %.2f calls/s held", r->held_cps);
    else
        fprintf(out, "knee    no pace held");
    if (r->missed_cps > 0)
        fprintf(out, ", %.2f calls/s did not", r->missed_cps);
    fprintf(out, "\n");
}

void od_load_report_text(const struct od_load_result *r, FILE *out)
{
    const struct od_load_tally *t = r->tally;
    char warning[200];
    fprintf(out, "%s at %.2f calls/s%s\n\n", r->plan->target_text, r->cps,
            r->interrupted ? ", interrupted" : "");
    fprintf(out, "%-10s %10llu\n", "due", (unsigned long long)t->due);
    for (int i = 0; i < OD_LOAD_OUTCOMES; i++) {
        if (t->outcomes[i])
            fprintf(out, "%-10s %10llu  %6.2f %%\n", od_load_outcome_name((enum od_load_outcome)i),
                    (unsigned long long)t->outcomes[i],
                    (double)t->outcomes[i] * 100 / (double)t->due);
    }
    for (int status = 300; status < OD_LOAD_STATUS_MAX; status++) {
        if (t->statuses[status])
            fprintf(out, "  %d      %10llu\n", status, (unsigned long long)t->statuses[status]);
    }
    fprintf(out, "up at most %10u\nrepeated   %10llu  requests\n", (unsigned)t->alive_most,
            (unsigned long long)t->retransmits);
    if (t->bye_unanswered)
        fprintf(out, "no answer to our BYE: %llu\n", (unsigned long long)t->bye_unanswered);
    if (t->rtp_sent)
        fprintf(out, "rtp        %10llu  sent, %llu received, %llu lost (%.3f %%)\n",
                (unsigned long long)t->rtp_sent, (unsigned long long)t->rtp_received,
                (unsigned long long)t->rtp_lost, od_load_tally_loss(t));
    fprintf(out, "ran        %10.1f  s, %.1f %% of a processor\n", t->run_s,
            t->run_s > 0 ? t->cpu_s * 100 / t->run_s : 0);
    text_metrics(t, out);
    text_objectives(r, out);
    for (unsigned i = 0; od_load_report_warning(r, i, warning, sizeof warning); i++)
        fprintf(out, "%swarning: %s\n", i ? "" : "\n", warning);
}

/* ---- JSON and CSV ---- */

/* A JSON string (RFC 8259 section 7); other bytes of a command line are passed on as they are. */
static void put_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void json_metrics(const struct od_load_tally *t, FILE *out)
{
    static const char *const names[QUANTILES] = {"p50", "p90", "p95", "p99", "p99.9"};
    fprintf(out, "\"metrics_ms\":{");
    for (int m = 0; m < OD_LOAD_METRICS; m++) {
        const struct od_hist *hist = &t->metrics[m];
        fprintf(out, "%s\"%s\":{\"count\":%llu", m ? "," : "",
                od_load_metric_name((enum od_load_metric)m), (unsigned long long)hist->count);
        for (int q = 0; hist->count && q < QUANTILES; q++)
            fprintf(out, ",\"%s\":%.3f", names[q],
                    (double)od_hist_quantile(hist, quantiles[q]) / 1e3);
        if (hist->count)
            fprintf(out, ",\"max\":%.3f,\"mean\":%.3f", (double)hist->max / 1e3,
                    (double)hist->sum / (double)hist->count / 1e3);
        fputc('}', out);
    }
    fputc('}', out);
}

static void json_counts(const struct od_load_tally *t, FILE *out)
{
    bool first = true;
    fprintf(out, "\"due\":%llu,\"outcomes\":{", (unsigned long long)t->due);
    for (int i = 0; i < OD_LOAD_OUTCOMES; i++)
        fprintf(out, "%s\"%s\":%llu", i ? "," : "", od_load_outcome_name((enum od_load_outcome)i),
                (unsigned long long)t->outcomes[i]);
    fprintf(out, "},\"statuses\":{");
    for (int status = 300; status < OD_LOAD_STATUS_MAX; status++) {
        if (t->statuses[status]) {
            fprintf(out, "%s\"%d\":%llu", first ? "" : ",", status,
                    (unsigned long long)t->statuses[status]);
            first = false;
        }
    }
    fprintf(out,
            "},\"failed_percent\":%.4f,\"asr_percent\":%.4f,\"alive_most\":%u,\"retransmits\":%llu,"
            "\"challenged\":%llu,\"ended_by_peer\":%llu,\"bye_unanswered\":%llu,"
            "\"unsendable\":%llu,\"strays\":%llu,",
            od_load_tally_failed(t), od_load_tally_asr(t), (unsigned)t->alive_most,
            (unsigned long long)t->retransmits, (unsigned long long)t->challenged,
            (unsigned long long)t->ended_by_peer, (unsigned long long)t->bye_unanswered,
            (unsigned long long)t->unsendable, (unsigned long long)t->strays);
    fprintf(out,
            "\"rtp\":{\"calls\":%llu,\"mute\":%llu,\"sent\":%llu,\"received\":%llu,\"lost\":%llu,"
            "\"loss_percent\":%.4f},\"run_s\":%.3f,\"cpu_s\":%.3f,",
            (unsigned long long)t->rtp_calls, (unsigned long long)t->rtp_mute,
            (unsigned long long)t->rtp_sent, (unsigned long long)t->rtp_received,
            (unsigned long long)t->rtp_lost, od_load_tally_loss(t), t->run_s, t->cpu_s);
}

static void json_objectives(const struct od_load_result *r, FILE *out)
{
    const struct od_objectives *list = &r->plan->objectives;
    fprintf(out, ",\"objectives\":[");
    for (size_t i = 0; i < list->count; i++) {
        const struct od_objective *o = &list->list[i];
        fprintf(out, "%s{\"objective\":", i ? "," : "");
        put_string(out, o->text);
        fprintf(out, ",\"met\":%s,\"value\":%.3f}",
                od_objective_met(o, r->tally) ? "true" : "false",
                od_objective_value(o, r->tally) / (o->what == OD_OBJECTIVE_METRIC ? 1e3 : 1));
    }
    fputc(']', out);
    if (r->searched)
        fprintf(out, ",\"knee\":{\"held_cps\":%.3f,\"missed_cps\":%.3f}", r->held_cps,
                r->missed_cps);
}

void od_load_report_json(const struct od_load_result *r, FILE *out)
{
    const struct od_load_tally *t = r->tally;
    char warning[200];
    fprintf(out, "{\"target\":");
    put_string(out, r->plan->target_text);
    fprintf(out, ",\"cps\":%.3f,\"seed\":%llu,\"interrupted\":%s,", r->cps,
            (unsigned long long)r->plan->arrivals.seed, r->interrupted ? "true" : "false");
    json_counts(t, out);
    json_metrics(t, out);
    json_objectives(r, out);
    fprintf(out, ",\"warnings\":[");
    for (unsigned i = 0; od_load_report_warning(r, i, warning, sizeof warning); i++) {
        fputs(i ? "," : "", out);
        put_string(out, warning);
    }
    fprintf(out, "],\"seconds\":[");
    for (size_t i = 0; i < t->seconds_n; i++) {
        const struct od_load_second *s = &t->seconds[i];
        fprintf(out,
                "%s{\"due\":%u,\"answered\":%u,\"failed\":%u,\"ended\":%u,\"alive\":%u,"
                "\"setup_p50_ms\":%.3f,\"setup_p99_ms\":%.3f}",
                i ? "," : "", (unsigned)s->due, (unsigned)s->answered, (unsigned)s->failed,
                (unsigned)s->ended, (unsigned)s->alive, s->setup_p50_us / 1e3,
                s->setup_p99_us / 1e3);
    }
    fprintf(out, "]}\n");
}

void od_load_report_csv(const struct od_load_result *r, FILE *out)
{
    const struct od_load_tally *t = r->tally;
    fprintf(out, "second,due,answered,failed,ended,alive,setup_p50_ms,setup_p99_ms\n");
    for (size_t i = 0; i < t->seconds_n; i++) {
        const struct od_load_second *s = &t->seconds[i];
        fprintf(out, "%zu,%u,%u,%u,%u,%u,%.3f,%.3f\n", i + 1, (unsigned)s->due,
                (unsigned)s->answered, (unsigned)s->failed, (unsigned)s->ended, (unsigned)s->alive,
                s->setup_p50_us / 1e3, s->setup_p99_us / 1e3);
    }
}

/*
 * report_html - the result as one page: figures, curves per second and the distribution of
 * durations, drawn as inline SVG. No script, no font and no address of anybody's.
 */
#include <math.h>
#include <string.h>

#include "bench/load/report.h"

/* Of a plot, in pixels: its frame and the room for labels around it. */
enum { WIDTH = 860, HEIGHT = 200, LEFT = 64, ABOVE = 12, BELOW = 22, POINTS_MAX = 800 };

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>outdial load</title>\n<style>\n"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;"
    "color:#1b1f24;background:#fff}\n"
    "h1{font-size:1.4em;margin-bottom:.2em}h2{font-size:1.05em;margin:1.6em 0 .4em}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "td,th{padding:.2em .9em .2em 0;text-align:right;border-bottom:1px solid #e3e6ea}\n"
    "td:first-child,th:first-child{text-align:left}th{font-weight:600;color:#57606a}\n"
    ".met{color:#1a7f37}.missed{color:#cf222e;font-weight:600}.warning{color:#9a6700}\n"
    "svg{display:block;max-width:100%;height:auto}text{font-size:11px;fill:#57606a}\n"
    ".grid{stroke:#e3e6ea}.line{fill:none;stroke-width:1.6}\n"
    "p.key span{margin-right:1.4em}p.key b{display:inline-block;width:1.6em;height:.25em;"
    "vertical-align:middle;margin-right:.4em}p.key{margin:.2em 0}\n"
    "</style></head><body>\n";

static void put_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

/* 1, 2, 2.5 or 5 times a power of ten, at least `value`. */
static double round_up(double value)
{
    if (value <= 0)
        return 1;
    double power = pow(10, floor(log10(value))), first = value / power;
    return power * (first <= 1 ? 1 : first <= 2 ? 2 : first <= 2.5 ? 2.5 : first <= 5 ? 5 : 10);
}

struct curve {
    const char *name, *color;
    double (*value)(const struct od_load_second *);
};

static double due_of(const struct od_load_second *s)
{
    return s->due;
}
static double answered_of(const struct od_load_second *s)
{
    return s->answered;
}
static double failed_of(const struct od_load_second *s)
{
    return s->failed;
}
static double alive_of(const struct od_load_second *s)
{
    return s->alive;
}
static double p50_of(const struct od_load_second *s)
{
    return s->setup_p50_us / 1e3;
}
static double p99_of(const struct od_load_second *s)
{
    return s->setup_p99_us / 1e3;
}

static void put_frame(FILE *out, double top)
{
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">\n", LEFT + WIDTH,
            ABOVE + HEIGHT + BELOW + 8);
    for (int i = 0; i <= 4; i++) {
        double y = ABOVE + HEIGHT - HEIGHT * i / 4.0;
        fprintf(out,
                "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                LEFT, LEFT + WIDTH, y, y, LEFT - 8, y + 4, top * i / 4);
    }
}

static void put_key(FILE *out, const struct curve *curves, size_t count)
{
    fprintf(out, "<p class=\"key\">");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "<span><b style=\"background:%s\"></b>%s</span>", curves[i].color,
                curves[i].name);
    fprintf(out, "</p>\n");
}

/* Curves over the seconds; a long run is drawn by every n-th second's highest. */
static void put_plot(FILE *out, const struct od_load_tally *t, const char *title,
                     const struct curve *curves, size_t count)
{
    double top = 0;
    size_t n = t->seconds_n, stride = (n + POINTS_MAX - 1) / POINTS_MAX;
    for (size_t c = 0; c < count; c++)
        for (size_t i = 0; i < n; i++)
            top = fmax(top, curves[c].value(&t->seconds[i]));
    top = round_up(top);
    fprintf(out, "<h2>%s</h2>\n", title);
    put_key(out, curves, count);
    put_frame(out, top);
    for (size_t c = 0; n && c < count; c++) {
        fprintf(out, "<polyline class=\"line\" stroke=\"%s\" points=\"", curves[c].color);
        for (size_t i = 0; i < n; i += stride) {
            double value = 0;
            for (size_t j = i; j < i + stride && j < n; j++)
                value = fmax(value, curves[c].value(&t->seconds[j]));
            fprintf(out, "%.1f,%.1f ", LEFT + WIDTH * (i + 0.5) / (double)n,
                    ABOVE + HEIGHT - HEIGHT * value / top);
        }
        fprintf(out, "\"/>\n");
    }
    for (int i = 0; n && i <= 4; i++)
        fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%g s</text>\n",
                LEFT + WIDTH * i / 4, ABOVE + HEIGHT + BELOW, i == 4 ? "end" : "middle",
                (double)n * i / 4);
    fprintf(out, "</svg>\n");
}

/* Durations by the share of calls that had no longer ones, up to the 99.99th percentile: each label
 * to the right leaves out a tenth of what the one before left out. */
static void put_distribution(FILE *out, const struct od_load_tally *t)
{
    static const struct {
        enum od_load_metric metric;
        const char *color;
    } drawn[] = {{OD_LOAD_SETUP, "#0969da"}, {OD_LOAD_PDD, "#8250df"}, {OD_LOAD_BYE, "#1a7f37"}};
    static const char *const labels[] = {"0 %", "90 %", "99 %", "99.9 %", "99.99 %"};
    struct curve keys[3];
    double top = 0;
    for (int d = 0; d < 3; d++) {
        keys[d] = (struct curve){od_load_metric_name(drawn[d].metric), drawn[d].color, due_of};
        top = fmax(top, (double)od_hist_quantile(&t->metrics[drawn[d].metric], 0.9999) / 1e3);
    }
    top = round_up(top);
    fprintf(out, "<h2>durations by percentile, ms</h2>\n");
    put_key(out, keys, 3);
    put_frame(out, top);
    for (int d = 0; d < 3; d++) {
        fprintf(out, "<polyline class=\"line\" stroke=\"%s\" points=\"", drawn[d].color);
        for (int i = 0; t->metrics[drawn[d].metric].count && i <= 200; i++) {
            double share = 1 - pow(10, -4.0 * i / 200);
            double value = (double)od_hist_quantile(&t->metrics[drawn[d].metric], share) / 1e3;
            fprintf(out, "%.1f,%.1f ", LEFT + WIDTH * i / 200.0,
                    ABOVE + HEIGHT - HEIGHT * value / top);
        }
        fprintf(out, "\"/>\n");
    }
    for (int i = 0; i <= 4; i++)
        fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%s</text>\n", LEFT + WIDTH * i / 4,
                ABOVE + HEIGHT + BELOW, i == 4 ? "end" : "middle", labels[i]);
    fprintf(out, "</svg>\n");
}

static void put_outcomes(FILE *out, const struct od_load_tally *t)
{
    fprintf(out,
            "<h2>calls</h2>\n<table><tr><th></th><th>calls</th><th>%%</th></tr>\n"
            "<tr><td>due</td><td>%llu</td><td></td></tr>\n",
            (unsigned long long)t->due);
    for (int i = 0; i < OD_LOAD_OUTCOMES; i++) {
        if (t->outcomes[i])
            fprintf(out, "<tr><td>%s</td><td>%llu</td><td>%.2f</td></tr>\n",
                    od_load_outcome_name((enum od_load_outcome)i),
                    (unsigned long long)t->outcomes[i],
                    (double)t->outcomes[i] * 100 / (double)t->due);
    }
    for (int status = 300; status < OD_LOAD_STATUS_MAX; status++) {
        if (t->statuses[status])
            fprintf(out, "<tr><td>SIP %d</td><td>%llu</td><td></td></tr>\n", status,
                    (unsigned long long)t->statuses[status]);
    }
    fprintf(out,
            "<tr><td>up at most</td><td>%u</td><td></td></tr>\n"
            "<tr><td>requests repeated</td><td>%llu</td><td></td></tr>\n",
            (unsigned)t->alive_most, (unsigned long long)t->retransmits);
    if (t->rtp_sent)
        fprintf(out,
                "<tr><td>RTP packets sent</td><td>%llu</td><td></td></tr>\n"
                "<tr><td>RTP packets received</td><td>%llu</td><td></td></tr>\n"
                "<tr><td>RTP packets lost</td><td>%llu</td><td>%.3f</td></tr>\n",
                (unsigned long long)t->rtp_sent, (unsigned long long)t->rtp_received,
                (unsigned long long)t->rtp_lost, od_load_tally_loss(t));
    fprintf(out, "</table>\n");
}

static void put_metrics(FILE *out, const struct od_load_tally *t)
{
    static const double quantiles[] = {0.5, 0.9, 0.95, 0.99, 0.999, 1};
    fprintf(out, "<h2>durations, ms</h2>\n<table><tr><th></th><th>count</th><th>p50</th>"
                 "<th>p90</th><th>p95</th><th>p99</th><th>p99.9</th><th>max</th></tr>\n");
    for (int m = 0; m < OD_LOAD_METRICS; m++) {
        const struct od_hist *hist = &t->metrics[m];
        if (!hist->count)
            continue;
        fprintf(out, "<tr><td>%s</td><td>%llu</td>", od_load_metric_name((enum od_load_metric)m),
                (unsigned long long)hist->count);
        for (size_t q = 0; q < sizeof quantiles / sizeof *quantiles; q++)
            fprintf(out, "<td>%.3f</td>",
                    (double)(quantiles[q] == 1 ? hist->max : od_hist_quantile(hist, quantiles[q])) /
                        1e3);
        fprintf(out, "</tr>\n");
    }
    fprintf(out, "</table>\n");
}

static void put_objectives(FILE *out, const struct od_load_result *r)
{
    const struct od_objectives *list = &r->plan->objectives;
    char warning[200];
    for (unsigned i = 0; od_load_report_warning(r, i, warning, sizeof warning); i++)
        fprintf(out, "<p class=\"warning\">%s</p>\n", warning);
    if (r->searched)
        fprintf(out, "<p>knee: %.2f calls/s held, %.2f did not</p>\n", r->held_cps, r->missed_cps);
    if (!list->count)
        return;
    fprintf(out, "<h2>objectives</h2>\n<table>\n");
    for (size_t i = 0; i < list->count; i++) {
        const struct od_objective *o = &list->list[i];
        bool met = od_objective_met(o, r->tally), time = o->what == OD_OBJECTIVE_METRIC;
        fprintf(out, "<tr><td>");
        put_escaped(out, o->text);
        fprintf(out, "</td><td>%.3f %s</td><td class=\"%s\">%s</td></tr>\n",
                od_objective_value(o, r->tally) / (time ? 1e3 : 1), time ? "ms" : "%",
                met ? "met" : "missed", met ? "met" : "missed");
    }
    fprintf(out, "</table>\n");
}

void od_load_report_html(const struct od_load_result *r, FILE *out)
{
    static const struct curve calls[] = {{"due", "#8c959f", due_of},
                                         {"answered", "#0969da", answered_of},
                                         {"failed", "#cf222e", failed_of}};
    static const struct curve up[] = {{"calls up", "#0969da", alive_of}};
    static const struct curve setup[] = {{"p50", "#0969da", p50_of}, {"p99", "#bf3989", p99_of}};
    fputs(head, out);
    fprintf(out, "<h1>outdial load: ");
    put_escaped(out, r->plan->target_text);
    fprintf(out, "</h1>\n<p>%.2f calls/s, %.1f s%s</p>\n", r->cps, r->tally->run_s,
            r->interrupted ? ", interrupted" : "");
    put_objectives(out, r);
    put_outcomes(out, r->tally);
    put_metrics(out, r->tally);
    put_plot(out, r->tally, "calls a second", calls, 3);
    put_plot(out, r->tally, "calls up", up, 1);
    put_plot(out, r->tally, "setup of the calls answered in each second, ms", setup, 2);
    put_distribution(out, r->tally);
    fprintf(out, "</body></html>\n");
}

/*
 * campaign_watch - the live line and the closing table of a campaign.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/cli/campaign.h"
#include "engine/cli/term.h"

enum {
    ASK_EVERY_MS = 250,
    RETRY_EVERY_MS = 1000,
    AWAY_S_MAX = 60,
    SAMPLES = 40, /* the rate is that of the last 40 asks, 10 s */
};

struct pace {
    uint64_t ended[SAMPLES], at_ms[SAMPLES];
    size_t count;
};

/* Ends per second over the samples, this one included. */
static double pace_of(struct pace *pace, uint64_t ended)
{
    uint64_t now = od_client_mono_ms();
    size_t slot = pace->count % SAMPLES;
    size_t oldest = pace->count < SAMPLES ? 0 : slot;
    uint64_t then = pace->count ? pace->at_ms[oldest] : now;
    uint64_t before = pace->count ? pace->ended[oldest] : ended;
    pace->ended[slot] = ended;
    pace->at_ms[slot] = now;
    pace->count++;
    return now > then ? (double)(ended - before) * 1000 / (double)(now - then) : 0;
}

void od_campaign_take(struct od_campaign_view *view, yyjson_val *campaign)
{
    *view = (struct od_campaign_view){0};
    const char *text = od_json_text(campaign, "id", "");
    od_str_copy(view->id, sizeof view->id, text, strlen(text));
    od_term_safe(od_json_text(campaign, "name", ""), view->name, sizeof view->name);
    od_term_safe(od_json_text(campaign, "state", ""), view->state, sizeof view->state);
    view->total = od_json_u64(campaign, "counts.total", 0);
    view->waiting = od_json_u64(campaign, "counts.waiting", 0);
    view->active = od_json_u64(campaign, "counts.active", 0);
    view->ended = od_json_u64(campaign, "counts.ended", 0);

    yyjson_val *outcomes = yyjson_obj_get(yyjson_obj_get(campaign, "counts"), "outcomes");
    yyjson_val *key, *value;
    size_t i, count;
    if (!yyjson_is_obj(outcomes))
        return;
    yyjson_obj_foreach(outcomes, i, count, key, value)
    {
        if (view->outcome_count == OD_CAUSE_COUNT || !yyjson_get_uint(value))
            continue;
        size_t nth = view->outcome_count++;
        od_term_safe(yyjson_get_str(key), view->outcomes[nth].cause,
                     sizeof view->outcomes[nth].cause);
        view->outcomes[nth].count = yyjson_get_uint(value);
    }
}

static void show(const struct od_campaign_view *view, struct pace *pace)
{
    char memory[400], bar[32], eta[32];
    struct od_buf line;
    double rate = pace_of(pace, view->ended);
    od_buf_init(&line, memory, sizeof memory);
    od_buf_str(&line, od_term_bar(view->ended, view->total, 20, bar, sizeof bar));
    char numbers[120];
    snprintf(numbers, sizeof numbers, " %llu/%llu  %.1f/s  %llu in progress",
             (unsigned long long)view->ended, (unsigned long long)view->total, rate,
             (unsigned long long)view->active);
    od_buf_str(&line, numbers);
    for (size_t i = 0; i < view->outcome_count; i++) {
        snprintf(numbers, sizeof numbers, "%s %s %llu", i ? "," : " ", view->outcomes[i].cause,
                 (unsigned long long)view->outcomes[i].count);
        od_buf_str(&line, numbers);
    }
    if (rate > 0 && view->ended < view->total) {
        od_buf_str(&line, "  ETA ");
        od_buf_str(&line,
                   od_term_duration((uint64_t)((double)(view->total - view->ended) / rate) + 1, eta,
                                    sizeof eta));
    }
    od_term_live(memory);
}

static bool is_over(const struct od_campaign_view *view)
{
    return view->ended >= view->total && view->active == 0;
}

/* True when the answer is a campaign; a server that is away is waited for within the limit. */
static bool ask(struct od_client *client, const char *path, struct od_campaign_view *view,
                uint64_t *away_since_ms, bool *lost)
{
    struct od_reply reply;
    od_client_quiet(client, true);
    bool answered = od_client_try(client, "GET", path, NULL, &reply);
    od_client_quiet(client, false);
    bool away = !answered || reply.status == 503 || reply.status == 504;
    if (answered && reply.status == 200) {
        od_campaign_take(view, yyjson_doc_get_root(reply.doc));
        *away_since_ms = 0;
        od_reply_free(&reply);
        return true;
    }
    uint64_t now = od_client_mono_ms();
    if (*away_since_ms == 0)
        *away_since_ms = now;
    *lost = !away || now - *away_since_ms > AWAY_S_MAX * 1000;
    od_term_live_end();
    if (*lost && answered)
        od_reply_explain(&reply, "campaign");
    else if (*lost)
        od_cli_error("%s does not answer any more", od_client_server(client));
    else
        od_term_live("waiting for the server to answer again");
    od_reply_free(&reply);
    return false;
}

enum od_watch_end od_campaign_watch(struct od_client *client, const char *id,
                                    struct od_campaign_view *view)
{
    char path[160];
    struct pace pace = {0};
    uint64_t away_since_ms = 0;
    if (!od_campaign_path(id, "", path, sizeof path))
        return OD_WATCH_LOST;
    unsigned before = od_client_interrupts(client);
    for (;;) {
        bool lost = false;
        bool got = ask(client, path, view, &away_since_ms, &lost);
        if (od_client_interrupts(client) != before) {
            od_term_live_end();
            return OD_WATCH_INTERRUPTED;
        }
        if (lost)
            return OD_WATCH_LOST;
        if (got) {
            show(view, &pace);
            bool halted = strcmp(view->state, "paused") == 0 ||
                          strcmp(view->state, "drained") == 0 ||
                          strcmp(view->state, "canceled") == 0;
            if (is_over(view) || (halted && view->active == 0)) {
                od_term_live_end();
                return is_over(view) ? OD_WATCH_DONE : OD_WATCH_STOPPED;
            }
        }
        od_client_sleep(client, got ? ASK_EVERY_MS : RETRY_EVERY_MS);
    }
}

static enum od_term_color cause_color(const char *cause)
{
    enum od_cause known = od_cause_from_name(cause);
    if (known == OD_CAUSE_COMPLETED)
        return OD_TERM_GREEN;
    if (known == OD_CAUSE_BUSY || known == OD_CAUSE_NO_ANSWER || known == OD_CAUSE_DECLINED ||
        known == OD_CAUSE_MACHINE || known == OD_CAUSE_CANCELED)
        return OD_TERM_YELLOW;
    return OD_TERM_RED;
}

void od_campaign_print(const struct od_campaign_view *view)
{
    const char *plain = od_term_color(OD_TERM_PLAIN);
    printf("%scampaign %s%s  %s  %s\n", od_term_color(OD_TERM_BOLD), view->id, plain, view->state,
           view->name);
    for (size_t i = 0; i < view->outcome_count; i++) {
        uint64_t count = view->outcomes[i].count;
        printf("  %s%-16s%s %8llu  %5.1f %%\n", od_term_color(cause_color(view->outcomes[i].cause)),
               view->outcomes[i].cause, plain, (unsigned long long)count,
               view->total ? (double)count * 100 / (double)view->total : 0);
    }
    if (view->waiting)
        printf("  %-16s %8llu\n", "(waiting)", (unsigned long long)view->waiting);
    if (view->active)
        printf("  %-16s %8llu\n", "(in progress)", (unsigned long long)view->active);
    printf("  %-16s %8llu of %llu\n", "with an outcome", (unsigned long long)view->ended,
           (unsigned long long)view->total);
}

void od_campaign_interrupt(struct od_client *client, const char *id)
{
    char path[160];
    struct od_reply reply = {0};
    if (!od_campaign_path(id, "/pause", path, sizeof path))
        return;
    od_cli_note("pausing; calls under way go on to their end (Ctrl-C again: leave at once)");
    if (od_client_call(client, "POST", path, NULL, &reply))
        od_cli_note("paused; go on with: outdial campaign resume %s --watch", id);
    else
        od_cli_note("the campaign may still be running: outdial campaign pause %s", id);
    od_reply_free(&reply);
}

bool od_campaign_path(const char *id, const char *tail, char *out, size_t out_bytes)
{
    char escaped[100];
    if (!*id || strlen(id) > 64 || !od_url_escape(id, escaped, sizeof escaped)) {
        od_cli_error("'%.80s' is not a campaign's id", id);
        return false;
    }
    snprintf(out, out_bytes, "/outdial/v1/campaigns/%s%s", escaped, tail);
    return true;
}

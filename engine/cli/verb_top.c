/*
 * outdial top - a live view: the calls by state, what happens in a second, trunks and campaigns.
 *
 * Three answers of the API make a picture. Rates are differences of the server's own counters over
 * the time between two pictures, so they hold however late a picture is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/cli/client.h"
#include "engine/cli/show.h"
#include "engine/cli/term.h"

/* Campaigns in the picture, the newest first. */
#define CAMPAIGNS_PATH "/outdial/v1/campaigns?limit=20"

struct picture {
    struct od_reply limits, trunks, campaigns;
    uint64_t taken_ms; /* monotonic */
};

/* What a rate is made of. */
struct counters {
    uint64_t invited, answered, ended, taken_ms;
};

/* The first picture tells what is wrong in a line; later ones are taken in silence. */
static bool ask(struct od_client *client, const char *path, bool told, struct od_reply *reply)
{
    if (told)
        return od_client_call(client, "GET", path, NULL, reply);
    return od_client_try(client, "GET", path, NULL, reply) && reply->status == 200;
}

static bool picture_take(struct od_client *client, bool told, struct picture *p)
{
    *p = (struct picture){0};
    od_client_quiet(client, !told);
    bool good = ask(client, "/outdial/v1/limits", told, &p->limits) &&
                ask(client, "/outdial/v1/trunks", told, &p->trunks) &&
                ask(client, CAMPAIGNS_PATH, told, &p->campaigns);
    p->taken_ms = od_client_mono_ms();
    return good;
}

static void picture_free(struct picture *p)
{
    od_reply_free(&p->limits);
    od_reply_free(&p->trunks);
    od_reply_free(&p->campaigns);
}

static struct counters counters_of(const struct picture *p)
{
    yyjson_val *limits = yyjson_doc_get_root(p->limits.doc);
    return (struct counters){
        .invited = od_json_u64(limits, "since_start.invited", 0),
        .answered = od_json_u64(limits, "since_start.answered", 0),
        .ended = od_json_u64(limits, "since_start.ended", 0),
        .taken_ms = p->taken_ms,
    };
}

/* A server that was started anew counts from 0: then there is no rate yet. */
static double per_s(uint64_t before, uint64_t now, uint64_t ms)
{
    return now >= before && ms ? (double)(now - before) * 1000 / (double)ms : 0;
}

static void put_calls(FILE *out, yyjson_val *limits)
{
    static const char *const states[] = {"queued",  "armed",   "dialing",
                                         "ringing", "talking", "clearing"};
    char path[32];
    fprintf(out, "%scalls%s      ", od_term_color(OD_TERM_BOLD), od_term_color(OD_TERM_PLAIN));
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        snprintf(path, sizeof path, "calls.%s", states[i]);
        fprintf(out, "%s %llu   ", states[i], (unsigned long long)od_json_u64(limits, path, 0));
    }
    fputc('\n', out);
}

static void put_rates(FILE *out, const struct counters *before, const struct counters *now)
{
    uint64_t ms = before->taken_ms ? now->taken_ms - before->taken_ms : 0;
    fprintf(out, "%sa second%s   ", od_term_color(OD_TERM_BOLD), od_term_color(OD_TERM_PLAIN));
    if (!ms)
        fprintf(out, "...\n");
    else
        fprintf(out, "INVITEs %.1f   answers %.1f   ends %.1f\n",
                per_s(before->invited, now->invited, ms),
                per_s(before->answered, now->answered, ms), per_s(before->ended, now->ended, ms));
}

static void put_outcomes(FILE *out, yyjson_val *limits)
{
    yyjson_val *key, *value;
    size_t i, count;
    char word[40];
    fprintf(out, "%soutcomes%s   ", od_term_color(OD_TERM_BOLD), od_term_color(OD_TERM_PLAIN));
    yyjson_obj_foreach(yyjson_obj_get(limits, "outcomes"), i, count, key, value)
        fprintf(out, "%s %llu   ", od_term_safe(yyjson_get_str(key), word, sizeof word),
                (unsigned long long)yyjson_get_uint(value));
    fputc('\n', out);
}

static void put_lists(FILE *out, const struct picture *p)
{
    static const struct od_column trunks[] = {
        {"TRUNK", "name"},          {"HEALTH", "health"},   {"IN USE", "in_use"}, {"CPS", "cps"},
        {"WORKING", "working_cps"}, {"INVITES", "invites"}, {"REASON", "reason"},
    };
    static const struct od_column campaigns[] = {
        {"CAMPAIGN", "id"},          {"STATE", "state"},        {"WAITING", "counts.waiting"},
        {"ACTIVE", "counts.active"}, {"ENDED", "counts.ended"}, {"NAME", "name"},
    };
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(p->trunks.doc), "data");
    fputc('\n', out);
    od_show_table_on(out, list, trunks, sizeof trunks / sizeof *trunks);
    list = yyjson_obj_get(yyjson_doc_get_root(p->campaigns.doc), "data");
    fputc('\n', out);
    od_show_table_on(out, list, campaigns, sizeof campaigns / sizeof *campaigns);
}

static void picture_paint(const struct od_client *client, const struct picture *p,
                          const struct counters *before, const struct counters *now)
{
    char *text = NULL, when[40] = "";
    size_t bytes;
    time_t wall = time(NULL);
    struct tm local;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return;
    if (localtime_r(&wall, &local))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &local);
    fprintf(out, "outdial at %s   %s\n\n", od_client_server(client), when);
    yyjson_val *limits = yyjson_doc_get_root(p->limits.doc);
    put_calls(out, limits);
    put_rates(out, before, now);
    put_outcomes(out, limits);
    put_lists(out, p);
    if (fclose(out) == 0)
        od_term_screen_paint(text);
    free(text);
}

static void picture_print_json(const struct picture *p)
{
    printf("{\"limits\":%s,\"trunks\":%s,\"campaigns\":%s}\n", p->limits.body, p->trunks.body,
           p->campaigns.body);
    fflush(stdout);
}

static void paint_away(const struct od_client *client)
{
    char line[300];
    snprintf(line, sizeof line, "outdial at %s   does not answer; trying again\n",
             od_client_server(client));
    od_term_screen_paint(line);
}

/* Begins with the picture that was taken and takes more, until Ctrl-C or `pictures` were shown (0:
 * no end). A server that goes away meanwhile is waited for. */
static void watch(struct od_client *client, struct picture *p, uint32_t every_ms, uint32_t pictures,
                  bool json)
{
    struct counters before = {0};
    bool good = true;
    for (uint32_t shown = 0;;) {
        if (good && json) {
            picture_print_json(p);
        } else if (good) {
            struct counters now = counters_of(p);
            picture_paint(client, p, &before, &now);
            before = now;
        } else if (!json) {
            paint_away(client);
        }
        picture_free(p);
        *p = (struct picture){0};
        if (ferror(stdout) || (pictures && ++shown == pictures))
            return;
        od_client_sleep(client, every_ms);
        if (od_client_interrupts(client))
            return;
        good = picture_take(client, false, p);
    }
}

int od_verb_top(int argc, char **argv)
{
    struct od_cli_common common = {0};
    uint32_t every_ms = 1000, pictures = 0;
    const struct od_arg table[] = {
        {"--every", OD_ARG_RATE, &every_ms, "S  seconds between two pictures (1)"},
        {"--count", OD_ARG_U32, &pictures, "N  end after so many; 0: at Ctrl-C (0)"},
        {0},
    };
    int code = od_args_read(&(struct od_args){.verb = "top",
                                              .usage = "[--every S] [--count N]",
                                              .examples = "examples:\n"
                                                          "  outdial top\n"
                                                          "  outdial top --every 5 --json\n"
                                                          "  outdial top --count 1\n",
                                              .table = table,
                                              .common = &common},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    od_client_catch_interrupts(client);
    struct picture first;
    bool good = picture_take(client, true, &first);
    if (good && !common.json)
        od_term_screen_begin();
    if (good)
        watch(client, &first, every_ms, pictures, common.json);
    if (good && !common.json)
        od_term_screen_end();
    picture_free(&first);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

/*
 * outdial campaign run - the main job in one command: check the file, create, import, ask, start,
 * watch, summarise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/str.h"
#include "engine/cli/campaign.h"
#include "engine/cli/term.h"

static const char examples[] =
    "examples:\n"
    "  outdial campaign run patients.csv --agent reminder\n"
    "  outdial campaign run patients.csv --agent reminder --cps 5 --max-calls 50 --yes\n"
    "  outdial campaign run patients.csv --agent reminder --yes --json > summary.json\n"
    "\n"
    "patients.csv has a header row with a column named number, phone, to, endpoint,\n"
    "phone_number or msisdn; the other columns are what {{name}} stands for in the script.\n";

struct run {
    struct od_client *client;
    const char *file;
    struct od_campaign_wish wish;
    bool yes, json;
    char id[40], way[400];
    uint64_t imported, rejected, duplicates;
    double seconds;
};

static bool create(struct run *run)
{
    struct od_reply reply = {0};
    bool good = od_campaign_create(run->client, &run->wish, &reply);
    if (good) {
        const char *id = od_json_text(yyjson_doc_get_root(reply.doc), "id", "");
        od_str_copy(run->id, sizeof run->id, id, strlen(id));
        good = *run->id != 0;
        if (!good)
            od_cli_error("the server's answer names no campaign");
    }
    od_reply_free(&reply);
    return good;
}

/* -- the question before phones ring ------------------------------------------------------------
 */

static bool among(yyjson_val *names, const char *name)
{
    yyjson_val *item;
    size_t i, count;
    yyjson_arr_foreach(names, i, count, item)
    {
        if (yyjson_equals_str(item, name))
            return true;
    }
    return yyjson_arr_size(names) == 0; /* an agent that names none may use all */
}

/* "trunks main, spare at up to 10 calls/s"; false when no trunk can take a call. */
static bool describe_way(struct run *run, yyjson_val *wanted, yyjson_val *trunks,
                         struct od_buf *out)
{
    uint64_t sum_milli = 0;
    bool unlimited = false;
    size_t used = 0, i, count;
    yyjson_val *trunk;
    char safe[80];
    yyjson_arr_foreach(trunks, i, count, trunk)
    {
        const char *name = od_json_text(trunk, "name", "");
        if (!among(wanted, name))
            continue;
        if (!yyjson_get_bool(yyjson_obj_get(trunk, "usable")))
            od_cli_note("trunk %s is not usable now: %s", od_term_safe(name, safe, sizeof safe),
                        od_json_text(trunk, "reason", ""));
        od_buf_str(out, used++ ? ", " : "");
        od_buf_str(out, od_term_safe(name, safe, sizeof safe));
        double cps = yyjson_get_num(yyjson_obj_get(trunk, "cps"));
        unlimited |= cps <= 0;
        sum_milli += cps > 0 ? (uint64_t)(cps * 1000) : 0;
    }
    uint64_t milli = unlimited ? 0 : sum_milli;
    if (run->wish.cps_milli && (!milli || run->wish.cps_milli < milli))
        milli = run->wish.cps_milli;
    char rate[64] = " with no limit of rate";
    if (milli)
        snprintf(rate, sizeof rate, " at up to %g calls/s", (double)milli / 1000);
    od_buf_str(out, rate);
    return used > 0;
}

/* The agent's document: by its name, else by its id. False: told. */
static bool fetch_agent(struct run *run, struct od_reply *reply, yyjson_val **agent)
{
    char path[500], escaped[400];
    if (!od_url_escape(run->wish.agent, escaped, sizeof escaped)) {
        od_cli_error("--agent: the name is too long");
        return false;
    }
    snprintf(path, sizeof path, "/outdial/v1/agents?name=%s", escaped);
    if (!od_client_call(run->client, "GET", path, NULL, reply))
        return false;
    *agent = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(reply->doc), "data"));
    if (*agent)
        return true;
    od_reply_free(reply);
    snprintf(path, sizeof path, "/outdial/v1/agents/%s", escaped);
    if (!od_client_try(run->client, "GET", path, NULL, reply))
        return false;
    *agent = yyjson_doc_get_root(reply->doc);
    if (reply->status == 200)
        return true;
    od_cli_error("there is no agent '%.100s' on the server; see outdial agent list, agent put",
                 run->wish.agent);
    return false;
}

/* How the calls would go, for the question; false (told) when they can't go at all. */
static bool find_way(struct run *run)
{
    struct od_reply agent = {0}, trunks = {0};
    yyjson_val *document;
    struct od_buf way;
    od_buf_init(&way, run->way, sizeof run->way);
    bool good = fetch_agent(run, &agent, &document) &&
                od_client_call(run->client, "GET", "/outdial/v1/trunks", NULL, &trunks);
    if (good) {
        yyjson_val *wanted = yyjson_obj_get(yyjson_obj_get(document, "outdial"), "trunks");
        good = describe_way(run, wanted, yyjson_obj_get(yyjson_doc_get_root(trunks.doc), "data"),
                            &way);
        if (!good)
            od_cli_error("no trunk of the server's configuration can carry calls of agent %s",
                         run->wish.agent);
    }
    od_reply_free(&agent);
    od_reply_free(&trunks);
    return good;
}

static bool confirm(struct run *run)
{
    char question[600];
    snprintf(question, sizeof question, "%s %llu contact%s through trunk(s) %s%s",
             run->yes ? "dialing" : "Dial", (unsigned long long)run->imported,
             run->imported == 1 ? "" : "s", run->way, run->yes ? "" : "?");
    if (!run->yes)
        return od_term_ask(question);
    od_cli_note("%s", question);
    return true;
}

/* -- start and end --------------------------------------------------------------------------------
 */

static bool simple(struct run *run, const char *method, const char *tail)
{
    char path[160];
    struct od_reply reply = {0};
    bool good = od_campaign_path(run->id, tail, path, sizeof path) &&
                od_client_call(run->client, method, path, NULL, &reply);
    od_reply_free(&reply);
    return good;
}

static void print_json(const struct run *run, const struct od_campaign_view *view)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "campaign", run->id);
    yyjson_mut_obj_add_str(doc, root, "state", view->state);
    yyjson_mut_obj_add_uint(doc, root, "total", view->total);
    yyjson_mut_obj_add_uint(doc, root, "imported", run->imported);
    yyjson_mut_obj_add_uint(doc, root, "rejected", run->rejected);
    yyjson_mut_obj_add_uint(doc, root, "duplicates", run->duplicates);
    yyjson_mut_obj_add_uint(doc, root, "ended", view->ended);
    yyjson_mut_val *outcomes = yyjson_mut_obj_add_obj(doc, root, "outcomes");
    for (size_t i = 0; i < view->outcome_count; i++)
        yyjson_mut_obj_add_uint(doc, outcomes, view->outcomes[i].cause, view->outcomes[i].count);
    yyjson_mut_obj_add_real(doc, root, "seconds", run->seconds);
    char *text = yyjson_mut_write(doc, 0, NULL);
    if (text)
        printf("%s\n", text);
    free(text);
    yyjson_mut_doc_free(doc);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int watch(struct run *run)
{
    struct od_campaign_view view = {0};
    double from = now_s();
    enum od_watch_end end = od_campaign_watch(run->client, run->id, &view);
    run->seconds = now_s() - from;
    if (end == OD_WATCH_LOST)
        return OD_EXIT_FAILED;
    if (end == OD_WATCH_INTERRUPTED)
        od_campaign_interrupt(run->client, run->id);
    if (end == OD_WATCH_STOPPED)
        od_cli_note("the campaign was %s; outdial campaign status %s", view.state, run->id);
    if (run->json) {
        print_json(run, &view);
    } else {
        od_campaign_print(&view);
        if (end == OD_WATCH_DONE)
            printf("  %-16s %10.1f s\n", "in", run->seconds);
    }
    return end == OD_WATCH_DONE ? OD_EXIT_OK : OD_EXIT_FAILED;
}

/* From the import to the end; what was made is taken back when nothing comes of it. */
static int dial(struct run *run)
{
    struct od_reply reply;
    bool imported = od_campaign_import(run->client, run->id, run->file, &reply);
    yyjson_val *answer = yyjson_doc_get_root(reply.doc);
    run->imported = od_json_u64(answer, "imported", 0);
    run->rejected = od_json_u64(answer, "rejected", 0);
    run->duplicates = od_json_u64(answer, "duplicates", 0);
    od_reply_free(&reply);
    if (imported && run->imported == 0)
        od_cli_error("%s: no row can be dialled", run->file);
    bool go = imported && run->imported && od_client_interrupts(run->client) == 0 && confirm(run);
    if (go && simple(run, "POST", "/start"))
        return watch(run);
    od_client_quiet(run->client, true);
    if (simple(run, "DELETE", ""))
        od_cli_note("nothing was dialled; campaign %s is canceled", run->id);
    else
        od_cli_note("nothing was dialled; campaign %s was not started", run->id);
    return OD_EXIT_FAILED;
}

/* "patients" of "/lists/patients.csv". */
static const char *name_of_file(const char *file, char *out, size_t out_bytes)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    const char *dot = strrchr(name, '.');
    od_str_copy(out, out_bytes, name, dot && dot != name ? (size_t)(dot - name) : strlen(name));
    return out;
}

int od_verb_campaign_run(int argc, char **argv)
{
    struct run run = {0};
    struct od_cli_common common = {0};
    const char *words[2];
    const struct od_arg table[] = {
        {"--agent", OD_ARG_TEXT, &run.wish.agent, "NAME  the agent that talks"},
        {"--name", OD_ARG_TEXT, &run.wish.name, "NAME  of the campaign; default: the file's"},
        {"--cps", OD_ARG_RATE, &run.wish.cps_milli,
         "N  calls per second, at most; default: the trunks'"},
        {"--max-calls", OD_ARG_U32, &run.wish.max_calls, "N  calls at once, at most"},
        {"--priority", OD_ARG_I32, &run.wish.priority, "N  higher goes first"},
        {"--webhook", OD_ARG_TEXT, &run.wish.webhook, "URL  told of the end of each call"},
        {"--yes", OD_ARG_FLAG, &run.yes, "do not ask before phones ring"},
        {0},
    };
    int code = od_args_read(&(struct od_args){.verb = "campaign run",
                                              .usage = "CONTACTS.csv --agent NAME [options]",
                                              .examples = examples,
                                              .table = table,
                                              .common = &common,
                                              .words_min = 1,
                                              .words_max = 1,
                                              .words = words},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!run.wish.agent || !*run.wish.agent) {
        od_cli_error("campaign run: --agent NAME is missing");
        return OD_EXIT_USAGE;
    }
    if (!run.yes && !od_term_can_ask()) {
        od_cli_error("campaign run: no terminal to ask on before phones ring; give --yes");
        return OD_EXIT_USAGE;
    }
    char name[100];
    run.file = words[0];
    run.json = common.json;
    if (!run.wish.name)
        run.wish.name = name_of_file(run.file, name, sizeof name);
    if (!od_campaign_check_file(run.file))
        return OD_EXIT_FAILED;
    code = od_client_open(&run.client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    od_client_catch_interrupts(run.client);
    code = find_way(&run) && create(&run) ? dial(&run) : OD_EXIT_FAILED;
    od_client_close(run.client);
    return code;
}

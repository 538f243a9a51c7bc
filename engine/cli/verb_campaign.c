/*
 * outdial campaign - the single steps of a campaign, and where `run` hangs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cli/campaign.h"
#include "engine/cli/show.h"
#include "engine/cli/term.h"

#define CAMPAIGNS "/outdial/v1/campaigns"

/* -- create ---------------------------------------------------------------------------------------
 */

static char *create_body(const struct od_campaign_wish *wish)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "name", wish->name);
    yyjson_mut_obj_add_str(doc, root, "agent", wish->agent);
    if (wish->cps_milli)
        yyjson_mut_obj_add_real(doc, root, "cps", wish->cps_milli / 1000.0);
    if (wish->max_calls)
        yyjson_mut_obj_add_uint(doc, root, "max_calls", wish->max_calls);
    if (wish->priority)
        yyjson_mut_obj_add_int(doc, root, "priority", wish->priority);
    if (wish->webhook)
        yyjson_mut_obj_add_str(doc, root, "webhook_url", wish->webhook);
    char *body = yyjson_mut_write(doc, 0, NULL);
    yyjson_mut_doc_free(doc);
    return body;
}

bool od_campaign_create(struct od_client *client, const struct od_campaign_wish *wish,
                        struct od_reply *reply)
{
    char *body = create_body(wish);
    if (!body) {
        od_cli_error("no memory");
        return false;
    }
    bool good = od_client_call(client, "POST", CAMPAIGNS, body, reply);
    free(body);
    return good;
}

static int verb_create(int argc, char **argv)
{
    struct od_campaign_wish create = {0};
    struct od_cli_common common = {0};
    const char *words[2];
    const struct od_arg table[] = {
        {"--agent", OD_ARG_TEXT, &create.agent, "NAME  the agent that talks"},
        {"--cps", OD_ARG_RATE, &create.cps_milli, "N  calls per second, at most"},
        {"--max-calls", OD_ARG_U32, &create.max_calls, "N  calls at once, at most"},
        {"--priority", OD_ARG_I32, &create.priority, "N  higher goes first"},
        {"--webhook", OD_ARG_TEXT, &create.webhook, "URL  told of the end of each call"},
        {0},
    };
    int code = od_args_read(
        &(struct od_args){.verb = "campaign create",
                          .usage = "NAME --agent NAME [options]",
                          .examples = "examples:\n"
                                      "  outdial campaign create june --agent reminder --cps 5\n",
                          .table = table,
                          .common = &common,
                          .words_min = 1,
                          .words_max = 1,
                          .words = words},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!create.agent) {
        od_cli_error("campaign create: --agent NAME is missing");
        return OD_EXIT_USAGE;
    }
    create.name = words[0];
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_reply reply = {0};
    bool good = od_campaign_create(client, &create, &reply);
    if (good && common.json)
        od_reply_print(&reply);
    else if (good)
        printf("%s\n", od_json_text(yyjson_doc_get_root(reply.doc), "id", ""));
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

/* ---- import ---- */

static int verb_import(int argc, char **argv)
{
    struct od_cli_common common = {0};
    const char *words[3];
    int code = od_args_read(&(struct od_args){.verb = "campaign import",
                                              .usage = "ID CONTACTS.csv",
                                              .examples = "examples:\n"
                                                          "  outdial campaign import ID more.csv\n",
                                              .common = &common,
                                              .words_min = 2,
                                              .words_max = 2,
                                              .words = words},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!od_campaign_check_file(words[1]))
        return OD_EXIT_FAILED;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    od_client_catch_interrupts(client);
    struct od_reply reply;
    bool good = od_campaign_import(client, words[0], words[1], &reply);
    if (good && common.json)
        od_reply_print(&reply);
    good = good && od_json_u64(yyjson_doc_get_root(reply.doc), "imported", 0) > 0;
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

/* ---- start, pause, resume, cancel, status ---- */

static int watch(struct od_client *client, const char *id, const struct od_cli_common *common)
{
    char path[160];
    struct od_campaign_view view = {0};
    od_client_catch_interrupts(client);
    enum od_watch_end end = od_campaign_watch(client, id, &view);
    if (end == OD_WATCH_LOST)
        return OD_EXIT_FAILED;
    if (end == OD_WATCH_INTERRUPTED)
        od_campaign_interrupt(client, id);
    struct od_reply reply = {0};
    if (!common->json)
        od_campaign_print(&view);
    else if (od_campaign_path(id, "", path, sizeof path) &&
             od_client_call(client, "GET", path, NULL, &reply))
        od_reply_print(&reply);
    od_reply_free(&reply);
    return end == OD_WATCH_DONE ? OD_EXIT_OK : OD_EXIT_FAILED;
}

struct step {
    const char *verb, *method, *tail, *examples;
    bool can_watch, shows;
};

static int run_step(const struct step *step, int argc, char **argv)
{
    bool follow = false;
    struct od_cli_common common = {0};
    const char *words[2];
    const struct od_arg table[] = {
        {"--watch", OD_ARG_FLAG, &follow, "stay and show its progress to the end"},
        {0},
    };
    int code = od_args_read(&(struct od_args){.verb = step->verb,
                                              .usage = step->can_watch ? "ID [--watch]" : "ID",
                                              .examples = step->examples,
                                              .table = step->can_watch ? table : NULL,
                                              .common = &common,
                                              .words_min = 1,
                                              .words_max = 1,
                                              .words = words},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    char path[160];
    if (!od_campaign_path(words[0], step->tail, path, sizeof path))
        return OD_EXIT_FAILED;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_reply reply = {0};
    struct od_campaign_view view;
    code = OD_EXIT_FAILED;
    if (od_client_call(client, step->method, path, NULL, &reply)) {
        od_campaign_take(&view, yyjson_doc_get_root(reply.doc));
        code = OD_EXIT_OK;
        if (follow)
            code = watch(client, words[0], &common);
        else if (common.json)
            od_reply_print(&reply);
        else if (step->shows)
            od_campaign_print(&view);
        else
            od_cli_note("campaign %s: %s", words[0], view.state);
    }
    od_reply_free(&reply);
    od_client_close(client);
    return code;
}

static int verb_start(int argc, char **argv)
{
    return run_step(&(struct step){"campaign start", "POST", "/start",
                                   "examples:\n  outdial campaign start ID --watch\n", true, false},
                    argc, argv);
}

static int verb_pause(int argc, char **argv)
{
    return run_step(&(struct step){"campaign pause", "POST", "/pause",
                                   "examples:\n  outdial campaign pause ID\n", false, false},
                    argc, argv);
}

static int verb_drain(int argc, char **argv)
{
    return run_step(&(struct step){"campaign drain", "POST", "/drain",
                                   "examples:\n  outdial campaign drain ID --watch\n", true, false},
                    argc, argv);
}

static int verb_resume(int argc, char **argv)
{
    return run_step(&(struct step){"campaign resume", "POST", "/resume",
                                   "examples:\n  outdial campaign resume ID --watch\n", true,
                                   false},
                    argc, argv);
}

static int verb_cancel(int argc, char **argv)
{
    return run_step(&(struct step){"campaign cancel", "DELETE", "",
                                   "examples:\n  outdial campaign cancel ID\n", false, false},
                    argc, argv);
}

static int verb_status(int argc, char **argv)
{
    return run_step(&(struct step){"campaign status", "GET", "",
                                   "examples:\n"
                                   "  outdial campaign status ID\n"
                                   "  outdial campaign status ID --watch\n",
                                   true, true},
                    argc, argv);
}

/* -- limits --------------------------------------------------------------------------------------
 */

static int verb_limits(int argc, char **argv)
{
    struct od_cli_limits limits = {.max_calls = UINT32_MAX};
    struct od_cli_common common = {0};
    const char *words[2];
    char path[160], members[96], body[120];
    const struct od_arg table[] = {
        {"--cps", OD_ARG_RATE, &limits.cps_milli, "N  calls per second, at most"},
        {"--no-cps", OD_ARG_FLAG, &limits.no_cps, "only the trunks' and the agent's rates"},
        {"--max-calls", OD_ARG_U32, &limits.max_calls,
         "N  calls at once, at most; 0: only the trunks'"},
        {0},
    };
    int code = od_args_read(
        &(struct od_args){.verb = "campaign limits",
                          .usage = "ID [--cps N | --no-cps] [--max-calls N]",
                          .examples = "examples:\n"
                                      "  outdial campaign limits ID --cps 2.5 --max-calls 20\n",
                          .table = table,
                          .common = &common,
                          .words_min = 1,
                          .words_max = 1,
                          .words = words},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!od_cli_limits_text(&limits, members, sizeof members)) {
        od_cli_error("campaign limits: say what: --cps, --no-cps or --max-calls");
        return OD_EXIT_USAGE;
    }
    snprintf(body, sizeof body, "{%s}", members);
    if (!od_campaign_path(words[0], "", path, sizeof path))
        return OD_EXIT_FAILED;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_reply reply;
    bool good = od_client_call(client, "PATCH", path, body, &reply);
    if (good && common.json)
        od_reply_print(&reply);
    else if (good)
        od_cli_note("campaign %s: limits changed", words[0]);
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

/* ---- list ---- */

static int verb_list(int argc, char **argv)
{
    static const struct od_column columns[] = {
        {"ID", "id"},
        {"STATE", "state"},
        {"TOTAL", "counts.total"},
        {"WAITING", "counts.waiting"},
        {"ACTIVE", "counts.active"},
        {"ENDED", "counts.ended"},
        {"NAME", "name"},
    };
    struct od_cli_common common = {0};
    int code = od_args_read(&(struct od_args){.verb = "campaign list",
                                              .usage = "",
                                              .examples = "examples:\n  outdial campaign list\n",
                                              .common = &common},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_reply reply;
    bool good = od_client_call(client, "GET", CAMPAIGNS "?limit=100", NULL, &reply);
    yyjson_val *root = yyjson_doc_get_root(reply.doc);
    if (good && common.json)
        od_reply_print(&reply);
    else if (good)
        od_show_table(yyjson_obj_get(root, "data"), columns, sizeof columns / sizeof *columns,
                      "no campaigns yet: outdial campaign run CONTACTS.csv --agent NAME");
    if (good && !common.json && od_json_text(root, "next_cursor", NULL))
        od_cli_note("(the newest 100)");
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

int od_verb_campaign(int argc, char **argv)
{
    static const struct od_verb verbs[] = {
        {"run", od_verb_campaign_run, "CONTACTS.csv: create, import, start, watch, summarise"},
        {"create", verb_create, "NAME: an empty campaign; prints its id"},
        {"import", verb_import, "ID CONTACTS.csv: add contacts"},
        {"start", verb_start, "ID: begin dialing"},
        {"pause", verb_pause, "ID: no new calls; those under way go on"},
        {"drain", verb_drain, "ID: the same, and tell when the last has ended"},
        {"resume", verb_resume, "ID: go on dialing"},
        {"cancel", verb_cancel, "ID: never dial what has not been dialled"},
        {"limits", verb_limits, "ID --cps N --max-calls N: change its pace while it runs"},
        {"status", verb_status, "ID: counts and outcomes"},
        {"list", verb_list, "the newest campaigns"},
        {0},
    };
    return od_verb_run("campaign", verbs, argc, argv);
}

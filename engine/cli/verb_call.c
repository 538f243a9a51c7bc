/*
 * outdial call - one call: make it, look at it, end it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/cli/client.h"
#include "engine/cli/show.h"
#include "engine/cli/term.h"

#define CALLS "/outdial/v1/calls"

enum { ASK_EVERY_MS = 200 };

static bool call_path(const char *id, const char *tail, char *out, size_t out_bytes)
{
    char escaped[100];
    if (!*id || strlen(id) > 64 || !od_url_escape(id, escaped, sizeof escaped)) {
        od_cli_error("'%.80s' is not a call's id", id);
        return false;
    }
    snprintf(out, out_bytes, CALLS "/%s%s", escaped, tail);
    return true;
}

/* ---- new ---- */

struct wanted {
    const char *to, *agent, *from, *context, *webhook;
    int32_t priority;
};

static char *new_body(const struct wanted *wanted, yyjson_doc *context)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "to", wanted->to);
    yyjson_mut_obj_add_str(doc, root, "agent", wanted->agent);
    if (wanted->from)
        yyjson_mut_obj_add_str(doc, root, "from", wanted->from);
    if (wanted->priority)
        yyjson_mut_obj_add_int(doc, root, "priority", wanted->priority);
    if (wanted->webhook)
        yyjson_mut_obj_add_str(doc, root, "webhook_url", wanted->webhook);
    if (context)
        yyjson_mut_obj_add_val(doc, root, "context",
                               yyjson_val_mut_copy(doc, yyjson_doc_get_root(context)));
    char *body = yyjson_mut_write(doc, 0, NULL);
    yyjson_mut_doc_free(doc);
    return body;
}

/* Shows each new status until the call has ended. True when it was asked to the end. */
static bool follow(struct od_client *client, const char *id, struct od_reply *last)
{
    char path[160], shown[64] = "", status[64];
    if (!call_path(id, "", path, sizeof path))
        return false;
    unsigned before = od_client_interrupts(client);
    for (;;) {
        struct od_reply reply;
        if (!od_client_call(client, "GET", path, NULL, &reply)) {
            od_reply_free(&reply);
            return false;
        }
        yyjson_val *call = yyjson_doc_get_root(reply.doc);
        od_term_safe(od_json_text(call, "status", ""), status, sizeof status);
        bool ended = od_json_text(call, "ended_at", NULL) != NULL;
        if (strcmp(status, shown) != 0)
            od_cli_note("%s", status);
        od_str_copy(shown, sizeof shown, status, strlen(status));
        if (ended) {
            *last = reply;
            return true;
        }
        od_reply_free(&reply);
        od_client_sleep(client, ASK_EVERY_MS);
        if (od_client_interrupts(client) != before) {
            od_cli_note("the call goes on; outdial call hangup %s", id);
            return false;
        }
    }
}

static int make_call(struct od_client *client, const struct wanted *wanted, yyjson_doc *context,
                     bool watch, bool json)
{
    char *body = new_body(wanted, context), id[64] = "";
    struct od_reply reply = {0}, last = {0};
    bool good = body && od_client_call(client, "POST", CALLS, body, &reply);
    free(body);
    if (good) {
        const char *text = od_json_text(yyjson_doc_get_root(reply.doc), "id", "");
        od_str_copy(id, sizeof id, text, strlen(text));
    }
    if (good && !watch) {
        if (json)
            od_reply_print(&reply);
        else
            printf("%s\n", id);
    }
    od_reply_free(&reply);
    if (!good || !watch)
        return good ? OD_EXIT_OK : OD_EXIT_FAILED;

    od_client_catch_interrupts(client);
    od_cli_note("call %s", id);
    if (!follow(client, id, &last))
        return OD_EXIT_FAILED;
    yyjson_val *call = yyjson_doc_get_root(last.doc);
    good = strcmp(od_json_text(call, "status", ""), "completed") == 0;
    if (json)
        od_reply_print(&last);
    else
        od_show_object(call);
    od_reply_free(&last);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

static int verb_new(int argc, char **argv)
{
    struct wanted wanted = {0};
    struct od_cli_common common = {0};
    bool watch = false;
    const char *words[2];
    const struct od_arg table[] = {
        {"--agent", OD_ARG_TEXT, &wanted.agent, "NAME  the agent that talks"},
        {"--from", OD_ARG_TEXT, &wanted.from, "NUMBER  caller number; default: the agent's"},
        {"--context", OD_ARG_TEXT, &wanted.context, "JSON  what {{name}} in the script stands for"},
        {"--priority", OD_ARG_I32, &wanted.priority, "N  higher goes first"},
        {"--webhook", OD_ARG_TEXT, &wanted.webhook, "URL  told of the end of the call"},
        {"--watch", OD_ARG_FLAG, &watch, "stay until it has ended; exit 0 when it was completed"},
        {0},
    };
    int code = od_args_read(
        &(struct od_args){.verb = "call new",
                          .usage = "TO --agent NAME [options]",
                          .examples = "examples:\n"
                                      "  outdial call new +15550001111 --agent reminder --watch\n"
                                      "  outdial call new +15550001111 --agent reminder --context "
                                      "'{\"name\":\"Ann\"}'\n",
                          .table = table,
                          .common = &common,
                          .words_min = 1,
                          .words_max = 1,
                          .words = words},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    wanted.to = words[0];
    yyjson_doc *context =
        wanted.context ? yyjson_read(wanted.context, strlen(wanted.context), 0) : NULL;
    if (!wanted.agent || (wanted.context && !yyjson_is_obj(yyjson_doc_get_root(context)))) {
        od_cli_error("call new: %s", wanted.agent ? "--context: expected a JSON object"
                                                  : "--agent NAME is missing");
        yyjson_doc_free(context);
        return OD_EXIT_USAGE;
    }
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code == OD_EXIT_NONE) {
        code = make_call(client, &wanted, context, watch, common.json);
        od_client_close(client);
    }
    yyjson_doc_free(context);
    return code;
}

/* ---- show, cancel, hangup, trace ---- */

static void print_trace(yyjson_val *answer)
{
    yyjson_val *list = yyjson_obj_get(answer, "trace"), *item;
    size_t i, count;
    char text[300], at[40];
    yyjson_arr_foreach(list, i, count, item)
    {
        const char *kind = od_json_text(item, "kind", "");
        const char *arrow = strcmp(kind, "sent") == 0       ? "-->"
                            : strcmp(kind, "received") == 0 ? "<--"
                                                            : " * ";
        printf("%s  %s  %s\n", od_term_safe(od_json_text(item, "at", ""), at, sizeof at), arrow,
               od_term_safe(od_json_text(item, "text", ""), text, sizeof text));
    }
}

struct act {
    const char *verb, *method, *tail, *examples;
    void (*print)(yyjson_val *answer); /* NULL: a note that it was done */
    const char *done;
    bool why; /* say what holds a call that waits */
};

/* What holds the call, a line each; nothing for one that does not wait. */
static void print_why(struct od_client *client, const char *id, yyjson_val *call)
{
    char path[160], detail[200], reason[80], until[60];
    struct od_reply reply;
    if (*od_json_text(call, "ended_at", "") || !call_path(id, "/why", path, sizeof path))
        return;
    if (od_client_call(client, "GET", path, NULL, &reply)) {
        yyjson_val *root = yyjson_doc_get_root(reply.doc), *hold;
        size_t i, count;
        yyjson_arr_foreach(yyjson_obj_get(root, "holds"), i, count, hold)
        {
            const char *when = od_json_text(hold, "until", ""),
                       *text = od_json_text(hold, "detail", "");
            printf("held by          %s%s%s%s%s\n",
                   od_term_safe(od_json_text(hold, "reason", ""), reason, sizeof reason),
                   *when ? " until " : "", od_term_safe(when, until, sizeof until),
                   *text ? ": " : "", od_term_safe(text, detail, sizeof detail));
        }
    }
    od_reply_free(&reply);
}

static int run_act(const struct act *act, int argc, char **argv)
{
    struct od_cli_common common = {0};
    const char *words[2];
    char path[160];
    int code = od_args_read(&(struct od_args){.verb = act->verb,
                                              .usage = "ID",
                                              .examples = act->examples,
                                              .common = &common,
                                              .words_min = 1,
                                              .words_max = 1,
                                              .words = words},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!call_path(words[0], act->tail, path, sizeof path))
        return OD_EXIT_FAILED;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_reply reply;
    bool good = od_client_call(client, act->method, path, NULL, &reply);
    if (good && common.json && reply.bytes)
        od_reply_print(&reply);
    else if (good && act->print)
        act->print(yyjson_doc_get_root(reply.doc));
    else if (good)
        od_cli_note("call %s: %s", words[0], act->done);
    if (good && act->why && !common.json)
        print_why(client, words[0], yyjson_doc_get_root(reply.doc));
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

static int verb_show(int argc, char **argv)
{
    return run_act(&(struct act){"call show", "GET", "", "examples:\n  outdial call show ID\n",
                                 od_show_object, NULL, true},
                   argc, argv);
}

static int verb_cancel(int argc, char **argv)
{
    return run_act(&(struct act){"call cancel", "POST", "/cancel",
                                 "examples:\n  outdial call cancel ID\n", NULL, "cancel ordered",
                                 false},
                   argc, argv);
}

static int verb_hangup(int argc, char **argv)
{
    return run_act(&(struct act){"call hangup", "POST", "/hangup",
                                 "examples:\n  outdial call hangup ID\n", NULL, "hangup ordered",
                                 false},
                   argc, argv);
}

static int verb_trace(int argc, char **argv)
{
    return run_act(&(struct act){"call trace", "GET", "/trace",
                                 "examples:\n  outdial call trace ID\n", print_trace, NULL, false},
                   argc, argv);
}

int od_verb_call(int argc, char **argv)
{
    static const struct od_verb verbs[] = {
        {"new", verb_new, "TO --agent NAME: make a call; prints its id"},
        {"show", verb_show, "ID: all that is known of it"},
        {"cancel", verb_cancel, "ID: before it is answered"},
        {"hangup", verb_hangup, "ID: at any time"},
        {"trace", verb_trace, "ID: its SIP messages and states with times"},
        {0},
    };
    return od_verb_run("call", verbs, argc, argv);
}

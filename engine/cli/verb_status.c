/*
 * outdial queue - what the server is doing now.
 */
#include <stdio.h>

#include "engine/cli/client.h"
#include "engine/cli/show.h"
#include "engine/cli/term.h"

/* The first calls that stand still, each with what holds it. */
enum { SHOWN_MAX = 20 };

static void show_waiting(struct od_client *client, const char *list_path)
{
    struct od_reply page, why;
    char path[120], to[80], reason[80], until[60];
    if (od_client_call(client, "GET", list_path, NULL, &page)) {
        yyjson_val *call;
        size_t i, count;
        yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(page.doc), "data"), i, count, call)
        {
            snprintf(path, sizeof path, "/outdial/v1/calls/%s/why", od_json_text(call, "id", ""));
            if (od_client_call(client, "GET", path, NULL, &why)) {
                yyjson_val *root = yyjson_doc_get_root(why.doc);
                const char *when = od_json_text(root, "until", "");
                printf("%-20s %s%s%s\n", od_term_safe(od_json_text(call, "to", ""), to, sizeof to),
                       od_term_safe(od_json_text(root, "reason", ""), reason, sizeof reason),
                       *when ? " until " : "", od_term_safe(when, until, sizeof until));
            }
            od_reply_free(&why);
        }
    }
    od_reply_free(&page);
}

static void show_all_waiting(struct od_client *client, yyjson_val *campaigns)
{
    char path[200];
    yyjson_val *campaign;
    size_t i, count, shown = 0;
    printf("\nsingle calls that wait, and why\n");
    snprintf(path, sizeof path, "/outdial/v1/calls?limit=%d&state=waiting", SHOWN_MAX);
    show_waiting(client, path);
    snprintf(path, sizeof path, "/outdial/v1/calls?limit=%d&state=queued", SHOWN_MAX);
    show_waiting(client, path);
    yyjson_arr_foreach(campaigns, i, count, campaign)
    {
        if (!od_json_u64(campaign, "counts.waiting", 0) || shown++ >= SHOWN_MAX)
            continue;
        printf("\nthe next of campaign %s, and why\n", od_json_text(campaign, "id", ""));
        snprintf(path, sizeof path, "/outdial/v1/campaigns/%s/contacts?limit=1&state=waiting",
                 od_json_text(campaign, "id", ""));
        show_waiting(client, path);
        snprintf(path, sizeof path, "/outdial/v1/campaigns/%s/contacts?limit=1&state=queued",
                 od_json_text(campaign, "id", ""));
        show_waiting(client, path);
    }
}

int od_verb_queue(int argc, char **argv)
{
    static const struct od_column columns[] = {
        {"CAMPAIGN", "id"},          {"STATE", "state"},
        {"PRIORITY", "priority"},    {"WAITING", "counts.waiting"},
        {"ACTIVE", "counts.active"}, {"NAME", "name"},
    };
    struct od_cli_common common = {0};
    int code = od_args_read(&(struct od_args){.verb = "queue",
                                              .usage = "",
                                              .examples = "examples:\n  outdial queue\n",
                                              .common = &common},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_reply limits = {0}, campaigns = {0};
    bool good = od_client_call(client, "GET", "/outdial/v1/limits", NULL, &limits) &&
                od_client_call(client, "GET", "/outdial/v1/campaigns?limit=100", NULL, &campaigns);
    if (good && common.json) {
        printf("{\"limits\":%s,\"campaigns\":%s}\n", limits.body, campaigns.body);
    } else if (good) {
        od_show_object(yyjson_doc_get_root(limits.doc));
        printf("\n");
        od_show_table(yyjson_obj_get(yyjson_doc_get_root(campaigns.doc), "data"), columns,
                      sizeof columns / sizeof *columns, "no campaigns");
        show_all_waiting(client, yyjson_obj_get(yyjson_doc_get_root(campaigns.doc), "data"));
    }
    od_reply_free(&limits);
    od_reply_free(&campaigns);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

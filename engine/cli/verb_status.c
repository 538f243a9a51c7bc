/*
 * outdial queue - what the server is doing now.
 */
#include <stdio.h>

#include "engine/cli/client.h"
#include "engine/cli/show.h"
#include "engine/cli/term.h"

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
    }
    od_reply_free(&limits);
    od_reply_free(&campaigns);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

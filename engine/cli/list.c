/*
 * list - see the header.
 */
#include "engine/cli/list.h"

#include <stdio.h>

#include "engine/cli/client.h"

/* verb: what the next page is had by; NULL: there are no pages. */
static int show(const struct od_cli_common *common, const struct od_list *list, const char *path,
                const char *verb)
{
    struct od_client *client;
    int code = od_client_open(&client, common);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_reply reply;
    bool good = od_client_call(client, "GET", path, NULL, &reply);
    yyjson_val *root = yyjson_doc_get_root(reply.doc);
    const char *next = od_json_text(root, "next_cursor", "");
    if (good && common->json)
        od_reply_print(&reply);
    else if (good)
        od_show_table(yyjson_obj_get(root, "data"), list->columns, list->count, list->none);
    if (good && verb && *next && !common->json)
        od_cli_note("more: outdial %s --cursor %s", verb, next);
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

int od_list_show(const struct od_cli_common *common, const struct od_list *list)
{
    return show(common, list, list->path, NULL);
}

int od_list_pages(int argc, char **argv, const char *verb, const struct od_list *list)
{
    struct od_cli_common common = {0};
    const char *cursor = NULL;
    char path[200], escaped[100] = "", examples[100];
    const struct od_arg table[] = {
        {"--cursor", OD_ARG_TEXT, &cursor, "TEXT  where the page before ended"},
        {0},
    };
    snprintf(examples, sizeof examples, "examples:\n  outdial %s\n", verb);
    int code = od_args_read(&(struct od_args){.verb = verb,
                                              .usage = "[--cursor TEXT]",
                                              .examples = examples,
                                              .table = table,
                                              .common = &common},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (cursor && !od_url_escape(cursor, escaped, sizeof escaped)) {
        od_cli_error("this is no cursor of a page before");
        return OD_EXIT_FAILED;
    }
    snprintf(path, sizeof path, "%s?limit=1000%s%s", list->path, cursor ? "&cursor=" : "", escaped);
    return show(&common, list, path, verb);
}

/*
 * outdial suppress - numbers that nobody may dial: put on the list, taken off it, looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cli/client.h"
#include "engine/cli/list.h"

#define SUPPRESSIONS "/outdial/v1/suppressions"

enum { NUMBERS_MAX = 200 }; /* in one command line */

static char *list_body(const char **numbers, const char *reason)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "numbers");
    for (size_t i = 0; numbers[i]; i++)
        yyjson_mut_arr_add_str(doc, list, numbers[i]);
    if (reason)
        yyjson_mut_obj_add_str(doc, root, "reason", reason);
    char *body = yyjson_mut_write(doc, 0, NULL);
    yyjson_mut_doc_free(doc);
    return body;
}

static int verb_add(int argc, char **argv)
{
    const char *reason = NULL, *words[NUMBERS_MAX + 1];
    struct od_cli_common common = {0};
    const struct od_arg table[] = {
        {"--reason", OD_ARG_TEXT, &reason, "TEXT  why, for whoever looks at the list"},
        {0},
    };
    int code = od_args_read(
        &(struct od_args){.verb = "suppress add",
                          .usage = "NUMBER... [--reason TEXT]",
                          .examples =
                              "examples:\n"
                              "  outdial suppress add +15550001111 --reason 'asked us to'\n",
                          .table = table,
                          .common = &common,
                          .words_min = 1,
                          .words_max = NUMBERS_MAX,
                          .words = words},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    char *body = list_body(words, reason);
    struct od_reply reply = {0};
    bool good = body && od_client_call(client, "POST", SUPPRESSIONS, body, &reply);
    yyjson_val *root = yyjson_doc_get_root(reply.doc);
    if (good && common.json)
        od_reply_print(&reply);
    else if (good)
        od_cli_note("%llu on the list, %llu were on it already",
                    (unsigned long long)od_json_u64(root, "added", 0),
                    (unsigned long long)od_json_u64(root, "already", 0));
    free(body);
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

static int verb_remove(int argc, char **argv)
{
    struct od_cli_common common = {0};
    const char *words[2];
    char path[600], escaped[400];
    int code = od_args_read(
        &(struct od_args){.verb = "suppress remove",
                          .usage = "NUMBER",
                          .examples = "examples:\n  outdial suppress remove +15550001111\n",
                          .common = &common,
                          .words_min = 1,
                          .words_max = 1,
                          .words = words},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!od_url_escape(words[0], escaped, sizeof escaped)) {
        od_cli_error("the number is too long to be one");
        return OD_EXIT_FAILED;
    }
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    snprintf(path, sizeof path, SUPPRESSIONS "/%s", escaped);
    struct od_reply reply;
    bool good = od_client_call(client, "DELETE", path, NULL, &reply);
    if (good)
        od_cli_note("%s may be dialled again", words[0]);
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

static int verb_list(int argc, char **argv)
{
    static const struct od_column columns[] = {
        {"NUMBER", "number"}, {"SINCE", "created_at"}, {"REASON", "reason"}};
    const struct od_list list = {SUPPRESSIONS, columns, sizeof columns / sizeof *columns,
                                 "nobody is on the list"};
    return od_list_pages(argc, argv, "suppress list", &list);
}

int od_verb_suppress(int argc, char **argv)
{
    static const struct od_verb verbs[] = {
        {"add", verb_add, "NUMBER...: nobody dials them any more"},
        {"remove", verb_remove, "NUMBER: it may be dialled again"},
        {"list", verb_list, "who is on the list, newest first"},
        {0},
    };
    return od_verb_run("suppress", verbs, argc, argv);
}

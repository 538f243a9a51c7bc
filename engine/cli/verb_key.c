/*
 * outdial key - API keys. The server stores only their hashes: a key is shown once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/cli/client.h"

static char *key_body(const char *org, const char *scopes)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    if (org)
        yyjson_mut_obj_add_str(doc, root, "org", org);
    yyjson_mut_obj_add_str(doc, root, "scopes", scopes);
    char *body = yyjson_mut_write(doc, 0, NULL);
    yyjson_mut_doc_free(doc);
    return body;
}

static int verb_create(int argc, char **argv)
{
    const char *org = NULL, *scopes = "*";
    struct od_cli_common common = {0};
    const struct od_arg table[] = {
        {"--org", OD_ARG_TEXT, &org, "NAME  whose key it is; default: the asking key's"},
        {"--scope", OD_ARG_TEXT, &scopes,
         "LIST  of read, dial, admin, separated by commas; * is all"},
        {0},
    };
    int code = od_args_read(
        &(struct od_args){.verb = "key create",
                          .usage = "[--org NAME] [--scope LIST]",
                          .examples = "examples:\n"
                                      "  outdial key create --org clinic --scope read,dial\n",
                          .table = table,
                          .common = &common},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    char *body = key_body(org, scopes);
    struct od_reply reply = {0};
    bool good = body && od_client_call(client, "POST", "/outdial/v1/keys", body, &reply);
    if (good && common.json)
        od_reply_print(&reply);
    else if (good)
        printf("%s\n", od_json_text(yyjson_doc_get_root(reply.doc), "key", ""));
    if (good)
        od_cli_note("this is the only time the key is shown");
    free(body);
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

int od_verb_key(int argc, char **argv)
{
    static const struct od_verb verbs[] = {
        {"create", verb_create, "a new API key, shown once"},
        {0},
    };
    return od_verb_run("key", verbs, argc, argv);
}

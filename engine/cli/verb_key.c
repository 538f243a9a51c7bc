/*
 * outdial key - API keys. The server stores only their hashes: a key is shown once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/str.h"
#include "engine/cli/client.h"
#include "engine/cli/list.h"

#define KEYS "/outdial/v1/keys"

/* Each may be a list of its own, separated by commas; none is all of them. */
static bool join_scopes(const char *const *scopes, char *out, size_t size)
{
    struct od_buf buf;
    od_buf_init(&buf, out, size);
    for (size_t i = 0; scopes[i]; i++) {
        if (i)
            od_buf_char(&buf, ',');
        od_buf_str(&buf, scopes[i]);
    }
    if (!scopes[0])
        od_buf_char(&buf, '*');
    return !buf.cut;
}

static char *key_body(const char *org, const char *scopes, const char *name)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    if (org)
        yyjson_mut_obj_add_str(doc, root, "org", org);
    yyjson_mut_obj_add_str(doc, root, "scopes", scopes);
    if (name)
        yyjson_mut_obj_add_str(doc, root, "name", name);
    char *body = yyjson_mut_write(doc, 0, NULL);
    yyjson_mut_doc_free(doc);
    return body;
}

static int verb_create(int argc, char **argv)
{
    const char *org = NULL, *given[OD_ARG_LIST_MAX + 1] = {NULL}, *name = NULL;
    char scopes[256];
    struct od_cli_common common = {0};
    const struct od_arg table[] = {
        {"--org", OD_ARG_TEXT, &org, "NAME  whose key it is; default: the asking key's"},
        {"--scope", OD_ARG_LIST, given,
         "LIST  read, dial, admin or several by commas; may be repeated; *: all"},
        {"--name", OD_ARG_TEXT, &name, "TEXT  what it is for, to know it by in the list"},
        {0},
    };
    int code = od_args_read(
        &(struct od_args){.verb = "key create",
                          .usage = "[--org NAME] [--scope LIST]... [--name TEXT]",
                          .examples = "examples:\n"
                                      "  outdial key create --org clinic --scope read,dial\n",
                          .table = table,
                          .common = &common},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!join_scopes(given, scopes, sizeof scopes)) {
        od_cli_error("key create: --scope: expected read, dial, admin or *");
        return OD_EXIT_USAGE;
    }
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    char *body = key_body(org, scopes, name);
    struct od_reply reply = {0};
    bool good = body && od_client_call(client, "POST", KEYS, body, &reply);
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

/* "BASE?org=NAME", or BASE alone. False: told. */
static bool path_with_org(const char *base, const char *org, char *out, size_t out_bytes)
{
    char escaped[256] = "";
    if (org && !od_url_escape(org, escaped, sizeof escaped)) {
        od_cli_error("--org: the name is too long");
        return false;
    }
    int n = snprintf(out, out_bytes, "%s%s%s", base, org ? "?org=" : "", escaped);
    return n > 0 && (size_t)n < out_bytes;
}

static int verb_list(int argc, char **argv)
{
    static const struct od_column columns[] = {
        {"id", "id"},     {"begins", "hint"},        {"scopes", "scopes"},
        {"name", "name"}, {"created", "created_at"},
    };
    const char *org = NULL;
    struct od_cli_common common = {0};
    char path[400];
    const struct od_arg table[] = {
        {"--org", OD_ARG_TEXT, &org, "NAME  whose keys; default: the asking key's"},
        {0},
    };
    int code = od_args_read(&(struct od_args){.verb = "key list",
                                              .usage = "[--org NAME]",
                                              .examples = "examples:\n"
                                                          "  outdial key list\n",
                                              .table = table,
                                              .common = &common},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!path_with_org(KEYS, org, path, sizeof path))
        return OD_EXIT_USAGE;
    return od_list_show(&common, &(struct od_list){path, columns, sizeof columns / sizeof *columns,
                                                   "no keys were made"});
}

static int verb_revoke(int argc, char **argv)
{
    const char *org = NULL, *words[2];
    struct od_cli_common common = {0};
    char path[600], base[300], escaped[256];
    const struct od_arg table[] = {
        {"--org", OD_ARG_TEXT, &org, "NAME  whose key it is; default: the asking key's"},
        {0},
    };
    int code = od_args_read(
        &(struct od_args){.verb = "key revoke",
                          .usage = "ID [--org NAME]",
                          .examples = "examples:\n"
                                      "  outdial key revoke 0193c1a2-4b5c-7d6e-8f90-a1b2c3d4e5f6\n",
                          .table = table,
                          .common = &common,
                          .words_min = 1,
                          .words_max = 1,
                          .words = words},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!od_url_escape(words[0], escaped, sizeof escaped)) {
        od_cli_error("that is no key's id; see: outdial key list");
        return OD_EXIT_USAGE;
    }
    snprintf(base, sizeof base, KEYS "/%s", escaped);
    if (!path_with_org(base, org, path, sizeof path))
        return OD_EXIT_USAGE;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_reply reply = {0};
    bool good = od_client_call(client, "DELETE", path, NULL, &reply);
    if (good)
        od_cli_note("the key is revoked on every node");
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

int od_verb_key(int argc, char **argv)
{
    static const struct od_verb verbs[] = {
        {"create", verb_create, "a new API key, shown once"},
        {"list", verb_list, "the keys of an org, by how they begin"},
        {"revoke", verb_revoke, "end a key, at once and everywhere"},
        {0},
    };
    return od_verb_run("key", verbs, argc, argv);
}

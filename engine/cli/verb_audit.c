/*
 * outdial audit - what was changed of trunks, campaigns and agents while they were at work, by
 * whom.
 */
#include <stdio.h>
#include <string.h>

#include "engine/cli/client.h"
#include "engine/cli/show.h"

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 1000 };

/* "&name=value", when there is a value. False: it doesn't fit (told). */
static bool add_query(char *path, size_t size, const char *name, const char *value)
{
    char escaped[400];
    size_t used = strlen(path);
    if (!value)
        return true;
    if (od_url_escape(value, escaped, sizeof escaped) &&
        (size_t)snprintf(path + used, size - used, "&%s=%s", name, escaped) < size - used)
        return true;
    od_cli_error("audit: --%s: '%.60s...' is too long", name, value);
    return false;
}

/* A line for each value that was changed. */
static void print_rows(yyjson_val *data)
{
    size_t i, n, k, values;
    yyjson_val *row, *change;
    char name[200], who[200], before[200], after[200];
    yyjson_arr_foreach(data, i, n, row)
        yyjson_arr_foreach(yyjson_obj_get(row, "changes"), k, values, change)
    {
        od_show_value(yyjson_obj_get(change, "before"), before, sizeof before);
        od_show_value(yyjson_obj_get(change, "after"), after, sizeof after);
        printf("%s  %s  %s %s: %s %s -> %s\n", od_json_text(row, "at", "-"),
               od_show_value(yyjson_obj_get(row, "who"), who, sizeof who),
               od_json_text(row, "kind", "-"),
               od_show_value(yyjson_obj_get(row, "name"), name, sizeof name),
               od_json_text(change, "what", "-"), *before ? before : "none",
               *after ? after : "none");
    }
    if (!yyjson_arr_size(data))
        od_cli_note("nothing was changed");
}

int od_verb_audit(int argc, char **argv)
{
    const char *kind = NULL, *target = NULL, *who = NULL, *from = NULL, *to = NULL, *cursor = NULL;
    uint32_t limit = LIMIT_DEFAULT;
    struct od_cli_common common = {0};
    char path[3000];
    const struct od_arg table[] = {
        {"--kind", OD_ARG_TEXT, &kind, "trunk, campaign or agent"},
        {"--target", OD_ARG_TEXT, &target, "NAME or ID  of what was changed"},
        {"--who", OD_ARG_TEXT, &who, "ORG/KEY  whose key it was"},
        {"--from", OD_ARG_TEXT, &from, "TIME  changed at or after, like 2025-01-31T23:59:59Z"},
        {"--to", OD_ARG_TEXT, &to, "TIME  changed before"},
        {"--limit", OD_ARG_U32, &limit, "N  the newest so many; 50"},
        {"--cursor", OD_ARG_TEXT, &cursor, "TEXT  where the page before ended"},
        {0},
    };
    int code =
        od_args_read(&(struct od_args){.verb = "audit",
                                       .usage = "[--kind KIND] [--target NAME]",
                                       .examples = "examples:\n"
                                                   "  outdial audit\n"
                                                   "  outdial audit --kind trunk --target main\n",
                                       .table = table,
                                       .common = &common},
                     argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (limit < 1 || limit > LIMIT_MAX) {
        od_cli_error("audit: --limit: expected 1 to %d, found %u", LIMIT_MAX, limit);
        return OD_EXIT_USAGE;
    }
    snprintf(path, sizeof path, "/outdial/v1/audit?limit=%u", limit);
    if (!add_query(path, sizeof path, "kind", kind) ||
        !add_query(path, sizeof path, "target", target) ||
        !add_query(path, sizeof path, "who", who) || !add_query(path, sizeof path, "from", from) ||
        !add_query(path, sizeof path, "to", to) || !add_query(path, sizeof path, "cursor", cursor))
        return OD_EXIT_USAGE;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_reply reply;
    bool good = od_client_call(client, "GET", path, NULL, &reply);
    yyjson_val *root = yyjson_doc_get_root(reply.doc);
    const char *next = od_json_text(root, "next_cursor", "");
    if (good && common.json)
        od_reply_print(&reply);
    else if (good)
        print_rows(yyjson_obj_get(root, "data"));
    if (good && *next && !common.json)
        od_cli_note("more: the same with --cursor %s", next);
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

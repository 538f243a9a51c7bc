/*
 * outdial config - looks at a configuration without serving: `check` says what is wrong with a
 * file, `dump` what would be in effect; `status` asks a daemon what came of its last reload.
 */
#include <stdio.h>
#include <string.h>

#include "engine/cli/cli.h"
#include "engine/cli/client.h"
#include "engine/cli/config_load.h"
#include "engine/host/options.h"

static const char check_examples[] = "examples:\n"
                                     "  outdial config check outdial.yaml\n";

static int verb_check(int argc, char **argv)
{
    const char *words[2];
    struct od_args args = {.verb = "config check",
                           .usage = "FILE",
                           .examples = check_examples,
                           .words_min = 1,
                           .words_max = 1,
                           .words = words};
    int code = od_args_read(&args, argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_config *config;
    code = od_config_load(&config, "config check", check_examples, words[0], NULL, 1, argv);
    if (code != OD_EXIT_NONE)
        return code;
    printf("%s: good: %zu trunk%s, %zu agent%s\n", words[0], config->trunk_count,
           config->trunk_count == 1 ? "" : "s", config->agent_count,
           config->agent_count == 1 ? "" : "s");
    od_config_destroy(config);
    return OD_EXIT_OK;
}

static const char dump_examples[] = "examples:\n"
                                    "  outdial config dump\n"
                                    "  outdial config dump --config outdial.yaml --json\n";

static int verb_dump(int argc, char **argv)
{
    struct od_config *config;
    bool json = false;
    int code = od_config_load(&config, "config dump", dump_examples, NULL, &json, argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (json)
        od_options_dump_json(config, stdout);
    else
        od_options_dump(config, stdout);
    od_config_destroy(config);
    return OD_EXIT_OK;
}

static const char status_examples[] = "examples:\n"
                                      "  outdial config status\n";

/* One line for the members of a list; none when it is empty. */
static void print_list(const yyjson_val *root, const char *name, const char *before)
{
    size_t i, count;
    yyjson_val *item;
    yyjson_arr_foreach(yyjson_obj_get((yyjson_val *)root, name), i, count, item)
        printf("%s%s%s", i ? ", " : before, yyjson_get_str(item), i + 1 == count ? "\n" : "");
}

static int verb_status(int argc, char **argv)
{
    struct od_cli_common common = {0};
    struct od_client *client;
    struct od_reply reply = {0};
    int code = od_args_read(
        &(struct od_args){
            .verb = "config status", .usage = "", .examples = status_examples, .common = &common},
        argc, argv);
    if (code == OD_EXIT_NONE)
        code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    bool good = od_client_call(client, "GET", "/outdial/v1/config", NULL, &reply);
    yyjson_val *root = good ? yyjson_doc_get_root(reply.doc) : NULL;
    const char *at = yyjson_get_str(yyjson_obj_get(root, "reloaded_at"));
    if (good && common.json) {
        printf("%s\n", reply.body);
    } else if (good && !at) {
        printf("as it was at the start: not read again since\n");
    } else if (good) {
        bool ok = yyjson_get_bool(yyjson_obj_get(root, "ok"));
        printf("read again at %s: %s\n", at, ok ? "taken over" : "refused, all stays as it was");
        print_list(root, "problems", "refused for: ");
        print_list(root, "in_effect", "in effect: ");
        print_list(root, "needs_restart", "needs a restart, stays as it is until then: ");
    }
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

int od_verb_config(int argc, char **argv)
{
    static const struct od_verb verbs[] = {
        {"check", verb_check, "FILE: everything wrong with it, with line and column"},
        {"status", verb_status,
         "what the daemon's last reload took over, and what needs a restart"},
        {"dump", verb_dump, "the effective values, secrets hidden"},
        {0},
    };
    return od_verb_run("config", verbs, argc, argv);
}

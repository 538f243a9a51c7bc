/*
 * outdial trunks - their health and rates, and changing them while they run.
 */
#include <stdio.h>
#include <string.h>

#include "engine/cli/client.h"
#include "engine/cli/list.h"
#include "engine/cli/term.h"

static int show_trunks(int argc, char **argv)
{
    static const struct od_column columns[] = {
        {"NAME", "name"},       {"SERVER", "server"},       {"USABLE", "usable"},
        {"HEALTH", "health"},   {"IN USE", "in_use"},       {"MAX", "max_calls"},
        {"CPS", "cps"},         {"WORKING", "working_cps"}, {"INVITES", "invites"},
        {"ANSWERS", "answers"}, {"FAILURES", "failures"},   {"REASON", "reason"},
    };
    struct od_cli_common common = {0};
    int code = od_args_read(
        &(struct od_args){.verb = "trunks",
                          .usage = "",
                          .examples = "examples:\n"
                                      "  outdial trunks\n"
                                      "  outdial trunks set main --cps 5 --max-calls 50\n"
                                      "  outdial trunks pause main\n"
                                      "  outdial trunks resume main\n"
                                      "  outdial trunks drain main\n"
                                      "  outdial trunks breakers\n",
                          .common = &common},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    return od_list_show(
        &common, &(struct od_list){"/outdial/v1/trunks", columns, sizeof columns / sizeof *columns,
                                   "no trunks: they are set in the server's configuration"});
}

static int verb_breakers(int argc, char **argv)
{
    static const struct od_column columns[] = {
        {"PER", "per"},       {"TRUNK", "trunk"},          {"PREFIX", "prefix"},
        {"NUMBER", "number"}, {"CAMPAIGN", "campaign_id"}, {"STATE", "state"},
        {"UNTIL", "until"},   {"PROBES", "probes.known"},  {"ID", "id"},
        {"REASON", "reason"},
    };
    struct od_cli_common common = {0};
    int code = od_args_read(&(struct od_args){.verb = "trunks breakers",
                                              .usage = "",
                                              .examples = "examples:\n"
                                                          "  outdial trunks breakers\n",
                                              .common = &common},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    return od_list_show(&common,
                        &(struct od_list){"/outdial/v1/breakers", columns,
                                          sizeof columns / sizeof *columns, "no breaker is open"});
}

static int change(const struct od_cli_common *common, const char *method, const char *path,
                  const char *body, const char *said);

static int verb_reset(int argc, char **argv)
{
    struct od_cli_common common = {0};
    const char *words[2];
    char path[96], line[64];
    int code =
        od_args_read(&(struct od_args){.verb = "trunks reset",
                                       .usage = "ID",
                                       .examples = "examples:\n"
                                                   "  outdial trunks breakers\n"
                                                   "  outdial trunks reset 00112233aabbccdd\n",
                                       .common = &common,
                                       .words_min = 1,
                                       .words_max = 1,
                                       .words = words},
                     argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (strlen(words[0]) != 16 || words[0][strspn(words[0], "0123456789abcdef")]) {
        od_cli_error(
            "trunks reset: '%s' can't be a breaker's id: `outdial trunks breakers` shows them",
            words[0]);
        return OD_EXIT_FAILED;
    }
    snprintf(path, sizeof path, "/outdial/v1/breakers/%s/reset", words[0]);
    snprintf(line, sizeof line, "breaker %s: closed", words[0]);
    return change(&common, "POST", path, NULL, line);
}

static bool trunk_path(const char *name, const char *end, char *out, size_t size)
{
    if (name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] ||
        strlen(name) > 63) {
        od_cli_error("trunks: '%s' can't be a trunk's name", name);
        return false;
    }
    snprintf(out, size, "/outdial/v1/trunks/%s%s", name, end);
    return true;
}

static int change(const struct od_cli_common *common, const char *method, const char *path,
                  const char *body, const char *said)
{
    struct od_client *client;
    int code = od_client_open(&client, common);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_reply reply;
    bool good = od_client_call(client, method, path, body, &reply);
    if (good && common->json)
        od_reply_print(&reply);
    else if (good)
        od_cli_note("%s", said);
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

static int order(int argc, char **argv, const char *verb, const char *end, const char *said)
{
    struct od_cli_common common = {0};
    const char *words[2];
    char path[160], name[32], line[128], example[64];
    snprintf(name, sizeof name, "trunks %s", verb);
    snprintf(example, sizeof example, "examples:\n  outdial trunks %s main\n", verb);
    int code = od_args_read(&(struct od_args){.verb = name,
                                              .usage = "NAME",
                                              .examples = example,
                                              .common = &common,
                                              .words_min = 1,
                                              .words_max = 1,
                                              .words = words},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!trunk_path(words[0], end, path, sizeof path))
        return OD_EXIT_FAILED;
    snprintf(line, sizeof line, "trunk %.63s: %s", words[0], said);
    return change(&common, "POST", path, NULL, line);
}

static int verb_pause(int argc, char **argv)
{
    return order(argc, argv, "pause", "/pause", "no new calls; those under way go on");
}

static int verb_resume(int argc, char **argv)
{
    return order(argc, argv, "resume", "/resume", "takes calls again");
}

static int verb_drain(int argc, char **argv)
{
    return order(argc, argv, "drain", "/drain",
                 "no new calls; drained when its last call has ended");
}

static int verb_set(int argc, char **argv)
{
    uint32_t cps_milli = 0, max_calls = UINT32_MAX, priority = UINT32_MAX, weight = UINT32_MAX;
    bool configured = false;
    struct od_cli_common common = {0};
    const char *words[2];
    char path[160], body[200], line[128];
    const struct od_arg table[] = {
        {"--cps", OD_ARG_RATE, &cps_milli, "N  calls per second, evenly spaced"},
        {"--configured-cps", OD_ARG_FLAG, &configured, "the configured limits again"},
        {"--max-calls", OD_ARG_U32, &max_calls, "N  calls at once; 0: no cap"},
        {"--priority", OD_ARG_U32, &priority, "N  lower goes first"},
        {"--weight", OD_ARG_U32, &weight, "N  share among trunks of one priority"},
        {0},
    };
    int code = od_args_read(
        &(struct od_args){.verb = "trunks set",
                          .usage = "NAME [--cps N] [--max-calls N] [--priority N] [--weight N]",
                          .examples = "examples:\n"
                                      "  outdial trunks set main --cps 2.5 --max-calls 20\n",
                          .table = table,
                          .common = &common,
                          .words_min = 1,
                          .words_max = 1,
                          .words = words},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    size_t used = 0;
    if (configured)
        used += (size_t)snprintf(body + used, sizeof body - used, ",\"cps\":null");
    else if (cps_milli)
        used += (size_t)snprintf(body + used, sizeof body - used, ",\"cps\":%u.%03u",
                                 cps_milli / 1000, cps_milli % 1000);
    if (max_calls != UINT32_MAX)
        used += (size_t)snprintf(body + used, sizeof body - used, ",\"max_calls\":%u", max_calls);
    if (priority != UINT32_MAX)
        used += (size_t)snprintf(body + used, sizeof body - used, ",\"priority\":%u", priority);
    if (weight != UINT32_MAX)
        used += (size_t)snprintf(body + used, sizeof body - used, ",\"weight\":%u", weight);
    if (!used) {
        od_cli_error("trunks set: say what: --cps, --max-calls, --priority or --weight");
        return OD_EXIT_USAGE;
    }
    body[0] = '{';
    snprintf(body + used, sizeof body - used, "}");
    if (!trunk_path(words[0], "", path, sizeof path))
        return OD_EXIT_FAILED;
    snprintf(line, sizeof line, "trunk %.63s: changed", words[0]);
    return change(&common, "PATCH", path, body, line);
}

int od_verb_trunks(int argc, char **argv)
{
    static const struct od_verb verbs[] = {
        {"set", verb_set, "NAME --cps N --max-calls N: change it while it runs"},
        {"pause", verb_pause, "NAME: no new calls; those under way go on"},
        {"resume", verb_resume, "NAME: take calls again"},
        {"breakers", verb_breakers, "what is held back by how its last calls ended"},
        {"reset", verb_reset, "ID: close one of these breakers, what it knew is forgotten"},
        {"drain", verb_drain, "NAME: no new calls, and tell when the last has ended"},
        {0},
    };
    for (const struct od_verb *verb = verbs; argc > 1 && verb->name; verb++)
        if (strcmp(argv[1], verb->name) == 0)
            return od_verb_run("trunks", verbs, argc, argv);
    return show_trunks(argc, argv);
}

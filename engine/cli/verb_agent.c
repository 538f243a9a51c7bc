/*
 * outdial agent - what talks on a call: put a document on the server, look at those that are there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/agent/agent_def.h"
#include "engine/base/str.h"
#include "engine/cli/client.h"
#include "engine/cli/list.h"

#define AGENTS "/outdial/v1/agents"

/* The whole file, to be freed; NULL: told. */
static char *read_document(const char *file, size_t *bytes)
{
    int fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        od_cli_error("%s: %s", file, strerror(errno));
        return NULL;
    }
    char *text = malloc(OD_AGENT_DOC_BYTES_MAX + 2);
    size_t used = 0;
    ssize_t got = 1;
    while (text && used <= OD_AGENT_DOC_BYTES_MAX &&
           (got = read(fd, text + used, OD_AGENT_DOC_BYTES_MAX + 1 - used)) > 0)
        used += (size_t)got;
    if (fd != STDIN_FILENO)
        close(fd);
    if (!text || got < 0 || used > OD_AGENT_DOC_BYTES_MAX) {
        od_cli_error("%s: %s", file,
                     !text     ? "no memory"
                     : got < 0 ? "can't be read"
                               : "larger than an agent may be (256 KiB)");
        free(text);
        return NULL;
    }
    text[used] = 0;
    *bytes = used;
    return text;
}

/* The document's name, with the mistakes told as a compiler would. */
static bool check_document(const char *file, const char *text, size_t bytes, char *name,
                           size_t name_bytes)
{
    struct od_agent_def *def;
    struct od_agent_problem problem = {0};
    int err = od_agent_def_parse(text, bytes, &def, &problem);
    if (err) {
        od_cli_error("%s: %s%sexpected %s, found %s", file, problem.pointer,
                     *problem.pointer ? ": " : "", problem.expected, problem.found);
        return false;
    }
    od_str_copy(name, name_bytes, def->name, strlen(def->name));
    od_agent_def_destroy(def);
    return true;
}

/* The uid of the agent of that name, "" when there is none. False: told. */
static bool find_agent(struct od_client *client, const char *name, char *id, size_t id_bytes)
{
    char path[600], escaped[400];
    struct od_reply reply;
    if (!od_url_escape(name, escaped, sizeof escaped)) {
        od_cli_error("the agent's name is too long");
        return false;
    }
    snprintf(path, sizeof path, AGENTS "?name=%s", escaped);
    bool good = od_client_call(client, "GET", path, NULL, &reply);
    yyjson_val *first =
        yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(reply.doc), "data"));
    snprintf(id, id_bytes, "%s", od_json_text(first, "id", ""));
    od_reply_free(&reply);
    return good;
}

static int put_agent(struct od_client *client, const char *text, const char *name, bool json)
{
    char id[64], path[100];
    if (!find_agent(client, name, id, sizeof id))
        return OD_EXIT_FAILED;
    snprintf(path, sizeof path, *id ? AGENTS "/%s" : AGENTS "%s", id);
    struct od_reply reply;
    bool good = od_client_call(client, *id ? "PUT" : "POST", path, text, &reply);
    if (good && json)
        od_reply_print(&reply);
    else if (good)
        printf("%s\n", od_json_text(yyjson_doc_get_root(reply.doc), "id", ""));
    if (good)
        od_cli_note("agent %s %s", name, *id ? "replaced" : "created");
    od_reply_free(&reply);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

static int verb_put(int argc, char **argv)
{
    struct od_cli_common common = {0};
    const char *words[2];
    char name[OD_NAME_MAX * 2];
    size_t bytes;
    int code = od_args_read(&(struct od_args){.verb = "agent put",
                                              .usage = "FILE",
                                              .examples = "examples:\n"
                                                          "  outdial agent put reminder.json\n",
                                              .common = &common,
                                              .words_min = 1,
                                              .words_max = 1,
                                              .words = words},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    char *text = read_document(words[0], &bytes);
    if (!text)
        return OD_EXIT_FAILED;
    struct od_client *client = NULL;
    code = OD_EXIT_FAILED;
    if (check_document(words[0], text, bytes, name, sizeof name)) {
        code = od_client_open(&client, &common);
        if (code == OD_EXIT_NONE)
            code = put_agent(client, text, name, common.json);
    }
    od_client_close(client);
    free(text);
    return code;
}

static int verb_list(int argc, char **argv)
{
    static const struct od_column columns[] = {
        {"ID", "id"},
        {"NAME", "name"},
        {"KIND", "outdial.agent.kind"},
        {"STATE", "live.state"},
        {"NUMBER", "number"},
        {"UPDATED", "updated_at"},
    };
    struct od_cli_common common = {0};
    int code = od_args_read(&(struct od_args){.verb = "agent list",
                                              .usage = "",
                                              .examples = "examples:\n  outdial agent list\n",
                                              .common = &common},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    return od_list_show(&common, &(struct od_list){AGENTS "?limit=1000", columns,
                                                   sizeof columns / sizeof *columns,
                                                   "no agents yet: outdial agent put FILE"});
}

static int verb_show(int argc, char **argv)
{
    struct od_cli_common common = {0};
    const char *words[2];
    int code = od_args_read(&(struct od_args){.verb = "agent show",
                                              .usage = "NAME",
                                              .examples = "examples:\n"
                                                          "  outdial agent show reminder\n",
                                              .common = &common,
                                              .words_min = 1,
                                              .words_max = 1,
                                              .words = words},
                            argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    struct od_client *client;
    code = od_client_open(&client, &common);
    if (code != OD_EXIT_NONE)
        return code;
    char id[64], path[100];
    struct od_reply reply = {0};
    bool good = find_agent(client, words[0], id, sizeof id);
    if (good && !*id) {
        od_cli_error("there is no agent named '%.100s'", words[0]);
        good = false;
    }
    snprintf(path, sizeof path, AGENTS "/%s", id);
    good = good && od_client_call(client, "GET", path, NULL, &reply);
    char *pretty = good ? yyjson_write(reply.doc, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL) : NULL;
    if (good)
        printf("%s\n", pretty ? pretty : reply.body);
    free(pretty);
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

/* ---- while it is at work ---- */

/* One request about the agent of that name. said: what is told of it; NULL: its state. */
static int change(const struct od_cli_common *common, const char *name, const char *method,
                  const char *end, const char *body, const char *said)
{
    char id[64], path[100];
    struct od_client *client;
    struct od_reply reply = {0};
    int code = od_client_open(&client, common);
    if (code != OD_EXIT_NONE)
        return code;
    bool good = find_agent(client, name, id, sizeof id);
    if (good && !*id) {
        od_cli_error("there is no agent named '%.100s'", name);
        good = false;
    }
    snprintf(path, sizeof path, AGENTS "/%s%s", id, end);
    good = good && od_client_call(client, method, path, body, &reply);
    if (good && common->json)
        od_reply_print(&reply);
    else if (good)
        od_cli_note("agent %.100s: %s", name,
                    said ? said
                         : od_json_text(yyjson_doc_get_root(reply.doc), "live.state", "changed"));
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

static int order(int argc, char **argv, const char *verb, const char *end)
{
    struct od_cli_common common = {0};
    const char *words[2];
    char name[32], example[64];
    snprintf(name, sizeof name, "agent %s", verb);
    snprintf(example, sizeof example, "examples:\n  outdial agent %s reminder\n", verb);
    int code = od_args_read(&(struct od_args){.verb = name,
                                              .usage = "NAME",
                                              .examples = example,
                                              .common = &common,
                                              .words_min = 1,
                                              .words_max = 1,
                                              .words = words},
                            argc, argv);
    return code != OD_EXIT_NONE ? code : change(&common, words[0], "POST", end, NULL, NULL);
}

static int verb_pause(int argc, char **argv)
{
    return order(argc, argv, "pause", "/pause");
}

static int verb_resume(int argc, char **argv)
{
    return order(argc, argv, "resume", "/resume");
}

static int verb_drain(int argc, char **argv)
{
    return order(argc, argv, "drain", "/drain");
}

static int verb_limits(int argc, char **argv)
{
    struct od_cli_limits limits = {.max_calls = UINT32_MAX};
    struct od_cli_common common = {0};
    const char *words[2];
    char members[96], body[128];
    const struct od_arg table[] = {
        {"--cps", OD_ARG_RATE, &limits.cps_milli, "N  calls per second, over all processes"},
        {"--no-cps", OD_ARG_FLAG, &limits.no_cps, "no rate of its own any more"},
        {"--max-calls", OD_ARG_U32, &limits.max_calls,
         "N  calls at once, over all processes; 0: no cap"},
        {0},
    };
    int code = od_args_read(
        &(struct od_args){.verb = "agent limits",
                          .usage = "NAME [--cps N | --no-cps] [--max-calls N]",
                          .examples = "examples:\n"
                                      "  outdial agent limits reminder --cps 2.5 --max-calls 20\n",
                          .table = table,
                          .common = &common,
                          .words_min = 1,
                          .words_max = 1,
                          .words = words},
        argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!od_cli_limits_text(&limits, members, sizeof members)) {
        od_cli_error("agent limits: say what: --cps, --no-cps or --max-calls");
        return OD_EXIT_USAGE;
    }
    snprintf(body, sizeof body, "{\"outdial\":{%s}}", members);
    return change(&common, words[0], "PATCH", "", body, "limits changed");
}

int od_verb_agent(int argc, char **argv)
{
    static const struct od_verb verbs[] = {
        {"put", verb_put, "FILE: create the agent of that name, or replace it"},
        {"list", verb_list, "all agents"},
        {"show", verb_show, "NAME: its document"},
        {"pause", verb_pause, "NAME: no new calls; those under way go on"},
        {"drain", verb_drain, "NAME: the same, and show when the last has ended"},
        {"resume", verb_resume, "NAME: calls again"},
        {"limits", verb_limits,
         "NAME --cps N --max-calls N: change its rate and cap while it works"},
        {0},
    };
    return od_verb_run("agent", verbs, argc, argv);
}

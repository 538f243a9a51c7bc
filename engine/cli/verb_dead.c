/*
 * outdial dead - what could not be read and was set aside.
 */
#include <stdio.h>

#include "engine/cli/client.h"
#include "engine/cli/list.h"

#define DEAD "/outdial/v1/dead"

static int change(int argc, char **argv, const struct od_args *args, const char *method,
                  const char *tail, const char *done)
{
    const char *const *words = args->words;
    char path[600], escaped[400];
    int code = od_args_read(args, argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    if (!od_url_escape(words[0], escaped, sizeof escaped)) {
        od_cli_error("the id is too long to be one of 'outdial dead list'");
        return OD_EXIT_FAILED;
    }
    struct od_client *client;
    code = od_client_open(&client, args->common);
    if (code != OD_EXIT_NONE)
        return code;
    snprintf(path, sizeof path, DEAD "/%s%s", escaped, tail);
    struct od_reply reply;
    bool good = od_client_call(client, method, path, NULL, &reply);
    if (good)
        od_cli_note("%s %s", words[0], done);
    od_reply_free(&reply);
    od_client_close(client);
    return good ? OD_EXIT_OK : OD_EXIT_FAILED;
}

static int verb_requeue(int argc, char **argv)
{
    struct od_cli_common common = {0};
    const char *words[2];
    return change(argc, argv,
                  &(struct od_args){.verb = "dead requeue",
                                    .usage = "ID",
                                    .examples = "examples:\n  outdial dead requeue "
                                                "0193c1a2-4b5c-7d6e-8f90-a1b2c3d4e5f6\n",
                                    .common = &common,
                                    .words_min = 1,
                                    .words_max = 1,
                                    .words = words},
                  "POST", "/requeue", "is in line again");
}

static int verb_drop(int argc, char **argv)
{
    struct od_cli_common common = {0};
    const char *words[2];
    return change(argc, argv,
                  &(struct od_args){.verb = "dead drop",
                                    .usage = "ID",
                                    .examples = "examples:\n  outdial dead drop "
                                                "0193c1a2-4b5c-7d6e-8f90-a1b2c3d4e5f6\n",
                                    .common = &common,
                                    .words_min = 1,
                                    .words_max = 1,
                                    .words = words},
                  "DELETE", "", "is gone");
}

static int verb_list(int argc, char **argv)
{
    static const struct od_column columns[] = {
        {"ID", "id"}, {"KIND", "kind"}, {"SINCE", "at"}, {"REASON", "reason"}};
    const struct od_list list = {DEAD, columns, sizeof columns / sizeof *columns,
                                 "nothing was set aside"};
    return od_list_pages(argc, argv, "dead list", &list);
}

int od_verb_dead(int argc, char **argv)
{
    static const struct od_verb verbs[] = {
        {"list", verb_list, "what could not be read, newest first, and why"},
        {"requeue", verb_requeue, "ID: read it again, and if that goes, it is in line as before"},
        {"drop", verb_drop, "ID: delete it for good"},
        {0},
    };
    return od_verb_run("dead", verbs, argc, argv);
}

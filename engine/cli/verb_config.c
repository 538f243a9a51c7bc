/*
 * outdial config - looks at a configuration without serving: `check` says what is wrong with a
 * file, `dump` what is in effect.
 */
#include <stdio.h>
#include <string.h>

#include "engine/cli/cli.h"
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

int od_verb_config(int argc, char **argv)
{
    static const struct od_verb verbs[] = {
        {"check", verb_check, "FILE: everything wrong with it, with line and column"},
        {"dump", verb_dump, "the effective values, secrets hidden"},
        {0},
    };
    return od_verb_run("config", verbs, argc, argv);
}

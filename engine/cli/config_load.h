/*
 * config_load - the configuration for the verbs that need one (serve, config): flags and file are
 * read, everything wrong is told on stderr, a line each.
 */
#ifndef ENGINE_CLI_CONFIG_LOAD_H
#define ENGINE_CLI_CONFIG_LOAD_H

#include "engine/cli/cli.h"
#include "outdial/config.h"

/* argv[0] is the verb, named `verb`; file (may be NULL) is used unless --config is there. Takes
 * every flag of engine/host/options and --config, and --json when json is not NULL. OD_EXIT_NONE
 * and *out, or an exit code: help was shown (OK), a flag is wrong (USAGE), the rest is (CONFIG). */
int od_config_load(struct od_config **out, const char *verb, const char *examples, const char *file,
                   bool *json, int argc, char **argv);

struct od_options_problems;

/* Loads it again as od_config_load() did last: the same file, flags and environment. 0, or an error
 * of outdial/err.h with the reasons in problems, which was empty before. */
int od_config_reload(struct od_config **out, struct od_options_problems *problems);

#endif

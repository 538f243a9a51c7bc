/*
 * config_load - see config_load.h.
 */
#include "engine/cli/config_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/host/options.h"
#include "outdial/err.h"
#include "proto/zone/zone.h"

enum { FLAGS_MAX = 64 };

struct given {
    const char *file;
    bool *json;
    struct od_options_flag flags[FLAGS_MAX];
    size_t count;
};

static void print_help(const char *verb, const char *examples, bool json)
{
    printf("%s\nusage: outdial %s [--config FILE] [options]\n\noptions:\n", examples, verb);
    printf("  %-34s %s\n", "--config FILE", "the configuration, YAML (OUTDIAL_CONFIG)");
    if (json)
        printf("  %-34s %s\n", "--json", "print JSON");
    od_options_print_flags(stdout);
    printf("\nflag beats environment beats file beats default\n");
}

/* "--name value" and "--name=value". */
static int take_flag(const char *verb, struct given *given, int argc, char **argv, int *i)
{
    char name[96];
    const char *text = argv[*i], *equals = strchr(text, '=');
    size_t bytes = equals ? (size_t)(equals - text) : strlen(text);
    if (bytes < 3 || text[0] != '-' || text[1] != '-' || bytes - 2 >= sizeof name) {
        od_cli_error("%s: unexpected '%.60s'", verb, text);
        return OD_EXIT_USAGE;
    }
    memcpy(name, text + 2, bytes - 2);
    name[bytes - 2] = 0;
    if (given->json && !equals && strcmp(name, "json") == 0) {
        *given->json = true;
        return OD_EXIT_NONE;
    }
    const char *key = od_options_flag_key(name);
    bool is_config = strcmp(name, "config") == 0;
    if (!key && !is_config) {
        const char *near = od_options_flag_near(name);
        od_cli_error("%s: unknown option '--%s'%s%s%s", verb, name, near ? "; did you mean --" : "",
                     near ? near : "", near ? "?" : "");
        return OD_EXIT_USAGE;
    }
    const char *value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    if (!value || given->count == FLAGS_MAX) {
        od_cli_error("%s: --%s needs a value", verb, name);
        return OD_EXIT_USAGE;
    }
    if (is_config)
        given->file = value;
    else
        given->flags[given->count++] = (struct od_options_flag){.key = key, .value = value};
    return OD_EXIT_NONE;
}

static struct given given;

int od_config_reload(struct od_config **out, struct od_options_problems *problems)
{
    struct od_zones *zones;
    int err = od_zones_create(&zones);
    if (err)
        return err;
    err = od_options_load(out,
                          &(struct od_options_input){.file = given.file,
                                                     .env = od_options_getenv,
                                                     .zones = od_zones_port(zones),
                                                     .flags = given.flags,
                                                     .flag_count = given.count},
                          problems);
    od_zones_destroy(zones);
    return err;
}

int od_config_load(struct od_config **out, const char *verb, const char *examples, const char *file,
                   bool *json, int argc, char **argv)
{
    given = (struct given){.file = file ? file : getenv("OUTDIAL_CONFIG"), .json = json};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(verb, examples, json != NULL);
            return OD_EXIT_OK;
        }
        int code = take_flag(verb, &given, argc, argv, &i);
        if (code != OD_EXIT_NONE)
            return code;
    }
    if (given.file && !*given.file)
        given.file = NULL;

    static struct od_options_problems problems;
    int err = od_config_reload(out, &problems);
    unsigned kept =
        problems.count < OD_OPTIONS_PROBLEMS_MAX ? problems.count : OD_OPTIONS_PROBLEMS_MAX;
    for (unsigned i = 0; err && i < kept; i++)
        fprintf(stderr, "%s\n", problems.line[i]);
    if (err && problems.count > kept)
        fprintf(stderr, "... and %u more\n", problems.count - kept);
    if (err == OD_ENOMEM)
        od_cli_error("no memory");
    return err ? OD_EXIT_CONFIG : OD_EXIT_NONE;
}

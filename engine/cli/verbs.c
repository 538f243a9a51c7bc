/*
 * verbs - finds the verb that was meant in a table of them.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/cli/cli.h"

enum { VERBS_MAX = 32 };

void od_verbs_print(FILE *out, const char *parent, const struct od_verb *list)
{
    for (const struct od_verb *v = list; v->name; v++)
        fprintf(out, "  outdial %s%s%-10s %s\n", parent, *parent ? " " : "", v->name, v->line);
}

/* What a group of verbs is for, by its commonest uses. */
static const struct {
    const char *parent, *examples;
} groups[] = {
    {"config", "  outdial config check outdial.yaml\n"
               "  outdial config dump --config outdial.yaml\n"},
    {"campaign", "  outdial campaign run patients.csv --agent reminder --cps 5\n"
                 "  outdial campaign status 0193c1a2-4b5c-7d6e-8f90-a1b2c3d4e5f6\n"},
    {"call", "  outdial call new +15550001111 --agent reminder --watch\n"
             "  outdial call trace 0193c1a2-4b5c-7d6e-8f90-a1b2c3d4e5f6\n"},
    {"agent", "  outdial agent put reminder.json\n"
              "  outdial agent drain reminder\n"},
    {"key", "  outdial key create --org clinic --scope read,dial\n"},
    {"suppress", "  outdial suppress add +15550001111\n"},
    {"dead", "  outdial dead list\n"},
};

static void print_examples(const char *parent)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (strcmp(groups[i].parent, parent) == 0)
            printf("examples:\n%s\n", groups[i].examples);
}

int od_verb_run(const char *parent, const struct od_verb *list, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name &&
        (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)) {
        print_examples(parent);
        od_verbs_print(stdout, parent, list);
        printf("\neach has --help\n");
        return OD_EXIT_OK;
    }
    const char *names[VERBS_MAX + 1];
    size_t count = 0;
    for (const struct od_verb *v = list; v->name && count < VERBS_MAX; v++) {
        if (name && strcmp(v->name, name) == 0)
            return v->run(argc - 1, argv + 1);
        names[count++] = v->name;
    }
    names[count] = NULL;
    const char *near = name ? od_str_nearest(name, names) : NULL;
    if (name)
        od_cli_error("unknown verb '%s%s%.60s'%s%s%s", parent, *parent ? " " : "", name,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    else
        od_cli_error("%s%sa verb is missing", parent, *parent ? ": " : "");
    od_verbs_print(stderr, parent, list);
    return OD_EXIT_USAGE;
}

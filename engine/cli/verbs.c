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

int od_verb_run(const char *parent, const struct od_verb *list, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name &&
        (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)) {
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

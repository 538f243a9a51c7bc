/*
 * list - the verbs that show a list of the API as a table.
 */
#ifndef ENGINE_CLI_LIST_H
#define ENGINE_CLI_LIST_H

#include "engine/cli/cli.h"
#include "engine/cli/show.h"

struct od_list {
    const char *path; /* "/outdial/v1/..", with its query; its "data" is shown */
    const struct od_column *columns;
    size_t count;
    const char *none; /* said when there is nothing */
};

/* Asks for the list and shows it, or with --json the answer. An exit code. */
int od_list_show(const struct od_cli_common *common, const struct od_list *list);

/* A whole verb ("dead list") whose list comes in pages, with --cursor. list->path has no query. */
int od_list_pages(int argc, char **argv, const char *verb, const struct od_list *list);

#endif

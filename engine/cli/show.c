/*
 * show - see show.h.
 */
#include "engine/cli/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cli/cli.h"
#include "engine/cli/term.h"

enum { CELL_BYTES = 200, COLUMNS_MAX = 12 };

const char *od_show_value(yyjson_val *value, char *out, size_t out_bytes)
{
    *out = 0;
    if (yyjson_is_str(value)) {
        od_term_safe(yyjson_get_str(value), out, out_bytes);
    } else if (value && !yyjson_is_null(value)) {
        char *text = yyjson_val_write(value, 0, NULL);
        if (text)
            od_term_safe(text, out, out_bytes);
        free(text);
    }
    return out;
}

void od_show_object(yyjson_val *object)
{
    yyjson_val *key, *value;
    size_t i, count;
    char text[2000];
    if (!yyjson_is_obj(object))
        return;
    yyjson_obj_foreach(object, i, count, key, value)
    {
        if (!yyjson_is_null(value))
            printf("%-16s %s\n", yyjson_get_str(key), od_show_value(value, text, sizeof text));
    }
}

static yyjson_val *member(yyjson_val *object, const char *path)
{
    while (object && *path) {
        size_t bytes = strcspn(path, ".");
        object = yyjson_obj_getn(object, path, bytes);
        path += bytes + (path[bytes] == '.');
    }
    return object;
}

void od_show_table_on(FILE *out, yyjson_val *list, const struct od_column *columns, size_t count)
{
    size_t widths[COLUMNS_MAX], i, rows;
    char cell[CELL_BYTES];
    yyjson_val *row;
    for (size_t c = 0; c < count; c++)
        widths[c] = strlen(columns[c].title);
    yyjson_arr_foreach(list, i, rows, row)
    {
        for (size_t c = 0; c < count; c++) {
            size_t bytes = strlen(od_show_value(member(row, columns[c].path), cell, sizeof cell));
            widths[c] = bytes > widths[c] ? bytes : widths[c];
        }
    }
    for (size_t c = 0; c < count; c++)
        fprintf(out, "%s%-*s%s%s", od_term_color(OD_TERM_BOLD), c + 1 < count ? (int)widths[c] : 0,
                columns[c].title, od_term_color(OD_TERM_PLAIN), c + 1 < count ? "  " : "\n");
    yyjson_arr_foreach(list, i, rows, row)
    {
        for (size_t c = 0; c < count; c++)
            fprintf(out, "%-*s%s", c + 1 < count ? (int)widths[c] : 0,
                    od_show_value(member(row, columns[c].path), cell, sizeof cell),
                    c + 1 < count ? "  " : "\n");
    }
}

void od_show_table(yyjson_val *list, const struct od_column *columns, size_t count,
                   const char *none)
{
    if (yyjson_arr_size(list) == 0)
        od_cli_note("%s", none);
    else
        od_show_table_on(stdout, list, columns, count);
}

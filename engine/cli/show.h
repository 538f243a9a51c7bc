/*
 * show - JSON answers as text for people: an object as lines, a list as a table.
 */
#ifndef ENGINE_CLI_SHOW_H
#define ENGINE_CLI_SHOW_H

#include <stdio.h>

#include <yyjson.h>

/* A member's value in one line: text as it is, other things as JSON, control characters masked;
 * "" when it is not there or null. Returns out. */
const char *od_show_value(yyjson_val *value, char *out, size_t out_bytes);

/* "key   value" for every member that has a value. */
void od_show_object(yyjson_val *object);

/* Columns are members by name (dotted paths); widths fit the content. `none` is said on stderr when
 * the list is empty. */
struct od_column {
    const char *title, *path;
};
void od_show_table(yyjson_val *list, const struct od_column *columns, size_t count,
                   const char *none);
/* The same, anywhere; an empty list is a heading alone. */
void od_show_table_on(FILE *out, yyjson_val *list, const struct od_column *columns, size_t count);

#endif

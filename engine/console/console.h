/*
 * console - the files of the web console, which is a client of the native API and no more: a page
 * without data, served to anybody; what it shows it asks for with the key that is typed into it.
 */
#ifndef ENGINE_CONSOLE_CONSOLE_H
#define ENGINE_CONSOLE_CONSOLE_H

#include <stddef.h>

struct od_console_file {
    const char *name; /* "console.js"; NULL ends the list */
    const char *at;
    size_t bytes;
};

/* Made at build time. */
extern const struct od_console_file od_console_files[];

/* NULL: no such file. */
const struct od_console_file *od_console_find(const char *name);

/* The media type by the name's ending. */
const char *od_console_type(const struct od_console_file *file);

#endif

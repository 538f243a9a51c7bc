/* console - see console.h. */
#include "engine/console/console.h"

#include <string.h>

const struct od_console_file *od_console_find(const char *name)
{
    for (const struct od_console_file *file = od_console_files; file->name; file++) {
        if (strcmp(file->name, name) == 0)
            return file;
    }
    return NULL;
}

const char *od_console_type(const struct od_console_file *file)
{
    const char *ending = strrchr(file->name, '.');
    if (ending && strcmp(ending, ".js") == 0)
        return "text/javascript; charset=utf-8";
    return ending && strcmp(ending, ".css") == 0 ? "text/css; charset=utf-8"
                                                 : "text/html; charset=utf-8";
}

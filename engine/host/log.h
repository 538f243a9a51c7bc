/*
 * log - one line per fact on stderr: JSON when it is read by a machine, text when by a person.
 *
 * A line has a level, a logger's name (the module), a message and fields. Numbers of callees are
 * masked unless the level is debug; secrets have no way in: callers pass fields by name, never
 * whole requests. Repeats of one message from one place can be thinned by the caller.
 *
 * Global on purpose: a process has one stderr. The engine below knows nothing of it.
 */
#ifndef ENGINE_HOST_LOG_H
#define ENGINE_HOST_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "outdial/config.h"

/* Before the first line. format AUTO looks at stderr. */
void od_log_init(enum od_config_log_level level, enum od_config_log_format format);

bool od_log_enabled(enum od_config_log_level level);

/* A field: text (not NULL) or number, by constructor. */
struct od_log_field {
    const char *name;
    const char *text;
    int64_t number;
};
#define OD_LOG_TEXT(n, t) ((struct od_log_field){.name = (n), .text = (t)})
#define OD_LOG_NUMBER(n, v) ((struct od_log_field){.name = (n), .number = (int64_t)(v)})

/* Fields end with one whose name is NULL; NULL: none. */
void od_log_fields(enum od_config_log_level level, const char *logger, const char *message,
                   const struct od_log_field *fields);

/* One formatted message, no fields. */
void od_log(enum od_config_log_level level, const char *logger, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

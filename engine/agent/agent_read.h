/*
 * agent_read - reading a JSON document with a memory of where one is: typed readers that, on the
 * first mistake, write the JSON pointer, what was expected and what was found. Private to
 * engine/agent.
 *
 * Lifetime: a reader lives on the stack of the parse; nothing it holds outlives it.
 */
#ifndef ENGINE_AGENT_AGENT_READ_H
#define ENGINE_AGENT_AGENT_READ_H

#include <yyjson.h>

#include "engine/agent/agent_def.h"

struct od_agent_reader {
    struct od_agent_problem *problem; /* where the first mistake goes */
    char at[sizeof((struct od_agent_problem *)0)->pointer];
    size_t depth; /* bytes of `at` in use */
};

void od_agent_reader_init(struct od_agent_reader *reader, struct od_agent_problem *problem);

/* Steps into a key or an element; what it returns is given to leave(). */
size_t od_agent_enter(struct od_agent_reader *reader, const char *key);
size_t od_agent_enter_index(struct od_agent_reader *reader, size_t index);
void od_agent_leave(struct od_agent_reader *reader, size_t mark);

/* Notes that the value at the present place is not `expected`. Returns OD_EINVAL. */
int od_agent_refuse(struct od_agent_reader *reader, const char *expected, yyjson_val *found);
int od_agent_refuse_text(struct od_agent_reader *reader, const char *expected, const char *found);

/* Every key of the object is one of `known` (NULL-terminated) and comes once. */
int od_agent_keys(struct od_agent_reader *reader, yyjson_val *object, const char *const *known);

/* A member that may be missing (0 and *out untouched), but is of its kind when it is there. */
int od_agent_uint(struct od_agent_reader *reader, yyjson_val *object, const char *key, uint32_t min,
                  uint32_t max, uint32_t *out);
/* Calls per second, 0 to 100,000, as thousandths; what is above 0 is at least one. */
int od_agent_rate(struct od_agent_reader *reader, yyjson_val *object, const char *key,
                  uint32_t *out_milli);
int od_agent_bool(struct od_agent_reader *reader, yyjson_val *object, const char *key, bool *out);

/* Text with no NUL inside, min_bytes..max_bytes; null counts as missing. */
int od_agent_text(struct od_agent_reader *reader, yyjson_val *object, const char *key,
                  size_t min_bytes, size_t max_bytes, const char **out);

#endif

/*
 * agent_steps - the "steps" array of a script agent read into structs. Private to engine/agent.
 *
 * Lifetime: the texts in the steps are borrowed from the JSON document, which must outlive them;
 * the arrays and the choices' JSON belong to the steps and die in od_agent_steps_free().
 */
#ifndef ENGINE_AGENT_AGENT_STEPS_H
#define ENGINE_AGENT_AGENT_STEPS_H

#include "engine/agent/agent_read.h"

/* OD_EINVAL with the problem noted; OD_ENOMEM. On error nothing is left to free. */
int od_agent_steps_read(struct od_agent_reader *reader, yyjson_val *array,
                        struct od_agent_step **out, uint32_t *count);

/* "voice" of an agent or of a say, untouched when it isn't there: a name that can be an argument of
 * the synthesiser. */
int od_agent_read_voice(struct od_agent_reader *reader, yyjson_val *object, const char **out);

void od_agent_steps_free(struct od_agent_step *steps, uint32_t count);

#endif

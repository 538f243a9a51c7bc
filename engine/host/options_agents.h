/*
 * options_agents - the agents that the configuration makes. An agent's fields are the API's: it is
 * kept as the document that a request would bring, and refused for what the API would refuse, in
 * the same words. Private to engine/host/options*.c.
 */
#ifndef ENGINE_HOST_OPTIONS_AGENTS_H
#define ENGINE_HOST_OPTIONS_AGENTS_H

#include "engine/host/options_read.h"

/* OD_OPTION_NODE's take_node: the list becomes documents. */
void od_options_take_agents(struct od_reader *r, void *base, const struct od_source *source);

/* Once all else is read. */
void od_options_check_agents(struct od_reader *r, const struct od_config *config,
                             const struct od_yaml_node *root);

#endif

/*
 * options_trunk - the parts of a trunk's configuration that are more than one value. Private to
 * engine/host/options*.c.
 */
#ifndef ENGINE_HOST_OPTIONS_TRUNK_H
#define ENGINE_HOST_OPTIONS_TRUNK_H

#include "engine/host/options_read.h"

/* take_node functions of struct od_config_trunk */
void od_take_limit(struct od_reader *r, void *base, const struct od_source *source);
void od_take_verdicts(struct od_reader *r, void *base, const struct od_source *source);

/* The word of the file for a rule's verdict. */
const char *od_verdict_word(const struct od_verdict_rule *rule);

#endif

/*
 * options_breakers - what a rule of breakers looks like in the file. Private to
 * engine/host/options*.c.
 */
#ifndef ENGINE_HOST_OPTIONS_BREAKERS_H
#define ENGINE_HOST_OPTIONS_BREAKERS_H

#include "engine/host/options_read.h"

extern const struct od_option od_breaker_table[]; /* base struct od_config_breaker */

/* What no single key can say. */
void od_finish_breaker(struct od_reader *r, void *item, const struct od_source *source);

#endif

/*
 * options_change - in which keys two configurations differ, and which of those can be taken over by
 * a process that runs. Pure but for what it is told to tell.
 */
#ifndef ENGINE_HOST_OPTIONS_CHANGE_H
#define ENGINE_HOST_OPTIONS_CHANGE_H

#include <stdbool.h>

#include "outdial/config.h"

/* Says of each key that differs whether it takes effect now. What doesn't is given the old value in
 * `fresh`, so that it is in effect as a whole; both live as long then. */
void od_options_settle(const struct od_config *old, struct od_config *fresh,
                       void (*tell)(void *ctx, const char *key, bool now), void *ctx);

bool od_config_trunk_same(const struct od_config_trunk *a, const struct od_config_trunk *b);

#endif

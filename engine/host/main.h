/*
 * main - the daemon: opens every part, wires them, runs the loop until it is told to end.
 */
#ifndef ENGINE_HOST_MAIN_H
#define ENGINE_HOST_MAIN_H

#include "outdial/config.h"

struct od_options_problems;

/* Loads the configuration anew, from where the first one came. Not 0: problems says why. */
typedef int (*od_serve_load_fn)(struct od_config **out, struct od_options_problems *problems);

/* Runs until SIGTERM or SIGINT; SIGHUP takes another configuration over, or says why not. 0: ended
 * as asked; 1: could not start, or had to give up; the reason was logged as one line. The
 * configuration is borrowed. */
int od_serve(const struct od_config *config, od_serve_load_fn load);

#endif

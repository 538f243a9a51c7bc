/*
 * main - the daemon: opens every part, wires them, runs the loop until it is told to end.
 */
#ifndef ENGINE_HOST_MAIN_H
#define ENGINE_HOST_MAIN_H

#include "outdial/config.h"

/* Runs until SIGTERM or SIGINT. 0: ended as asked; 1: could not start, or had to give up; the
 * reason was logged as one line. The configuration is borrowed. */
int od_serve(const struct od_config *config);

#endif

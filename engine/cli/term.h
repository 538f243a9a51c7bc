/*
 * term - what goes to the terminal: one live line on stderr while something runs, tables on stdout,
 * colour where it is wanted. On anything but a terminal the live line becomes a plain line every
 * few seconds, so that a log stays readable.
 */
#ifndef ENGINE_CLI_TERM_H
#define ENGINE_CLI_TERM_H

#include "outdial/types.h"

/* Colour is off with --no-color, NO_COLOR (any value but empty), TERM=dumb, or no terminal. */
void od_term_init(bool no_color);

enum od_term_color { OD_TERM_PLAIN, OD_TERM_BOLD, OD_TERM_GREEN, OD_TERM_YELLOW, OD_TERM_RED };

/* The escape for stdout, "" when colour is off. */
const char *od_term_color(enum od_term_color color);

/* Shows the line in place of the last one. On no terminal: at most one every 5 s. */
void od_term_live(const char *line);
/* Takes the live line away, for other output. */
void od_term_live_end(void);

/* A screen of its own on stdout, left as it was found: begin, paint as often as wanted, end. Text
 * is whole lines; what does not fit in the window is cut. On no terminal, painting appends. */
void od_term_screen_begin(void);
void od_term_screen_paint(const char *text);
void od_term_screen_end(void);

/* "[#####.....]" of width cells; done of total. Returns out. */
const char *od_term_bar(uint64_t done, uint64_t total, unsigned width, char *out, size_t out_bytes);

/* "1 h 02 min", "3 min 20 s", "8 s". Returns out. */
const char *od_term_duration(uint64_t seconds, char *out, size_t out_bytes);

/* Both ends of a question are a terminal. */
bool od_term_can_ask(void);
/* "question [y/N] " on stderr; true for y or yes. */
bool od_term_ask(const char *question);

/* Text of others for a line of ours: control characters become '?'. Returns out. */
const char *od_term_safe(const char *text, char *out, size_t out_bytes);

#endif

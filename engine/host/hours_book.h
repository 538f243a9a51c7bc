/*
 * hours_book - when callees may be called: the legal hours of the configuration by each callee's
 * own clock, that of its call's zone or else those of all zones its number may ring in. Windows are
 * remembered per set of zones until they change, so that asking for a claimed call costs a look-up.
 *
 * Lifetime: owned by the host; the zones' port outlives it. Strings are borrowed for the call.
 */
#ifndef ENGINE_HOST_HOURS_BOOK_H
#define ENGINE_HOST_HOURS_BOOK_H

#include "outdial/rules.h"

struct od_hours_book;

/* daily: copied; without a block: always open. OD_ENOMEM. */
int od_hours_book_create(struct od_hours_book **out, const struct od_zone_port *zones,
                         const struct od_hours *daily);
/* Other daily hours, from now on. */
void od_hours_book_daily(struct od_hours_book *book, const struct od_hours *daily);

void od_hours_book_destroy(struct od_hours_book *book); /* NULL is fine */

/* The callee's window at wall_ms. zone "": by the number. A number of which no zone is known may
 * be called at any time. */
struct od_window od_hours_book_callee(struct od_hours_book *book, const char *number,
                                      const char *zone, int64_t wall_ms);

/* The window of an agent's schedule. A zone that is not known here never opens. */
struct od_window od_hours_book_schedule(struct od_hours_book *book, const struct od_hours *schedule,
                                        int64_t wall_ms);

#endif

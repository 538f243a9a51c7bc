/*
 * outbox_past - agents' documents of the past, opened and parsed, as long as rows in hand are made
 * of them: one for all the rows that share it, so that what a row holds of it is a pointer.
 *
 * Lifetime: a document from get() to the last put().
 */
#ifndef ENGINE_HOST_OUTBOX_PAST_H
#define ENGINE_HOST_OUTBOX_PAST_H

#include <yyjson.h>

#include "outdial/box.h"

struct od_outbox_past;

/* The document that was the agent's until the row `last`. org: whose secrets are in it; text: as it
 * was stored. NULL: it can't be read, or no memory. */
struct od_outbox_past *od_outbox_past_get(struct od_outbox_past **all,
                                          const struct od_box_port *box, const char *org,
                                          const struct od_uid *agent, uint64_t last,
                                          struct od_text text);
void od_outbox_past_put(struct od_outbox_past **all,
                        struct od_outbox_past *past); /* NULL is fine */
yyjson_val *od_outbox_past_root(const struct od_outbox_past *past);

#endif

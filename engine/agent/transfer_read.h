/*
 * transfer_read - how to hand a callee on (transfer.h), out of an agent's document, a script's step
 * or a bot's order. Pure.
 */
#ifndef ENGINE_AGENT_TRANSFER_READ_H
#define ENGINE_AGENT_TRANSFER_READ_H

#include <yyjson.h>

#include "engine/agent/agent_read.h"

/* By REFER, 30 s, 2 h; nothing of it was said. */
void od_transfer_init(struct od_transfer *out);

/* The members mode, ring_timeout_s and max_duration_s over what is there. OD_EINVAL. */
int od_transfer_read(struct od_agent_reader *reader, yyjson_val *object, struct od_transfer *out);

/* The same and brief, brief_max_s, on_fail ("agent", "hangup") and on_end ("hangup", "agent"). */
int od_transfer_read_all(struct od_agent_reader *reader, yyjson_val *object,
                         struct od_transfer *out);

/* A bot's order: its options over `out`. json: an object, or empty. OD_EINVAL, with why. */
int od_transfer_parse(const char *json, size_t bytes, struct od_transfer *out, char *why,
                      size_t why_bytes);

#endif

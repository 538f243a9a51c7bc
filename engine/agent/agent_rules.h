/*
 * agent_rules - the parts of an agent's document that say when it may dial and when it tries again:
 * the vendor's `schedule` object and our `retry`. Private to those who read JSON documents:
 * engine/agent and, for a campaign's own retry, engine/api. Pure.
 *
 *   schedule  { "timezone": "Europe/Berlin", "mon": [ { "start": {"hour": 9, "minute": 0},
 *             "end": {"hour": 17, "minute": 30} }, ... ], ... "sun": [] }
 *   retry     { "max_attempts": 3, "on": { "busy": "15m", "no_answer": "2h" },
 *             "within": "schedule and deadline" }
 */
#ifndef ENGINE_AGENT_AGENT_RULES_H
#define ENGINE_AGENT_AGENT_RULES_H

#include "engine/agent/agent_read.h"
#include "outdial/rules.h"

/* NULL or null: no hours at all. An end of 23:59 is the end of the day. Whether the zone exists is
 * the asker's to find out, when od_hours_any(). */
int od_agent_hours_read(struct od_agent_reader *reader, yyjson_val *schedule, struct od_hours *out);

/* True when the hours close at some time of the week: only then the zone means something. */
bool od_agent_hours_any(const struct od_hours *hours);

/* NULL or null: *out is left as it is. */
int od_agent_retry_read(struct od_agent_reader *reader, yyjson_val *retry, struct od_retry *out);

/* A campaign's own rule (which may name `unknown`, too), from the outside: *problem has a pointer
 * relative to `retry`. */
int od_retry_parse(yyjson_val *retry, struct od_retry *out, struct od_agent_problem *problem);

/* "15m", "2h", "90s", "1d": at least 1 s, at most 30 days. False: none of these. */
bool od_duration_read(const char *text, uint32_t *seconds);

#endif

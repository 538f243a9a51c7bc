/*
 * call_meter - what calls' steps and SIP responses come to, for the metrics page: outcomes and
 * responses per trunk, and how long it took until phones rang and until they were answered. Fixed
 * memory.
 *
 * Lifetime: owned by the host; begins at zero with the process.
 */
#ifndef ENGINE_HOST_CALL_METER_H
#define ENGINE_HOST_CALL_METER_H

#include <stddef.h>

#include "outdial/ports.h"

struct od_call_meter;

/* Both as the engine's. OD_ENOMEM. */
int od_call_meter_create(struct od_call_meter **out, uint32_t calls_max, uint32_t trunks_max);
void od_call_meter_destroy(struct od_call_meter *meter); /* NULL is fine */

/* Every step of every call, in order; second legs are passed over. */
void od_call_meter_step(struct od_call_meter *meter, struct od_now now,
                        const struct od_step_view *view);
/* A response came from the trunk to a request of that method. A trunk that answers with more than
 * OD_METER_CODES different ones has the rest counted as code "other". */
enum { OD_METER_CODES = 48 };
void od_call_meter_response(struct od_call_meter *meter, uint32_t trunk, const char *method,
                            uint16_t status);

/* In Prometheus' text format: the bytes written. name(): of a trunk, NULL ends them. */
size_t od_call_meter_metrics(const struct od_call_meter *meter,
                             const char *(*name)(void *ctx, uint32_t trunk), void *ctx, char *out,
                             size_t size);

#endif

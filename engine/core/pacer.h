/*
 * pacer - the part of a turn that starts things: sends what is armed when its limiters open, arms
 * what is queued early enough to be durable by then, claims what will be wanted soon, and takes
 * back what may not be dialled any more. Everything is bounded by a budget; what is left stays on
 * the engine's lists.
 */
#ifndef ENGINE_CORE_PACER_H
#define ENGINE_CORE_PACER_H

#include "engine/core/engine_state.h"

/* Lanes that changed get their wishes set. */
void od_pacer_review(struct od_engine *engine);

void od_pacer_recall(struct od_engine *engine, uint32_t *budget);
void od_pacer_send(struct od_engine *engine, uint32_t *budget);
void od_pacer_arm(struct od_engine *engine, uint32_t *budget);
void od_pacer_claim(struct od_engine *engine, uint32_t *budget);

/* True when one of the above would do something if it were called again now. */
bool od_pacer_pending(const struct od_engine *engine);

#endif

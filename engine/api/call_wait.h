/*
 * call_wait - what a stored call's record can't know of its waiting: that its agent is disabled or
 * outside its schedule now, or that trunks are slow or full. Asked of the host when a call is
 * shown.
 */
#ifndef ENGINE_API_CALL_WAIT_H
#define ENGINE_API_CALL_WAIT_H

#include "engine/api/request.h"

/* Fills in phase, wait_reason and next_ms of a call that stands in line; others stay as they are.
 * What holds a whole lane makes the call waiting (contract: outside hours, agent disabled). */
void od_call_wait(const struct od_api *api, struct od_call_rec *rec);

#endif

/*
 * callingbox - the routes of /v1: the CallingBox dialect, snake_case over the same stored things as
 * the native one. One function a route, called as those of native.h are.
 */
#ifndef ENGINE_API_CALLINGBOX_H
#define ENGINE_API_CALLINGBOX_H

#include "engine/api/request.h"

/* callingbox_calls.c */
void od_callingbox_calls_create(struct od_request *q);
void od_callingbox_calls_list(struct od_request *q);
void od_callingbox_calls_show(struct od_request *q);
void od_callingbox_calls_cancel(struct od_request *q);
void od_callingbox_calls_transcript(struct od_request *q);

/* callingbox_agents.c */
void od_callingbox_agents_create(struct od_request *q);
void od_callingbox_agents_list(struct od_request *q);
void od_callingbox_agents_show(struct od_request *q);
void od_callingbox_agents_patch(struct od_request *q);
void od_callingbox_agents_archive(struct od_request *q);
void od_callingbox_attach(struct od_request *q);
void od_callingbox_detach(struct od_request *q);
void od_callingbox_primary(struct od_request *q);

/* callingbox_numbers.c */
void od_callingbox_numbers_list(struct od_request *q);
void od_callingbox_numbers_show(struct od_request *q);

#endif

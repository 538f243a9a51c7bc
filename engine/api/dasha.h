/*
 * dasha - the routes of /api/v1: the Dasha BlackBox dialect, camelCase over the same stored things
 * as the native one. One function a route, called as those of native.h are.
 */
#ifndef ENGINE_API_DASHA_H
#define ENGINE_API_DASHA_H

#include "engine/api/request.h"

/* dasha_agents.c */
void od_dasha_agents_list(struct od_request *q);
void od_dasha_agents_create(struct od_request *q);
void od_dasha_agents_show(struct od_request *q);
void od_dasha_agents_put(struct od_request *q);
void od_dasha_agents_delete(struct od_request *q);
void od_dasha_agents_clone(struct od_request *q);
void od_dasha_agents_template(struct od_request *q);

/* dasha_calls.c */
void od_dasha_calls_create(struct od_request *q);
void od_dasha_calls_show(struct od_request *q);
void od_dasha_calls_cancel(struct od_request *q);
void od_dasha_concurrency(struct od_request *q);

/* dasha_bulk.c */
void od_dasha_calls_bulk(struct od_request *q);

/* dasha_search.c */
void od_dasha_calls_queue(struct od_request *q);
void od_dasha_results_search(struct od_request *q);

/* dasha_numbers.c */
void od_dasha_credentials_create(struct od_request *q);
void od_dasha_credentials_list(struct od_request *q);
void od_dasha_credentials_show(struct od_request *q);
void od_dasha_credentials_put(struct od_request *q);
void od_dasha_credentials_delete(struct od_request *q);
void od_dasha_numbers_create(struct od_request *q);
void od_dasha_numbers_list(struct od_request *q);
void od_dasha_numbers_show(struct od_request *q);
void od_dasha_numbers_put(struct od_request *q);
void od_dasha_numbers_delete(struct od_request *q);
void od_dasha_link_put(struct od_request *q);
void od_dasha_link_delete(struct od_request *q);

/* What only a hosted vendor can do. */
void od_vendor_hosted_only(struct od_request *q);

#endif

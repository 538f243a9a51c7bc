/*
 * native - the resources of /outdial/v1 and the operator's pages, one function a route. Each is
 * called once with the request authorised, its query checked and its body read, and answers at some
 * time by one of the answering functions of engine/api/request.h.
 */
#ifndef ENGINE_API_NATIVE_H
#define ENGINE_API_NATIVE_H

#include <yyjson.h>

#include "engine/api/request.h"
#include "outdial/repo.h"

/* native_agents.c */
void od_agents_create(struct od_request *q);
void od_agents_list(struct od_request *q);
void od_agents_show(struct od_request *q);
void od_agents_replace(struct od_request *q);
void od_agents_patch(struct od_request *q);
void od_agents_delete(struct od_request *q);
void od_agents_pause(struct od_request *q);
void od_agents_resume(struct od_request *q);
void od_agents_drain(struct od_request *q);

/* Finds the agent that a document names by uid or name, then calls fn; answers the problem itself
 * when there is none. rec is borrowed. */
typedef void (*od_agent_ref_fn)(struct od_request *q, const struct od_agent_rec *rec);
void od_agent_ref(struct od_request *q, const char *ref, od_agent_ref_fn fn);

/* native_campaigns.c */
void od_campaigns_create(struct od_request *q);
void od_campaigns_list(struct od_request *q);
void od_campaigns_show(struct od_request *q);
void od_campaigns_patch(struct od_request *q);
void od_campaigns_cancel(struct od_request *q);
void od_campaigns_start(struct od_request *q);
void od_campaigns_pause(struct od_request *q);
void od_campaigns_drain(struct od_request *q);

/* native_numbers.c */
void od_numbers_create(struct od_request *q);
void od_numbers_list(struct od_request *q);
void od_numbers_show(struct od_request *q);
void od_numbers_patch(struct od_request *q);
void od_numbers_delete(struct od_request *q);

/* native_dead.c */
void od_dead_list(struct od_request *q);
void od_dead_requeue(struct od_request *q);
void od_dead_drop(struct od_request *q);

/* native_suppressions.c */
void od_suppressions_put(struct od_request *q);
void od_suppressions_list(struct od_request *q);
void od_suppressions_show(struct od_request *q);
void od_suppressions_remove(struct od_request *q);

/* native_why.c */
void od_calls_why(struct od_request *q);
void od_contacts_why(struct od_request *q);

/* native_calls.c */
void od_calls_create(struct od_request *q);
void od_calls_list(struct od_request *q);
void od_calls_show(struct od_request *q);
void od_calls_cancel(struct od_request *q);
void od_calls_hangup(struct od_request *q);
void od_calls_recording(struct od_request *q); /* download.c */
void od_calls_trace(struct od_request *q);
void od_contacts_list(struct od_request *q);
void od_contacts_show(struct od_request *q);

/* native_breakers.c: what holds calls back by how the last ones ended. */
void od_breakers_list(struct od_request *q);
void od_breakers_reset(struct od_request *q);
/* Those that the org may see: to be freed; NULL: no memory. */
struct od_api_breaker *od_breakers_table(struct od_request *q, size_t *count);
/* The member "breaker" of a campaign's, and of a trunk's answer: null while it is closed. */
void od_breakers_put_campaign(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_uid *campaign,
                              const struct od_api_breaker *all, size_t count);
void od_breakers_put_trunk(yyjson_mut_doc *doc, yyjson_mut_val *o,
                           const struct od_api_trunk *trunk);

/* native_ops.c */
void od_ops_livez(struct od_request *q);
void od_ops_readyz(struct od_request *q);
void od_ops_trunks(struct od_request *q);
void od_ops_trunk(struct od_request *q);
/* Trunks and the configuration are the operator's. False: its 403 is the answer. */
bool od_ops_operates(struct od_request *q);
void od_ops_trunk_patch(struct od_request *q);
void od_ops_trunk_pause(struct od_request *q);
void od_ops_trunk_resume(struct od_request *q);
void od_ops_trunk_drain(struct od_request *q);
void od_ops_limits(struct od_request *q);
void od_ops_config(struct od_request *q);

/* console.c */
void od_ops_console_slash(struct od_request *q);
void od_ops_console(struct od_request *q);
void od_ops_console_file(struct od_request *q);

/* openapi.c */
void od_ops_openapi(struct od_request *q);

/* native_keys.c */
void od_keys_create(struct od_request *q);
void od_keys_list(struct od_request *q);
void od_keys_revoke(struct od_request *q);

/* The host's trunks, to be freed; NULL: no memory. */
struct od_api_trunk *od_ops_trunk_table(struct od_api *api, size_t *count);

/* metrics.c */
void od_ops_metrics(struct od_request *q);

/* import.c */
void od_import_run(struct od_request *q);

/* hook_points.c: webhook endpoints, in two dialects */
void od_points_create(struct od_request *q);
void od_points_list(struct od_request *q);
void od_points_show(struct od_request *q);
void od_points_patch(struct od_request *q);
void od_points_delete(struct od_request *q);
void od_points_rotate(struct od_request *q);

/* hook_test.c: a webhook tried */
void od_hooks_test(struct od_request *q);

/* hook_rows.c: webhook deliveries, in two dialects */
void od_rows_list(struct od_request *q);
void od_rows_again(struct od_request *q);
void od_rows_replay(struct od_request *q);

/* sse.c */
void od_events_stream(struct od_request *q);

/* twilio.c */
void od_twilio_list(struct od_request *q);
void od_twilio_show(struct od_request *q);
void od_twilio_update(struct od_request *q);

#endif

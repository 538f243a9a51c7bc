/*
 * start_hook - the talk port with an agent's startWebhook in front of its hook(): the webhook is
 * asked first, blocking for this call only; what it accepts goes on to the talk's own hook, what it
 * refuses ends. The call's data are what the answer made of them.
 *
 * Lifetime: owned by the host; the talk and the asker outlive it.
 */
#ifndef ENGINE_HOST_START_HOOK_H
#define ENGINE_HOST_START_HOOK_H

#include "engine/host/hook_ask.h"
#include "outdial/event.h"
#include "outdial/ports.h"

struct od_job;
struct od_start_hooks;
struct yyjson_val;

struct od_start_hooks_config {
    struct od_hook_asker *asker;
    const struct od_talk_port *inner; /* borrowed */
    void *ctx;
    void (*post)(void *ctx, const struct od_event *event);
    const struct od_job *(*job)(void *ctx, struct od_job_id job); /* NULL: gone */
    struct yyjson_val *(*agent)(void *ctx, const struct od_uid *agent);
    /* The call's data, and what else the answer says of its talk (a JSON object or empty). */
    void (*data)(void *ctx, struct od_job_id job, struct od_text context, struct od_text overrides);
    void (*log)(void *ctx, const char *line);
};

int od_start_hooks_create(struct od_start_hooks **out, const struct od_start_hooks_config *config);
/* After the asker has closed: nothing is under way. NULL is fine. */
void od_start_hooks_destroy(struct od_start_hooks *hooks);
const struct od_talk_port *od_start_hooks_port(struct od_start_hooks *hooks);

/* A call as it stands in the job table, for payloads. Texts are borrowed from the job. */
struct od_call_rec;
void od_start_hook_call(const struct od_job *job, struct od_call_rec *out);

#endif

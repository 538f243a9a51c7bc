/*
 * talk_session - see talk_session.h.
 */
#include "engine/host/talk_session.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/agent/returns.h"
#include "engine/base/str.h"
#include "engine/media/noise.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"

int od_talk_session_create(struct od_talk_session **out, const struct od_talk_host *host,
                           struct od_call_id call)
{
    struct od_talk_session *session = malloc(sizeof *session);
    *out = session;
    if (!session)
        return OD_ENOMEM;
    memset(session, 0, offsetof(struct od_talk_session, leg.jitter.samples));
    session->host = host;
    session->call = call;
    od_list_init(&session->place);
    return 0;
}

void od_talk_session_destroy(struct od_talk_session *session)
{
    od_talk_media_end(&session->media);
    od_talk_bridge_part(session);
    free(session->bridge.notes);
    free(session->result);
    free(session->notes);
    free(session->returns);
    free(session);
}

void od_talk_session_mute(struct od_talk_session *session)
{
    session->ended = true;
}

enum { BRIDGED_KEY_MS = 100 }; /* how long a key is sent that was pressed on the other side */

static void post(struct od_talk_session *session, enum od_event_kind kind, const char *reason)
{
    struct od_event event = {.kind = (uint8_t)kind, .call = session->call};
    if (session->ended)
        return;
    session->ended = true;
    if (reason)
        od_str_copy(event.u.fail.reason, sizeof event.u.fail.reason, reason, strlen(reason));
    session->host->events.post(session->host->events.ctx, &event);
}

void od_talk_session_fail(struct od_talk_session *session, enum od_event_kind kind,
                          const char *reason)
{
    post(session, kind, reason);
}

void od_talk_session_done(struct od_talk_session *session)
{
    post(session, OD_EV_AGENT_DONE, NULL);
}

int od_talk_session_refer(struct od_talk_session *session, const char *target)
{
    const struct od_talk_events *events = &session->host->events;
    if (!events->refer)
        return OD_ENOENT;
    int err = session->ended ? OD_ECONFLICT : events->refer(events->ctx, session->call, target);
    if (!err)
        od_talk_session_transfer(session);
    return err;
}

void od_talk_session_transfer(struct od_talk_session *session)
{
    const struct od_talk_events *events = &session->host->events;
    if (events->transfer)
        events->transfer(events->ctx, session->job);
}

void od_talk_session_referred(struct od_talk_session *session, uint16_t status, bool final)
{
    struct od_talk_agent *agent = session->agent;
    if (agent && agent->ops->referred)
        agent->ops->referred(agent, session->tick_ns, status, final);
    if (final && status >= 200 && status < 300)
        post(session, OD_EV_AGENT_DONE, NULL); /* the callee talks to somebody else now */
}

/* ---- frames: between the leg and the agent ---- */

static void on_frame(void *ctx, uint64_t now_ns, uint8_t ulaw[OD_FRAME_BYTES])
{
    struct od_talk_session *session = ctx;
    if (session->bridge.partner || (session->bridge.aside && session->bridge.first.gen))
        od_relay_get(session->bridge.relay, ulaw);
    else if (session->agent && session->speaks && !session->waits)
        session->agent->ops->frame(session->agent, now_ns, ulaw);
    else
        memset(ulaw, OD_ULAW_SILENCE, OD_FRAME_BYTES);
    if (session->bridge.aside && !session->bridge.first.gen) { /* it was not for this ear */
        od_relay_put(session->bridge.aside->bridge.relay, ulaw);
        memset(ulaw, OD_ULAW_SILENCE, OD_FRAME_BYTES);
    } else if (session->bridge.asked && !session->bridge.partner &&
               !od_ulaw_reaches(ulaw, OD_FRAME_BYTES, 1))
        od_talk_bridge_wait(session, ulaw);
    if (session->noise_level > 0 && !session->bridge.partner)
        od_noise_mix(ulaw, session->host->noise, session->noise_level, &session->noise_at);
    od_talk_media_said(&session->media, ulaw);
}

static void on_digit(void *ctx, uint64_t now_ns, char digit)
{
    struct od_talk_session *session = ctx;
    struct od_talk_session *partner = session->bridge.partner;
    if (partner) { /* one that came in the sound goes there in the sound */
        if (session->leg.dtmf_type)
            od_media_leg_send_keys(&partner->leg, &digit, 1, BRIDGED_KEY_MS);
        return;
    }
    if (session->bridge.first.gen) /* of a second leg: its call's agent is spoken with */
        session = session->bridge.aside;
    else if (session->bridge.aside) /* the callee waits */
        return;
    if (session && session->agent && session->speaks)
        session->agent->ops->digit(session->agent, now_ns, digit);
}

/* ---- who took the call ---- */

static void begin_to_speak(struct od_talk_session *session)
{
    session->waits = false;
    if (session->speaks)
        return;
    session->speaks = true;
    session->agent->ops->start(session->agent, session->tick_ns);
}

/* The greeting is over: what an agent that knows nothing of machines has said into it is said
 * again. */
static void speak_after_greeting(struct od_talk_session *session)
{
    if (!session->waits)
        return;
    if (session->speaks) {
        od_talk_session_end_agent(session, OD_CAUSE_NONE);
        session->speaks = false;
        if (!od_talk_session_make_agent(session))
            return; /* the reason was posted */
    }
    begin_to_speak(session);
}

static void hang_up(struct od_talk_session *session)
{
    struct od_event event = {.kind = OD_EV_STOP, .call = session->call};
    if (session->ended)
        return;
    session->ended = true;
    event.u.stop.cause = OD_CAUSE_MACHINE;
    session->host->events.post(session->host->events.ctx, &event);
}

/* What the agent's document wants of the verdict. True: hang up. */
static bool act_on(struct od_talk_session *session, enum od_amd_kind kind)
{
    bool leave = session->leave_message;
    bool knows = session->agent->ops->verdict != NULL;
    switch (kind) {
    case OD_AMD_MACHINE:
        session->waits = leave && (!knows || !session->speaks);
        return !leave;
    case OD_AMD_BEEP:
        session->waits = leave && (!knows || !session->speaks);
        speak_after_greeting(session);
        return !leave;
    case OD_AMD_SCREENING:
    case OD_AMD_GREETING_END:
        speak_after_greeting(session);
        return false;
    case OD_AMD_FAX:
    case OD_AMD_ANNOUNCEMENT: /* nobody is there, and nothing will record */
        return true;
    default:
        if (!session->waits)
            begin_to_speak(session);
        return false;
    }
}

/* A provisional verdict is told and nothing is done: whoever waits for a person, or for the end of
 * a greeting, waits on for the settled one. */
static void on_verdict(struct od_talk_session *session, const struct od_amd_verdict *verdict)
{
    const struct od_talk_events *host = &session->host->events;
    if (verdict->settled)
        session->host->verdicts[verdict->kind]++;
    if (host->verdict)
        host->verdict(host->ctx, session->call, verdict);
    if (verdict->early || !session->agent || session->ended)
        return;
    bool over = verdict->settled && act_on(session, (enum od_amd_kind)verdict->kind);
    if (session->agent && session->speaks && session->agent->ops->verdict)
        session->agent->ops->verdict(session->agent, session->tick_ns, verdict);
    if (over)
        hang_up(session);
}

/* Who is heard is the one the agent speaks with. */
static void tell_heard(struct od_talk_session *session, const uint8_t ulaw[OD_FRAME_BYTES],
                       enum od_jitter_frame what)
{
    uint8_t other[OD_FRAME_BYTES];
    if (session->bridge.aside) {
        od_relay_get(session->bridge.relay, other);
        ulaw = other;
        what = OD_JITTER_AUDIO;
    }
    session->agent->ops->heard(session->agent, session->tick_ns, ulaw, what);
}

static void on_heard(void *ctx, const uint8_t ulaw[OD_FRAME_BYTES], enum od_jitter_frame what)
{
    struct od_talk_session *session = ctx;
    const struct od_talk_events *host = &session->host->events;
    struct od_amd_verdict verdict;
    session->heard_frames++;
    if (session->bridge.partner)
        od_relay_put(session->bridge.partner->bridge.relay, ulaw);
    else if (session->bridge.first.gen && session->bridge.early)
        od_relay_put(session->bridge.early->bridge.relay, ulaw);
    else if (session->bridge.first.gen && session->bridge.aside)
        od_relay_put(session->bridge.aside->bridge.relay, ulaw);
    else if (session->agent && session->speaks && session->agent->ops->heard)
        tell_heard(session, ulaw, what);
    if (od_talk_media_heard(&session->media, ulaw, &verdict) && !session->bridge.partner &&
        !session->bridge.aside)
        on_verdict(session, &verdict);
    if (host->heard)
        host->heard(host->ctx, session->call, ulaw, what == OD_JITTER_AUDIO);
}

static void check_silence(struct od_talk_session *session, uint64_t now_ns)
{
    uint64_t max_ns = session->host->silent_ns_max;
    char why[OD_REASON_MAX];
    if (!session->started || !session->leg.hears || now_ns - session->leg.heard_ns < max_ns)
        return;
    snprintf(why, sizeof why, "no audio from the callee for %llu s",
             (unsigned long long)(max_ns / OD_NS_PER_S));
    post(session, OD_EV_MEDIA_FAILED, why);
}

void od_talk_session_tick(struct od_talk_session *session, uint64_t now_ns)
{
    const struct od_talk_session *whose =
        session->bridge.first.gen && session->bridge.aside ? session->bridge.aside : session;
    const struct od_talk_agent *agent = whose->agent;
    struct od_media_leg_events events = {.ctx = session,
                                         .frame = on_frame,
                                         .digit = on_digit,
                                         .keys = agent && agent->keys && whose->speaks &&
                                                 !session->bridge.partner,
                                         .heard = on_heard};
    session->tick_ns = now_ns;
    session->heard_frames = 0;
    od_media_leg_tick(&session->leg, now_ns, &events);
    if (session->agent && session->speaks && session->agent->ops->after && session->heard_frames &&
        !session->bridge.partner)
        session->agent->ops->after(session->agent, now_ns, session->heard_frames);
    od_talk_bridge_tick(session, now_ns);
    check_silence(session, now_ns);
}

/* ---- the agent's life ---- */

int od_talk_agent_create(struct od_talk_agent **out, struct od_talk_session *session,
                         const struct od_agent_def *def, const struct od_job *job)
{
    return def->kind == OD_AGENT_STREAM ? od_talk_stream_create(out, session, def, job)
                                        : od_talk_script_create(out, session, def, job);
}

void od_talk_session_admit(struct od_talk_session *session)
{
    struct od_event event = {.kind = OD_EV_HOOK_DONE, .call = session->call, .u.hook.accept = true};
    if (!session->admitting || session->ended)
        return;
    session->admitting = false;
    session->host->events.post(session->host->events.ctx, &event);
}

void od_talk_session_note(struct od_talk_session *session, const char *name, const char *json,
                          size_t bytes)
{
    size_t name_bytes = strlen(name);
    char *notes = realloc(session->notes, session->notes_bytes + name_bytes + bytes + 4);
    if (!notes)
        return;
    session->notes = notes;
    notes += session->notes_bytes;
    *notes++ = ',';
    *notes++ = '"';
    notes = (char *)memcpy(notes, name, name_bytes) + name_bytes;
    *notes++ = '"';
    *notes++ = ':';
    memcpy(notes, json, bytes);
    session->notes_bytes += name_bytes + bytes + 4;
}

bool od_talk_session_make_agent(struct od_talk_session *session)
{
    const struct od_talk_events *events = &session->host->events;
    if (session->bridge.first.gen) /* a second leg: its call's agent has made it */
        return false;
    if (session->agent || !(session->admitting || (session->leg.socket && session->ordered)))
        return false;
    const struct od_job *job = events->job(events->ctx, session->job);
    const struct od_agent_def *def = job ? events->agent(events->ctx, session->call, job) : NULL;
    if (!def) {
        post(session, OD_EV_AGENT_FAILED, "the call has no agent");
        return false;
    }
    bool nobody = def->kind == OD_AGENT_NONE || (def->kind == OD_AGENT_STREAM && !def->stream.url);
    if (nobody) {
        post(session, OD_EV_AGENT_FAILED, "the agent names no endpoint; no agent_default.url");
        return false;
    }
    int err = od_talk_agent_create(&session->agent, session, def, job);
    if (err) {
        post(session, OD_EV_AGENT_FAILED,
             err == OD_EINVAL    ? "the call's context is no JSON object"
             : err == OD_EDENIED ? "agent: its socket is not in streams.unix_dir"
                                 : od_err_text(err));
        return false;
    }
    free(session->returns);
    session->returns = od_agent_def_returns(def, &session->returns_bytes);
    session->amd_mode = def->amd_mode;
    session->leave_message = def->leave_message;
    od_talk_media_begin(&session->media, def);
    session->noise_level = def->features.noise ? def->features.noise_level : 0;
    return true;
}

/* A result that isn't what the agent promises is kept, and said to be so. */
static void check_result(struct od_talk_session *session)
{
    char why[120] = "", json[256] = "";
    struct od_buf buf;
    if (!session->returns || !session->started ||
        od_returns_ok(session->returns, session->returns_bytes, session->result,
                      session->result_bytes, why, sizeof why))
        return;
    od_buf_init(&buf, json, sizeof json);
    od_buf_char(&buf, '"');
    for (const char *c = why; *c; c++) /* names are the document's: nothing may break out */
        od_buf_char(&buf, *c == '"' || *c == '\\' || (unsigned char)*c < ' ' ? '?' : *c);
    od_buf_char(&buf, '"');
    od_talk_session_note(session, "result_error", json, buf.used);
}

void od_talk_session_end_agent(struct od_talk_session *session, enum od_cause cause)
{
    struct od_talk_agent *agent = session->agent;
    if (!agent)
        return;
    od_talk_transfer_end(session);
    session->agent = NULL;
    free(session->result);
    session->result = agent->ops->finish(agent, cause, &session->result_bytes);
    check_result(session);
}

void od_talk_session_start(struct od_talk_session *session, uint64_t now_ns)
{
    session->started = true;
    session->tick_ns = now_ns;
    od_media_leg_start(&session->leg, now_ns, session->phase);
    const struct od_talk_events *events = &session->host->events;
    const struct od_job *job = events->job(events->ctx, session->job);
    const struct od_agent_def *def = job ? events->agent(events->ctx, session->call, job) : NULL;
    if (def)
        od_talk_media_answered(&session->media, def, session->host->recordings, &job->uid);
    if (session->amd_mode != OD_AMD_SYNC || !session->media.amd)
        begin_to_speak(session);
}

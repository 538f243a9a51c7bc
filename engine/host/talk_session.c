/*
 * talk_session - see talk_session.h.
 */
#include "engine/host/talk_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"

int od_talk_session_create(struct od_talk_session **out, const struct od_talk_host *host,
                           struct od_call_id call)
{
    struct od_talk_session *session = calloc(1, sizeof *session);
    *out = session;
    if (!session)
        return OD_ENOMEM;
    session->host = host;
    session->call = call;
    od_list_init(&session->place);
    return 0;
}

void od_talk_session_destroy(struct od_talk_session *session)
{
    free(session->result);
    free(session);
}

void od_talk_session_mute(struct od_talk_session *session)
{
    session->ended = true;
}

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

/* ---- audio: between the script and speech ---- */

static void on_speech(void *ctx, int err, struct od_clip *clip, const char *why)
{
    struct od_talk_audio *audio = ctx;
    audio->request = NULL;
    audio->clip = clip;
    if (err)
        od_str_copy(audio->why, sizeof audio->why, why, strlen(why));
}

static void ask_audio(struct od_talk_session *session, uint32_t step, const char *text,
                      size_t bytes, const char *file)
{
    struct od_talk_audio *audio = session->audio;
    while (audio->used) /* the script never holds more than there are */
        audio++;
    *audio = (struct od_talk_audio){.step = step, .used = true};
    int err = od_speech_ask(session->host->speech,
                            &(struct od_speech_ask){.file = file,
                                                    .voice = session->def->voice,
                                                    .text = text,
                                                    .bytes = bytes,
                                                    .urgent = session->started,
                                                    .fn = on_speech,
                                                    .ctx = audio},
                            &audio->clip, &audio->request);
    if (err)
        snprintf(audio->why, sizeof audio->why, "speech: %s", od_err_text(err));
}

static void on_script_speak(void *ctx, uint32_t step, const char *text, size_t bytes)
{
    ask_audio(ctx, step, text, bytes, NULL);
}

static void on_script_play(void *ctx, uint32_t step, const char *file)
{
    ask_audio(ctx, step, NULL, 0, file);
}

static void on_script_forget(void *ctx, uint32_t step)
{
    struct od_talk_session *session = ctx;
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++) {
        struct od_talk_audio *audio = &session->audio[i];
        if (!audio->used || audio->step != step)
            continue;
        if (audio->request)
            od_speech_forget(audio->request);
        od_clip_release(audio->clip);
        *audio = (struct od_talk_audio){0};
    }
}

static void on_script_done(void *ctx)
{
    post(ctx, OD_EV_AGENT_DONE, NULL);
}

static void on_script_failed(void *ctx, const char *why)
{
    post(ctx, OD_EV_AGENT_FAILED, why);
}

/* Gives the script what has come meanwhile. */
static void tell_script(struct od_talk_session *session)
{
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++) {
        struct od_talk_audio *audio = &session->audio[i];
        if (!audio->used || audio->told || audio->request)
            continue;
        audio->told = true;
        if (audio->clip)
            od_script_clip(session->script, audio->step, audio->clip->ulaw, audio->clip->bytes);
        else
            od_script_no_clip(session->script, audio->step, audio->why);
    }
}

/* ---- frames: between the leg and the script ---- */

static void on_frame(void *ctx, uint64_t now_ns, uint8_t ulaw[OD_FRAME_BYTES])
{
    struct od_talk_session *session = ctx;
    if (!session->script) {
        memset(ulaw, OD_ULAW_SILENCE, OD_FRAME_BYTES);
        return;
    }
    tell_script(session);
    od_script_frame(session->script, now_ns, ulaw);
}

static void on_digit(void *ctx, uint64_t now_ns, char digit)
{
    struct od_talk_session *session = ctx;
    if (session->script)
        od_script_digit(session->script, now_ns, digit);
}

static void on_heard(void *ctx, const uint8_t ulaw[OD_FRAME_BYTES], enum od_jitter_frame what)
{
    struct od_talk_session *session = ctx;
    session->host->events.heard(session->host->events.ctx, session->call, ulaw,
                                what == OD_JITTER_AUDIO);
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
    struct od_media_leg_events events = {.ctx = session,
                                         .frame = on_frame,
                                         .digit = on_digit,
                                         .heard = session->host->events.heard ? on_heard : NULL};
    od_media_leg_tick(&session->leg, now_ns, &events);
    check_silence(session, now_ns);
}

/* ---- the script's life ---- */

bool od_talk_session_make_script(struct od_talk_session *session)
{
    const struct od_talk_events *events = &session->host->events;
    if (session->script || !session->leg.socket || !session->ordered)
        return false;
    const struct od_job *job = events->job(events->ctx, session->job);
    const struct od_agent_def *def = job ? events->agent(events->ctx, session->call, job) : NULL;
    if (!def) {
        post(session, OD_EV_AGENT_FAILED, "the call has no agent");
        return false;
    }
    struct od_script_port port = {.ctx = session,
                                  .speak = on_script_speak,
                                  .play = on_script_play,
                                  .forget = on_script_forget,
                                  .done = on_script_done,
                                  .failed = on_script_failed};
    int err = od_script_create(&session->script, def, job->context.at, job->context.bytes, &port);
    if (err) {
        post(session, OD_EV_AGENT_FAILED,
             err == OD_EINVAL ? "the call's context is no JSON object" : od_err_text(err));
        return false;
    }
    session->def = def;
    od_script_prepare(session->script);
    return true;
}

void od_talk_session_end_script(struct od_talk_session *session)
{
    if (!session->script)
        return;
    free(session->result);
    session->result = od_script_result(session->script, &session->result_bytes);
    od_script_destroy(session->script);
    session->script = NULL;
    session->def = NULL;
}

void od_talk_session_start(struct od_talk_session *session, uint64_t now_ns)
{
    session->started = true;
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++) {
        if (session->audio[i].request)
            od_speech_hurry(session->audio[i].request);
    }
    od_media_leg_start(&session->leg, now_ns, session->phase);
    od_script_start(session->script, now_ns);
}

/*
 * talk_script - the script agent of a call: the steps (engine/agent/script.h) joined with the sound
 * of their texts and files (speech.h). The script asks for audio through its port; speech answers
 * now or later; what is at hand is given to the script at its next frame, never from inside the
 * asking.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/agent/conduct.h"
#include "engine/agent/script.h"
#include "engine/base/str.h"
#include "engine/host/recordings.h"
#include "engine/host/speech.h"
#include "engine/host/talk_agent.h"
#include "engine/host/talk_session.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"

/* Audio on its way from speech to the script. */
struct audio {
    struct od_speech_request *request; /* NULL: not asked, or answered */
    struct od_clip *clip;
    uint32_t step;
    bool used, told; /* told: the script has it */
    char why[OD_TALK_WHY_MAX];
};

struct talk_script {
    struct od_talk_agent agent;
    struct od_talk_session *session;
    const struct od_agent_def *def;
    struct od_script *script;
    struct od_uid call;
    struct od_recording *tape; /* a step's; NULL: none is under way */
    struct od_conduct conduct;
    bool heard_now;
    bool started;
    bool transfer_over; /* told at the next frame, never from inside the asking */
    bool talked;        /* of a bridge that is over: there was one */
    struct audio audio[OD_SCRIPT_AHEAD];
};

static struct talk_script *script_of(struct od_talk_agent *agent)
{
    return (struct talk_script *)agent; /* its first member */
}

/* ---- audio: between the script and speech ---- */

static void on_speech(void *ctx, int err, struct od_clip *clip, const char *why)
{
    struct audio *audio = ctx;
    audio->request = NULL;
    audio->clip = clip;
    if (err)
        od_str_copy(audio->why, sizeof audio->why, why, strlen(why));
}

static void ask_audio(struct talk_script *self, uint32_t step, const char *text, size_t bytes,
                      const char *file)
{
    const char *voice = self->def->steps[step].voice;
    struct audio *audio = self->audio;
    while (audio->used) /* the script never holds more than there are */
        audio++;
    *audio = (struct audio){.step = step, .used = true};
    int err = od_speech_ask(self->session->host->speech,
                            &(struct od_speech_ask){.file = file,
                                                    .voice = voice ? voice : self->def->voice,
                                                    .text = text,
                                                    .bytes = bytes,
                                                    .urgent = self->started,
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
    struct talk_script *self = ctx;
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++) {
        struct audio *audio = &self->audio[i];
        if (!audio->used || audio->step != step)
            continue;
        if (audio->request)
            od_speech_forget(audio->request);
        od_clip_release(audio->clip);
        *audio = (struct audio){0};
    }
}

static void on_script_done(void *ctx)
{
    struct talk_script *self = ctx;
    od_talk_session_done(self->session);
}

static void on_script_transfer(void *ctx, const char *target, const struct od_transfer *how)
{
    struct talk_script *self = ctx;
    int err = od_talk_transfer_begin(self->session, target, how, (struct od_text){"", 0});
    self->transfer_over = err != 0;
    self->talked = false;
}

static void on_bridged(struct od_talk_agent *agent, uint64_t now_ns, enum od_bridge_step step,
                       const struct od_outcome *outcome)
{
    struct talk_script *self = script_of(agent);
    (void)now_ns;
    (void)outcome;
    self->transfer_over = step == OD_BRIDGE_OVER || step == OD_BRIDGE_FAILED;
    self->talked = step == OD_BRIDGE_OVER;
}

static void on_referred(struct od_talk_agent *agent, uint64_t now_ns, uint16_t status, bool final)
{
    (void)now_ns;
    if (final && status >= 300)
        script_of(agent)->transfer_over = true;
}

/* ---- recording ---- */

static void on_script_record(void *ctx, uint8_t part)
{
    struct talk_script *self = ctx;
    self->tape =
        od_recording_open(self->session->host->recordings, &self->call,
                          (struct od_recording_how){.opus = self->def->record_opus, .part = part});
}

static void on_script_record_end(void *ctx)
{
    struct talk_script *self = ctx;
    od_recording_close(self->tape);
    self->tape = NULL;
}

static void on_script_failed(void *ctx, const char *why)
{
    struct talk_script *self = ctx;
    od_talk_session_fail(self->session, OD_EV_AGENT_FAILED, why);
}

/* Gives the script what has come meanwhile. */
static void tell_script(struct talk_script *self)
{
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++) {
        struct audio *audio = &self->audio[i];
        if (!audio->used || audio->told || audio->request)
            continue;
        audio->told = true;
        if (audio->clip)
            od_script_clip(self->script, audio->step, audio->clip->ulaw, audio->clip->bytes);
        else
            od_script_no_clip(self->script, audio->step, audio->why);
    }
}

/* ---- the agent's operations ---- */

static void on_start(struct od_talk_agent *agent, uint64_t now_ns)
{
    struct talk_script *self = script_of(agent);
    self->started = true;
    od_conduct_init(&self->conduct, &self->def->features, 0);
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++) {
        if (self->audio[i].request)
            od_speech_hurry(self->audio[i].request);
    }
    od_script_start(self->script, now_ns);
}

static void on_frame(struct od_talk_agent *agent, uint64_t now_ns, uint8_t ulaw[OD_FRAME_BYTES])
{
    struct talk_script *self = script_of(agent);
    tell_script(self);
    if (self->transfer_over) {
        self->transfer_over = false;
        od_script_transferred(self->script, now_ns, self->talked);
    }
    if (self->session->transfer.ask || self->session->bridge.asked)
        od_script_transfer_lasts(self->script, now_ns);
    od_script_frame(self->script, now_ns, ulaw);
    self->heard_now = ulaw[0] != OD_ULAW_SILENCE || ulaw[OD_FRAME_BYTES - 1] != OD_ULAW_SILENCE;
}

static void on_heard(struct od_talk_agent *agent, uint64_t now_ns,
                     const uint8_t ulaw[OD_FRAME_BYTES], enum od_jitter_frame what)
{
    struct talk_script *self = script_of(agent);
    (void)now_ns;
    (void)what;
    if (self->tape)
        od_recording_heard(self->tape, ulaw);
    od_script_heard(self->script, ulaw);
    if (self->conduct.features.silence)
        od_conduct_heard(&self->conduct, ulaw);
}

/* While keys are waited for somebody should speak or press now and then (silenceManagement). */
static void on_after(struct od_talk_agent *agent, uint64_t now_ns, uint32_t frames)
{
    struct talk_script *self = script_of(agent);
    (void)now_ns;
    if (!self->conduct.features.silence)
        return;
    while (frames--) {
        bool busy = self->heard_now || !od_script_waits(self->script);
        enum od_conduct_fact fact = od_conduct_step(&self->conduct, busy);
        for (; fact != OD_CONDUCT_NOTHING; fact = od_conduct_next(&self->conduct)) {
            if (fact == OD_CONDUCT_REMIND)
                od_script_remind(self->script);
            else if (fact == OD_CONDUCT_GIVE_UP)
                od_talk_session_done(self->session);
        }
    }
}

static void on_digit(struct od_talk_agent *agent, uint64_t now_ns, char digit)
{
    od_script_digit(script_of(agent)->script, now_ns, digit);
    od_conduct_key(&script_of(agent)->conduct);
}

static char *on_finish(struct od_talk_agent *agent, enum od_cause cause, size_t *bytes)
{
    struct talk_script *self = script_of(agent);
    (void)cause;
    char *result = od_script_result(self->script, bytes);
    od_recording_close(self->tape);
    od_script_destroy(self->script);
    free(self);
    return result;
}

static const struct od_talk_agent_ops ops = {.start = on_start,
                                             .frame = on_frame,
                                             .heard = on_heard,
                                             .after = on_after,
                                             .digit = on_digit,
                                             .referred = on_referred,
                                             .bridged = on_bridged,
                                             .finish = on_finish};

static bool has_keys(const struct od_agent_def *def)
{
    for (uint32_t i = 0; i < def->step_count; i++) {
        const struct od_agent_step *step = &def->steps[i];
        if (step->kind == OD_STEP_GATHER || (step->kind == OD_STEP_RECORD && step->finish_key))
            return true;
    }
    return false;
}

int od_talk_script_create(struct od_talk_agent **out, struct od_talk_session *session,
                          const struct od_agent_def *def, const struct od_job *job)
{
    struct talk_script *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return OD_ENOMEM;
    self->agent.ops = &ops;
    self->agent.keys = has_keys(def);
    self->session = session;
    self->def = def;
    self->call = job->uid;
    struct od_script_port port = {.ctx = self,
                                  .speak = on_script_speak,
                                  .play = on_script_play,
                                  .forget = on_script_forget,
                                  .done = on_script_done,
                                  .transfer = on_script_transfer,
                                  .record = on_script_record,
                                  .record_end = on_script_record_end,
                                  .failed = on_script_failed};
    int err = od_script_create(&self->script, def, job->context.at, job->context.bytes, &port);
    if (err) {
        free(self);
        return err;
    }
    od_script_prepare(self->script);
    *out = &self->agent;
    return 0;
}

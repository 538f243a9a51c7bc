/*
 * talk - see talk.h. The three parts of a session meet here: the leg (RTP), the script (what to
 * say) and speech (its sound). The script asks for audio through its port, speech answers now or
 * later, and what is at hand is given to the script once its function has returned, never from
 * inside it.
 */
#include "engine/host/talk.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/agent/script.h"
#include "engine/base/list.h"
#include "engine/base/str.h"
#include "engine/host/log.h"
#include "engine/host/media_clock.h"
#include "engine/host/media_leg.h"
#include "engine/host/speech.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"

enum {
    SILENT_MS_DEFAULT = 30000,
    QUIET_MS = 2000, /* a socket's rest: a peer's last packets come within a round trip or two */
    WHY_MAX = 160,
};
static const uint64_t CHECK_EVERY_NS = 60 * OD_NS_PER_S;

/* Audio on its way from speech to the script. */
struct audio {
    struct session *session;
    struct od_speech_request *request; /* NULL: not asked, or answered */
    struct od_clip *clip;
    uint32_t step;
    bool used, told; /* told: the script has it */
    int err;
    char why[WHY_MAX];
};

struct session {
    struct od_talk *talk;
    struct od_call_id call;
    struct od_job_id job;
    struct od_list place; /* in a phase's sessions while it ticks */
    uint8_t phase;
    bool ordered; /* prepare() or start() came: stop() will */
    bool started; /* by the engine */
    bool ended;   /* the agent or the media has said its last word */
    struct od_media_leg leg;
    struct od_script *script;
    const struct od_agent_def *def;
    struct audio audio[OD_SCRIPT_AHEAD];
    char *result; /* kept from drop() to stop() */
    size_t result_bytes;
};

struct od_talk {
    uv_loop_t *loop;
    struct od_talk_events events;
    struct od_talk_port port;
    struct od_rtp_pool *pool;
    struct od_speech *speech;
    struct od_media_clock clock;
    struct od_addr local;      /* without the port */
    struct session **sessions; /* by call.index */
    uint32_t sessions_max;
    bool any_source;
    uint64_t silent_ns_max;
    uint64_t checked_ns; /* when the synthesiser was looked for */
    struct od_list phases[OD_CLOCK_PHASES];
    uint32_t phase_counts[OD_CLOCK_PHASES];
    struct od_talk_stats stats; /* of sessions that have ended, and counts */
    unsigned closing;           /* handles to wait for */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- events ---- */

static void post(struct session *session, uint8_t kind, const char *reason)
{
    struct od_event event = {.kind = kind, .call = session->call};
    if (session->ended)
        return;
    session->ended = true;
    if (reason)
        od_str_copy(event.u.fail.reason, sizeof event.u.fail.reason, reason, strlen(reason));
    session->talk->events.post(session->talk->events.ctx, &event);
}

/* ---- audio: between the script and speech ---- */

static void on_speech(void *ctx, int err, struct od_clip *clip, const char *why)
{
    struct audio *audio = ctx;
    audio->request = NULL;
    audio->clip = clip;
    audio->err = err;
    if (err)
        od_str_copy(audio->why, sizeof audio->why, why, strlen(why));
}

static void ask_audio(struct session *session, uint32_t step, const char *text, size_t bytes,
                      const char *file)
{
    struct audio *audio = session->audio;
    while (audio->used) /* the script never holds more than there are */
        audio++;
    *audio = (struct audio){.session = session, .step = step, .used = true};
    int err = od_speech_ask(session->talk->speech,
                            &(struct od_speech_ask){.file = file,
                                                    .voice = session->def->voice,
                                                    .text = text,
                                                    .bytes = bytes,
                                                    .urgent = session->started,
                                                    .fn = on_speech,
                                                    .ctx = audio},
                            &audio->clip, &audio->request);
    if (err) {
        audio->err = err;
        snprintf(audio->why, sizeof audio->why, "speech: %s", od_err_text(err));
    }
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
    struct session *session = ctx;
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++) {
        struct audio *audio = &session->audio[i];
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
    post(ctx, OD_EV_AGENT_DONE, NULL);
}

static void on_script_failed(void *ctx, const char *why)
{
    post(ctx, OD_EV_AGENT_FAILED, why);
}

/* Gives the script what has come meanwhile. */
static void tell_script(struct session *session)
{
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++) {
        struct audio *audio = &session->audio[i];
        if (!audio->used || audio->told || audio->request)
            continue;
        audio->told = true;
        if (audio->clip)
            od_script_clip(session->script, audio->step, audio->clip->ulaw, audio->clip->bytes);
        else
            od_script_no_clip(session->script, audio->step, audio->why);
    }
}

/* ---- ticking ---- */

static void on_frame(void *ctx, uint64_t now_ns, uint8_t ulaw[OD_FRAME_BYTES])
{
    struct session *session = ctx;
    if (!session->script) {
        memset(ulaw, OD_ULAW_SILENCE, OD_FRAME_BYTES);
        return;
    }
    tell_script(session);
    od_script_frame(session->script, now_ns, ulaw);
}

static void on_digit(void *ctx, uint64_t now_ns, char digit)
{
    struct session *session = ctx;
    if (session->script)
        od_script_digit(session->script, now_ns, digit);
}

static void on_heard(void *ctx, const uint8_t ulaw[OD_FRAME_BYTES], enum od_jitter_frame what)
{
    struct session *session = ctx;
    session->talk->events.heard(session->talk->events.ctx, session->call, ulaw,
                                what == OD_JITTER_AUDIO);
}

static void check_silence(struct session *session, uint64_t now_ns)
{
    uint64_t max_ns = session->talk->silent_ns_max;
    char why[OD_REASON_MAX];
    if (!session->started || !session->leg.hears || now_ns - session->leg.heard_ns < max_ns)
        return;
    snprintf(why, sizeof why, "no audio from the callee for %llu s",
             (unsigned long long)(max_ns / OD_NS_PER_S));
    post(session, OD_EV_MEDIA_FAILED, why);
}

static void on_slot(void *ctx, uint32_t phase, uint64_t now_ns)
{
    struct od_talk *talk = ctx;
    struct od_list *list = &talk->phases[phase];
    /* Nothing below leaves the list: events are only posted. */
    for (struct od_list *node = od_list_first(list); node; node = od_list_after(list, node)) {
        struct session *session = OD_OWNER(node, struct session, place);
        struct od_media_leg_events events = {.ctx = session,
                                             .frame = on_frame,
                                             .digit = on_digit,
                                             .heard = talk->events.heard ? on_heard : NULL};
        od_media_leg_tick(&session->leg, now_ns, &events);
        check_silence(session, now_ns);
    }
}

static bool is_ticking(const struct session *session)
{
    return !od_list_empty(&session->place);
}

/* Joins the phase with the fewest sessions; of equals the one that comes first. */
static void begin_ticking(struct session *session, uint64_t now_ns)
{
    struct od_talk *talk = session->talk;
    uint32_t best = (od_clock_phase(now_ns) + 1) % OD_CLOCK_PHASES;
    if (is_ticking(session))
        return;
    for (uint32_t i = 2; i <= OD_CLOCK_PHASES; i++) {
        uint32_t phase = (od_clock_phase(now_ns) + i) % OD_CLOCK_PHASES;
        if (talk->phase_counts[phase] < talk->phase_counts[best])
            best = phase;
    }
    session->phase = (uint8_t)best;
    od_list_push(&talk->phases[best], &session->place);
    talk->phase_counts[best]++;
    talk->stats.talking++;
    od_media_clock_run(&talk->clock, true);
}

static void end_ticking(struct session *session)
{
    struct od_talk *talk = session->talk;
    if (!is_ticking(session))
        return;
    od_list_remove(&session->place);
    talk->phase_counts[session->phase]--;
    talk->stats.talking--;
    if (!talk->stats.talking)
        od_media_clock_run(&talk->clock, false);
}

/* ---- sessions ---- */

static struct session *find(const struct od_talk *talk, struct od_call_id call)
{
    struct session *session = call.index < talk->sessions_max ? talk->sessions[call.index] : NULL;
    return session && session->call.gen == call.gen ? session : NULL;
}

static void add_leg(struct od_talk_stats *stats, const struct od_media_leg *leg)
{
    stats->sent += leg->sent;
    stats->given_up += leg->given_up;
    stats->received += leg->received.received;
    stats->lost += od_rtp_stats_lost(&leg->received);
    stats->late += leg->jitter.stats.late;
    stats->wrong_source += leg->wrong_source;
    stats->digits += leg->digits;
}

static void end_media(struct session *session)
{
    end_ticking(session);
    if (!session->leg.socket)
        return;
    add_leg(&session->talk->stats, &session->leg);
    od_media_leg_close(&session->leg, od_media_now());
}

static void end_script(struct session *session)
{
    if (!session->script)
        return;
    free(session->result);
    session->result = od_script_result(session->script, &session->result_bytes);
    od_script_destroy(session->script);
    session->script = NULL;
    session->def = NULL;
}

static void free_session(struct session *session)
{
    end_media(session);
    end_script(session);
    session->talk->sessions[session->call.index] = NULL;
    session->talk->stats.sessions--;
    free(session->result);
    free(session);
}

/* The call's session, made if need be. A session left over from the index's former call goes. */
static struct session *get(struct od_talk *talk, struct od_call_id call)
{
    struct session *session = find(talk, call);
    if (session || call.index >= talk->sessions_max)
        return session;
    if (talk->sessions[call.index])
        free_session(talk->sessions[call.index]);
    session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->talk = talk;
    session->call = call;
    od_list_init(&session->place);
    talk->sessions[call.index] = session;
    talk->stats.sessions++;
    return session;
}

/* One line a minute as long as agents that speak can't. */
static void warn_unable(struct od_talk *talk, const struct od_agent_def *def, uint64_t now_ns)
{
    char why[WHY_MAX];
    if (talk->checked_ns && now_ns - talk->checked_ns < CHECK_EVERY_NS)
        return;
    talk->checked_ns = now_ns;
    if (!od_talk_able(talk, def, why, sizeof why))
        od_log(OD_CONFIG_LOG_ERROR, "talk", "agent %s: %s", def->name, why);
}

/* The script is made when the leg exists, because the leg's owner keeps the definition. */
static void make_script(struct session *session)
{
    struct od_talk *talk = session->talk;
    if (session->script || !session->leg.socket || !session->ordered)
        return;
    const struct od_job *job = talk->events.job(talk->events.ctx, session->job);
    const struct od_agent_def *def =
        job ? talk->events.agent(talk->events.ctx, session->call, job) : NULL;
    if (!def) {
        post(session, OD_EV_AGENT_FAILED, "the call has no agent");
        return;
    }
    struct od_script_port port = {.ctx = session,
                                  .speak = on_script_speak,
                                  .play = on_script_play,
                                  .forget = on_script_forget,
                                  .done = on_script_done,
                                  .failed = on_script_failed};
    if (def->speaks)
        warn_unable(talk, def, od_media_now());
    int err = od_script_create(&session->script, def, job->context.at, job->context.bytes, &port);
    if (err) {
        post(session, OD_EV_AGENT_FAILED,
             err == OD_EINVAL ? "the call's context is no JSON object" : od_err_text(err));
        return;
    }
    session->def = def;
    od_script_prepare(session->script);
}

/* ---- the talk port ---- */

static void on_prepare(void *ctx, struct od_call_id call, struct od_job_id job)
{
    struct od_talk *talk = ctx;
    struct session *session = get(talk, call);
    if (!session)
        return; /* start() will say so */
    session->job = job;
    session->ordered = true;
    make_script(session);
}

static void hurry(struct session *session)
{
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++) {
        if (session->audio[i].request)
            od_speech_hurry(session->audio[i].request);
    }
}

static void on_start(void *ctx, struct od_call_id call, struct od_job_id job)
{
    struct od_talk *talk = ctx;
    struct session *session = get(talk, call);
    uint64_t now_ns = od_media_now();
    if (!session) {
        struct od_event event = {.kind = OD_EV_AGENT_FAILED, .call = call};
        static const char why[] = "no memory for a session";
        od_str_copy(event.u.fail.reason, sizeof event.u.fail.reason, why, sizeof why - 1);
        talk->events.post(talk->events.ctx, &event);
        return;
    }
    session->job = job;
    session->ordered = true;
    if (session->started)
        return;
    if (!session->leg.socket) {
        post(session, OD_EV_MEDIA_FAILED, "no RTP port was leased");
        return;
    }
    make_script(session);
    if (!session->script)
        return; /* the reason was posted */
    session->started = true;
    hurry(session);
    begin_ticking(session, now_ns);
    od_media_leg_start(&session->leg, now_ns, session->phase);
    od_script_start(session->script, now_ns);
}

static void on_stop(void *ctx, struct od_call_id call, struct od_job_id job, enum od_cause cause)
{
    struct od_talk *talk = ctx;
    struct session *session = find(talk, call);
    (void)cause;
    if (!session)
        return;
    session->ended = true;
    end_ticking(session);
    end_script(session);
    if (session->result)
        talk->events.result(talk->events.ctx, job, session->result, session->result_bytes);
    free(session->result);
    session->result = NULL;
    session->ordered = false;
    if (!session->leg.socket)
        free_session(session);
}

/* There are no start hooks yet: every call is accepted. */
static void on_hook(void *ctx, struct od_call_id call, struct od_job_id job)
{
    struct od_talk *talk = ctx;
    struct od_event event = {.kind = OD_EV_HOOK_DONE, .call = call, .u.hook.accept = true};
    (void)job;
    talk->events.post(talk->events.ctx, &event);
}

const struct od_talk_port *od_talk_port(struct od_talk *talk)
{
    return &talk->port;
}

/* ---- the leg's side ---- */

int od_talk_offer(struct od_talk *talk, struct od_call_id call, struct od_addr *local)
{
    if (call.index >= talk->sessions_max)
        return OD_EINVAL;
    struct session *session = get(talk, call);
    if (!session)
        return OD_ENOMEM;
    if (!session->leg.socket) {
        int err = od_media_leg_open(&session->leg, talk->pool, od_media_now());
        if (err) {
            if (!session->ordered)
                free_session(session);
            return err;
        }
    }
    *local = talk->local;
    local->port = od_rtp_socket_port(session->leg.socket);
    make_script(session);
    return 0;
}

int od_talk_answer(struct od_talk *talk, struct od_call_id call, const struct od_sdp *answer)
{
    struct session *session = find(talk, call);
    if (!session || !session->leg.socket)
        return OD_ENOENT;
    return od_media_leg_describe(&session->leg, answer, talk->any_source, od_media_now());
}

void od_talk_early(struct od_talk *talk, struct od_call_id call, const struct od_sdp *sdp)
{
    struct session *session = find(talk, call);
    uint64_t now_ns = od_media_now();
    if (!session || !session->leg.socket || session->started)
        return;
    if (!od_media_leg_describe(&session->leg, sdp, talk->any_source, now_ns))
        begin_ticking(session, now_ns);
}

void od_talk_drop(struct od_talk *talk, struct od_call_id call)
{
    struct session *session = find(talk, call);
    if (!session)
        return;
    end_media(session);
    end_script(session);
    if (!session->ordered)
        free_session(session);
}

bool od_talk_able(const struct od_talk *talk, const struct od_agent_def *def, char *why,
                  size_t why_bytes)
{
    return !def->speaks || od_speech_able(talk->speech, why, why_bytes);
}

void od_talk_stats(const struct od_talk *talk, struct od_talk_stats *out)
{
    struct od_speech_stats speech;
    *out = talk->stats;
    for (uint32_t phase = 0; phase < OD_CLOCK_PHASES; phase++) {
        const struct od_list *list = &talk->phases[phase];
        for (struct od_list *node = od_list_first(list); node; node = od_list_after(list, node))
            add_leg(out, &OD_OWNER(node, struct session, place)->leg);
    }
    od_speech_stats(talk->speech, &speech);
    out->spoken_from_memory = speech.from_memory;
    out->spoken_from_disk = speech.from_disk;
    out->synthesised = speech.synthesised;
    out->speech_failed = speech.failed;
}

/* ---- life ---- */

static bool read_address(const char *text, struct od_addr *out)
{
    memset(out, 0, sizeof *out);
    if (!text || !*text)
        return false;
    out->family = inet_pton(AF_INET, text, out->ip) == 1    ? 4
                  : inet_pton(AF_INET6, text, out->ip) == 1 ? 6
                                                            : 0;
    static const uint8_t zero[16];
    return out->family && memcmp(out->ip, zero, sizeof zero);
}

/* The address this machine would reach others from. Connecting a datagram socket only looks at the
 * routes; nothing is sent. */
static void own_address(struct od_addr *out)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct sockaddr_in here;
    socklen_t length = sizeof here;
    inet_pton(AF_INET, "192.0.2.1", &there.sin_addr); /* RFC 5737: nobody's */
    memset(out, 0, sizeof *out);
    out->family = 4;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !connect(fd, (struct sockaddr *)&there, sizeof there) &&
        !getsockname(fd, (struct sockaddr *)&here, &length))
        memcpy(out->ip, &here.sin_addr, 4);
    else
        inet_pton(AF_INET, "127.0.0.1", out->ip); /* no route to anywhere: only to itself */
    if (fd >= 0)
        close(fd);
}

static void choose_local(struct od_talk *talk, const struct od_talk_config *config)
{
    if (config->advertise.family)
        talk->local = config->advertise;
    else if (!read_address(config->rtp_address, &talk->local))
        own_address(&talk->local);
}

static void free_talk(struct od_talk *talk)
{
    od_rtp_pool_close(talk->pool);
    free(talk->sessions);
    free(talk);
}

static struct od_talk *create_talk(const struct od_talk_config *config,
                                   const struct od_talk_events *events)
{
    struct od_talk *talk = calloc(1, sizeof *talk);
    if (!talk)
        return NULL;
    talk->sessions =
        calloc(config->sessions_max ? config->sessions_max : 1, sizeof(struct session *));
    if (!talk->sessions) {
        free(talk);
        return NULL;
    }
    talk->loop = config->loop;
    talk->events = *events;
    talk->sessions_max = config->sessions_max;
    talk->any_source = config->any_source;
    uint32_t silent_ms = config->silent_ms_max ? config->silent_ms_max : SILENT_MS_DEFAULT;
    talk->silent_ns_max = silent_ms == UINT32_MAX ? OD_NEVER : silent_ms * OD_NS_PER_MS;
    talk->port = (struct od_talk_port){
        .ctx = talk, .prepare = on_prepare, .start = on_start, .stop = on_stop, .hook = on_hook};
    for (unsigned i = 0; i < OD_CLOCK_PHASES; i++)
        od_list_init(&talk->phases[i]);
    choose_local(talk, config);
    return talk;
}

int od_talk_open(struct od_talk **out, const struct od_talk_config *config,
                 const struct od_talk_events *events, char *why, size_t why_bytes)
{
    struct od_talk *talk = create_talk(config, events);
    *out = NULL;
    if (!talk) {
        snprintf(why, why_bytes, "no memory");
        return OD_ENOMEM;
    }
    int err = od_rtp_pool_open(&talk->pool,
                               &(struct od_rtp_pool_config){.ports = config->rtp_ports,
                                                            .address = config->rtp_address,
                                                            .sockets_max = UINT32_MAX,
                                                            .quiet_ms = QUIET_MS},
                               why, why_bytes);
    if (err) {
        free_talk(talk);
        return err;
    }
    /* The clock before speech: its failure leaves nothing that must be closed through the loop. */
    err = od_media_clock_open(&talk->clock, talk->loop, on_slot, talk);
    if (err) {
        snprintf(why, why_bytes, "no timer descriptor: raise the limit of open files");
        free_talk(talk);
        return err;
    }
    err = od_speech_open(&talk->speech,
                         &(struct od_speech_config){.loop = talk->loop,
                                                    .data_dir = config->data_dir,
                                                    .program = config->synthesiser},
                         why, why_bytes);
    if (err) {
        od_talk_close(talk, NULL, NULL);
        return err;
    }
    *out = talk;
    return 0;
}

static void on_part_closed(void *ctx)
{
    struct od_talk *talk = ctx;
    if (--talk->closing)
        return;
    void (*fn)(void *) = talk->closed;
    void *fn_ctx = talk->closed_ctx;
    free_talk(talk);
    if (fn)
        fn(fn_ctx);
}

void od_talk_close(struct od_talk *talk, void (*fn)(void *ctx), void *ctx)
{
    talk->closed = fn;
    talk->closed_ctx = ctx;
    for (uint32_t i = 0; i < talk->sessions_max; i++) {
        if (talk->sessions[i])
            free_session(talk->sessions[i]);
    }
    talk->closing = 1;
    if (talk->speech) {
        talk->closing++;
        od_speech_close(talk->speech, on_part_closed, talk);
    }
    od_media_clock_close(&talk->clock, on_part_closed, talk);
}

/*
 * talk - see talk.h. The table of sessions by call index, the ticks of those that have media, and
 * the engine's orders; what happens within a session is talk_session.c's.
 */
#include "engine/host/talk.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "engine/host/log.h"
#include "engine/host/media_clock.h"
#include "engine/host/stream_hub.h"
#include "engine/host/talk_session.h"
#include "engine/media/noise.h"
#include "outdial/err.h"

enum {
    SILENT_MS_DEFAULT = 30000,
    NOISE_SEED = 7,
    QUIET_MS = 2000, /* a socket's rest: a peer's last packets come within a round trip or two */
};
static const uint64_t CHECK_EVERY_NS = 60 * OD_NS_PER_S;

struct od_talk {
    struct od_talk_host host;
    struct od_talk_port port;
    struct od_media_clock clock;
    struct od_addr local;              /* of offers, without the port */
    struct od_talk_session **sessions; /* by call.index */
    uint32_t sessions_max;
    int16_t *noise;
    bool any_source;
    uint64_t checked_ns; /* when the synthesiser was looked for */
    struct od_list phases[OD_CLOCK_PHASES];
    uint32_t phase_counts[OD_CLOCK_PHASES];
    struct od_talk_stats stats; /* of sessions that have ended, and counts */
    unsigned closing;           /* handles to wait for */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- ticking ---- */

static void on_slot(void *ctx, uint32_t phase, uint64_t now_ns)
{
    struct od_talk *talk = ctx;
    struct od_list *list = &talk->phases[phase];
    /* A tick never makes a session leave the list: events are only posted. */
    for (struct od_list *node = od_list_first(list); node; node = od_list_after(list, node))
        od_talk_session_tick(OD_OWNER(node, struct od_talk_session, place), now_ns);
}

/* Joins the phase with the fewest sessions; of equals the one that comes first. */
static void begin_ticking(struct od_talk *talk, struct od_talk_session *session, uint64_t now_ns)
{
    uint32_t best = (od_clock_phase(now_ns) + 1) % OD_CLOCK_PHASES;
    if (!od_list_empty(&session->place))
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

static void end_ticking(struct od_talk *talk, struct od_talk_session *session)
{
    if (od_list_empty(&session->place))
        return;
    od_list_remove(&session->place);
    talk->phase_counts[session->phase]--;
    talk->stats.talking--;
    if (!talk->stats.talking)
        od_media_clock_run(&talk->clock, false);
}

/* ---- the table ---- */

static struct od_talk_session *find(const struct od_talk *talk, struct od_call_id call)
{
    struct od_talk_session *session =
        call.index < talk->sessions_max ? talk->sessions[call.index] : NULL;
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

const uint16_t od_talk_mos_steps[OD_TALK_MOS_STEPS] = {200, 300, 360, 400, 430};

static void note_quality(struct od_talk_stats *stats, const struct od_media_leg *leg)
{
    unsigned step = 0;
    if (!leg->received.expected || !leg->started)
        return;
    uint32_t mos = od_talk_quality_of(leg).mos_100;
    while (step < OD_TALK_MOS_STEPS && mos > od_talk_mos_steps[step])
        step++;
    stats->mos[step]++;
    stats->mos_sum_100 += mos;
}

static void end_media(struct od_talk *talk, struct od_talk_session *session)
{
    end_ticking(talk, session);
    if (!session->leg.socket)
        return;
    add_leg(&talk->stats, &session->leg);
    note_quality(&talk->stats, &session->leg);
    od_media_leg_close(&session->leg, od_media_now());
}

static void end_session(struct od_talk *talk, struct od_talk_session *session)
{
    od_talk_bridge_part(session);
    end_media(talk, session);
    od_talk_session_end_agent(session, OD_CAUSE_NONE);
    talk->sessions[session->call.index] = NULL;
    talk->stats.sessions--;
    od_talk_session_destroy(session);
}

/* The call's session, made if need be. A session left over from the index's former call goes. */
static struct od_talk_session *get(struct od_talk *talk, struct od_call_id call)
{
    struct od_talk_session *session = find(talk, call);
    if (session || call.index >= talk->sessions_max)
        return session;
    if (talk->sessions[call.index])
        end_session(talk, talk->sessions[call.index]);
    if (od_talk_session_create(&session, &talk->host, call))
        return NULL;
    talk->sessions[call.index] = session;
    talk->stats.sessions++;
    return session;
}

/* ---- the talk port ---- */

static const struct od_agent_def *agent_of(struct od_talk *talk, struct od_call_id call,
                                           struct od_job_id job)
{
    const struct od_talk_events *events = &talk->host.events;
    const struct od_job *record =
        call.index < talk->sessions_max ? events->job(events->ctx, job) : NULL;
    return record ? events->agent(events->ctx, call, record) : NULL;
}

/* One line a minute as long as agents that speak can't. */
static void warn_unable(struct od_talk *talk, const struct od_agent_def *def, uint64_t now_ns)
{
    char why[OD_TALK_WHY_MAX];
    if (!def || !def->speaks || (talk->checked_ns && now_ns - talk->checked_ns < CHECK_EVERY_NS))
        return;
    talk->checked_ns = now_ns;
    if (!od_talk_able(talk, def, why, sizeof why))
        od_log(OD_CONFIG_LOG_ERROR, "talk", "agent %s: %s", def->name, why);
}

/* The agent is made when the leg exists, because the leg's owner keeps the definition. */
static void make_agent(struct od_talk *talk, struct od_talk_session *session)
{
    if (od_talk_session_make_agent(session))
        warn_unable(talk, agent_of(talk, session->call, session->job), od_media_now());
}

static void on_prepare(void *ctx, struct od_call_id call, struct od_job_id job)
{
    struct od_talk *talk = ctx;
    struct od_talk_session *session = get(talk, call);
    if (!session)
        return; /* start() will say so */
    session->job = job;
    session->ordered = true;
    make_agent(talk, session);
}

static void start_second(struct od_talk *talk, struct od_talk_session *leg, uint64_t now_ns)
{
    struct od_talk_session *first = find(talk, leg->bridge.first);
    begin_ticking(talk, leg, now_ns);
    leg->started = true;
    leg->tick_ns = now_ns;
    od_media_leg_start(&leg->leg, now_ns, leg->phase);
    if (!first || od_talk_bridge_join(first, leg, now_ns))
        od_talk_session_fail(leg, OD_EV_AGENT_FAILED, "nobody to talk to");
}

static void on_start(void *ctx, struct od_call_id call, struct od_job_id job)
{
    struct od_talk *talk = ctx;
    struct od_talk_session *session = get(talk, call);
    uint64_t now_ns = od_media_now();
    if (!session) {
        struct od_event event = {.kind = OD_EV_AGENT_FAILED, .call = call};
        static const char why[] = "no memory for a session";
        od_str_copy(event.u.fail.reason, sizeof event.u.fail.reason, why, sizeof why - 1);
        talk->host.events.post(talk->host.events.ctx, &event);
        return;
    }
    session->job = job;
    session->ordered = true;
    if (session->started)
        return;
    if (!session->leg.socket) {
        od_talk_session_fail(session, OD_EV_MEDIA_FAILED, "no RTP port was leased");
        return;
    }
    if (session->bridge.first.gen) {
        start_second(talk, session, now_ns);
        return;
    }
    make_agent(talk, session);
    if (!session->agent)
        return; /* the reason was posted */
    begin_ticking(talk, session, now_ns);
    od_talk_session_start(session, now_ns);
}

/* A second leg: its session exists from the beginning, so that nothing takes it for a call. */
static void on_bridge(void *ctx, struct od_call_id call, struct od_call_id leg,
                      const struct od_outcome *outcome)
{
    struct od_talk *talk = ctx;
    struct od_talk_session *first = find(talk, call);
    struct od_talk_session *second = outcome ? NULL : get(talk, leg);
    if (second)
        second->bridge.first = call;
    if (second && first)
        first->bridge.second = leg;
    if (outcome && first)
        od_talk_bridge_over(first, od_media_now(), outcome);
}

/* What the engine noted of the call's audio, and what its agent did. */
static void tell_media(struct od_talk *talk, struct od_talk_session *session, struct od_job_id job)
{
    size_t size = OD_TALK_MEDIA_JSON_MAX + session->notes_bytes + 2;
    od_media_reports_read(&session->leg);
    char *json = malloc(size);
    size_t bytes =
        json ? od_talk_media_write(&session->media, &session->leg, json, OD_TALK_MEDIA_JSON_MAX)
             : 0;
    if (json && session->notes) {
        size_t at = bytes ? bytes - 1 : 0; /* behind what is there, or instead of it */
        memcpy(json + at, session->notes, session->notes_bytes);
        if (!bytes)
            json[0] = '{';
        bytes = at + session->notes_bytes;
        json[bytes++] = '}';
    }
    if (bytes && talk->host.events.media)
        talk->host.events.media(talk->host.events.ctx, job, json, bytes);
    free(json);
    free(session->notes);
    session->notes = NULL;
    session->notes_bytes = 0;
    od_talk_media_end(&session->media);
}

static void on_stop(void *ctx, struct od_call_id call, struct od_job_id job, enum od_cause cause)
{
    struct od_talk *talk = ctx;
    struct od_talk_session *session = find(talk, call);
    if (!session)
        return;
    od_talk_session_mute(session);
    od_talk_bridge_part(session);
    end_ticking(talk, session);
    if (session->bridge.first.gen) { /* the record is its call's */
        session->ordered = false;
        if (!session->leg.socket)
            end_session(talk, session);
        return;
    }
    od_talk_bridge_note(session);
    od_talk_session_end_agent(session, cause);
    if (session->result)
        talk->host.events.result(talk->host.events.ctx, job, session->result,
                                 session->result_bytes);
    free(session->result);
    session->result = NULL;
    tell_media(talk, session, job);
    session->ordered = false;
    if (!session->leg.socket)
        end_session(talk, session);
}

/* An agent that must be there before the phone rings gets ready now; others are not waited for. */
static void on_hook(void *ctx, struct od_call_id call, struct od_job_id job)
{
    struct od_talk *talk = ctx;
    struct od_event event = {.kind = OD_EV_HOOK_DONE, .call = call, .u.hook.accept = true};
    const struct od_agent_def *def = agent_of(talk, call, job);
    struct od_talk_session *session = def && od_agent_needs_admission(def) ? get(talk, call) : NULL;
    if (!session) {
        talk->host.events.post(talk->host.events.ctx, &event);
        return;
    }
    session->job = job;
    session->admitting = true;
    make_agent(talk, session);
}

void od_talk_forget(struct od_talk *talk, struct od_call_id call)
{
    struct od_talk_session *session = find(talk, call);
    if (session && !session->ordered && !session->leg.socket)
        end_session(talk, session);
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
    struct od_talk_session *session = get(talk, call);
    if (!session)
        return OD_ENOMEM;
    if (!session->leg.socket) {
        int err = od_media_leg_open(&session->leg, talk->host.pool, od_media_now());
        if (err) {
            if (!session->ordered)
                end_session(talk, session);
            return err;
        }
    }
    *local = talk->local;
    local->port = od_rtp_socket_port(session->leg.socket);
    make_agent(talk, session);
    return 0;
}

void od_talk_hear_keys(struct od_talk *talk, struct od_call_id call)
{
    struct od_talk_session *session = find(talk, call);
    if (session)
        od_media_leg_hear_keys(&session->leg);
}

const uint8_t *od_talk_secure(struct od_talk *talk, struct od_call_id call, uint8_t srtp_mode)
{
    struct od_talk_session *session = find(talk, call);
    if (!session || !session->leg.socket ||
        od_media_leg_secure(&session->leg, (enum od_srtp_mode)srtp_mode))
        return NULL;
    return session->leg.key;
}

int od_talk_answer(struct od_talk *talk, struct od_call_id call, const struct od_sdp *answer)
{
    struct od_talk_session *session = find(talk, call);
    if (!session || !session->leg.socket)
        return OD_ENOENT;
    return od_media_leg_describe(&session->leg, answer, talk->any_source, od_media_now());
}

void od_talk_early(struct od_talk *talk, struct od_call_id call, const struct od_sdp *sdp)
{
    struct od_talk_session *session = find(talk, call);
    uint64_t now_ns = od_media_now();
    if (!session || !session->leg.socket || session->started)
        return;
    if (od_media_leg_describe(&session->leg, sdp, talk->any_source, now_ns))
        return;
    begin_ticking(talk, session, now_ns);
    struct od_talk_session *first = find(talk, session->bridge.first);
    if (first)
        od_talk_bridge_early(first, session);
    if (session->media.amd || first)
        od_media_leg_listen(&session->leg, now_ns, session->phase);
}

void od_talk_rings(struct od_talk *talk, struct od_call_id call)
{
    struct od_talk_session *session = find(talk, call);
    struct od_talk_session *first = session ? find(talk, session->bridge.first) : NULL;
    if (first)
        od_talk_bridge_rings(first);
}

void od_talk_referred(struct od_talk *talk, struct od_call_id call, uint16_t status, bool final)
{
    struct od_talk_session *session = find(talk, call);
    if (session)
        od_talk_session_referred(session, status, final);
}

void od_talk_drop(struct od_talk *talk, struct od_call_id call)
{
    struct od_talk_session *session = find(talk, call);
    if (!session)
        return;
    od_talk_bridge_part(session);
    end_media(talk, session);
    od_talk_session_end_agent(session, OD_CAUSE_NONE);
    if (!session->ordered)
        end_session(talk, session);
}

bool od_talk_able(const struct od_talk *talk, const struct od_agent_def *def, char *why,
                  size_t why_bytes)
{
    return !def->speaks || od_speech_able(talk->host.speech, why, why_bytes);
}

struct od_recordings *od_talk_recordings(const struct od_talk *talk)
{
    return talk->host.recordings;
}

void od_talk_stats(const struct od_talk *talk, struct od_talk_stats *out)
{
    struct od_speech_stats speech;
    *out = talk->stats;
    for (uint32_t phase = 0; phase < OD_CLOCK_PHASES; phase++) {
        const struct od_list *list = &talk->phases[phase];
        for (struct od_list *node = od_list_first(list); node; node = od_list_after(list, node))
            add_leg(out, &OD_OWNER(node, struct od_talk_session, place)->leg);
    }
    od_speech_stats(talk->host.speech, &speech);
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
    od_rtp_pool_close(talk->host.pool);
    free(talk->noise);
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
        calloc(config->sessions_max ? config->sessions_max : 1, sizeof(struct od_talk_session *));
    talk->noise = calloc(OD_NOISE_SAMPLES, sizeof *talk->noise);
    if (!talk->sessions || !talk->noise) {
        free(talk->sessions);
        free(talk->noise);
        free(talk);
        return NULL;
    }
    od_noise_make(talk->noise, NOISE_SEED);
    talk->host.noise = talk->noise;
    talk->host.events = *events;
    talk->host.verdicts = talk->stats.verdicts;
    talk->host.missed = &talk->stats.missed;
    talk->sessions_max = config->sessions_max;
    talk->any_source = config->any_source;
    uint32_t silent_ms = config->silent_ms_max ? config->silent_ms_max : SILENT_MS_DEFAULT;
    talk->host.silent_ns_max = silent_ms == UINT32_MAX ? OD_NEVER : silent_ms * OD_NS_PER_MS;
    talk->port = (struct od_talk_port){.ctx = talk,
                                       .prepare = on_prepare,
                                       .start = on_start,
                                       .stop = on_stop,
                                       .hook = on_hook,
                                       .bridge = on_bridge};
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
    int err = od_rtp_pool_open(&talk->host.pool,
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
    err = od_media_clock_open(&talk->clock, config->loop, on_slot, talk);
    if (err) {
        snprintf(why, why_bytes, "no timer descriptor: raise the limit of open files");
        free_talk(talk);
        return err;
    }
    err =
        od_recordings_open(&talk->host.recordings, config->loop, config->data_dir, why, why_bytes);
    if (err) {
        od_talk_close(talk, NULL, NULL);
        return err;
    }
    err = od_speech_open(&talk->host.speech,
                         &(struct od_speech_config){.loop = config->loop,
                                                    .data_dir = config->data_dir,
                                                    .program = config->synthesiser},
                         why, why_bytes);
    if (!err) {
        err = od_stream_hub_open(&talk->host.streams,
                                 &(struct od_stream_hub_config){.loop = config->loop,
                                                                .capacity = events->capacity,
                                                                .ctx = events->ctx,
                                                                .user_agent = config->user_agent,
                                                                .ca_file = config->ca_file,
                                                                .public_only = config->public_only,
                                                                .unix_dir = config->unix_dir});
        if (err)
            snprintf(why, why_bytes, "streams.ca_file can't be read, or no memory");
    }
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

void od_talk_public(struct od_talk *talk, bool only)
{
    od_stream_hub_public(talk->host.streams, only);
}

void od_talk_close(struct od_talk *talk, void (*fn)(void *ctx), void *ctx)
{
    talk->closed = fn;
    talk->closed_ctx = ctx;
    for (uint32_t i = 0; i < talk->sessions_max; i++) {
        if (talk->sessions[i])
            end_session(talk, talk->sessions[i]);
    }
    talk->closing = 1;
    if (talk->host.recordings) {
        talk->closing++;
        od_recordings_close(talk->host.recordings, on_part_closed, talk);
    }
    if (talk->host.speech) {
        talk->closing++;
        od_speech_close(talk->host.speech, on_part_closed, talk);
    }
    if (talk->host.streams) {
        talk->closing++;
        od_stream_hub_close(talk->host.streams, on_part_closed, talk);
    }
    od_media_clock_close(&talk->clock, on_part_closed, talk);
}

/*
 * legs - one slot per call of the engine, found by index and generation.
 */
#include "engine/host/legs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/api/sip_server.h"
#include "engine/base/str.h"
#include "engine/core/verdict.h"
#include "engine/host/log.h"
#include "engine/host/options.h"
#include "engine/host/resolve.h"
#include "engine/host/turn.h"
#include "outdial/err.h"

/* Answers that are heard before one is acknowledged whatever the disk does: the last comes 3.5 s
 * after the first. */
enum { ANSWERS_MAX = 3 };

struct leg {
    uint32_t gen;     /* 0: no leg */
    bool on_the_wire; /* od_sip_invite() took it */
    bool heard, rang; /* a response came; a 18x */
    uint8_t answers;  /* those that wait for their ACK; 0: none */
    struct od_job_id job;
    uint32_t trunk;
    struct od_addr server; /* of the trunk's, where the INVITE went */
    const struct od_agent_def *agent;
    struct od_call_id first; /* of a second leg: its call; gen 0: it is none */
};

struct od_legs {
    struct od_legs_config config;
    struct od_store *store;
    struct od_sip *sip;
    struct od_talk *talk;
    struct od_catalog *catalog;
    struct leg *legs;
    uint32_t *waiting; /* slots of the legs with answers that wait */
    uint32_t waiting_count;
    uint64_t quiet_until_ns; /* no line about an unreachable trunk before */
    uint64_t sdp_session; /* o= of the next offer; RFC 8866 section 5.2 asks for uniqueness only */
};

static struct leg *find(struct od_legs *legs, struct od_call_id call)
{
    if (!call.gen || call.index >= legs->config.calls_max || legs->legs[call.index].gen != call.gen)
        return NULL;
    return &legs->legs[call.index];
}

/* ---- facts for the engine ---- */

static void post(struct od_legs *legs, struct od_call_id call, enum od_event_kind kind)
{
    legs->config.post(legs->config.ctx, &(struct od_event){.kind = (uint8_t)kind, .call = call});
}

static void post_media_failed(struct od_legs *legs, struct od_call_id call, const char *reason)
{
    struct od_event event = {.kind = OD_EV_MEDIA_FAILED, .call = call};
    od_str_copy(event.u.fail.reason, sizeof event.u.fail.reason, reason, strlen(reason));
    legs->config.post(legs->config.ctx, &event);
}

static struct od_event sip_event(struct od_call_id call, enum od_event_kind kind,
                                 const struct od_sip_response *response)
{
    struct od_event event = {.kind = (uint8_t)kind, .call = call};
    event.u.sip.status = response->status;
    event.u.sip.local = response->local;
    event.u.sip.retry_after_s = response->retry_after_s;
    if (response->reason)
        od_str_copy(event.u.sip.reason, sizeof event.u.sip.reason, response->reason,
                    strlen(response->reason));
    return event;
}

static void post_sip(struct od_legs *legs, struct od_call_id call, enum od_event_kind kind,
                     const struct od_sip_response *response)
{
    const struct od_event event = sip_event(call, kind, response);
    legs->config.post(legs->config.ctx, &event);
}

static void post_local_reject(struct od_legs *legs, struct od_call_id call, uint16_t status,
                              const char *reason)
{
    post_sip(legs, call, OD_EV_REJECT,
             &(struct od_sip_response){.status = status, .local = true, .reason = reason});
}

/* ---- orders of the engine ---- */

/* The name the call was asked to show, else its number's, else the trunk's. `own` has room for the
 * first. One that can't stand in a header is as good as none. */
static const char *display_name(const struct od_legs *legs, const struct od_config_trunk *config,
                                const struct od_job *job, char own[OD_NAME_MAX])
{
    const char *name = NULL;
    own[0] = 0;
    if (job->extra.bytes) {
        yyjson_doc *extra = yyjson_read(job->extra.at, job->extra.bytes, 0);
        yyjson_val *wanted = yyjson_obj_get(yyjson_doc_get_root(extra), "overrideOutboundConfig");
        name = yyjson_get_str(yyjson_obj_get(wanted, "displayName"));
        if (name && od_sip_display_ok(name))
            od_str_copy(own, OD_NAME_MAX, name, strlen(name));
        yyjson_doc_free(extra);
    }
    if (*own)
        return own;
    name = od_catalog_number_name(legs->catalog, job->org, job->from);
    return name && od_sip_display_ok(name) ? name : config->display_name;
}

/* The INVITE but for its offer. Borrows from all of them. */
static struct od_sip_invite make_invite(const struct od_trunk_entry *trunk,
                                        const struct od_job *job, const struct od_agent_def *agent,
                                        const struct od_sip_names *names)
{
    const struct od_config_trunk *config = trunk->config;
    /* Who calls: the trunk's fixed user, else the call's number, which is its agent's when it asked
     * for none. */
    const char *from = *config->from_user ? config->from_user : job->from;
    if (!*from && agent)
        from = agent->number;
    if (!*from)
        from = "anonymous"; /* RFC 3323 section 4.1.1.3 */
    return (struct od_sip_invite){
        .names = names,
        .server = trunk->addr,
        .transport = od_transport_words[config->transport],
        .hop = trunk->hop,
        .domain = config->domain,
        .from_user = from,
        .display_name = config->display_name,
        .auth_user = config->auth_user,
        .password = config->password,
        .to = job->to,
    };
}

static int send_invite(struct od_legs *legs, struct od_call_id call, const struct od_invite *invite,
                       const struct od_trunk_entry *trunk, const struct od_job *job,
                       struct od_addr media)
{
    char offer[1024];
    const struct od_config_trunk *config = trunk->config;
    char name[OD_NAME_MAX];
    struct od_sip_invite order =
        make_invite(trunk, job, legs->legs[call.index].agent, &invite->names);
    order.display_name = display_name(legs, config, job, name);
    struct od_sdp_offer sdp = {.local = media,
                               .session = ++legs->sdp_session,
                               .user = "outdial",
                               .voice_count = config->voice_count,
                               .dtmf_type = 101,
                               .srtp = config->srtp,
                               .direction = OD_SDP_SENDRECV};
    memcpy(sdp.voices, config->voices, sizeof sdp.voices);
    if (config->srtp != OD_SRTP_OFF) {
        sdp.key = od_talk_secure(legs->talk, call, config->srtp);
        if (!sdp.key)
            return OD_EIO;
    }
    int bytes = od_sdp_write(&sdp, offer, sizeof offer);
    if (bytes < 0)
        return bytes;
    order.to = invite->to;
    order.sdp = offer;
    order.sdp_bytes = (size_t)bytes;
    return od_sip_invite(legs->sip, call, &order);
}

static void on_invite(void *ctx, struct od_call_id call, const struct od_invite *invite)
{
    struct od_legs *legs = ctx;
    const struct od_job *job = od_store_job(legs->store, invite->job);
    const struct od_trunk_entry *trunk = od_catalog_trunk(legs->catalog, invite->trunk);
    struct od_addr media;
    struct leg *leg = &legs->legs[call.index];
    *leg = (struct leg){
        .gen = call.gen, .job = invite->job, .trunk = invite->trunk, .first = invite->first};
    if (!job || !trunk || !trunk->addr.family) {
        post_local_reject(legs, call, 503, trunk ? "trunk not resolved" : "no such trunk");
        return;
    }
    leg->agent = od_catalog_hold_agent(legs->catalog, &job->agent);
    leg->server = trunk->addr;
    int err = od_talk_offer(legs->talk, call, &media);
    if (err) {
        post_media_failed(legs, call, err == OD_EBUSY ? "no RTP port free" : od_err_text(err));
        return;
    }
    if (trunk->config->dtmf == OD_CONFIG_DTMF_BOTH)
        od_talk_hear_keys(legs->talk, call);
    err = send_invite(legs, call, invite, trunk, job, media);
    if (err) {
        post_local_reject(legs, call, 0, od_err_text(err));
        return;
    }
    leg->on_the_wire = true;
}

static void on_invite_again(void *ctx, struct od_call_id call)
{
    struct od_legs *legs = ctx;
    int err = od_sip_invite_again(legs->sip, call);
    if (err)
        post_local_reject(legs, call, 0, od_err_text(err));
}

static void on_cancel(void *ctx, struct od_call_id call)
{
    struct od_legs *legs = ctx;
    struct leg *leg = find(legs, call);
    if (leg && leg->on_the_wire)
        od_sip_cancel(legs->sip, call);
    else
        post_local_reject(legs, call, 487, "never sent");
}

static void wait_no_more(struct od_legs *legs, uint32_t index)
{
    struct leg *leg = &legs->legs[index];
    if (!leg->answers)
        return;
    leg->answers = 0;
    for (uint32_t i = 0; i < legs->waiting_count; i++) {
        if (legs->waiting[i] == index) {
            legs->waiting[i] = legs->waiting[--legs->waiting_count];
            return;
        }
    }
}

/* Whether the ledger would end the leg as it is now, should we die. Of a second leg only Redis is
 * told, which nobody waits for. */
static bool may_acknowledge(const struct od_legs *legs, const struct leg *leg)
{
    return leg->first.gen || od_store_kept(legs->store, leg->job);
}

/* The callee says its answer again until it has an ACK (RFC 3261 section 13.3.1.4), which is how a
 * successor of ours hears of it. After the ACK there is only what the ledger knows: so it comes
 * second, but for a disk that takes seconds. */
static void on_ack(void *ctx, struct od_call_id call)
{
    struct od_legs *legs = ctx;
    struct leg *leg = find(legs, call);
    if (!leg || may_acknowledge(legs, leg) || leg->answers == ANSWERS_MAX) {
        if (leg)
            wait_no_more(legs, call.index);
        od_sip_ack(legs->sip, call);
    } else if (++leg->answers == 1) {
        legs->waiting[legs->waiting_count++] = call.index;
    }
}

void od_legs_kept(struct od_legs *legs)
{
    for (uint32_t i = legs->waiting_count; i-- > 0;) {
        uint32_t index = legs->waiting[i];
        struct leg *leg = &legs->legs[index];
        if (!may_acknowledge(legs, leg))
            continue;
        wait_no_more(legs, index);
        od_sip_ack(legs->sip, (struct od_call_id){index, leg->gen});
    }
}

static void on_bye(void *ctx, struct od_call_id call)
{
    struct od_legs *legs = ctx;
    struct leg *leg = find(legs, call);
    if (leg && leg->answers) {
        wait_no_more(legs, call.index);
        od_sip_ack(legs->sip, call);
    }
    od_sip_bye(legs->sip, call);
}

static void on_drop(void *ctx, struct od_call_id call)
{
    struct od_legs *legs = ctx;
    struct leg *leg = find(legs, call);
    if (!leg)
        return;
    wait_no_more(legs, call.index);
    if (leg->on_the_wire && !leg->heard) /* the engine's patience was at its end */
        od_catalog_server_failed(legs->catalog, leg->trunk, &leg->server);
    if (leg->on_the_wire)
        od_sip_drop(legs->sip, call);
    od_talk_drop(legs->talk, call);
    od_catalog_release_agent(legs->catalog, leg->agent);
    *leg = (struct leg){0};
}

static void on_ping(void *ctx, uint32_t index)
{
    struct od_legs *legs = ctx;
    const struct od_trunk_entry *trunk = od_catalog_trunk(legs->catalog, index);
    if (!trunk || !trunk->addr.family)
        return;
    const struct od_config_trunk *config = trunk->config;
    const struct od_sip_invite who = {.server = trunk->addr,
                                      .transport = od_transport_words[config->transport],
                                      .hop = trunk->hop,
                                      .domain = config->domain,
                                      .from_user = *config->from_user ? config->from_user : "ping",
                                      .sdp = ""};
    int err = od_sip_ping(legs->sip, index, &who);
    if (err)
        od_log(OD_CONFIG_LOG_WARN, "trunk", "%s: no OPTIONS can be sent: %s", config->name,
               od_err_text(err));
}

struct od_sip_port od_legs_port(struct od_legs *legs)
{
    return (struct od_sip_port){.ctx = legs,
                                .invite = on_invite,
                                .invite_again = on_invite_again,
                                .cancel = on_cancel,
                                .ack = on_ack,
                                .bye = on_bye,
                                .drop = on_drop,
                                .ping = on_ping};
}

/* ---- what the wire says ---- */

static void on_sent(void *ctx, struct od_call_id call, uint64_t sent_ns)
{
    struct od_legs *legs = ctx;
    struct od_event event = {.kind = OD_EV_SENT, .call = call, .u.sent.mono_ns = sent_ns};
    legs->config.post(legs->config.ctx, &event);
}

static void note_heard(struct od_legs *legs, struct od_call_id call)
{
    struct leg *leg = find(legs, call);
    if (leg)
        leg->heard = true;
}

static void on_trying(void *ctx, struct od_call_id call)
{
    note_heard(ctx, call);
    post(ctx, call, OD_EV_TRYING);
}

static void post_pong(struct od_legs *legs, uint32_t trunk, uint16_t status)
{
    struct od_event event = {.kind = OD_EV_PONG};
    event.u.pong.trunk = trunk;
    event.u.pong.status = status;
    legs->config.post(legs->config.ctx, &event);
}

static void on_pong(void *ctx, uint32_t trunk, uint16_t status)
{
    struct od_legs *legs = ctx;
    const struct od_trunk_entry *entry = od_catalog_trunk(legs->catalog, trunk);
    if (status)
        od_call_meter_response(legs->config.meter, trunk, "OPTIONS", status);
    else if (entry && od_catalog_server_failed(legs->catalog, trunk, &entry->addr))
        return; /* the next ping tells more */
    post_pong(legs, trunk, status);
}

/* Whatever port it came from: carriers send from many. */
static void on_inbound(void *ctx, const struct od_addr *from)
{
    struct od_legs *legs = ctx;
    const struct od_trunk_entry *trunk;
    for (uint32_t i = 0; legs->catalog && (trunk = od_catalog_trunk(legs->catalog, i)); i++) {
        struct od_event event = {.kind = OD_EV_INBOUND, .u.inbound.trunk = i};
        if (od_catalog_server_of(legs->catalog, i, from)) {
            legs->config.post(legs->config.ctx, &event);
            return;
        }
    }
}

static void on_challenged(void *ctx, struct od_call_id call)
{
    note_heard(ctx, call);
    post(ctx, call, OD_EV_CHALLENGED);
}

/* What the carrier thinks of the trunk's credentials. */
static void note_credentials(struct od_legs *legs, const struct leg *leg,
                             const struct od_sip_response *response)
{
    switch ((enum od_sip_auth_verdict)response->auth) {
    case OD_SIP_AUTH_NONE:
        break;
    case OD_SIP_AUTH_ACCEPTED:
        od_catalog_credentials(legs->catalog, leg->trunk, NULL);
        break;
    case OD_SIP_AUTH_MISSING:
        od_catalog_credentials(legs->catalog, leg->trunk,
                               "the carrier asks for credentials: set auth_user and password");
        break;
    case OD_SIP_AUTH_REFUSED:
        od_catalog_credentials(legs->catalog, leg->trunk,
                               "the carrier refuses auth_user and password");
        break;
    case OD_SIP_AUTH_UNUSABLE:
        od_catalog_credentials(legs->catalog, leg->trunk,
                               "the carrier asks for credentials in a way this version can't give");
        break;
    }
}

static void on_progress(void *ctx, struct od_call_id call, const struct od_sip_response *response)
{
    struct od_legs *legs = ctx;
    struct leg *leg = find(legs, call);
    if (!leg)
        return;
    leg->heard = true;
    note_credentials(legs, leg, response);
    const struct od_trunk_entry *trunk = od_catalog_trunk(legs->catalog, leg->trunk);
    if (response->sdp && trunk && trunk->config->early_media)
        od_talk_early(legs->talk, call, response->sdp);
    if (response->status >= 180) {
        leg->rang = true;
        od_talk_rings(legs->talk, call);
    }
    post_sip(legs, call, OD_EV_PROGRESS, response);
}

static void on_answered(void *ctx, struct od_call_id call, const struct od_sip_response *response,
                        bool again)
{
    struct od_legs *legs = ctx;
    const struct leg *leg = find(legs, call);
    int err = 0;
    note_heard(legs, call);
    if (leg)
        note_credentials(legs, leg, response);
    if (!again)
        err = response->sdp ? od_talk_answer(legs->talk, call, response->sdp) : OD_EPROTO;
    /* The answer itself always counts: it must be acknowledged whatever its body says. */
    post(legs, call, OD_EV_ANSWER);
    if (err)
        post_media_failed(legs, call,
                          err == OD_ENOENT    ? "no codec in common"
                          : err == OD_EDENIED ? "one side wants SRTP, the other has no key"
                          : !response->sdp    ? "answer with no usable SDP"
                                              : od_err_text(err));
}

/* A trunk that can't be reached is worth a line, though not one per call. */
static void warn_unreachable(struct od_legs *legs, const struct leg *leg,
                             const struct od_sip_response *response)
{
    uint64_t now_ns = od_turn_now().mono_ns;
    char server[64];
    if (!response->local || now_ns < legs->quiet_until_ns)
        return;
    const struct od_trunk_entry *trunk = od_catalog_trunk(legs->catalog, leg->trunk);
    if (!trunk)
        return;
    legs->quiet_until_ns = now_ns + 10 * OD_NS_PER_S;
    od_addr_text(&trunk->addr, server, sizeof server);
    od_log(OD_CONFIG_LOG_WARN, "trunk",
           "%s: %s does not answer (%s): check the server's address, its port and that it runs",
           trunk->config->name, server, response->status == 408 ? "timeout" : response->reason);
}

/* Whether the trunk goes on with another of its servers because this one is dead or overloaded. A
 * refusal for rate is the carrier's, whichever of its servers says it. */
static bool moved_on(struct od_legs *legs, const struct leg *leg,
                     const struct od_sip_response *response)
{
    const struct od_trunk_entry *trunk = od_catalog_trunk(legs->catalog, leg->trunk);
    const struct od_refusal refusal = {.status = response->status,
                                       .rang = leg->rang,
                                       .local = response->local,
                                       .retry_after_s = response->retry_after_s,
                                       .reason = response->reason};
    if (!trunk)
        return false;
    uint8_t fault = od_verdict_of(trunk->def.verdicts, &refusal).fault;
    return (fault == OD_TRUNK_FAULT_DEAD || fault == OD_TRUNK_FAULT_OVERLOAD) &&
           od_catalog_server_failed(legs->catalog, leg->trunk, &leg->server);
}

static void on_rejected(void *ctx, struct od_call_id call, const struct od_sip_response *response)
{
    struct od_legs *legs = ctx;
    struct leg *leg = find(legs, call);
    struct od_event event = sip_event(call, OD_EV_REJECT, response);
    if (leg) {
        leg->heard = true;
        warn_unreachable(legs, leg, response);
        note_credentials(legs, leg, response);
        event.u.sip.moved = moved_on(legs, leg, response);
    }
    legs->config.post(legs->config.ctx, &event);
}

static void on_peer_bye(void *ctx, struct od_call_id call)
{
    post(ctx, call, OD_EV_PEER_BYE);
}

static void on_cleared(void *ctx, struct od_call_id call)
{
    post(ctx, call, OD_EV_CLEARED);
}

static void on_reoffered(void *ctx, struct od_call_id call, const struct od_sdp *sdp)
{
    struct od_legs *legs = ctx;
    if (find(legs, call) && od_talk_answer(legs->talk, call, sdp))
        post_media_failed(legs, call, "the callee changed to media we can't do");
}

static void on_referred(void *ctx, struct od_call_id call, uint16_t status, bool final)
{
    struct od_legs *legs = ctx;
    if (find(legs, call))
        od_talk_referred(legs->talk, call, status, final);
}

static void on_message(void *ctx, struct od_call_id call, bool outgoing, const char *start_line)
{
    struct od_legs *legs = ctx;
    const struct leg *leg = find(legs, call);
    if (leg && leg->first.gen)
        call = leg->first; /* its call's trace shows both */
    od_ladder_add(legs->config.ladder, call, od_turn_now().wall_ms,
                  outgoing ? OD_LADDER_SENT : OD_LADDER_RECEIVED, start_line);
}

static void on_response(void *ctx, struct od_call_id call, const char *method, uint16_t status)
{
    struct od_legs *legs = ctx;
    const struct leg *leg = find(legs, call);
    if (leg)
        od_call_meter_response(legs->config.meter, leg->trunk, method, status);
}

static void on_registered(void *ctx, uint32_t id, const struct od_sip_registered *answer)
{
    struct od_legs *legs = ctx;
    legs->config.registered(legs->config.ctx, id, answer);
}

struct od_sip_events od_legs_sip_events(struct od_legs *legs)
{
    return (struct od_sip_events){.ctx = legs,
                                  .sent = on_sent,
                                  .trying = on_trying,
                                  .pong = on_pong,
                                  .inbound = on_inbound,
                                  .progress = on_progress,
                                  .answered = on_answered,
                                  .rejected = on_rejected,
                                  .peer_bye = on_peer_bye,
                                  .cleared = on_cleared,
                                  .reoffered = on_reoffered,
                                  .message = on_message,
                                  .response = on_response,
                                  .challenged = on_challenged,
                                  .referred = on_referred,
                                  .registered = on_registered};
}

/* ---- legs in the ledger ---- */

size_t od_legs_note(struct od_legs *legs, struct od_call_id call, const struct od_invite *order,
                    bool sent, struct od_text before, char *out, size_t size)
{
    const struct od_job *job = od_store_job(legs->store, order->job);
    const struct leg *leg = find(legs, call);
    const struct od_trunk_entry *trunk = od_catalog_trunk(legs->catalog, order->trunk);
    if (!job || !trunk || !trunk->addr.family || (sent && !leg))
        return 0;
    int bytes = sent ? od_sip_note_again(legs->sip, call, before.at, before.bytes, out, size) : 0;
    if (bytes > 0)
        return (size_t)bytes;
    const struct od_agent_def *agent =
        leg ? leg->agent : od_catalog_find_agent(legs->catalog, &job->agent);
    char name[OD_NAME_MAX];
    struct od_sip_invite invite = make_invite(trunk, job, agent, &order->names);
    invite.to = order->to;
    invite.display_name = display_name(legs, trunk->config, job, name);
    bytes = od_sip_note(legs->sip, sent ? call : (struct od_call_id){0, 0}, &invite, out, size);
    return bytes < 0 ? 0 : (size_t)bytes;
}

/* ---- the life of all ---- */

const struct od_agent_def *od_legs_agent(const struct od_legs *legs, struct od_call_id call)
{
    if (call.index >= legs->config.calls_max || legs->legs[call.index].gen != call.gen)
        return NULL;
    return legs->legs[call.index].agent;
}

int od_legs_create(struct od_legs **out, const struct od_legs_config *config)
{
    struct od_legs *legs = calloc(1, sizeof *legs);
    if (!legs)
        return OD_ENOMEM;
    legs->config = *config;
    legs->sdp_session = (uint64_t)od_turn_now().wall_ms;
    legs->legs = calloc(config->calls_max, sizeof *legs->legs);
    legs->waiting = calloc(config->calls_max, sizeof *legs->waiting);
    if (!legs->legs || !legs->waiting) {
        od_legs_destroy(legs);
        return OD_ENOMEM;
    }
    *out = legs;
    return 0;
}

void od_legs_destroy(struct od_legs *legs)
{
    if (!legs)
        return;
    free(legs->waiting);
    free(legs->legs);
    free(legs);
}

void od_legs_attach(struct od_legs *legs, struct od_store *store, struct od_sip *sip,
                    struct od_talk *talk, struct od_catalog *catalog)
{
    legs->catalog = catalog;
    legs->store = store;
    legs->sip = sip;
    legs->talk = talk;
}

void od_legs_each(const struct od_legs *legs, void (*fn)(void *ctx, struct od_call_id call),
                  void *ctx)
{
    for (uint32_t i = 0; i < legs->config.calls_max; i++)
        if (legs->legs[i].gen)
            fn(ctx, (struct od_call_id){.index = i, .gen = legs->legs[i].gen});
}

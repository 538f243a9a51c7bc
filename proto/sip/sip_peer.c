/*
 * sip_peer - requests that others send us.
 *
 * All are answered without a transaction: what a repeated request finds has not changed, so it gets
 * the same answer again, and nothing is kept per request. The exception is our 2xx to a re-INVITE,
 * which is ours to repeat until it is acknowledged (RFC 3261 section 13.3.1.4).
 */
#include <string.h>

#include "outdial/err.h"
#include "proto/sip/sip_internal.h"
#include "proto/sip/sip_read.h"

enum { T2_MS = 4000 }; /* RFC 3261 section 17.1.2.2 */

static void reply(struct od_sip *sip, msg_t *msg, int status, const char *phrase)
{
    nta_msg_treply(sip->agent, msg, status, phrase, SIPTAG_ALLOW_STR(od_sip_allow), TAG_END());
}

/* ---- a changed session ---- */

void od_sip_peer_forget(struct od_sip_leg *leg)
{
    if (leg->reinvite)
        msg_destroy(leg->reinvite);
    leg->reinvite = NULL;
    if (leg->reinvite_timer)
        su_timer_destroy(leg->reinvite_timer);
    leg->reinvite_timer = NULL;
}

/* 200 with our side of the session again. Takes msg over. */
static bool reply_session(struct od_sip_leg *leg, msg_t *msg, uint8_t direction)
{
    const sip_t *request = sip_object(msg);
    char sdp[OD_SIP_SDP_MAX * 2];
    struct od_sdp_repeat repeat = {
        .offer = leg->offer,
        .offer_bytes = leg->offer_bytes,
        .direction = direction,
        .changes = leg->changes,
    };
    if (od_sip_read_sdp(request, &repeat.peer, &repeat.peer_bytes))
        repeat.peer = NULL;
    int bytes = od_sdp_repeat(&repeat, sdp, sizeof sdp);
    if (bytes < 0) {
        reply(leg->sip, msg, SIP_488_NOT_ACCEPTABLE);
        return false;
    }
    sip_payload_t payload[1];
    sip_payload_init(payload);
    payload->pl_data = sdp;
    payload->pl_len = (usize_t)bytes;
    nta_msg_treply(leg->sip->agent, msg, SIP_200_OK,
                   SIPTAG_CONTACT_STR(leg->identity->contact_text), SIPTAG_ALLOW_STR(od_sip_allow),
                   SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD(payload), TAG_END());
    return true;
}

static void repeat_reinvite(su_root_magic_t *root, su_timer_t *timer, void *arg)
{
    struct od_sip_leg *leg = arg;
    (void)root;
    if (leg->reinvite_left_ms <= leg->reinvite_ms) {
        od_sip_peer_forget(leg); /* never acknowledged; the owner's media timers decide the rest */
        return;
    }
    leg->reinvite_left_ms -= leg->reinvite_ms;
    reply_session(leg, msg_ref(leg->reinvite), leg->reinvite_direction);
    leg->reinvite_ms = leg->reinvite_ms * 2 > T2_MS ? T2_MS : leg->reinvite_ms * 2;
    su_timer_set_interval(timer, repeat_reinvite, leg, (su_duration_t)leg->reinvite_ms);
}

static void start_repeating(struct od_sip_leg *leg, msg_t *msg, uint8_t direction)
{
    od_sip_peer_forget(leg);
    leg->reinvite_timer = su_timer_create(su_root_task(leg->sip->loop.root), 0);
    if (!leg->reinvite_timer)
        return;
    leg->reinvite = msg_ref(msg);
    leg->reinvite_direction = direction;
    leg->reinvite_ms = leg->sip->t1_ms;
    leg->reinvite_left_ms = 64 * leg->sip->t1_ms;
    su_timer_set_interval(leg->reinvite_timer, repeat_reinvite, leg,
                          (su_duration_t)leg->reinvite_ms);
}

/* Re-INVITE or UPDATE (RFC 3261 section 14.2, RFC 3311 section 5.2). Takes msg over. */
static void on_reoffer(struct od_sip_leg *leg, msg_t *msg, const sip_t *request, bool repeated)
{
    struct od_sip *sip = leg->sip;
    bool invite = request->sip_request->rq_method == sip_method_invite;
    if (leg->state < OD_SIP_ANSWERED) {
        reply(sip, msg, SIP_491_REQUEST_PENDING);
        return;
    }
    if (leg->state > OD_SIP_ANSWERED || leg->peer_left) {
        reply(sip, msg, SIP_481_NO_TRANSACTION);
        return;
    }
    const char *text;
    size_t bytes;
    struct od_sdp sdp = {0};
    struct od_sdp_choice choice;
    uint8_t direction = OD_SDP_SENDRECV;
    int err = od_sip_read_sdp(request, &text, &bytes);
    if (err == OD_EPROTO) {
        nta_msg_treply(sip->agent, msg, SIP_415_UNSUPPORTED_MEDIA,
                       SIPTAG_ACCEPT_STR("application/sdp"), TAG_END());
        return;
    }
    if (err == OD_ENOENT && !invite) { /* only refreshes the session */
        nta_msg_treply(sip->agent, msg, SIP_200_OK, SIPTAG_CONTACT_STR(leg->identity->contact_text),
                       TAG_END());
        return;
    }
    bool offered = !err;
    if (offered) {
        err = od_sdp_parse(text, bytes, &sdp);
        /* the answer's m= line is ours again: it must be of the offer's kind (RFC 3264 section 6)
         */
        if (!err && sdp.secure != (strstr(leg->offer, "RTP/SAVP") != NULL))
            err = OD_ENOENT;
        if (!err && sdp.remote.port)
            err = od_sdp_choose(&sdp, &choice);
        if (err) {
            reply(sip, msg, SIP_488_NOT_ACCEPTABLE);
            return;
        }
        direction = od_sdp_mirror(sdp.direction);
    }
    if (!repeated)
        leg->changes++;
    struct od_call_id call = leg->call;
    msg_t *kept = msg_ref(msg);
    if (reply_session(leg, msg, direction)) {
        if (invite && !repeated)
            start_repeating(leg, kept, direction);
        if (offered && !repeated && !leg->dropped)
            sip->events.reoffered(sip->events.ctx, call, &sdp);
    }
    msg_destroy(kept);
}

/* The ACK of our 2xx; when we were asked to make the offer, it holds the answer. */
static void on_ack(struct od_sip_leg *leg, const sip_t *request)
{
    if (!leg->reinvite || request->sip_cseq->cs_seq != sip_object(leg->reinvite)->sip_cseq->cs_seq)
        return;
    bool asked = !sip_object(leg->reinvite)->sip_payload;
    od_sip_peer_forget(leg);
    const char *text;
    size_t bytes;
    struct od_sdp sdp;
    if (!asked || leg->dropped || od_sip_read_sdp(request, &text, &bytes) ||
        od_sdp_parse(text, bytes, &sdp))
        return;
    leg->sip->events.reoffered(leg->sip->events.ctx, leg->call, &sdp);
}

/* ---- the peer hangs up ---- */

static void on_bye(struct od_sip_leg *leg, msg_t *msg)
{
    struct od_sip *sip = leg->sip;
    struct od_call_id call = leg->call;
    reply(sip, msg, SIP_200_OK);
    if (leg->state < OD_SIP_ANSWERED) {
        leg->early_bye = true; /* reported after the 2xx that it overtook */
        return;
    }
    if (leg->state == OD_SIP_ENDED || leg->peer_left)
        return;
    leg->peer_left = true;
    od_sip_peer_forget(leg);
    if (!leg->dropped)
        sip->events.peer_bye(sip->events.ctx, call);
}

/* ---- how a REFER of ours goes ---- */

static void on_notify(struct od_sip_leg *leg, msg_t *msg, const sip_t *request, bool repeated)
{
    struct od_sip *sip = leg->sip;
    if (leg->state < OD_SIP_ANSWERED) {
        reply(sip, msg, SIP_481_NO_TRANSACTION);
        return;
    }
    msg_t *kept = msg_ref(msg);
    int status = repeated ? 200 : od_sip_refer_notified(leg, request);
    if (status == 200)
        reply(sip, msg, SIP_200_OK);
    else if (status == 489)
        nta_msg_treply(sip->agent, msg, SIP_489_BAD_EVENT, SIPTAG_ALLOW_EVENTS_STR("refer"),
                       TAG_END());
    else
        reply(sip, msg, SIP_481_NO_TRANSACTION);
    msg_destroy(kept);
}

/* ---- sorting ---- */

/* RFC 3261 section 12.2.2: requests of a dialog come in order; an equal number is a repetition. */
static bool in_order(struct od_sip_leg *leg, const sip_t *request, bool *repeated)
{
    uint32_t cseq = request->sip_cseq->cs_seq;
    *repeated = leg->has_peer_cseq && cseq == leg->peer_cseq;
    if (leg->has_peer_cseq && cseq < leg->peer_cseq)
        return false;
    leg->has_peer_cseq = true;
    leg->peer_cseq = cseq;
    return true;
}

static bool refuse_extensions(struct od_sip *sip, msg_t *msg, const sip_t *request)
{
    if (!request->sip_require)
        return false;
    /* RFC 3261 section 8.2.2.3: we know no extension that has a name */
    sip_unsupported_t *unknown = sip_has_unsupported(msg_home(msg), NULL, request->sip_require);
    if (!unknown)
        return false;
    nta_msg_treply(sip->agent, msg, SIP_420_BAD_EXTENSION, SIPTAG_UNSUPPORTED(unknown), TAG_END());
    return true;
}

static void in_dialog(struct od_sip_leg *leg, msg_t *msg, const sip_t *request)
{
    struct od_sip *sip = leg->sip;
    bool repeated;
    if (!in_order(leg, request, &repeated)) {
        reply(sip, msg, SIP_500_INTERNAL_SERVER_ERROR);
        return;
    }
    switch (request->sip_request->rq_method) {
    case sip_method_bye:
        on_bye(leg, msg);
        return;
    case sip_method_invite:
    case sip_method_update:
        if (!refuse_extensions(sip, msg, request))
            on_reoffer(leg, msg, request, repeated);
        return;
    case sip_method_notify:
        if (!refuse_extensions(sip, msg, request))
            on_notify(leg, msg, request, repeated);
        return;
    case sip_method_info:
    case sip_method_options:
        if (!refuse_extensions(sip, msg, request))
            reply(sip, msg, SIP_200_OK);
        return;
    case sip_method_cancel:
    case sip_method_prack:
        reply(sip, msg, SIP_481_NO_TRANSACTION);
        return;
    default:
        reply(sip, msg, SIP_501_NOT_IMPLEMENTED);
        return;
    }
}

static void tell_inbound(const struct od_sip *sip, msg_t *msg)
{
    const su_sockaddr_t *from = msg_addr(msg);
    struct od_addr addr = {.port = ntohs(from->su_port)};
    if (!sip->events.inbound || (from->su_family != AF_INET && from->su_family != AF_INET6))
        return;
    addr.family = from->su_family == AF_INET ? 4 : 6;
    memcpy(addr.ip, SU_ADDR(from), addr.family == 4 ? 4 : 16);
    sip->events.inbound(sip->events.ctx, &addr);
}

static void outside_dialog(struct od_sip *sip, msg_t *msg, const sip_t *request)
{
    sip_method_t method = request->sip_request->rq_method;
    if (method == sip_method_invite && !request->sip_to->a_tag)
        tell_inbound(sip, msg);
    if (request->sip_to->a_tag || method == sip_method_cancel || method == sip_method_bye)
        reply(sip, msg, SIP_481_NO_TRANSACTION);
    else if (refuse_extensions(sip, msg, request))
        return;
    else if (method == sip_method_options)
        nta_msg_treply(sip->agent, msg, SIP_200_OK, SIPTAG_ALLOW_STR(od_sip_allow),
                       SIPTAG_ACCEPT_STR("application/sdp"), TAG_END());
    else
        reply(sip, msg, SIP_501_NOT_IMPLEMENTED);
}

void od_sip_peer_request(struct od_sip *sip, msg_t *msg, const sip_t *request)
{
    sip_method_t method = request->sip_request->rq_method;
    /* maddr would have the answer sent wherever a stranger likes */
    if (request->sip_via && request->sip_via->v_maddr) {
        sip->dropped++;
        msg_destroy(msg);
        return;
    }
    struct od_sip_leg *leg = od_sip_leg_find(sip, request->sip_call_id, request->sip_to->a_tag);
    uint64_t tag = od_sip_tag_hash(request->sip_from->a_tag);
    if (leg && leg->answered && leg->remote_tag != tag)
        leg = NULL; /* another fork's dialog, which we have ended */
    if (leg)
        od_sip_note_received(sip, leg->call, request);
    if (method == sip_method_ack) {
        if (leg)
            on_ack(leg, request);
        msg_destroy(msg);
    } else if (leg) {
        in_dialog(leg, msg, request);
    } else {
        outside_dialog(sip, msg, request);
    }
}

/*
 * sip_send - the requests of a leg on their way: INVITE, CANCEL, ACK, BYE. Which branch, which
 * CSeq, which address, with or without a transaction of nta's.
 */
#include <string.h>

#include "engine/base/str.h"
#include "proto/sip/sip_internal.h"

enum { BRANCH_BYTES = 64 };

static url_string_t const *as_route(const url_t *url)
{
    return (url_string_t const *)url;
}

/* The parameter as nta likes it, "branch=...", is what the value in our Via is part of. */
static const char *branch_of(const msg_t *msg)
{
    return sip_object(msg)->sip_via->v_branch - strlen("branch=");
}

/* Hands over a request that needs no transaction. */
static void send_stateless(struct od_sip_leg *leg, msg_t *msg, const url_t *hop)
{
    if (!msg) {
        leg->sip->send_failed++;
        return;
    }
    od_sip_note_sent(leg->sip, leg->call, sip_object(msg));
    if (!nta_outgoing_mcreate(leg->sip->agent, NULL, NULL, as_route(hop), msg, NTATAG_USER_VIA(1),
                              NTATAG_BRANCH_KEY(branch_of(msg)), NTATAG_STATELESS(1),
                              TPTAG_IDENT(OD_SIP_IDENT(leg->identity->server.family)), TAG_END())) {
        leg->sip->send_failed++;
        msg_destroy(msg);
    }
}

static nta_outgoing_t *send_transaction(struct od_sip_leg *leg, msg_t *msg, const url_t *hop,
                                        nta_response_f *fn)
{
    if (!msg) {
        leg->sip->send_failed++;
        return NULL;
    }
    od_sip_note_sent(leg->sip, leg->call, sip_object(msg));
    nta_outgoing_t *orq = nta_outgoing_mcreate(
        leg->sip->agent, fn, fn ? leg : NULL, as_route(hop), msg, NTATAG_USER_VIA(1),
        NTATAG_BRANCH_KEY(branch_of(msg)), NTATAG_PASS_100(1),
        TPTAG_IDENT(OD_SIP_IDENT(leg->identity->server.family)), TAG_END());
    if (!orq) {
        leg->sip->send_failed++;
        msg_destroy(msg);
    }
    return orq;
}

/* Branches beyond the INVITE's: its own with a letter and the remote tag's hash, so that the same
 * ACK goes out each time the same 2xx comes (RFC 3261 section 13.2.2.4). */
static void make_branch(const struct od_sip_leg *leg, char kind, uint64_t tag, char *out)
{
    struct od_buf buf;
    uint8_t bytes[4] = {(uint8_t)(tag >> 24), (uint8_t)(tag >> 16), (uint8_t)(tag >> 8),
                        (uint8_t)tag};
    od_buf_init(&buf, out, BRANCH_BYTES);
    od_buf_str(&buf, leg->names.branch);
    od_buf_char(&buf, kind);
    od_buf_hex(&buf, bytes, sizeof bytes);
}

/* The ACK or BYE of the dialog that this 2xx made. */
static nta_outgoing_t *send_in_dialog(struct od_sip_leg *leg, const sip_t *response,
                                      sip_method_t method, nta_response_f *fn)
{
    bool ack = method == sip_method_ack;
    su_home_t scratch[1] = {SU_HOME_INIT(scratch)};
    struct od_sip_target target;
    od_sip_target(leg->identity, scratch, response, &target);
    char branch[BRANCH_BYTES];
    make_branch(leg, ack ? 'a' : 'b', od_sip_tag_hash(response->sip_to->a_tag), branch);
    struct od_sip_request request = {
        .method = method,
        .method_name = ack ? "ACK" : "BYE",
        .cseq = ack ? OD_SIP_INVITE_CSEQ : OD_SIP_INVITE_CSEQ + 1,
        .uri = &target.uri,
        .to = response->sip_to,
        .route = target.route,
        .branch = branch,
    };
    nta_outgoing_t *orq = NULL;
    msg_t *msg = od_sip_request(leg, &request);
    if (ack)
        send_stateless(leg, msg, &target.hop);
    else
        orq = send_transaction(leg, msg, &target.hop, fn);
    su_home_deinit(scratch);
    return orq;
}

void od_sip_send_ack(struct od_sip_leg *leg, const sip_t *response)
{
    send_in_dialog(leg, response, sip_method_ack, NULL);
}

nta_outgoing_t *od_sip_send_bye(struct od_sip_leg *leg, const sip_t *response, nta_response_f *fn)
{
    return send_in_dialog(leg, response, sip_method_bye, fn);
}

/* The ACK of a failure goes where the INVITE went, on its branch (RFC 3261 section 17.1.1.3). */
void od_sip_send_ack_of_failure(struct od_sip_leg *leg, const sip_t *response)
{
    struct od_sip_request request = {
        .method = sip_method_ack,
        .method_name = "ACK",
        .cseq = OD_SIP_INVITE_CSEQ,
        .uri = leg->uri,
        .to = response->sip_to,
        .branch = leg->names.branch,
    };
    send_stateless(leg, od_sip_request(leg, &request), leg->identity->route);
}

/* On the INVITE's branch, with its Request-URI and To (RFC 3261 section 9.1). */
void od_sip_send_cancel(struct od_sip_leg *leg)
{
    struct od_sip_request request = {
        .method = sip_method_cancel,
        .method_name = "CANCEL",
        .cseq = OD_SIP_INVITE_CSEQ,
        .uri = leg->uri,
        .branch = leg->names.branch,
    };
    send_transaction(leg, od_sip_request(leg, &request), leg->identity->route, NULL);
}

nta_outgoing_t *od_sip_send_invite(struct od_sip_leg *leg, const char *sdp, size_t sdp_bytes,
                                   nta_response_f *fn)
{
    struct od_sip_request request = {
        .method = sip_method_invite,
        .method_name = "INVITE",
        .cseq = OD_SIP_INVITE_CSEQ,
        .uri = leg->uri,
        .branch = leg->names.branch,
        .body = sdp,
        .body_bytes = sdp_bytes,
    };
    return send_transaction(leg, od_sip_request(leg, &request), leg->identity->route, fn);
}

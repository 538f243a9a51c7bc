/*
 * sip_send - the requests of a leg on their way: INVITE, CANCEL, ACK, REFER, BYE. Which branch,
 * which CSeq, which address, with or without a transaction of nta's.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "proto/sip/sip_internal.h"

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
                              TPTAG_IDENT(OD_SIP_IDENT(leg->identity->hop.family)), TAG_END())) {
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
        TPTAG_IDENT(OD_SIP_IDENT(leg->identity->hop.family)), TAG_END());
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
    od_buf_init(&buf, out, OD_SIP_BRANCH_BYTES);
    od_buf_str(&buf, leg->names.branch);
    od_buf_char(&buf, kind);
    od_buf_hex(&buf, bytes, sizeof bytes);
}

/* The first INVITE's is as given; the next ones' are made from it, so that each can be told by who
 * knows the first alone (RFC 3261 section 8.1.3.5 asks for a new one). */
void od_sip_invite_branch(const struct od_sip_leg *leg, uint32_t cseq, char *out)
{
    struct od_buf buf;
    od_buf_init(&buf, out, OD_SIP_BRANCH_BYTES);
    od_buf_str(&buf, leg->names.branch);
    if (cseq == OD_SIP_INVITE_CSEQ)
        return;
    od_buf_char(&buf, 'i');
    od_buf_u64(&buf, cseq);
}

/* A request of the dialog that a 2xx made. */
struct in_dialog {
    sip_method_t method;
    const char *name;
    uint32_t cseq;
    char branch;       /* the letter in it */
    bool credentials;  /* of its own */
    const char *lines; /* or these; borrowed */
};

static nta_outgoing_t *send_in_dialog(struct od_sip_leg *leg, const sip_t *response,
                                      const struct in_dialog *what, nta_response_f *fn)
{
    su_home_t scratch[1] = {SU_HOME_INIT(scratch)};
    struct od_sip_target target;
    od_sip_target(leg->identity, scratch, response, &target);
    char branch[OD_SIP_BRANCH_BYTES];
    make_branch(leg, what->branch, od_sip_tag_hash(response->sip_to->a_tag), branch);
    char *own = what->credentials ? od_sip_auth_lines(leg, what->name, &target.uri) : NULL;
    struct od_sip_request request = {
        .method = what->method,
        .method_name = what->name,
        .cseq = what->cseq,
        .uri = &target.uri,
        .to = response->sip_to,
        .route = target.route,
        .branch = branch,
        .lines = own ? own : what->lines,
    };
    nta_outgoing_t *orq = NULL;
    if (what->method == sip_method_ack)
        send_stateless(leg, od_sip_request(leg, &request), &target.hop);
    else if (!what->credentials || own)
        orq = send_transaction(leg, od_sip_request(leg, &request), &target.hop, fn);
    free(own);
    su_home_deinit(scratch);
    return orq;
}

/* With the CSeq number and the credentials of the INVITE (RFC 3261 section 13.2.2.4). */
void od_sip_send_ack(struct od_sip_leg *leg, const sip_t *response)
{
    uint32_t cseq = response->sip_cseq->cs_seq;
    bool latest = leg->auth && cseq == leg->invite_cseq;
    const struct in_dialog ack = {.method = sip_method_ack,
                                  .name = "ACK",
                                  .cseq = cseq,
                                  .branch = 'a',
                                  .lines = latest ? leg->auth->lines : NULL};
    send_in_dialog(leg, response, &ack, NULL);
}

/* The next number of the dialog (RFC 3261 section 12.2.1.1: by one each). */
static uint32_t next_cseq(const struct od_sip_leg *leg)
{
    return leg->invite_cseq + leg->refers + 1;
}

nta_outgoing_t *od_sip_send_refer(struct od_sip_leg *leg, const sip_t *response, bool credentials,
                                  nta_response_f *fn)
{
    char lines[1024];
    struct od_buf buf;
    char *own = NULL;
    od_buf_init(&buf, lines, sizeof lines);
    od_buf_str(&buf, "Refer-To: <");
    od_buf_str(&buf, leg->refer_to);
    od_buf_str(&buf, ">\r\nContact: ");
    od_buf_str(&buf, leg->identity->contact_text);
    od_buf_str(&buf, "\r\n");
    if (credentials) {
        su_home_t scratch[1] = {SU_HOME_INIT(scratch)};
        struct od_sip_target target;
        od_sip_target(leg->identity, scratch, response, &target);
        own = od_sip_auth_lines(leg, "REFER", &target.uri);
        if (own)
            od_buf_str(&buf, own);
        su_home_deinit(scratch);
    }
    bool unable = buf.cut || (credentials && !own);
    free(own);
    if (unable)
        return NULL;
    const struct in_dialog refer = {.method = sip_method_refer,
                                    .name = "REFER",
                                    .cseq = next_cseq(leg),
                                    .branch = (char)('f' + leg->refers % 16),
                                    .lines = lines};
    nta_outgoing_t *orq = send_in_dialog(leg, response, &refer, fn);
    if (leg->refers < UINT8_MAX)
        leg->refers++;
    return orq;
}

nta_outgoing_t *od_sip_send_bye(struct od_sip_leg *leg, const sip_t *response, nta_response_f *fn)
{
    const struct in_dialog bye = {
        .method = sip_method_bye, .name = "BYE", .cseq = next_cseq(leg), .branch = 'b'};
    return send_in_dialog(leg, response, &bye, fn);
}

nta_outgoing_t *od_sip_send_bye_again(struct od_sip_leg *leg, const sip_t *response,
                                      nta_response_f *fn)
{
    const struct in_dialog bye = {.method = sip_method_bye,
                                  .name = "BYE",
                                  .cseq = next_cseq(leg) + 1,
                                  .branch = 'c',
                                  .credentials = true};
    return send_in_dialog(leg, response, &bye, fn);
}

/* The ACK of a failure goes where the INVITE went, on its branch (RFC 3261 section 17.1.1.3). */
void od_sip_send_ack_of_failure(struct od_sip_leg *leg, const sip_t *response)
{
    char branch[OD_SIP_BRANCH_BYTES];
    od_sip_invite_branch(leg, response->sip_cseq->cs_seq, branch);
    struct od_sip_request request = {
        .method = sip_method_ack,
        .method_name = "ACK",
        .cseq = response->sip_cseq->cs_seq,
        .uri = leg->uri,
        .to = response->sip_to,
        .branch = branch,
    };
    send_stateless(leg, od_sip_request(leg, &request), leg->identity->route);
}

/* On the INVITE's branch, with its Request-URI and To (RFC 3261 section 9.1). */
void od_sip_send_cancel(struct od_sip_leg *leg)
{
    char branch[OD_SIP_BRANCH_BYTES];
    od_sip_invite_branch(leg, leg->invite_cseq, branch);
    struct od_sip_request request = {
        .method = sip_method_cancel,
        .method_name = "CANCEL",
        .cseq = leg->invite_cseq,
        .uri = leg->uri,
        .branch = branch,
    };
    send_transaction(leg, od_sip_request(leg, &request), leg->identity->route, NULL);
}

nta_outgoing_t *od_sip_send_invite(struct od_sip_leg *leg, nta_response_f *fn)
{
    char branch[OD_SIP_BRANCH_BYTES];
    od_sip_invite_branch(leg, leg->invite_cseq, branch);
    struct od_sip_request request = {
        .method = sip_method_invite,
        .method_name = "INVITE",
        .cseq = leg->invite_cseq,
        .uri = leg->uri,
        .branch = branch,
        .body = leg->offer,
        .body_bytes = leg->offer_bytes,
    };
    if (leg->auth) {
        free(leg->auth->lines);
        request.lines = leg->auth->lines = od_sip_auth_lines(leg, "INVITE", leg->uri);
    }
    return send_transaction(leg, od_sip_request(leg, &request), leg->identity->route, fn);
}

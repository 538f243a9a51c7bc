/*
 * switchboard: see switchboard.h. Methods outside a call are answered from the request alone; the
 * rest goes to the callee it belongs to.
 */
#include "bench/carrier/switchboard.h"

#include "bench/carrier/callee_table.h"
#include "bench/carrier/challenge.h"

#include <stdio.h>
#include <string.h>

/* ---- sending ---- */

struct od_sip_out *od_carrier_compose(struct od_carrier_node *n)
{
    return od_sip_port_compose(n->port);
}

static bool chance(struct od_carrier_node *n, double probability)
{
    return probability > 0 && od_population_unit(&n->faults) < probability;
}

void od_carrier_send(struct od_carrier_node *n, const struct od_carrier_addr *to)
{
    const struct od_sip_out *out = od_sip_port_composing(n->port);
    if (out->full) {
        n->tally.unsendable++;
        return;
    }
    if (chance(n, n->setup.profile.lose_sent)) {
        n->tally.dropped_out++;
        return;
    }
    bool twice = chance(n, n->setup.profile.duplicate);
    n->tally.duplicated_out += twice;
    od_sip_port_post(n->port, to, twice ? 2 : 1);
}

void od_carrier_reply(struct od_carrier_node *n, const struct od_sip_text *m,
                      const struct od_carrier_arrival *a, struct od_carrier_reply reply)
{
    struct od_carrier_addr to = a->source;
    if (!m->rport_end)
        od_carrier_addr_set_port(&to, m->via_port ? m->via_port : 5060);
    struct od_sip_out *out = od_carrier_compose(n);
    od_sip_out_format(out, "SIP/2.0 %d %s\r\n", reply.status,
                      reply.reason ? reply.reason : od_sip_text_reason(reply.status));
    od_sip_text_echo(m, a->source_text, reply.to_tag, out);
    od_sip_out_word(out, reply.extra);
    od_sip_out_word(out, "Content-Length: 0\r\n\r\n");
    od_carrier_send(n, &to);
    n->tally.responses_out++;
    od_ledger_begin(&n->ledger, "response", n->now);
    od_ledger_text(&n->ledger, "call_id", m->call_id);
    od_ledger_number(&n->ledger, "code", (uint64_t)reply.status);
    od_ledger_text(&n->ledger, "method", m->method_name);
    od_ledger_end(&n->ledger);
}

static void make_stateless_tag(const struct od_carrier_node *n, const struct od_sip_text *m,
                               char tag[24])
{
    snprintf(tag, 24, "s%016llx", (unsigned long long)od_carrier_transaction_key(n, m));
}

/* A tag for a response outside any call: the same for a retransmission, as 8.2.7 asks. */
static void reply_stateless(struct od_carrier_node *n, const struct od_sip_text *m,
                            const struct od_carrier_arrival *a, int status, const char *reason,
                            const char *extra)
{
    char tag[24];
    make_stateless_tag(n, m, tag);
    od_carrier_reply(n, m, a, (struct od_carrier_reply){status, reason, tag, extra});
}

/* ---- requests ---- */

static bool sdp_unusable(const struct od_sip_text *m)
{
    struct od_sdp_text sdp;
    return m->body.bytes > 0 && !od_sdp_text_parse(&sdp, m->body);
}

static bool is_sdp(struct od_text type)
{
    static const char sdp[] = "application/sdp";
    const size_t n = sizeof sdp - 1;
    if (type.bytes < n || (type.bytes > n && type.at[n] != ';' && type.at[n] != ' '))
        return false;
    return od_text_is_nocase((struct od_text){type.at, n}, sdp);
}

/* Whether a limit of this carrier refuses the INVITE. A refused one uses nothing up. */
static struct od_refusal check_limits(struct od_carrier_node *n, const struct od_carrier_arrival *a)
{
    const struct od_profile *p = &n->setup.profile;
    if (n->stopping) {
        n->tally.refused_other++;
        return (struct od_refusal){503, "Carrier Stopping"};
    }
    if (p->max_calls && n->live >= p->max_calls) {
        n->tally.refused_calls++;
        return (struct od_refusal){503, "Concurrent call limit exceeded"};
    }
    uint32_t limit = od_profile_cps(p, (double)(a->at.wall_ns - n->first_ns) / 1e9);
    if (limit && od_rate_window_count(&n->accepted, a->at.wall_ns) >= limit) {
        n->tally.refused_cps++;
        return (struct od_refusal){503, "CPS limit exceeded"};
    }
    if (limit)
        od_rate_window_add(&n->accepted, a->at.wall_ns);
    return (struct od_refusal){0};
}

static struct od_refusal check_invite(struct od_carrier_node *n, const struct od_sip_text *m,
                                      const struct od_carrier_arrival *a)
{
    char number[OD_SIP_TEXT_NUMBER_BYTES];
    struct od_refusal refusal = {od_sip_text_number(m->uri, number), NULL};
    if (!refusal.status && m->body.bytes > 0 && !is_sdp(m->content_type))
        refusal.status = 415;
    else if (!refusal.status && sdp_unusable(m))
        refusal.status = 488;
    if (!refusal.status)
        return check_limits(n, a);
    n->tally.refused_other++;
    return refusal;
}

static void write_refused(struct od_carrier_node *n, const struct od_callee *c,
                          const struct od_carrier_arrival *a, struct od_refusal refusal)
{
    od_ledger_begin(&n->ledger, "refused", a->at);
    od_ledger_number(&n->ledger, "call", c->serial);
    od_ledger_text(&n->ledger, "call_id", c->call_id);
    od_ledger_word(&n->ledger, "number", c->number);
    od_ledger_number(&n->ledger, "code", (uint64_t)refusal.status);
    od_ledger_word(&n->ledger, "reason",
                   refusal.reason ? refusal.reason : od_sip_text_reason(refusal.status));
    od_ledger_end(&n->ledger);
}

static void first_invite(struct od_carrier_node *n, const struct od_sip_text *m,
                         const struct od_carrier_arrival *a, uint64_t merge)
{
    if (!n->tally.invites++)
        n->first_ns = a->at.wall_ns;
    od_rate_window_add(&n->offered, a->at.wall_ns);
    struct od_callee *c = od_callee_table_add(n);
    if (!c) {
        n->tally.refused_other++;
        reply_stateless(n, m, a, 503, "Carrier Full", "");
        return;
    }
    struct od_refusal refusal = check_invite(n, m, a);
    if (!od_callee_init(c, n, m, a, refusal)) {
        od_callee_table_remove(n, c);
        reply_stateless(n, m, a, 513, NULL, "");
        return;
    }
    n->tally.calls++;
    od_callee_table_link(n, c, merge);
    if (refusal.status)
        write_refused(n, c, a, refusal);
}

/* True when the INVITE shows the credentials of the profile; else it is challenged, by a nonce that
 * is good for its call alone. */
static bool authorised(struct od_carrier_node *n, const struct od_sip_text *m,
                       const struct od_carrier_arrival *a)
{
    const struct od_profile_auth *auth = &n->setup.profile.auth;
    char nonce[20], extra[256], number[OD_SIP_TEXT_NUMBER_BYTES];
    if (!auth->user[0])
        return true;
    snprintf(nonce, sizeof nonce, "%016llx", (unsigned long long)od_carrier_hash(n, m->call_id));
    enum od_challenge_verdict verdict = od_challenge_check(m, auth, nonce);
    if (verdict == OD_CHALLENGE_MET)
        return true;
    if (od_sip_text_number(m->uri, number))
        number[0] = 0;
    od_ledger_begin(&n->ledger, "challenge", a->at);
    od_ledger_text(&n->ledger, "call_id", m->call_id);
    od_ledger_number(&n->ledger, "cseq", m->cseq);
    od_ledger_word(&n->ledger, "number", number);
    od_ledger_word(&n->ledger, "verdict", od_challenge_word(verdict));
    od_ledger_end(&n->ledger);
    snprintf(extra, sizeof extra,
             "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"%s\", algorithm=%s, "
             "qop=\"auth\"%s\r\n",
             nonce, auth->algorithm, verdict == OD_CHALLENGE_STALE ? ", stale=true" : "");
    reply_stateless(n, m, a, 401, NULL, extra);
    return false;
}

static void take_invite(struct od_carrier_node *n, const struct od_sip_text *m,
                        const struct od_carrier_arrival *a)
{
    struct od_callee *c = od_callee_table_find_invite(n, od_carrier_transaction_key(n, m));
    if (c) {
        n->tally.invite_retransmissions++;
        od_callee_invite_again(c, m, a);
        return;
    }
    if (m->to_tag.at) {
        c = od_callee_table_find_dialog(n, m);
        if (c)
            od_callee_reinvite(c, m, a);
        else
            reply_stateless(n, m, a, 481, NULL, "");
        return;
    }
    uint64_t merge = od_callee_table_merge_key(n, m);
    if (od_callee_table_find_merge(n, merge))
        reply_stateless(n, m, a, 482, NULL, "");
    else if (authorised(n, m, a))
        first_invite(n, m, a, merge);
}

/* A message for a call we don't know: worth a line, whoever checks wants to know. */
static void take_stray(struct od_carrier_node *n, const struct od_sip_text *m,
                       const struct od_carrier_arrival *a, const char *fact)
{
    n->tally.strays++;
    od_ledger_begin(&n->ledger, fact, a->at);
    od_ledger_text(&n->ledger, "call_id", m->call_id);
    od_ledger_bool(&n->ledger, "matched", false);
    if (m->method == OD_SIP_TEXT_BYE)
        od_ledger_word(&n->ledger, "who", "caller");
    od_ledger_end(&n->ledger);
    if (m->method != OD_SIP_TEXT_ACK)
        reply_stateless(n, m, a, 481, NULL, "");
}

static void take_ack(struct od_carrier_node *n, const struct od_sip_text *m,
                     const struct od_carrier_arrival *a)
{
    /* of a refusal: the INVITE's own transaction; of a 2xx: only the dialog tells
     * (17.1.1.3, 13.2.2.4) */
    struct od_callee *c = od_callee_table_find_invite(n, od_carrier_transaction_key(n, m));
    if (!c)
        c = od_callee_table_find_dialog(n, m);
    n->tally.acks++;
    char tag[24];
    make_stateless_tag(n, m, tag);
    if (!c && n->setup.profile.auth.user[0] && od_text_is(m->to_tag, tag))
        return; /* of a challenge, which nobody keeps */
    if (c)
        od_callee_ack(c, m, a);
    else
        take_stray(n, m, a, "ack");
}

static void take_request(struct od_carrier_node *n, const struct od_sip_text *m,
                         const struct od_carrier_arrival *a)
{
    static const char abilities[] = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n"
                                    "Accept: application/sdp\r\n";
    struct od_callee *c;
    if (m->require.at && m->method != OD_SIP_TEXT_ACK && m->method != OD_SIP_TEXT_CANCEL) {
        char extra[256]; /* 8.2.2.3: no extension is supported */
        snprintf(extra, sizeof extra, "Unsupported: %.*s\r\n",
                 m->require.bytes < 200 ? (int)m->require.bytes : 200, m->require.at);
        reply_stateless(n, m, a, 420, NULL, extra);
        return;
    }
    switch (m->method) {
    case OD_SIP_TEXT_INVITE:
        take_invite(n, m, a);
        break;
    case OD_SIP_TEXT_ACK:
        take_ack(n, m, a);
        break;
    case OD_SIP_TEXT_CANCEL:
        n->tally.cancels++;
        c = od_callee_table_find_invite(n, od_carrier_transaction_key(n, m));
        if (c)
            od_callee_cancel(c, m, a);
        else
            take_stray(n, m, a, "cancel");
        break;
    case OD_SIP_TEXT_BYE:
        c = od_callee_table_find_dialog(n, m);
        if (c)
            od_callee_bye(c, m, a);
        else
            take_stray(n, m, a, "bye");
        break;
    case OD_SIP_TEXT_OPTIONS:
        n->tally.options++;
        reply_stateless(n, m, a, 200, NULL, abilities);
        break;
    case OD_SIP_TEXT_REFUSED:
    case OD_SIP_TEXT_UNKNOWN:
        n->tally.other_requests++;
        reply_stateless(n, m, a, m->method == OD_SIP_TEXT_REFUSED ? 405 : 501, NULL, abilities);
        break;
    }
}

static void take_response(struct od_carrier_node *n, const struct od_sip_text *m)
{
    struct od_text tag = m->branch;
    if (tag.bytes <= 7 || m->method != OD_SIP_TEXT_BYE)
        return;
    tag = (struct od_text){tag.at + 7, tag.bytes - 7};
    struct od_callee *c = od_callee_table_find_tag(n, tag);
    if (c && c->call_id_hash == od_carrier_hash(n, m->call_id))
        od_callee_response(c, m);
    else
        n->tally.strays++;
}

static bool lost(struct od_carrier_node *n, const struct od_sip_datagram *d)
{
    bool ack = d->count > 4 && memcmp(d->bytes, "ACK ", 4) == 0;
    if (!chance(n, n->setup.profile.lose) && !(ack && chance(n, n->setup.profile.lose_ack)))
        return false;
    n->tally.dropped_in++;
    return true;
}

void od_switchboard_take(struct od_carrier_node *n, const struct od_sip_datagram *d)
{
    n->tally.datagrams++;
    if (lost(n, d))
        return;
    struct od_sip_text m;
    int status = od_sip_text_parse(&m, d->bytes, d->count);
    if (status < 0) {
        n->tally.malformed++;
        return;
    }
    struct od_carrier_arrival a = {.source = d->source, .at = n->now};
    od_carrier_addr_host_text(&a.source, a.host);
    a.source_text = (struct od_sip_text_source){a.host, od_carrier_addr_port(&a.source)};
    int64_t waited_ns = d->stamp_ns ? n->now.wall_ns - d->stamp_ns : 0;
    if (waited_ns > 0 && (uint64_t)waited_ns < n->now.mono_ns) {
        a.at.wall_ns = d->stamp_ns;
        a.at.mono_ns = n->now.mono_ns - (uint64_t)waited_ns;
    }
    if (!m.request) {
        take_response(n, &m);
    } else if (status > 0) {
        n->tally.malformed++;
        if (m.method != OD_SIP_TEXT_ACK)
            reply_stateless(n, &m, &a, status, m.problem, "");
    } else {
        take_request(n, &m, &a);
    }
}

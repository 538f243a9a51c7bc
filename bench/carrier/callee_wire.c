/* callee_wire: see callee_wire.h. */
#include "bench/carrier/callee_wire.h"

#include "bench/carrier/callee_facts.h"

#include <stdlib.h>
#include <string.h>

static const char allow[] = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n";

static void put_head(struct od_callee *c, struct od_sip_out *out)
{
    int status = c->invite.status;
    od_sip_out_format(out, "SIP/2.0 %d %s\r\n", status, c->invite.reason);
    od_sip_out_text(out, c->invite.echo);
    if (status > 100 && status < 300) {
        od_sip_out_text(out, c->invite.routes);
        od_sip_out_format(out, "Contact: <sip:callee@%s>\r\n", c->node->contact_host);
        od_sip_out_word(out, allow);
    }
    if (status == 503 && c->attempt == 0 && c->node->setup.profile.retry_after_s)
        od_sip_out_format(out, "Retry-After: %u\r\n",
                          (unsigned)c->node->setup.profile.retry_after_s);
    if (status == 415)
        od_sip_out_word(out, "Accept: application/sdp\r\n");
}

/* Sends the response that invite.status says, for the first time or again. */
void od_callee_send_response(struct od_callee *c, bool again)
{
    struct od_sip_out *out = od_carrier_compose(c->node);
    put_head(c, out);
    if (c->invite.sdp && (c->invite.status == 183 || c->invite.status == 200)) {
        od_sip_out_format(out, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n",
                          c->invite.sdp_bytes);
        od_sip_out_bytes(out, c->invite.sdp, c->invite.sdp_bytes);
    } else {
        od_sip_out_word(out, "Content-Length: 0\r\n\r\n");
    }
    od_carrier_send(c->node, &c->invite.reply_to);
    c->node->tally.responses_out++;
    struct od_ledger *l = od_callee_begin_fact(c, "response", c->node->now);
    od_ledger_number(l, "code", (uint64_t)c->invite.status);
    od_ledger_word(l, "method", "INVITE");
    od_ledger_bool(l, "retransmission", again);
    od_ledger_end(l);
}

/* Where a request inside the dialog goes (12.2.1.1): first route, else remote target, else back. */
static struct od_carrier_addr next_hop(const struct od_callee *c)
{
    struct od_text uri = c->target, rest, first;
    const char *colon = c->routes.bytes ? memchr(c->routes.at, ':', c->routes.bytes) : NULL;
    if (colon) {
        rest = (struct od_text){colon + 1, (size_t)(c->routes.at + c->routes.bytes - colon - 1)};
        if (od_sip_text_next_element(&rest, &first))
            od_sip_text_addr_uri(first, &uri);
    }
    struct od_text host;
    uint16_t port;
    struct od_carrier_addr hop;
    if (!od_sip_text_uri_host(uri, &host, &port) ||
        !od_carrier_addr_host(&hop, host.at, host.bytes, port ? port : 5060) ||
        hop.u.any.sa_family != c->source.u.any.sa_family)
        return c->source;
    return hop;
}

void od_callee_send_bye(struct od_callee *c, bool again)
{
    struct od_sip_out *out = od_carrier_compose(c->node);
    od_sip_out_word(out, "BYE ");
    od_sip_out_text(out, c->target);
    od_sip_out_format(out, " SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\n",
                      c->node->contact_host, c->tag);
    od_sip_out_word(out, "Max-Forwards: 70\r\n");
    od_sip_out_text(out, c->routes);
    od_sip_out_word(out, "From: ");
    od_sip_out_text(out, c->to);
    od_sip_out_format(out, ";tag=%s\r\nTo: ", c->tag);
    od_sip_out_text(out, c->from);
    od_sip_out_word(out, "\r\nCall-ID: ");
    od_sip_out_text(out, c->call_id);
    od_sip_out_word(out, "\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n");
    struct od_carrier_addr hop = next_hop(c);
    od_carrier_send(c->node, &hop);
    c->node->tally.byes_out += !again;
    od_callee_write_bye(c, "callee", again, c->node->now);
}

/* Where responses to a request go (18.2.2, RFC 3581 4): its source; without rport, sent-by's port.
 */
static struct od_carrier_addr reply_address(const struct od_sip_text *m,
                                            const struct od_carrier_arrival *a)
{
    struct od_carrier_addr to = a->source;
    if (!m->rport_end)
        od_carrier_addr_set_port(&to, m->via_port ? m->via_port : 5060);
    return to;
}

bool od_callee_keep_invite(struct od_callee *c, const struct od_sip_text *m,
                           const struct od_carrier_arrival *a, struct od_callee_invite *invite)
{
    struct od_sip_out out = {.at = c->node->scratch, .room = sizeof c->node->scratch};
    od_sip_text_echo(m, a->source_text, c->tag, &out);
    size_t echo = out.used;
    od_sip_text_routes(m, "Record-Route", &out);
    size_t routes = out.used;
    od_sip_out_text(&out, m->body);
    *invite = (struct od_callee_invite){.text = out.full ? NULL : malloc(out.used)};
    if (!invite->text)
        return false;
    memcpy(invite->text, out.at, out.used);
    invite->echo = (struct od_text){invite->text, echo};
    invite->routes = (struct od_text){invite->text + echo, routes - echo};
    invite->body = (struct od_text){invite->text + routes, out.used - routes};
    invite->key = od_carrier_transaction_key(c->node, m);
    invite->cseq = m->cseq;
    invite->reply_to = reply_address(m, a);
    return true;
}

bool od_callee_keep_dialog(struct od_callee *c, const struct od_sip_text *m,
                           const struct od_carrier_arrival *a)
{
    struct od_sip_out out = {.at = c->node->scratch, .room = sizeof c->node->scratch};
    struct od_text target;
    size_t ends[4];
    od_sip_out_text(&out, m->call_id);
    ends[0] = out.used;
    od_sip_out_text(&out, m->from);
    ends[1] = out.used;
    od_sip_out_text(&out, m->to);
    ends[2] = out.used;
    if (od_sip_text_addr_uri(m->contact, &target)) {
        od_sip_out_text(&out, target);
    } else {
        char source[OD_CARRIER_ADDR_TEXT];
        od_carrier_addr_text(&a->source, source);
        od_sip_out_format(&out, "sip:%s", source);
    }
    ends[3] = out.used;
    od_sip_text_routes(m, "Route", &out);
    c->dialog = out.full ? NULL : malloc(out.used);
    if (!c->dialog)
        return false;
    memcpy(c->dialog, out.at, out.used);
    c->call_id = (struct od_text){c->dialog, ends[0]};
    c->from = (struct od_text){c->dialog + ends[0], ends[1] - ends[0]};
    c->to = (struct od_text){c->dialog + ends[1], ends[2] - ends[1]};
    c->target = (struct od_text){c->dialog + ends[2], ends[3] - ends[2]};
    c->routes = (struct od_text){c->dialog + ends[3], out.used - ends[3]};
    c->call_id_hash = od_carrier_hash(c->node, m->call_id);
    c->from_tag_hash = od_carrier_hash(c->node, m->from_tag);
    return true;
}

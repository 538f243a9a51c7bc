/* wire - see wire.h. */
#include "bench/load/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/run.h"
#include "proto/sip/sip_digest.h"

static const char allow[] = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n";
static const char *const via_words[] = {
    [OD_LOAD_UDP] = "UDP", [OD_LOAD_TCP] = "TCP", [OD_LOAD_TLS] = "TLS"};
static const char *const contact_words[] = {
    [OD_LOAD_UDP] = "", [OD_LOAD_TCP] = ";transport=tcp", [OD_LOAD_TLS] = ";transport=tls"};
enum { DIALOG_BYTES = 8192 };

static struct od_sip_out *compose(struct od_load_run *run)
{
    return run->stream ? od_load_stream_compose(run->stream) : od_sip_port_compose(run->port);
}

/* By TCP all goes to the server that we are connected to. */
static void post(struct od_load_run *run, const struct od_carrier_addr *to)
{
    if (run->stream)
        run->tally->unsendable += !od_load_stream_post(run->stream);
    else if (od_sip_port_composing(run->port)->full)
        run->tally->unsendable++;
    else
        od_sip_port_post(run->port, to, 1);
}

/* The called user: the target's, counted up when it is a number and there are several. */
static void put_callee(struct od_load_run *run, const struct od_load_call *call,
                       struct od_sip_out *out)
{
    const char *user = run->plan->user, *digits = user + (*user == '+');
    if (run->plan->numbers > 1) {
        unsigned long long first = strtoull(digits, NULL, 10);
        od_sip_out_format(out, "sip:%s%0*llu@%s", *user == '+' ? "+" : "", (int)strlen(digits),
                          first + call->number, run->plan->host);
    } else {
        od_sip_out_format(out, "sip:%s%s%s", user, *user ? "@" : "", run->plan->host);
    }
}

/* Via with the branch of transaction `cseq` of this method's letter. */
static void put_via(struct od_load_run *run, const struct od_load_call *call, uint32_t cseq,
                    char kind, struct od_sip_out *out)
{
    od_sip_out_format(out,
                      " SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%016llx%x.%x.%x%c;rport\r\n"
                      "Max-Forwards: 70\r\n",
                      via_words[run->plan->transport], run->contact_host,
                      (unsigned long long)run->name, (unsigned)call->index, (unsigned)call->gen,
                      (unsigned)cseq, kind);
}

static void put_from(struct od_load_run *run, const struct od_load_call *call,
                     struct od_sip_out *out)
{
    od_sip_out_format(out, "From: <sip:%s@%s>;tag=%llx.%x\r\n", run->plan->from, run->contact_host,
                      (unsigned long long)(run->name >> 32), (unsigned)call->index);
}

static void put_call_id(struct od_load_run *run, const struct od_load_call *call, uint32_t cseq,
                        const char *method, struct od_sip_out *out)
{
    od_sip_out_format(out, "Call-ID: %016llx.%x.%x\r\nCSeq: %u %s\r\n",
                      (unsigned long long)run->name, (unsigned)call->index, (unsigned)call->gen,
                      (unsigned)cseq, method);
}

static void put_contact(struct od_load_run *run, struct od_sip_out *out)
{
    od_sip_out_format(out, "Contact: <sip:%s@%s%s>\r\n", run->plan->from, run->contact_host,
                      contact_words[run->plan->transport]);
}

static void put_body(struct od_load_run *run, const struct od_load_call *call,
                     struct od_sip_out *out)
{
    char body[1024];
    struct od_sip_out sdp = {.at = body, .room = sizeof body};
    struct od_carrier_addr local = run->media;
    if (call->line) {
        struct od_carrier_addr line;
        od_load_line_local(call->line, &line);
        od_carrier_addr_set_port(&local, od_carrier_addr_port(&line));
    } else {
        od_carrier_addr_set_port(&local, 9); /* discard: nobody listens, nothing is said */
    }
    od_sdp_text_write(NULL, &local, run->name >> 16, &sdp);
    od_sip_out_format(out, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n",
                      sdp.used);
    od_sip_out_bytes(out, body, sdp.used);
}

/* A request to the called number, outside of a dialog, up to its CSeq. Its transaction is the
 * INVITE's, which the ACK of a refusal and a CANCEL share (17.1.1.3, 9.1). to: NULL: no tag yet. */
static void put_request(struct od_load_run *run, const struct od_load_call *call,
                        const char *method, uint32_t cseq, const struct od_text *to,
                        struct od_sip_out *out)
{
    od_sip_out_format(out, "%s ", method);
    put_callee(run, call, out);
    put_via(run, call, cseq, 'i', out);
    put_from(run, call, out);
    od_sip_out_word(out, to ? "To: " : "To: <");
    if (to)
        od_sip_out_text(out, *to);
    else
        put_callee(run, call, out);
    od_sip_out_word(out, to ? "\r\n" : ">\r\n");
    put_call_id(run, call, cseq, method, out);
}

void od_load_send_invite(struct od_load_run *run, const struct od_load_call *call)
{
    struct od_sip_out *out = compose(run);
    put_request(run, call, "INVITE", call->invite_cseq, NULL, out);
    put_contact(run, out);
    od_sip_out_word(out, allow);
    od_sip_out_word(out, "User-Agent: outdial load\r\n");
    if (call->auth)
        od_sip_out_word(out, call->auth);
    for (const char *const *line = run->plan->headers; *line; line++)
        od_sip_out_format(out, "%s\r\n", *line);
    put_body(run, call, out);
    post(run, &run->plan->target);
}

/* A request of the dialog, up to its last line. */
static void put_in_dialog(struct od_load_run *run, const struct od_load_call *call,
                          const char *method, uint32_t cseq, char kind, struct od_sip_out *out)
{
    od_sip_out_format(out, "%s ", method);
    od_sip_out_text(out, call->target);
    put_via(run, call, cseq, kind, out);
    od_sip_out_text(out, call->routes);
    put_from(run, call, out);
    od_sip_out_word(out, "To: ");
    od_sip_out_text(out, call->to);
    od_sip_out_word(out, "\r\n");
    put_call_id(run, call, cseq, method, out);
}

void od_load_send_ack(struct od_load_run *run, const struct od_load_call *call)
{
    struct od_sip_out *out = compose(run);
    put_in_dialog(run, call, "ACK", call->invite_cseq, 'a', out);
    if (call->auth) /* the INVITE's credentials go with its ACK (22.1) */
        od_sip_out_word(out, call->auth);
    od_sip_out_word(out, "Content-Length: 0\r\n\r\n");
    post(run, &call->hop);
}

void od_load_send_bye(struct od_load_run *run, const struct od_load_call *call)
{
    struct od_sip_out *out = compose(run);
    put_in_dialog(run, call, "BYE", call->cseq, 'b', out);
    if (call->bye_repeated && call->auth)
        od_sip_out_word(out, call->auth);
    od_sip_out_word(out, "Content-Length: 0\r\n\r\n");
    post(run, &call->hop);
}

void od_load_send_refusal_ack(struct od_load_run *run, const struct od_load_call *call,
                              const struct od_sip_text *refusal)
{
    struct od_sip_out *out = compose(run);
    put_request(run, call, "ACK", refusal->cseq, &refusal->to, out);
    od_sip_out_word(out, "Content-Length: 0\r\n\r\n");
    post(run, &run->plan->target);
}

void od_load_send_cancel(struct od_load_run *run, const struct od_load_call *call)
{
    struct od_sip_out *out = compose(run);
    put_request(run, call, "CANCEL", call->invite_cseq, NULL, out);
    od_sip_out_word(out, "Content-Length: 0\r\n\r\n");
    post(run, &run->plan->target);
}

void od_load_send_fork_end(struct od_load_run *run, const struct od_load_call *call,
                           const struct od_sip_text *answer)
{
    struct od_load_call branch = {.index = call->index,
                                  .gen = call->gen,
                                  .invite_cseq = answer->cseq,
                                  .cseq = answer->cseq + 1};
    if (!od_load_keep_dialog(run, &branch, answer))
        return;
    od_load_send_ack(run, &branch);
    od_load_send_bye(run, &branch);
    od_load_call_free(&branch);
}

void od_load_send_response(struct od_load_run *run, const struct od_load_call *call,
                           const struct od_sip_text *request, const struct od_carrier_addr *source,
                           int status, bool sdp)
{
    char host[OD_CARRIER_ADDR_TEXT];
    struct od_carrier_addr to = *source;
    struct od_sip_out *out = compose(run);
    od_carrier_addr_host_text(source, host);
    od_sip_out_format(out, "SIP/2.0 %d %s\r\n", status, od_sip_text_reason(status));
    od_sip_text_echo(request, (struct od_sip_text_source){host, od_carrier_addr_port(source)},
                     "load", out);
    put_contact(run, out);
    od_sip_out_word(out, allow);
    if (sdp && call)
        put_body(run, call, out);
    else
        od_sip_out_word(out, "Content-Length: 0\r\n\r\n");
    if (!request->rport_end)
        od_carrier_addr_set_port(&to, request->via_port ? request->via_port : 5060);
    post(run, &to);
}

/* Of a UAC the route set is the Record-Route in reverse (12.1.2). */
static void put_routes(const struct od_sip_text *m, struct od_sip_out *out)
{
    struct od_text elements[32];
    size_t count = 0;
    for (size_t i = 0; i < m->heads_n; i++) {
        struct od_text rest = m->heads[i].value, element;
        if (m->heads[i].id != OD_SIP_HEAD_RECORD_ROUTE)
            continue;
        while (count < sizeof elements / sizeof *elements &&
               od_sip_text_next_element(&rest, &element))
            elements[count++] = element;
    }
    while (count > 0) {
        od_sip_out_word(out, "Route: ");
        od_sip_out_text(out, elements[--count]);
        od_sip_out_word(out, "\r\n");
    }
}

/* Where the dialog's requests go: the first route, else the remote target; where that is a name,
 * which is not looked up in the middle of a call, the place the INVITE went to. */
static struct od_carrier_addr next_hop(const struct od_load_run *run, struct od_text routes,
                                       struct od_text target)
{
    struct od_text uri = target, host, first, rest = routes;
    const char *colon = routes.bytes ? memchr(routes.at, ':', routes.bytes) : NULL;
    struct od_carrier_addr hop;
    uint16_t port;
    if (colon) {
        rest = (struct od_text){colon + 1, (size_t)(routes.at + routes.bytes - colon - 1)};
        if (od_sip_text_next_element(&rest, &first))
            od_sip_text_addr_uri(first, &uri);
    }
    if (!od_sip_text_uri_host(uri, &host, &port) ||
        !od_carrier_addr_host(&hop, host.at, host.bytes, port ? port : 5060) ||
        hop.u.any.sa_family != run->plan->target.u.any.sa_family)
        return run->plan->target;
    return hop;
}

bool od_load_keep_dialog(struct od_load_run *run, struct od_load_call *call,
                         const struct od_sip_text *m)
{
    char text[DIALOG_BYTES];
    struct od_sip_out out = {.at = text, .room = sizeof text};
    struct od_text target;
    od_sip_out_text(&out, m->to);
    size_t to_end = out.used;
    if (od_sip_text_addr_uri(m->contact, &target))
        od_sip_out_text(&out, target);
    else /* a 2xx must have a Contact (12.1.1); where it has none, the request's URI has to do */
        put_callee(run, call, &out);
    size_t target_end = out.used;
    put_routes(m, &out);
    call->dialog = out.full ? NULL : malloc(out.used);
    if (!call->dialog)
        return false;
    memcpy(call->dialog, text, out.used);
    call->to = (struct od_text){call->dialog, to_end};
    call->target = (struct od_text){call->dialog + to_end, target_end - to_end};
    call->routes = (struct od_text){call->dialog + target_end, out.used - target_end};
    call->hop = next_hop(run, call->routes, call->target);
    return true;
}

static unsigned read_challenges(const struct od_sip_text *m, enum od_sip_text_head_id id,
                                struct od_digest_challenge *out)
{
    for (size_t i = 0; i < m->heads_n; i++) {
        if (m->heads[i].id == id)
            return od_digest_parse(m->heads[i].value.at, m->heads[i].value.bytes, out, 1);
    }
    return 0;
}

bool od_load_authorize(struct od_load_run *run, struct od_load_call *call,
                       const struct od_sip_text *m, const char *method)
{
    char uri[512], cnonce[20], value[OD_DIGEST_CREDENTIALS_MAX];
    struct od_sip_out text = {.at = uri, .room = sizeof uri - 1};
    struct od_digest_challenge challenge;
    bool proxy = m->status == 407;
    if (!run->plan->auth_user ||
        !read_challenges(m, proxy ? OD_SIP_HEAD_PROXY_AUTHENTICATE : OD_SIP_HEAD_WWW_AUTHENTICATE,
                         &challenge))
        return false;
    /* the same nonce again and not stale: the password is wrong (RFC 7616 3.3) */
    if (call->auth && strstr(call->auth, challenge.nonce) && !challenge.stale)
        return false;
    if (call->dialog)
        od_sip_out_text(&text, call->target);
    else
        put_callee(run, call, &text);
    uri[text.used] = 0;
    snprintf(cnonce, sizeof cnonce, "%016llx", (unsigned long long)od_rng_next(&run->rng));
    struct od_digest_request request = {.method = method,
                                        .uri = uri,
                                        .user = run->plan->auth_user,
                                        .password = run->plan->password,
                                        .cnonce = cnonce,
                                        .nc = 1};
    if (text.full || od_digest_write(&challenge, &request, value, sizeof value) < 0)
        return false;
    size_t bytes = strlen(value) + 40;
    free(call->auth);
    call->auth = malloc(bytes);
    if (call->auth)
        snprintf(call->auth, bytes, "%s: %s\r\n", proxy ? "Proxy-Authorization" : "Authorization",
                 value);
    return call->auth;
}

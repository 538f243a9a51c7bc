/*
 * sip_world - see the header. Loopback datagrams arrive before sendto() returns, so the world is
 * settled as soon as a few turns of the loop move nothing.
 */
#include "tests/conform/sip_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/str.h"
#include "proto/sip/sip_internal.h"

enum { TURNS = 6 };

static const uint64_t epoch_ns = UINT64_C(86412345000000); /* as if up for a day */
static uint64_t now_ns;

static uint64_t clock_ns(void)
{
    return now_ns;
}

uint64_t world_ms(void)
{
    return (now_ns - epoch_ns) / OD_NS_PER_MS;
}

const struct od_call_id world_call = {7, 3};
const struct od_sip_names world_names = {
    .call_id = "0123456789abcdef0123456789abcdef",
    .from_tag = "fedcba9876543210",
    .branch = "z9hG4bK00112233445566778",
};
const char world_sdp[] = "v=0\r\n"
                         "o=outdial 42 42 IN IP4 127.0.0.1\r\n"
                         "s=-\r\n"
                         "c=IN IP4 127.0.0.1\r\n"
                         "t=0 0\r\n"
                         "m=audio 20000 RTP/AVP 0 8 101\r\n"
                         "a=rtpmap:0 PCMU/8000\r\n"
                         "a=rtpmap:8 PCMA/8000\r\n"
                         "a=rtpmap:101 telephone-event/8000\r\n"
                         "a=fmtp:101 0-15\r\n"
                         "a=ptime:20\r\n"
                         "a=sendrecv\r\n";

static void note(struct world *w, const char *format, ...)
{
    va_list args;
    if (w->quiet)
        return;
    int n = snprintf(w->text + w->used, sizeof w->text - w->used, "%llu ",
                     (unsigned long long)world_ms());
    w->used += (size_t)n;
    va_start(args, format);
    n = vsnprintf(w->text + w->used, sizeof w->text - w->used - 2, format, args);
    va_end(args);
    w->used += (size_t)n;
    assert_true(w->used < sizeof w->text - 256);
    w->text[w->used++] = '\n';
    w->text[w->used] = '\0';
}

/* ---- the owner ---- */

static void keep(struct world *w, const struct od_sip_response *response)
{
    w->response = *response;
    w->events++;
    if (response->sdp)
        w->sdp = *response->sdp;
}

static bool peer_receive(struct world *w);

/* What was sent before the event is noted before it. */
static void on_event(struct world *w, struct od_call_id call)
{
    while (peer_receive(w))
        ;
    assert_int_equal(call.index, world_call.index);
    assert_int_equal(call.gen, world_call.gen);
}

static void on_sent(void *ctx, struct od_call_id call, uint64_t sent_ns)
{
    on_event(ctx, call);
    assert_int_equal(sent_ns, clock_ns());
    note(ctx, "! sent");
}

static void on_progress(void *ctx, struct od_call_id call, const struct od_sip_response *response)
{
    on_event(ctx, call);
    keep(ctx, response);
    note(ctx, "! progress %u%s", response->status, response->sdp ? " sdp" : "");
}

static void on_answered(void *ctx, struct od_call_id call, const struct od_sip_response *response,
                        bool again)
{
    struct world *w = ctx;
    on_event(ctx, call);
    keep(ctx, response);
    note(ctx, "! answered %u%s%s", response->status, again ? " again" : "",
         response->sdp ? " sdp" : "");
    if (w->auto_ack)
        od_sip_ack(w->sip, call);
}

static void on_rejected(void *ctx, struct od_call_id call, const struct od_sip_response *response)
{
    on_event(ctx, call);
    keep(ctx, response);
    note(ctx, "! rejected %u%s", response->status, response->local ? " local" : "");
}

static void on_peer_bye(void *ctx, struct od_call_id call)
{
    on_event(ctx, call);
    note(ctx, "! peer_bye");
}

static void on_cleared(void *ctx, struct od_call_id call)
{
    on_event(ctx, call);
    note(ctx, "! cleared");
}

static void on_reoffered(void *ctx, struct od_call_id call, const struct od_sdp *sdp)
{
    struct world *w = ctx;
    on_event(ctx, call);
    w->sdp = *sdp;
    note(ctx, "! reoffered %u", sdp->direction);
}

static void on_referred(void *ctx, struct od_call_id call, uint16_t status, bool final)
{
    struct world *w = ctx;
    (void)call;
    note(w, "! referred %u%s", status, final ? " final" : "");
}

static void on_pong(void *ctx, uint32_t trunk, uint16_t status)
{
    note(ctx, "! pong %u %u", trunk, status);
}

static void on_inbound(void *ctx, const struct od_addr *from)
{
    const struct world *w = ctx;
    note(ctx, "! inbound%s", from->family == 4 && from->port == w->port ? "" : " from elsewhere");
}

static void on_registered(void *ctx, uint32_t id, const struct od_sip_registered *answer)
{
    struct world *w = ctx;
    while (peer_receive(w))
        ;
    w->registered = *answer;
    note(w, "! registered %u %u %us", id, answer->status, answer->expires_s);
}

static void on_challenged(void *ctx, struct od_call_id call)
{
    struct world *w = ctx;
    on_event(ctx, call);
    note(ctx, "! challenged");
    if (w->auto_again)
        assert_int_equal(od_sip_invite_again(w->sip, call), 0);
}

static void on_message(void *ctx, struct od_call_id call, bool outgoing, const char *line)
{
    struct world *w = ctx;
    on_event(ctx, call);
    if (w->verbose)
        note(ctx, "! %s %s", outgoing ? "out" : "in", line);
}

/* ---- the peer ---- */

static void copy_packet(char *out, const char *packet)
{
    od_str_copy(out, WORLD_PACKET_MAX, packet, strlen(packet));
}

static bool peer_receive(struct world *w)
{
    static char packet[65536];
    struct sockaddr_in from;
    socklen_t bytes = sizeof from;
    ssize_t n =
        recvfrom(w->fd, packet, sizeof packet - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &bytes);
    if (n < 0)
        return false;
    packet[n] = '\0';
    copy_packet(w->last, packet);
    char word[32] = "";
    if (strncmp(packet, "SIP/2.0 ", 8) == 0) {
        note(w, "> %.3s", packet + 8);
    } else {
        sscanf(packet, "%31s", word);
        note(w, "> %s", word);
    }
    if (strcmp(word, "INVITE") == 0)
        copy_packet(w->invite, packet);
    else if (strcmp(word, "BYE") == 0)
        copy_packet(w->bye, packet);
    else if (strcmp(word, "CANCEL") == 0)
        copy_packet(w->cancel, packet);
    else if (strcmp(word, "REFER") == 0)
        copy_packet(w->refer, packet);
    else if (strcmp(word, "REGISTER") == 0)
        copy_packet(w->reg, packet);
    else if (strcmp(word, "ACK") == 0)
        copy_packet(w->ack, packet);
    return true;
}

void world_settle(struct world *w)
{
    for (int quiet = 0; quiet < TURNS; quiet++) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        while (peer_receive(w))
            quiet = 0;
    }
}

void world_until(struct world *w, uint64_t ms)
{
    uint64_t end_ns = epoch_ns + ms * OD_NS_PER_MS;
    world_settle(w);
    while (now_ns < end_ns) {
        uint64_t next_ns = w->sip->loop.due_ns;
        if (next_ns <= now_ns)
            next_ns = now_ns + OD_NS_PER_MS;
        now_ns = next_ns < end_ns ? next_ns : end_ns;
        world_settle(w);
    }
}

void world_open(struct world *w, const struct od_sip_config *more)
{
    memset(w, 0, sizeof *w);
    now_ns = epoch_ns;
    uv_loop_init(&w->loop);
    w->fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof addr;
    assert_int_equal(bind(w->fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(getsockname(w->fd, (struct sockaddr *)&addr, &bytes), 0);
    w->port = ntohs(addr.sin_port);
    struct od_sip_config config = {.user_agent = "outdial-test"};
    if (more)
        config = *more;
    config.clock_ns = clock_ns;
    if (!config.listen[0])
        config.listen[0] = "udp:127.0.0.1:0";
    struct od_sip_events events = {w,           on_sent,       on_progress,   on_answered,
                                   on_rejected, on_peer_bye,   on_cleared,    on_reoffered,
                                   on_message,  on_challenged, on_referred,   NULL,
                                   on_pong,     on_inbound,    on_registered, NULL};
    char why[256] = "";
    int err = od_sip_open(&w->sip, &w->loop, &config, &events, why, sizeof why);
    if (err)
        fail_msg("od_sip_open: %d %s", err, why);
    w->ours = addr;
    w->ours.sin_port = htons(od_sip_bound_port(w->sip, 0));
    w->auto_ack = true;
}

static void on_closed(void *ctx)
{
    ((struct world *)ctx)->closed = true;
}

void world_close(struct world *w)
{
    od_sip_close(w->sip, on_closed, w);
    while (uv_run(&w->loop, UV_RUN_DEFAULT))
        ;
    assert_true(w->closed);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    close(w->fd);
}

struct od_sip_invite world_usual(const struct world *w)
{
    struct od_sip_invite invite = {
        .names = &world_names,
        .server = {.family = 4, .port = w->port, .ip = {127, 0, 0, 1}},
        .transport = "udp",
        .domain = "carrier.example",
        .from_user = "+15550001111",
        .display_name = "Clinic",
        .to = "+15552223333",
        .sdp = world_sdp,
        .sdp_bytes = sizeof world_sdp - 1,
    };
    return invite;
}

int world_invite(struct world *w)
{
    struct od_sip_invite invite = world_usual(w);
    int err = od_sip_invite(w->sip, world_call, &invite);
    world_settle(w);
    return err;
}

void world_send(struct world *w, const void *bytes, size_t count)
{
    sendto(w->fd, bytes, count, 0, (struct sockaddr *)&w->ours, sizeof w->ours);
    world_settle(w);
}

const char *world_header(const char *message, const char *name)
{
    static char value[8][2048];
    static unsigned turn;
    char *out = value[turn++ % 8];
    size_t n = strlen(name);
    out[0] = '\0';
    for (const char *line = strstr(message, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncmp(line, "\r\n", 2) == 0)
            break;
        if (strncmp(line, name, n) == 0 && line[n] == ':') {
            const char *end = strstr(line, "\r\n");
            snprintf(out, 2048, "%.*s", (int)(end - line - (long)n - 2), line + n + 2);
            break;
        }
    }
    return out;
}

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

static void add_body(char *out, size_t out_bytes, const char *sdp)
{
    size_t used = strlen(out);
    snprintf(out + used, out_bytes - used, "%sContent-Length: %zu\r\n\r\n%s",
             !sdp                              ? ""
             : strncmp(sdp, "SIP/2.0", 7) == 0 ? "Content-Type: message/sipfrag\r\n"
                                               : "Content-Type: application/sdp\r\n",
             sdp ? strlen(sdp) : 0, text_or_empty(sdp));
}

void world_reply(struct world *w, const char *request, const char *status, const char *tag,
                 const char *extra, const char *sdp)
{
    char out[WORLD_PACKET_MAX];
    snprintf(out, sizeof out,
             "SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
             "Contact: <sip:peer@127.0.0.1:%u>\r\n%s",
             status, world_header(request, "Via"), world_header(request, "From"),
             world_header(request, "To"), tag ? ";tag=" : "", text_or_empty(tag),
             world_header(request, "Call-ID"), world_header(request, "CSeq"), w->port,
             text_or_empty(extra));
    add_body(out, sizeof out, sdp);
    note(w, "< %.3s", status);
    world_send(w, out, strlen(out));
}

void world_answer(struct world *w, const char *status, const char *tag, const char *extra,
                  const char *sdp)
{
    world_reply(w, w->invite, status, tag, extra, sdp);
}

void world_request(struct world *w, const char *method, unsigned cseq, const char *tag,
                   const char *extra, const char *sdp)
{
    char out[WORLD_PACKET_MAX];
    snprintf(out, sizeof out,
             "%s sip:+15550001111@127.0.0.1:%u SIP/2.0\r\n"
             "Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKpeer%s%u\r\n"
             "Max-Forwards: 70\r\nFrom: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
             "Contact: <sip:peer@127.0.0.1:%u>\r\n%s",
             method, ntohs(w->ours.sin_port), w->port, method, cseq, world_header(w->invite, "To"),
             tag, world_header(w->invite, "From"), world_header(w->invite, "Call-ID"), cseq, method,
             w->port, text_or_empty(extra));
    add_body(out, sizeof out, sdp);
    note(w, "< %s", method);
    world_send(w, out, strlen(out));
}

void world_expect(struct world *w, const char *expected)
{
    assert_string_equal(w->text, expected);
    w->used = 0;
    w->text[0] = '\0';
}

/*
 * nta_caller - the least a caller on sofia-sip's nta can be: INVITE with an offer, ACK, BYE, in the
 * library's own loop, with string tags as its documentation shows. No queue, no limits, no media,
 * no records. The yardstick for what the whole path may cost.
 *
 * usage: nta_caller PORT CALLS RATE WINDOW    RATE 0: as fast as WINDOW calls in flight allow
 */
#include "bench/path/pace.h"

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_wait.h>
#include <sofia-sip/tport_tag.h>

struct nta_leg_magic_s {
    nta_leg_t *leg;
    nta_outgoing_t *invite;
    int answered;
};

static struct {
    struct pace pace;
    su_root_t *root;
    nta_agent_t *agent;
    char target[64];
} caller;

static const char sdp[] =
    "v=0\r\no=o 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

static void start_due(void);

static int on_bye_answer(nta_outgoing_magic_t *magic, nta_outgoing_t *bye, sip_t const *sip)
{
    struct nta_leg_magic_s *call = (struct nta_leg_magic_s *)magic;
    if (!sip || sip->sip_status->st_status < 200)
        return 0;
    nta_outgoing_destroy(bye);
    nta_outgoing_destroy(call->invite);
    nta_leg_destroy(call->leg);
    free(call);
    caller.pace.done++;
    if (sip->sip_status->st_status >= 300)
        caller.pace.failed++;
    start_due();
    return 0;
}

static int on_invite_answer(nta_outgoing_magic_t *magic, nta_outgoing_t *invite, sip_t const *sip)
{
    struct nta_leg_magic_s *call = (struct nta_leg_magic_s *)magic;
    if (!sip || sip->sip_status->st_status < 200)
        return 0;
    if (sip->sip_status->st_status >= 300) {
        caller.pace.failed++;
        caller.pace.done++;
        return 0;
    }
    if (call->answered)
        return 0; /* a repeated 2xx: NTATAG_UA(1) acknowledges it by itself */
    call->answered = 1;
    nta_leg_rtag(call->leg, sip->sip_to->a_tag);
    nta_leg_client_route(call->leg, sip->sip_record_route, sip->sip_contact);
    sip_cseq_t number[1];
    sip_cseq_init(number);
    number->cs_seq = nta_outgoing_cseq(invite);
    number->cs_method = sip_method_ack;
    number->cs_method_name = "ACK";
    nta_outgoing_t *ack = nta_outgoing_tcreate(call->leg, NULL, NULL, NULL, SIP_METHOD_ACK, NULL,
                                               NTATAG_ACK_BRANCH(nta_outgoing_branch(invite)),
                                               SIPTAG_CSEQ(number), TAG_END());
    nta_outgoing_destroy(ack);
    nta_outgoing_tcreate(call->leg, on_bye_answer, (nta_outgoing_magic_t *)call, NULL,
                         SIP_METHOD_BYE, NULL, TAG_END());
    return 0;
}

static void start_call(void)
{
    struct nta_leg_magic_s *call = calloc(1, sizeof *call);
    char request[96];
    snprintf(request, sizeof request, "sip:+15550000001@%s", caller.target);
    call->leg =
        nta_leg_tcreate(caller.agent, NULL, NULL, SIPTAG_FROM_STR("<sip:+15551110000@127.0.0.1>"),
                        SIPTAG_TO_STR("<sip:+15550000001@127.0.0.1>"), TAG_END());
    nta_leg_tag(call->leg, NULL);
    call->invite = nta_outgoing_tcreate(
        call->leg, on_invite_answer, (nta_outgoing_magic_t *)call, NULL, SIP_METHOD_INVITE,
        (url_string_t const *)request, SIPTAG_CONTACT_STR("<sip:o@127.0.0.1>"),
        SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(sdp), TAG_END());
    if (!call->invite) {
        fprintf(stderr, "nta_caller: an INVITE could not be made\n");
        exit(1);
    }
    caller.pace.started++;
}

static void on_timer(su_root_magic_t *magic, su_timer_t *timer, su_timer_arg_t *arg)
{
    (void)magic;
    (void)arg;
    start_due();
    if (caller.pace.started < caller.pace.calls)
        su_timer_set(timer, on_timer, NULL);
}

static void start_due(void)
{
    for (uint32_t due = pace_due(&caller.pace, pace_now_ns()); due; due--)
        start_call();
}

static int on_stray(nta_agent_magic_t *magic, nta_agent_t *agent, msg_t *message, sip_t *sip)
{
    (void)magic;
    (void)agent;
    (void)sip;
    nta_msg_discard(caller.agent, message);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 5 || pace_read(&caller.pace, argc, argv, 2)) {
        fprintf(stderr, "usage: nta_caller PORT CALLS RATE WINDOW\n");
        return 2;
    }
    snprintf(caller.target, sizeof caller.target, "127.0.0.1:%s", argv[1]);
    su_init();
    su_log_set_level(su_log_default, 0);
    caller.root = su_root_create(NULL);
    su_root_threading(caller.root, 0);
    caller.agent = nta_agent_create(
        caller.root, URL_STRING_MAKE("sip:127.0.0.1:*;transport=udp"), on_stray, NULL, NTATAG_UA(1),
        NTATAG_UDP_MTU(8000), NTATAG_USE_NAPTR(0), NTATAG_USE_SRV(0), TPTAG_LOG(0), TAG_END());
    if (!caller.agent) {
        fprintf(stderr, "nta_caller: no agent\n");
        return 1;
    }
    /* 10 ms: a shorter su_timer spins, and the bare caller should look its best. */
    su_timer_t *timer = su_timer_create(su_root_task(caller.root), 10);
    caller.pace.start_ns = pace_now_ns();
    start_due();
    if (caller.pace.rate_cps)
        su_timer_set(timer, on_timer, NULL);
    while (caller.pace.done < caller.pace.calls)
        su_root_step(caller.root, 1000);
    int exit_code = pace_report(&caller.pace, "bare nta caller");
    fflush(stdout);
    _exit(exit_code); /* the library's own clean-up of lingering transactions is not measured */
}

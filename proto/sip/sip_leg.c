/*
 * sip_leg - the life of one INVITE, from od_sip_invite() to the end of its lingering.
 *
 *      +------401, 407 that we can answer----+--> CHALLENGED --invite_again--> CALLING
 *
 *   CALLING --1xx--> RINGING --cancel--> CANCELING
 *      |                |                    |
 *      +------2xx-------+--------2xx---------+--> ANSWERED --bye--> BYEING --answer--> ENDED
 *      +---3xx..6xx-----+-----3xx..6xx-------+-------------------------------------> ENDED
 *
 * A dropped leg goes the same ways on its own: it cancels what rings, acknowledges and ends what is
 * answered, and is freed 64*T1 after it ended, when no message of it can still be under way
 * (RFC 3261 section 17.1.1.2, timer D; section 13.3.1.4 for the 2xx).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "outdial/err.h"
#include "proto/sip/sip_internal.h"
#include "proto/sip/sip_read.h"

/* ---- deadlines: all of one length, so a list in order of arrival is sorted ---- */

static void deadline_unlink(struct od_sip_leg *leg)
{
    struct od_sip *sip = leg->sip;
    if (!leg->linked)
        return;
    *(leg->earlier ? &leg->earlier->later : &sip->deadline_first) = leg->later;
    *(leg->later ? &leg->later->earlier : &sip->deadline_last) = leg->earlier;
    leg->earlier = leg->later = NULL;
    leg->linked = false;
}

static void deadlines_passed(su_root_magic_t *root, su_timer_t *timer, void *arg);

static void deadline_arm(struct od_sip *sip)
{
    if (!sip->deadline_first || su_timer_is_set(sip->deadline_timer))
        return;
    uint64_t now_ns = sip->clock_ns(), at_ns = sip->deadline_first->deadline_ns;
    uint64_t wait_ms = at_ns > now_ns ? (at_ns - now_ns + OD_NS_PER_MS - 1) / OD_NS_PER_MS : 1;
    su_timer_set_interval(sip->deadline_timer, deadlines_passed, sip, (su_duration_t)wait_ms);
    od_sip_loop_kick(&sip->loop); /* an order may set this timer when there was none */
}

/* 64*T1 from now, in place of an earlier deadline. */
static void deadline_set(struct od_sip_leg *leg)
{
    struct od_sip *sip = leg->sip;
    deadline_unlink(leg);
    leg->deadline_ns = sip->clock_ns() + 64 * OD_NS_PER_MS * sip->t1_ms;
    leg->earlier = sip->deadline_last;
    *(sip->deadline_last ? &sip->deadline_last->later : &sip->deadline_first) = leg;
    sip->deadline_last = leg;
    leg->linked = true;
    deadline_arm(sip);
}

/* ---- the end ---- */

static void release_answer(struct od_sip_leg *leg)
{
    if (leg->answer)
        msg_destroy(leg->answer);
    leg->answer = NULL;
    od_sip_peer_forget(leg);
    free(leg->offer);
    free(leg->dialog);
    leg->offer = leg->dialog = NULL;
    leg->dialog_bytes = 0;
}

void od_sip_leg_free(struct od_sip_leg *leg)
{
    struct od_sip *sip = leg->sip;
    deadline_unlink(leg);
    release_answer(leg);
    /* requests first: their callbacks point here */
    nta_outgoing_destroy(leg->invite);
    nta_outgoing_destroy(leg->bye);
    od_sip_refer_forget(leg);
    od_sip_table_remove(sip, leg);
    if (leg->dropped)
        sip->lingering--;
    else
        sip->alive--;
    od_sip_auth_free(leg); /* before the identity, which its nonces are listed in */
    od_sip_identity_put(leg->identity);
    su_free(NULL, leg->uri);
    free(leg);
}

/* Nothing is up any more; a dropped leg waits for strays, then goes. */
static void leg_end(struct od_sip_leg *leg)
{
    leg->state = OD_SIP_ENDED;
    deadline_unlink(leg);
    od_sip_auth_end(leg);
    if (!leg->dropped)
        return;
    od_sip_refer_forget(leg);
    release_answer(leg);
    deadline_set(leg);
}

void od_sip_leg_end(struct od_sip_leg *leg)
{
    leg_end(leg);
}

/* ---- answers to the INVITE ---- */

void od_sip_leg_cancel_pending(struct od_sip_leg *leg)
{
    od_sip_send_cancel(leg);
    leg->state = OD_SIP_CANCELING;
    deadline_set(leg);
}

/* Whether the response came from behind whoever asks for credentials: who refuses them, limits or
 * fails may stand before. */
static bool accepts(const struct od_sip_leg *leg, const sip_t *response)
{
    int status = response->sip_status->st_status;
    return od_sip_auth_given(leg) && status > 100 && status / 100 != 5 && status != 401 &&
           status != 403 && status != 407 && status != 429;
}

static enum od_sip_auth_verdict note_accepted(struct od_sip_leg *leg, const sip_t *response)
{
    if (!accepts(leg, response))
        return OD_SIP_AUTH_NONE;
    od_sip_auth_accepted(leg, response);
    return OD_SIP_AUTH_ACCEPTED;
}

static void tell(struct od_sip_leg *leg,
                 void (*fn)(void *ctx, struct od_call_id call, const struct od_sip_response *),
                 const sip_t *response, bool local, enum od_sip_auth_verdict verdict)
{
    struct od_sip_response out;
    struct od_sdp sdp;
    if (leg->dropped)
        return;
    od_sip_read_response(response, local, &out, &sdp);
    out.auth = (uint8_t)verdict;
    fn(leg->sip->events.ctx, leg->call, &out);
}

static void on_provisional(struct od_sip_leg *leg, const sip_t *response)
{
    if (leg->state == OD_SIP_CALLING) {
        leg->state = OD_SIP_RINGING;
        if (leg->cancel_wanted)
            od_sip_leg_cancel_pending(leg);
    }
    /* one that comes late, after the end, says nothing any more */
    if (response->sip_status->st_status == 100) {
        if (!leg->dropped && leg->state <= OD_SIP_CANCELING && leg->sip->events.trying)
            leg->sip->events.trying(leg->sip->events.ctx, leg->call);
    } else if (leg->state <= OD_SIP_CANCELING) {
        if (!leg->dialog)
            od_sip_keep_dialog(leg, response);
        tell(leg, leg->sip->events.progress, response, false, note_accepted(leg, response));
    }
}

/* True while the owner of the call still wants it. */
static bool wants_again(const struct od_sip_leg *leg)
{
    return !leg->dropped && !leg->cancel_wanted && leg->state < OD_SIP_CANCELING;
}

static void on_failure(struct od_sip_leg *leg, const sip_t *response, bool local, bool acked)
{
    if (!local && !acked)
        od_sip_send_ack_of_failure(leg, response);
    if (leg->state > OD_SIP_CANCELING)
        return;
    int status = response->sip_status->st_status;
    enum od_sip_auth_verdict verdict = OD_SIP_AUTH_NONE;
    if (!local && (status == 401 || status == 407)) {
        verdict = od_sip_auth_challenged(leg, response);
        if (verdict == OD_SIP_AUTH_NONE && wants_again(leg)) {
            leg->state = OD_SIP_CHALLENGED;
            leg->sip->events.challenged(leg->sip->events.ctx, leg->call);
            return;
        }
    } else if (!local) {
        verdict = note_accepted(leg, response);
    }
    leg_end(leg);
    tell(leg, leg->sip->events.rejected, response, local, verdict);
}

/* Hung up first, acknowledged then: from its ACK on the peer repeats the answer no more, from which
 * alone a successor of this process, were it to die in between, learns how to hang up. The caller
 * may send a BYE as soon as there is a dialog (RFC 3261 section 15). */
static void hang_up_and_ack(struct od_sip_leg *leg, const sip_t *answer)
{
    od_sip_send_bye(leg, answer, NULL);
    od_sip_send_ack(leg, answer);
}

/* A 2xx nobody waits for: another fork's, or one that came after the end. The phone behind it must
 * not stay off the hook: acknowledged each time, told to hang up once. */
static void on_unwanted_answer(struct od_sip_leg *leg, const sip_t *response, uint64_t tag)
{
    unsigned i = 0;
    while (i < leg->forks && leg->fork_tags[i] != tag)
        i++;
    if (i < leg->forks || i == OD_SIP_FORKS_MAX) {
        od_sip_send_ack(leg, response);
        return;
    }
    leg->fork_tags[leg->forks++] = tag;
    hang_up_and_ack(leg, response);
}

static void tell_answered(struct od_sip_leg *leg, const sip_t *response, bool again)
{
    struct od_sip *sip = leg->sip;
    struct od_call_id call = leg->call;
    struct od_sip_response out;
    struct od_sdp sdp;
    bool left = leg->early_bye && !leg->peer_left;
    leg->peer_left = leg->peer_left || left;
    od_sip_read_response(response, false, &out, &sdp);
    out.auth = (uint8_t)note_accepted(leg, response);
    sip->events.answered(sip->events.ctx, call, &out, again);
    if (left)
        sip->events.peer_bye(sip->events.ctx, call);
}

static void on_answer(struct od_sip_leg *leg, msg_t *msg, const sip_t *response)
{
    uint64_t tag = od_sip_tag_hash(response->sip_to->a_tag);
    bool again = leg->answered && leg->remote_tag == tag;
    if (!again && leg->state > OD_SIP_CANCELING) {
        on_unwanted_answer(leg, response, tag);
        return;
    }
    if (!again) {
        leg->answered = true;
        leg->remote_tag = tag;
        leg->state = OD_SIP_ANSWERED;
        deadline_unlink(leg);
        leg->answer = msg_ref(msg);
        od_sip_keep_dialog(leg, response);
    }
    if (!leg->dropped) {
        tell_answered(leg, response, again);
        return;
    }
    if (again) {
        od_sip_send_ack(leg, response);
        return;
    }
    hang_up_and_ack(leg, response);
    leg_end(leg);
}

static void on_response(struct od_sip_leg *leg, msg_t *msg, const sip_t *response, bool local,
                        bool acked)
{
    int status = response->sip_status->st_status;
    if (!local)
        od_sip_note_received(leg->sip, leg->call, response);
    if (status < 200)
        on_provisional(leg, response);
    else if (status < 300)
        on_answer(leg, msg, response);
    else
        on_failure(leg, response, local, acked);
}

/* The answer that ends nta's part. A failure was acknowledged by nta already. */
static int invite_answered(struct od_sip_leg *leg, nta_outgoing_t *orq, sip_t const *response)
{
    msg_t *msg = nta_outgoing_getresponse(orq);
    leg->invite = NULL;
    nta_outgoing_destroy(orq);
    if (msg && response)
        on_response(leg, msg, response, nta_sip_is_internal(response), true);
    if (msg)
        msg_destroy(msg);
    return 0;
}

/* An INVITE that was challenged has its answer; what still comes for it is acknowledged. */
static void on_earlier_response(struct od_sip_leg *leg, const sip_t *response)
{
    int status = response->sip_status->st_status;
    if (status >= 300)
        od_sip_send_ack_of_failure(leg, response);
    else if (status >= 200)
        on_unwanted_answer(leg, response, od_sip_tag_hash(response->sip_to->a_tag));
}

void od_sip_leg_response(struct od_sip_leg *leg, msg_t *msg, const sip_t *response)
{
    const sip_via_t *via = response->sip_via;
    uint32_t cseq = response->sip_cseq->cs_seq;
    char branch[OD_SIP_BRANCH_BYTES];
    od_sip_invite_branch(leg, cseq, branch);
    /* not guessable by an outsider, so a match says that the peer has seen our INVITE */
    if (!cseq || cseq > leg->invite_cseq || !via || via->v_next || !via->v_branch ||
        strcasecmp(via->v_branch, branch) != 0)
        leg->sip->dropped++;
    else if (cseq < leg->invite_cseq)
        on_earlier_response(leg, response);
    else
        on_response(leg, msg, response, false, false);
}

static int bye_answered(struct od_sip_leg *leg, nta_outgoing_t *orq, sip_t const *response);

/* A BYE is sent with credentials once: a call that can't be ended so ends by the peer's timers. */
static bool answer_bye_challenge(struct od_sip_leg *leg, const sip_t *response)
{
    int status = response->sip_status->st_status;
    if ((status != 401 && status != 407) || leg->bye_again)
        return false;
    leg->bye_again = true;
    od_sip_auth_restart(leg);
    if (od_sip_auth_challenged(leg, response) != OD_SIP_AUTH_NONE)
        return false;
    nta_outgoing_t *before = leg->bye;
    leg->bye = od_sip_send_bye_again(leg, sip_object(leg->answer), bye_answered);
    if (!leg->bye) {
        leg->bye = before;
        return false;
    }
    nta_outgoing_destroy(before);
    return true;
}

static int bye_answered(struct od_sip_leg *leg, nta_outgoing_t *orq, sip_t const *response)
{
    struct od_sip *sip = leg->sip;
    struct od_call_id call = leg->call;
    if (nta_outgoing_status(orq) < 200)
        return 0;
    if (response && !nta_sip_is_internal(response))
        od_sip_note_received(sip, call, response);
    if (response && !nta_sip_is_internal(response) && answer_bye_challenge(leg, response))
        return 0;
    leg->bye = NULL;
    nta_outgoing_destroy(orq);
    bool dropped = leg->dropped;
    leg_end(leg);
    if (!dropped)
        sip->events.cleared(sip->events.ctx, call);
    return 0;
}

void od_sip_leg_bye(struct od_sip_leg *leg)
{
    leg->bye = od_sip_send_bye(leg, sip_object(leg->answer), bye_answered);
    leg->state = OD_SIP_BYEING;
    if (!leg->bye)
        leg_end(leg);
}

/* ---- time ---- */

/* CANCEL went unanswered for 64*T1: the INVITE counts as cancelled (RFC 3261 section 9.1). */
static void give_up(struct od_sip_leg *leg)
{
    struct od_sip *sip = leg->sip;
    struct od_call_id call = leg->call;
    bool dropped = leg->dropped;
    leg_end(leg);
    if (!dropped)
        sip->events.rejected(
            sip->events.ctx, call,
            &(struct od_sip_response){.status = 408, .local = true, .reason = "Request Timeout"});
}

static void deadlines_passed(su_root_magic_t *root, su_timer_t *timer, void *arg)
{
    struct od_sip *sip = arg;
    uint64_t now_ns = sip->clock_ns();
    (void)root;
    (void)timer;
    for (struct od_sip_leg *leg; (leg = sip->deadline_first) && leg->deadline_ns <= now_ns;) {
        deadline_unlink(leg);
        if (leg->state == OD_SIP_CANCELING)
            give_up(leg);
        else
            od_sip_leg_free(leg);
    }
    deadline_arm(sip);
}

/* ---- orders ---- */

static struct od_sip_leg *leg_make(struct od_sip *sip, struct od_call_id call,
                                   const struct od_sip_invite *invite)
{
    struct od_sip_leg *leg = calloc(1, sizeof *leg);
    char *offer = malloc(invite->sdp_bytes + 1);
    if (!leg || !offer) {
        free(leg);
        free(offer);
        return NULL;
    }
    memcpy(offer, invite->sdp, invite->sdp_bytes);
    offer[invite->sdp_bytes] = '\0';
    leg->sip = sip;
    leg->call = call;
    leg->names = *invite->names;
    leg->hash = (uint32_t)msg_hash_string(leg->names.call_id);
    leg->offer = offer;
    leg->offer_bytes = invite->sdp_bytes;
    leg->invite_cseq = OD_SIP_INVITE_CSEQ;
    od_sip_table_insert(sip, leg);
    sip->alive++;
    return leg;
}

/* token of RFC 3261 section 25.1 */
static bool is_token(const char *text)
{
    for (; *text; text++) {
        char c = *text;
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && (c < 'A' || c > 'Z') &&
            !strchr("-.!%*_+`'~", c))
            return false;
    }
    return true;
}

bool od_sip_names_usable(const struct od_sip_names *names)
{
    const char *parts[] = {names->call_id, names->from_tag, names->branch};
    const size_t sizes[] = {sizeof names->call_id, sizeof names->from_tag, sizeof names->branch};
    for (unsigned i = 0; i < 3; i++) {
        size_t n = strnlen(parts[i], sizes[i]);
        if (!n || n == sizes[i] || !is_token(parts[i]))
            return false;
    }
    return strncmp(names->branch, "z9hG4bK", 7) == 0; /* RFC 3261 section 8.1.1.7 */
}

static int start_invite(struct od_sip_leg *leg, const struct od_sip_invite *invite)
{
    int err = od_sip_identity_get(leg->sip, invite, &leg->identity);
    if (err)
        return err;
    leg->uri = od_sip_uri(leg->identity, invite->to);
    if (!leg->uri)
        return OD_EINVAL;
    od_sip_auth_begin(leg);
    leg->invite = od_sip_send_invite(leg, invite_answered);
    if (!leg->invite)
        return OD_EINVAL;
    od_sip_queue(leg->sip, OD_SIP_Q_SENT, leg->call, NULL);
    return 0;
}

int od_sip_invite(struct od_sip *sip, struct od_call_id call, const struct od_sip_invite *invite)
{
    if (sip->closing || !call.gen || !invite->names || !od_sip_names_usable(invite->names) ||
        !invite->sdp || invite->sdp_bytes > OD_SIP_SDP_MAX)
        return OD_EINVAL;
    int err = od_sip_table_reserve(sip, call.index);
    if (!err && sip->by_index[call.index])
        err = OD_EINVAL; /* its owner has not dropped the earlier leg */
    if (err)
        return err;
    struct od_sip_leg *leg = leg_make(sip, call, invite);
    if (!leg)
        return OD_ENOMEM;
    od_sip_loop_enter();
    err = start_invite(leg, invite);
    if (err)
        od_sip_leg_free(leg);
    else
        sip->by_index[call.index] = leg;
    od_sip_loop_leave();
    return err;
}

static int send_again(struct od_sip_leg *leg)
{
    leg->invite_cseq++;
    leg->state = OD_SIP_CALLING;
    leg->invite = od_sip_send_invite(leg, invite_answered);
    if (!leg->invite) {
        leg_end(leg);
        return OD_ENOMEM;
    }
    od_sip_queue(leg->sip, OD_SIP_Q_SENT, leg->call, NULL);
    return 0;
}

int od_sip_invite_again(struct od_sip *sip, struct od_call_id call)
{
    struct od_sip_leg *leg = od_sip_leg_get(sip, call);
    if (!leg)
        return OD_ENOENT;
    if (leg->state != OD_SIP_CHALLENGED)
        return OD_ECONFLICT;
    od_sip_loop_enter();
    int err = send_again(leg);
    od_sip_loop_leave();
    return err;
}

static void leg_cancel(struct od_sip_leg *leg)
{
    if (leg->state == OD_SIP_CALLING)
        leg->cancel_wanted = true;
    else if (leg->state == OD_SIP_RINGING)
        od_sip_leg_cancel_pending(leg);
}

void od_sip_cancel(struct od_sip *sip, struct od_call_id call)
{
    struct od_sip_leg *leg = od_sip_leg_get(sip, call);
    if (!leg)
        return;
    od_sip_loop_enter();
    if (leg->state == OD_SIP_CHALLENGED) {
        leg_end(leg);
        od_sip_queue(sip, OD_SIP_Q_TERMINATED, call, NULL);
    } else {
        leg_cancel(leg);
    }
    od_sip_loop_leave();
}

void od_sip_ack(struct od_sip *sip, struct od_call_id call)
{
    struct od_sip_leg *leg = od_sip_leg_get(sip, call);
    if (!leg || !leg->answer)
        return;
    od_sip_loop_enter();
    leg->acked = true;
    od_sip_send_ack(leg, sip_object(leg->answer));
    od_sip_loop_leave();
}

void od_sip_bye(struct od_sip *sip, struct od_call_id call)
{
    struct od_sip_leg *leg = od_sip_leg_get(sip, call);
    if (!leg || leg->state == OD_SIP_BYEING)
        return;
    od_sip_loop_enter();
    if (leg->state == OD_SIP_ANSWERED) {
        leg->bye = od_sip_send_bye(leg, sip_object(leg->answer), bye_answered);
        leg->state = OD_SIP_BYEING;
    } else if (leg->state == OD_SIP_CHALLENGED) {
        leg_end(leg);
    } else {
        leg_cancel(leg);
    }
    /* nothing that could be answered is out */
    if (!leg->bye) {
        if (leg->state == OD_SIP_BYEING)
            leg_end(leg);
        od_sip_queue(sip, OD_SIP_Q_CLEARED, call, NULL);
    }
    od_sip_loop_leave();
}

static void leg_drop(struct od_sip_leg *leg)
{
    struct od_sip *sip = leg->sip;
    sip->by_index[leg->call.index] = NULL;
    leg->dropped = true;
    sip->alive--;
    sip->lingering++;
    switch ((enum od_sip_leg_state)leg->state) {
    case OD_SIP_CALLING:
    case OD_SIP_RINGING:
        leg_cancel(leg);
        break;
    case OD_SIP_CANCELING:
        break;
    case OD_SIP_ANSWERED:
        if (!leg->peer_left)
            od_sip_send_bye(leg, sip_object(leg->answer), NULL);
        if (!leg->acked) /* behind the BYE, as in hang_up_and_ack() */
            od_sip_send_ack(leg, sip_object(leg->answer));
        leg_end(leg);
        break;
    case OD_SIP_BYEING:
        nta_outgoing_destroy(leg->bye); /* goes on repeating it, tells nobody */
        leg->bye = NULL;
        leg_end(leg);
        break;
    case OD_SIP_CHALLENGED:
    case OD_SIP_ENDED:
        leg_end(leg);
        break;
    }
}

void od_sip_drop(struct od_sip *sip, struct od_call_id call)
{
    struct od_sip_leg *leg = od_sip_leg_get(sip, call);
    if (!leg)
        return;
    od_sip_loop_enter();
    leg_drop(leg);
    od_sip_loop_leave();
}

void od_sip_legs_close(struct od_sip *sip)
{
    for (uint32_t i = 0; i < sip->index_size; i++) {
        if (sip->by_index[i])
            leg_drop(sip->by_index[i]);
    }
    for (uint32_t i = 0; i < sip->hash_size; i++) {
        while (sip->by_call_id[i])
            od_sip_leg_free(sip->by_call_id[i]);
    }
    free(sip->by_index);
    free(sip->by_call_id);
    sip->by_index = NULL;
    sip->by_call_id = NULL;
    sip->index_size = sip->hash_size = 0;
}

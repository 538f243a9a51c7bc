/*
 * callee: see callee.h. Every change of the telephone goes through ring(), answer(), refuse(),
 * hang_up() or phone_down(); every end of a transaction through settle().
 */
#include "bench/carrier/callee_facts.h"
#include "bench/carrier/callee_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A caller's last packets are still under way when its BYE overtakes them. */
static const uint64_t rtp_close_ns = 500000000;
/* RFC 3261 13.3.1.1: a proxy's timer C must see a provisional response every minute. */
static const uint64_t refresh_ns = 60000000000;
static const uint64_t ms_ns = 1000000;

static uint64_t t1_ns(const struct od_callee *c)
{
    return c->node->setup.profile.t1_ms * ms_ns;
}

static void set_timer(struct od_callee *c, enum od_callee_timer timer, uint64_t due_ns)
{
    c->due[timer] = due_ns;
}

static void clear_timer(struct od_callee *c, enum od_callee_timer timer)
{
    c->due[timer] = UINT64_MAX;
}

static void rearm(struct od_callee *c)
{
    c->due_ns = UINT64_MAX;
    for (int i = 0; i < OD_CALLEE_TIMERS; i++) {
        if (c->due[i] < c->due_ns)
            c->due_ns = c->due[i];
    }
    od_carrier_arm(c->node, c);
}

/* ---- media ---- */

static void close_media(struct od_callee *c)
{
    if (!c->talk)
        return;
    const struct od_rtp_facts *f = od_rtp_talk_facts(c->talk);
    struct od_carrier_tally *tally = &c->node->tally;
    tally->rtp_in += f->packets_in;
    tally->rtp_out += f->packets_out;
    tally->rtp_lost += f->lost;
    tally->rtp_wrong_place += f->wrong_place;
    tally->rtp_after_bye += f->after_bye;
    od_callee_write_rtp(c);
    od_rtp_talk_close(c->talk);
    c->talk = NULL;
    clear_timer(c, OD_CALLEE_TIMER_TALK);
    clear_timer(c, OD_CALLEE_TIMER_RTP_CLOSE);
}

static bool open_media(struct od_callee *c)
{
    if (c->talk || !c->node->room)
        return true;
    char name[OD_SIP_TEXT_NUMBER_BYTES + 16];
    snprintf(name, sizeof name, "%s-%u", c->number, (unsigned)c->attempt);
    if (od_rtp_talk_open(&c->talk, c->node->room, &c->plan, c->node->setup.profile.digit_ms, name))
        return false;
    return od_carrier_watch(c->node, c) == 0;
}

/* Our description for the present INVITE, made once: retransmissions must carry the same bytes. */
static bool make_sdp(struct od_callee *c)
{
    if (c->invite.sdp)
        return true;
    struct od_sdp_text offer;
    bool offered = c->invite.body.bytes > 0 && od_sdp_text_parse(&offer, c->invite.body);
    struct od_carrier_addr local = c->node->media;
    if (c->talk) {
        struct od_carrier_addr bound;
        od_rtp_talk_local(c->talk, &bound);
        od_carrier_addr_set_port(&local, od_carrier_addr_port(&bound));
        if (offered)
            od_rtp_talk_describe(c->talk, &offer);
    }
    c->delayed_offer = !offered;
    struct od_sip_out out = {.at = c->node->scratch, .room = sizeof c->node->scratch};
    od_sdp_text_write(offered ? &offer : NULL, &local, c->serial, &out);
    c->invite.sdp = out.full ? NULL : malloc(out.used);
    if (!c->invite.sdp)
        return false;
    memcpy(c->invite.sdp, out.at, out.used);
    c->invite.sdp_bytes = out.used;
    return true;
}

static void tick_media(struct od_callee *c)
{
    if (c->talk)
        set_timer(c, OD_CALLEE_TIMER_TALK, od_rtp_talk_tick(c->talk, c->node->now.mono_ns));
}

/* ---- transactions ---- */

static void respond(struct od_callee *c, int status, const char *reason)
{
    c->invite.status = status;
    c->invite.reason = reason ? reason : od_sip_text_reason(status);
    od_callee_send_response(c, false);
}

/* The transaction now repeats itself until it is answered. */
static void begin_retransmission(struct od_callee *c)
{
    uint64_t now = c->node->now.mono_ns;
    c->backoff_ns = t1_ns(c);
    set_timer(c, OD_CALLEE_TIMER_RETRANSMIT, now + c->backoff_ns);
    set_timer(c, OD_CALLEE_TIMER_GIVE_UP, now + 64 * t1_ns(c));
}

static void end_retransmission(struct od_callee *c)
{
    clear_timer(c, OD_CALLEE_TIMER_RETRANSMIT);
    clear_timer(c, OD_CALLEE_TIMER_GIVE_UP);
}

/* ---- the telephone ---- */

static void settle(struct od_callee *c)
{
    if (c->state == OD_CALLEE_LINGERING)
        return;
    end_retransmission(c);
    c->state = OD_CALLEE_LINGERING;
    c->node->busy--;
    uint64_t linger_ns = c->node->setup.linger_ms * ms_ns;
    if (c->talk && linger_ns < rtp_close_ns)
        linger_ns = rtp_close_ns;
    set_timer(c, OD_CALLEE_TIMER_LINGER, c->node->now.mono_ns + linger_ns);
}

/* The call is over for the person; transactions may go on. */
static void phone_down(struct od_callee *c, enum od_outcome outcome, bool off_hook)
{
    if (!c->live)
        return;
    c->live = false;
    c->node->live--;
    c->outcome = outcome;
    c->end_ns = c->node->now.mono_ns;
    c->node->tally.outcomes[outcome]++;
    c->node->tally.off_hook += off_hook;
    clear_timer(c, OD_CALLEE_TIMER_PHONE);
    clear_timer(c, OD_CALLEE_TIMER_REFRESH);
    clear_timer(c, OD_CALLEE_TIMER_OFF_HOOK);
    clear_timer(c, OD_CALLEE_TIMER_TALK);
    if (c->attempt) {
        struct od_number_entry *entry = od_number_book_get(&c->node->book, c->number_hash);
        if (entry && entry->live)
            entry->live--;
    }
    if (c->talk) {
        od_rtp_talk_hang_up(c->talk, c->end_ns);
        set_timer(c, OD_CALLEE_TIMER_RTP_CLOSE, c->end_ns + rtp_close_ns);
    }
    od_callee_write_end(c, off_hook);
}

static void refuse(struct od_callee *c, int status, const char *reason, enum od_outcome outcome)
{
    respond(c, status, reason);
    c->state = OD_CALLEE_CLOSING;
    begin_retransmission(c);
    phone_down(c, outcome, false);
}

static void ring(struct od_callee *c)
{
    uint64_t now = c->node->now.mono_ns;
    uint32_t ring_ms = c->plan.ring_ms, most = c->node->setup.profile.ring_max_ms;
    bool early = c->plan.early_media && c->invite.body.bytes > 0;
    c->ring_ns = now;
    if (early && (!open_media(c) || !make_sdp(c))) {
        refuse(c, 500, "No Media Port", OD_OUTCOME_FAILED);
        return;
    }
    respond(c, early ? 183 : 180, NULL);
    if (c->plan.kind == OD_PLAN_NO_ANSWER || ring_ms > most)
        ring_ms = most;
    set_timer(c, OD_CALLEE_TIMER_PHONE, now + ring_ms * ms_ns);
    set_timer(c, OD_CALLEE_TIMER_REFRESH, now + refresh_ns);
    if (early && c->talk) {
        od_rtp_talk_ringback(c->talk, now);
        tick_media(c);
    }
}

static void answer(struct od_callee *c)
{
    uint64_t now = c->node->now.mono_ns;
    if (!open_media(c) || !make_sdp(c)) {
        refuse(c, 500, "No Media Port", OD_OUTCOME_FAILED);
        return;
    }
    c->answer_ns = now;
    c->node->tally.answered++;
    respond(c, 200, NULL);
    c->state = OD_CALLEE_ANSWERED;
    begin_retransmission(c);
    clear_timer(c, OD_CALLEE_TIMER_REFRESH);
    if (c->plan.hangs_up)
        set_timer(c, OD_CALLEE_TIMER_PHONE, now + c->plan.hangup_ms * ms_ns);
    set_timer(c, OD_CALLEE_TIMER_OFF_HOOK, now + c->node->setup.profile.talk_max_ms * ms_ns);
    if (c->talk) {
        od_rtp_talk_answer(c->talk, now);
        tick_media(c);
    }
}

static void hang_up(struct od_callee *c, bool off_hook)
{
    c->bye_from_callee = true;
    c->state = OD_CALLEE_CLOSING;
    od_callee_send_bye(c, false);
    begin_retransmission(c);
    phone_down(c, OD_OUTCOME_ANSWERED, off_hook);
}

static void decide(struct od_callee *c)
{
    bool gave_up = c->plan.ring_ms > c->node->setup.profile.ring_max_ms;
    if (c->plan.kind == OD_PLAN_ANSWER && !gave_up) {
        answer(c);
    } else if (c->plan.kind == OD_PLAN_DECLINE && !gave_up) {
        refuse(c, 603, NULL, OD_OUTCOME_DECLINED);
    } else {
        c->node->tally.ringing_abandoned++;
        refuse(c, 480, NULL, OD_OUTCOME_NO_ANSWER);
    }
}

static void next_step(struct od_callee *c)
{
    if (c->state == OD_CALLEE_TALKING) {
        hang_up(c, false);
    } else if (c->state == OD_CALLEE_ANSWERED) {
        /* 15: no BYE by the callee before the ACK, or before giving up on it */
        c->hangup_pending = true;
    } else if (c->ring_ns) {
        decide(c);
    } else if (c->plan.kind == OD_PLAN_BUSY) {
        refuse(c, 486, NULL, OD_OUTCOME_BUSY);
    } else if (c->plan.kind == OD_PLAN_FAIL) {
        refuse(c, c->plan.fail_status, NULL, OD_OUTCOME_FAILED);
    } else {
        ring(c);
    }
}

/* ---- birth ---- */

/* Enters the call in the book of numbers. True: it is a double dial. */
static bool enter_book(struct od_callee *c)
{
    c->number_hash = od_carrier_hash(c->node, (struct od_text){c->number, strlen(c->number)});
    struct od_number_entry *entry = od_number_book_get(&c->node->book, c->number_hash);
    c->attempt = 1;
    if (!entry)
        return false;
    /* the same Call-ID again is the same call asked once more (after a 503, say) */
    bool other = entry->attempts > 0 && entry->call_id_hash != c->call_id_hash;
    bool double_dial = other && (entry->live > 0 || c->node->setup.once);
    c->node->tally.redials += other;
    c->node->tally.double_dials += double_dial;
    c->attempt = ++entry->attempts;
    entry->call_id_hash = c->call_id_hash;
    entry->live++;
    return double_dial;
}

static void begin_call(struct od_callee *c)
{
    uint64_t now = c->node->now.mono_ns;
    if (c->plan.kind == OD_PLAN_SILENT) {
        c->state = OD_CALLEE_SILENT;
        set_timer(c, OD_CALLEE_TIMER_GIVE_UP, now + 64 * t1_ns(c));
        return;
    }
    respond(c, 100, NULL);
    set_timer(c, OD_CALLEE_TIMER_PHONE, now + c->plan.pdd_ms * ms_ns);
}

bool od_callee_init(struct od_callee *c, struct od_carrier_node *node, const struct od_sip_text *m,
                    const struct od_carrier_arrival *a, struct od_refusal refusal)
{
    c->node = node;
    c->serial = ++node->serial;
    for (int i = 0; i < OD_CALLEE_TIMERS; i++)
        clear_timer(c, (enum od_callee_timer)i);
    uint64_t noise = od_keyed_hash(node->secret, &c->serial, sizeof c->serial);
    snprintf(c->tag, sizeof c->tag, "%x.%x.%08x", c->index, c->generation,
             (unsigned)(uint32_t)noise);
    if (!od_callee_keep_invite(c, m, a, &c->invite) || !od_callee_keep_dialog(c, m, a)) {
        od_callee_deinit(c);
        return false;
    }
    c->source = a->source;
    c->cseq_in = m->cseq;
    c->invite_ns = a->at.mono_ns;
    c->state = OD_CALLEE_PROCEEDING;
    c->live = true;
    node->live++;
    node->busy++;
    if (node->live > node->tally.live_most)
        node->tally.live_most = node->live;
    od_sip_text_number(m->uri, c->number);
    bool double_dial = false;
    if (refusal.status == 0) {
        double_dial = enter_book(c);
        od_population_draw(&node->setup.profile, c->number, c->attempt, &c->plan);
        int broken = od_profile_broken(&node->setup.profile, c->number,
                                       (double)(a->at.wall_ns - node->first_ns) / 1e9);
        if (broken) {
            c->plan.kind = OD_PLAN_FAIL;
            c->plan.fail_status = broken;
        }
    }
    od_callee_write_invite(c, m, a, false, double_dial);
    if (refusal.status)
        refuse(c, refusal.status, refusal.reason, OD_OUTCOME_REFUSED);
    else
        begin_call(c);
    rearm(c);
    return true;
}

void od_callee_deinit(struct od_callee *c)
{
    if (c->talk)
        close_media(c);
    free(c->invite.text);
    free(c->invite.sdp);
    free(c->dialog);
    c->invite.text = c->invite.sdp = c->dialog = NULL;
}

/* ---- messages ---- */

void od_callee_invite_again(struct od_callee *c, const struct od_sip_text *m,
                            const struct od_carrier_arrival *a)
{
    od_callee_write_invite(c, m, a, true, false);
    /* RFC 6026 7.1: once acknowledged, retransmissions are absorbed */
    if (c->state != OD_CALLEE_SILENT && c->invite.status && !c->invite.acked)
        od_callee_send_response(c, true);
}

void od_callee_reinvite(struct od_callee *c, const struct od_sip_text *m,
                        const struct od_carrier_arrival *a)
{
    od_callee_write_invite(c, m, a, false, false);
    struct od_sdp_text offer;
    int status = 0;
    struct od_callee_invite next = {0};
    if (c->state == OD_CALLEE_PROCEEDING || c->state == OD_CALLEE_ANSWERED || !c->invite.acked)
        status = c->state >= OD_CALLEE_CLOSING ? 481 : 491;
    else if (c->state != OD_CALLEE_TALKING)
        status = 481;
    else if (m->cseq <= c->cseq_in)
        status = 500; /* 12.2.2: out of order */
    else if (m->body.bytes > 0 && !od_sdp_text_parse(&offer, m->body))
        status = 488;
    else if (!od_callee_keep_invite(c, m, a, &next))
        status = 513;
    if (status) {
        od_carrier_reply(c->node, m, a, (struct od_carrier_reply){status, NULL, c->tag, ""});
        return;
    }
    free(c->invite.text);
    free(c->invite.sdp);
    c->invite = next;
    c->cseq_in = m->cseq;
    od_carrier_rekey(c->node, c, next.key);
    respond(c, make_sdp(c) ? 200 : 500, NULL);
    begin_retransmission(c);
    rearm(c);
}

void od_callee_ack(struct od_callee *c, const struct od_sip_text *m,
                   const struct od_carrier_arrival *a)
{
    struct od_ledger *l = od_callee_begin_fact(c, "ack", a->at);
    od_ledger_number(l, "cseq", m->cseq);
    od_ledger_number(l, "code", (uint64_t)c->invite.status);
    od_ledger_end(l);
    if (m->cseq != c->invite.cseq || c->invite.status < 200)
        return;
    bool first = !c->acked_ever;
    c->acked_ever = true;
    if (c->answer_ns && first)
        c->node->tally.acked++;
    if (c->invite.acked)
        return;
    c->invite.acked = true;
    if (c->delayed_offer && c->talk && m->body.bytes > 0) {
        struct od_sdp_text reply;
        if (od_sdp_text_parse(&reply, m->body))
            od_rtp_talk_describe(c->talk, &reply);
    }
    if (c->state == OD_CALLEE_ANSWERED || c->state == OD_CALLEE_TALKING) {
        end_retransmission(c);
        c->state = OD_CALLEE_TALKING;
        if (c->hangup_pending)
            hang_up(c, false);
    } else if (c->state == OD_CALLEE_CLOSING && !c->bye_from_callee) {
        settle(c);
    }
    rearm(c);
}

void od_callee_cancel(struct od_callee *c, const struct od_sip_text *m,
                      const struct od_carrier_arrival *a)
{
    struct od_ledger *l = od_callee_begin_fact(c, "cancel", a->at);
    od_ledger_bool(l, "matched", true);
    od_ledger_bool(l, "in_time", c->state == OD_CALLEE_PROCEEDING || c->state == OD_CALLEE_SILENT);
    od_ledger_end(l);
    if (c->state == OD_CALLEE_SILENT) {
        c->cancelled = true;
        return;
    }
    /* 9.2: a CANCEL is always answered 200 when its transaction exists, and then changes nothing
     * once there is a final response */
    od_carrier_reply(c->node, m, a, (struct od_carrier_reply){200, NULL, c->tag, ""});
    if (c->state == OD_CALLEE_PROCEEDING) {
        c->cancelled = true;
        refuse(c, 487, NULL,
               c->plan.kind == OD_PLAN_NO_ANSWER ? OD_OUTCOME_NO_ANSWER : OD_OUTCOME_CANCELLED);
    }
    rearm(c);
}

void od_callee_bye(struct od_callee *c, const struct od_sip_text *m,
                   const struct od_carrier_arrival *a)
{
    bool again = c->bye_from_caller && m->cseq == c->cseq_in;
    bool known = c->state == OD_CALLEE_PROCEEDING || c->answer_ns != 0;
    od_callee_write_bye(c, "caller", again, a->at);
    int status = !known || c->state == OD_CALLEE_SILENT ? 481
                 : m->cseq < c->cseq_in                 ? 500 /* 12.2.2: out of order */
                                                        : 200;
    od_carrier_reply(c->node, m, a, (struct od_carrier_reply){status, NULL, c->tag, ""});
    if (status != 200 || again)
        return;
    c->node->tally.byes_in++;
    c->cseq_in = m->cseq;
    c->bye_from_caller = true;
    if (c->state == OD_CALLEE_PROCEEDING) {
        /* 15.1.2: a BYE on an early dialog also ends the INVITE */
        refuse(c, 487, NULL, OD_OUTCOME_CANCELLED);
    } else if (c->state == OD_CALLEE_ANSWERED || c->state == OD_CALLEE_TALKING) {
        phone_down(c, OD_OUTCOME_ANSWERED, false);
        settle(c);
    }
    rearm(c);
}

void od_callee_response(struct od_callee *c, const struct od_sip_text *m)
{
    if (c->state != OD_CALLEE_CLOSING || !c->bye_from_callee || m->status < 200)
        return;
    settle(c);
    rearm(c);
}

/* ---- timers ---- */

static void retransmit(struct od_callee *c)
{
    uint64_t most = c->node->setup.profile.t2_ms * ms_ns;
    if (c->bye_from_callee)
        od_callee_send_bye(c, true);
    else
        od_callee_send_response(c, true);
    c->backoff_ns = c->backoff_ns * 2 < most ? c->backoff_ns * 2 : most;
    set_timer(c, OD_CALLEE_TIMER_RETRANSMIT, c->node->now.mono_ns + c->backoff_ns);
}

static void give_up(struct od_callee *c)
{
    clear_timer(c, OD_CALLEE_TIMER_RETRANSMIT);
    switch (c->state) {
    case OD_CALLEE_SILENT:
        phone_down(c, OD_OUTCOME_SILENT, false);
        settle(c);
        break;
    case OD_CALLEE_ANSWERED:
    case OD_CALLEE_TALKING:
        hang_up(c, false); /* 13.3.1.4, 14.2: no ACK for 64*T1 */
        break;
    case OD_CALLEE_CLOSING:
        c->node->tally.byes_unanswered += c->bye_from_callee;
        c->node->tally.refusals_unacked += !c->bye_from_callee;
        settle(c);
        break;
    case OD_CALLEE_PROCEEDING:
    case OD_CALLEE_LINGERING:
        break;
    }
}

static void fire(struct od_callee *c, enum od_callee_timer timer)
{
    switch (timer) {
    case OD_CALLEE_TIMER_PHONE:
        next_step(c);
        break;
    case OD_CALLEE_TIMER_REFRESH:
        od_callee_send_response(c, true);
        set_timer(c, OD_CALLEE_TIMER_REFRESH, c->node->now.mono_ns + refresh_ns);
        break;
    case OD_CALLEE_TIMER_RETRANSMIT:
        retransmit(c);
        break;
    case OD_CALLEE_TIMER_GIVE_UP:
        give_up(c);
        break;
    case OD_CALLEE_TIMER_OFF_HOOK:
        hang_up(c, true);
        break;
    case OD_CALLEE_TIMER_TALK:
        tick_media(c);
        break;
    case OD_CALLEE_TIMER_RTP_CLOSE:
        close_media(c);
        break;
    case OD_CALLEE_TIMER_LINGER:
    case OD_CALLEE_TIMERS:
        break;
    }
}

/* Judged at the very end: an ACK may come while the call lingers. */
static void judge(struct od_callee *c)
{
    const struct od_profile *p = &c->node->setup.profile;
    /* what our own knobs ate is not the caller's fault, if it hung up properly */
    bool excused = (p->lose > 0 || p->lose_ack > 0) && c->bye_from_caller;
    if (c->answer_ns && !c->acked_ever && !excused)
        c->node->tally.never_acked++;
}

bool od_callee_run(struct od_callee *c)
{
    for (int i = 0; i < OD_CALLEE_TIMERS; i++) {
        if (c->due[i] > c->node->now.mono_ns)
            continue;
        if (i == OD_CALLEE_TIMER_LINGER) {
            judge(c);
            return false;
        }
        clear_timer(c, (enum od_callee_timer)i);
        fire(c, (enum od_callee_timer)i);
    }
    rearm(c);
    return true;
}

void od_callee_hear(struct od_callee *c)
{
    if (c->talk)
        od_rtp_talk_read(c->talk, c->node->now.mono_ns);
}

void od_callee_abandon(struct od_callee *c)
{
    bool answered = c->state == OD_CALLEE_ANSWERED || c->state == OD_CALLEE_TALKING;
    if (c->state == OD_CALLEE_PROCEEDING && c->ring_ns)
        c->node->tally.ringing_abandoned++;
    phone_down(c, answered ? OD_OUTCOME_ANSWERED : OD_OUTCOME_UNFINISHED, answered);
    judge(c);
}

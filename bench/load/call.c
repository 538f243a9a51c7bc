/*
 * call - see call.h. Each event has a function; what it may do depends on the state, and what was
 * done is counted where it is decided.
 */
#include "bench/load/call.h"

#include <stdlib.h>

#include "bench/load/run.h"
#include "bench/load/wire.h"

/* RFC 3261 17.1.1.1: T1 is the round trip's estimate, T2 the longest gap of repeats that are not of
 * an INVITE, 64*T1 the end of trying. */
#define MS UINT64_C(1000000)
static const uint64_t t1 = 500 * MS, t2 = 4000 * MS, give_up_after = 64 * 500 * MS;
/* As long as T4: what is still under way has arrived by then. */
static const uint64_t linger = 5000 * MS;
static const uint64_t never = UINT64_MAX;
enum { AUTH_TRIES_MAX = 2 };

static void arm(struct od_load_run *run, struct od_load_call *call)
{
    uint64_t at = call->repeat_ns < call->deadline_ns ? call->repeat_ns : call->deadline_ns;
    od_timers_start(&run->timers, &call->timer, at);
}

/* Enters a state that ends after `ms`, repeating its request or not. */
static void enter(struct od_load_run *run, struct od_load_call *call, enum od_load_state state,
                  uint64_t ends_ns, bool repeats)
{
    call->state = state;
    call->deadline_ns = ends_ns;
    call->repeat_gap_ns = t1;
    call->repeat_ns =
        repeats && !run->stream ? run->now_ns + t1 : never; /* TCP repeats by itself */
    arm(run, call);
}

static void put_line(struct od_load_run *run, struct od_load_call *call)
{
    if (call->line)
        od_load_line_put(call->line,
                         call->outcome == OD_LOAD_ANSWERED && call->dialog ? run->tally : NULL);
    call->line = NULL;
}

static void end(struct od_load_run *run, struct od_load_call *call, enum od_load_outcome outcome)
{
    call->outcome = outcome;
    put_line(run, call);
    od_load_run_ended(run, call, outcome);
    enter(run, call, OD_LOAD_LINGERING, run->now_ns + linger, false);
}

static void stop_repeating(struct od_load_run *run, struct od_load_call *call)
{
    call->repeat_ns = never;
    arm(run, call);
}

static void hang_up(struct od_load_run *run, struct od_load_call *call)
{
    if (call->line)
        od_load_line_stop(call->line);
    call->cseq++;
    call->bye_ns = run->now_ns;
    od_load_send_bye(run, call);
    enter(run, call, OD_LOAD_HANGING_UP, run->now_ns + give_up_after, true);
}

static void cancel(struct od_load_run *run, struct od_load_call *call)
{
    od_load_send_cancel(run, call);
    enter(run, call, OD_LOAD_CANCELLING, run->now_ns + give_up_after, true);
}

static void count_from_due(struct od_load_run *run, const struct od_load_call *call,
                           enum od_load_metric metric)
{
    od_hist_add(&run->tally->metrics[metric], (run->now_ns - call->due_ns) / 1000);
}

void od_load_call_start(struct od_load_run *run, struct od_load_call *call, uint64_t due_ns)
{
    call->due_ns = due_ns;
    call->sent_ns = run->now_ns;
    call->invite_cseq = call->cseq = 1;
    od_load_send_invite(run, call);
    count_from_due(run, call, OD_LOAD_LATE);
    enter(run, call, OD_LOAD_CALLING, run->now_ns + give_up_after, true);
    if (run->stream && !od_load_stream_is_up(run->stream))
        od_load_call_cut(run, call);
}

void od_load_call_cut(struct od_load_run *run, struct od_load_call *call)
{
    if (call->state == OD_LOAD_CALLING || call->state == OD_LOAD_PROCEEDING) {
        end(run, call, call->rang_ns ? OD_LOAD_NO_ANSWER : OD_LOAD_SILENT);
    } else if (call->state == OD_LOAD_HANGING_UP) {
        run->tally->bye_unanswered++;
        end(run, call, call->outcome);
    }
}

/* ---- responses to the INVITE ---- */

static void provisional(struct od_load_run *run, struct od_load_call *call,
                        const struct od_sip_text *m)
{
    if (call->state != OD_LOAD_CALLING && call->state != OD_LOAD_PROCEEDING)
        return;
    if (m->status > 100 && !call->rang_ns) {
        call->rang_ns = run->now_ns;
        count_from_due(run, call, OD_LOAD_PDD);
    }
    call->proceeding = true;
    if (call->give_up)
        cancel(run, call);
    else if (call->state == OD_LOAD_CALLING)
        enter(run, call, OD_LOAD_PROCEEDING, call->sent_ns + run->plan->ring_ms_max * MS, false);
}

static uint64_t hold_ns(struct od_load_run *run)
{
    const struct od_load_plan *plan = run->plan;
    uint64_t span = plan->hold_ms_max - plan->hold_ms_min + 1;
    return (plan->hold_ms_min + od_rng_below(&run->rng, span)) * MS;
}

static void answered(struct od_load_run *run, struct od_load_call *call,
                     const struct od_sip_text *m)
{
    if (call->dialog || call->state == OD_LOAD_LINGERING) { /* repeated, or another branch's */
        if (call->dialog && od_text_equal(m->to, call->to))
            od_load_send_ack(run, call);
        else
            od_load_send_fork_end(run, call, m);
        return;
    }
    if (!od_load_keep_dialog(run, call, m)) {
        end(run, call, OD_LOAD_REFUSED);
        return;
    }
    od_load_send_ack(run, call);
    bool given_up = call->state == OD_LOAD_CANCELLING;
    if (!given_up) {
        call->outcome = OD_LOAD_ANSWERED;
        uint64_t us = (run->now_ns - call->due_ns) / 1000;
        od_load_tally_setup(run->tally, us);
        if (!call->rang_ns)
            count_from_due(run, call, OD_LOAD_PDD);
        else
            od_hist_add(&run->tally->metrics[OD_LOAD_ANSWER], (run->now_ns - call->rang_ns) / 1000);
    }
    struct od_sdp_text sdp;
    if (call->line && !given_up && od_sdp_text_parse(&sdp, m->body))
        od_load_line_start(call->line, &sdp, run->now_ns);
    if (given_up || call->give_up)
        hang_up(run, call);
    else
        enter(run, call, OD_LOAD_TALKING, run->now_ns + hold_ns(run), false);
}

static enum od_load_outcome outcome_of(const struct od_load_call *call, int status)
{
    switch (status) {
    case 486:
    case 600:
        return OD_LOAD_BUSY;
    case 603:
        return OD_LOAD_DECLINED;
    case 408:
    case 480:
        return call->rang_ns ? OD_LOAD_NO_ANSWER : OD_LOAD_REFUSED;
    default:
        return OD_LOAD_REFUSED;
    }
}

static void refused(struct od_load_run *run, struct od_load_call *call, const struct od_sip_text *m)
{
    if (call->dialog)
        return; /* a late branch of a fork that was answered */
    od_load_send_refusal_ack(run, call, m);
    if (call->state == OD_LOAD_LINGERING || m->cseq != call->invite_cseq)
        return; /* repeated, or of the INVITE before the challenge */
    if ((m->status == 401 || m->status == 407) && call->state != OD_LOAD_CANCELLING &&
        call->auth_tries < AUTH_TRIES_MAX && od_load_authorize(run, call, m, "INVITE")) {
        call->auth_tries++;
        run->tally->challenged++;
        call->invite_cseq = ++call->cseq;
        od_load_send_invite(run, call);
        enter(run, call, OD_LOAD_CALLING, run->now_ns + give_up_after, true);
        return;
    }
    if (m->status < OD_LOAD_STATUS_MAX)
        run->tally->statuses[m->status]++;
    if (call->state == OD_LOAD_CANCELLING) {
        end(run, call, call->outcome);
        return;
    }
    if (!call->rang_ns)
        count_from_due(run, call, OD_LOAD_PDD);
    end(run, call, outcome_of(call, m->status));
}

static void bye_response(struct od_load_run *run, struct od_load_call *call,
                         const struct od_sip_text *m)
{
    if (call->state != OD_LOAD_HANGING_UP || m->cseq != call->cseq || m->status < 200)
        return;
    if ((m->status == 401 || m->status == 407) && !call->bye_repeated &&
        od_load_authorize(run, call, m, "BYE")) {
        call->bye_repeated = true;
        hang_up(run, call);
        return;
    }
    od_hist_add(&run->tally->metrics[OD_LOAD_BYE], (run->now_ns - call->bye_ns) / 1000);
    end(run, call, call->outcome);
}

void od_load_call_response(struct od_load_run *run, struct od_load_call *call,
                           const struct od_sip_text *m)
{
    if (m->method == OD_SIP_TEXT_BYE)
        bye_response(run, call, m);
    else if (m->method == OD_SIP_TEXT_CANCEL && call->state == OD_LOAD_CANCELLING)
        stop_repeating(run, call);
    else if (m->method != OD_SIP_TEXT_INVITE)
        run->tally->strays++;
    else if (m->status < 200)
        provisional(run, call, m);
    else if (m->status < 300)
        answered(run, call, m);
    else
        refused(run, call, m);
}

/* ---- requests of the other side ---- */

void od_load_call_request(struct od_load_run *run, struct od_load_call *call,
                          const struct od_sip_text *m, const struct od_carrier_addr *source)
{
    struct od_sdp_text sdp;
    switch (m->method) {
    case OD_SIP_TEXT_ACK:
        return;
    case OD_SIP_TEXT_BYE:
        od_load_send_response(run, call, m, source, call->dialog ? 200 : 481, false);
        if (call->state == OD_LOAD_TALKING || call->state == OD_LOAD_HANGING_UP) {
            run->tally->ended_by_peer++;
            end(run, call, call->outcome);
        }
        return;
    case OD_SIP_TEXT_INVITE: /* hold, resume, a session's refresh: we go on as we are */
        if (call->state == OD_LOAD_TALKING && call->line && od_sdp_text_parse(&sdp, m->body))
            od_load_line_start(call->line, &sdp, run->now_ns);
        od_load_send_response(run, call, m, source, call->dialog ? 200 : 481, call->dialog != NULL);
        return;
    case OD_SIP_TEXT_OPTIONS:
        od_load_send_response(run, call, m, source, 200, false);
        return;
    default:
        od_load_send_response(run, call, m, source, m->method == OD_SIP_TEXT_UNKNOWN ? 501 : 405,
                              false);
    }
}

/* ---- time ---- */

static void repeat(struct od_load_run *run, struct od_load_call *call)
{
    run->tally->retransmits++;
    if (call->state == OD_LOAD_CALLING)
        od_load_send_invite(run, call);
    else if (call->state == OD_LOAD_CANCELLING)
        od_load_send_cancel(run, call);
    else if (call->state == OD_LOAD_HANGING_UP)
        od_load_send_bye(run, call);
    call->repeat_gap_ns *= 2;
    if (call->state != OD_LOAD_CALLING && call->repeat_gap_ns > t2)
        call->repeat_gap_ns = t2;
    call->repeat_ns = run->now_ns + call->repeat_gap_ns;
    arm(run, call);
}

bool od_load_call_timeout(struct od_load_run *run, struct od_load_call *call)
{
    if (run->now_ns < call->deadline_ns) {
        repeat(run, call);
        return true;
    }
    switch (call->state) {
    case OD_LOAD_CALLING:
        end(run, call, call->give_up ? OD_LOAD_ABORTED : OD_LOAD_SILENT);
        break;
    case OD_LOAD_PROCEEDING:
        call->outcome = call->rang_ns ? OD_LOAD_NO_ANSWER : OD_LOAD_SILENT;
        cancel(run, call);
        break;
    case OD_LOAD_CANCELLING:
        end(run, call, call->outcome);
        break;
    case OD_LOAD_TALKING:
        hang_up(run, call);
        break;
    case OD_LOAD_HANGING_UP:
        run->tally->bye_unanswered++;
        end(run, call, call->outcome);
        break;
    case OD_LOAD_LINGERING:
        return false;
    }
    return true;
}

void od_load_call_abort(struct od_load_run *run, struct od_load_call *call)
{
    call->give_up = true;
    if (call->state == OD_LOAD_CALLING || call->state == OD_LOAD_PROCEEDING) {
        call->outcome = OD_LOAD_ABORTED;
        if (call->proceeding)
            cancel(run, call);
    } else if (call->state == OD_LOAD_TALKING) {
        hang_up(run, call);
    }
}

void od_load_call_free(struct od_load_call *call)
{
    free(call->dialog);
    free(call->auth);
    call->dialog = call->auth = NULL;
}

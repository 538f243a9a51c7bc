/* callee_facts: see callee_facts.h. */
#include "bench/carrier/callee_facts.h"

static const uint64_t ms_ns = 1000000;

struct od_ledger *od_callee_begin_fact(struct od_callee *c, const char *fact,
                                       struct od_carrier_now at)
{
    struct od_ledger *l = &c->node->ledger;
    od_ledger_begin(l, fact, at);
    od_ledger_number(l, "call", c->serial);
    od_ledger_text(l, "call_id", c->call_id);
    return l;
}

void od_callee_write_invite(struct od_callee *c, const struct od_sip_text *m,
                            const struct od_carrier_arrival *a, bool again, bool double_dial)
{
    char source[OD_CARRIER_ADDR_TEXT];
    od_carrier_addr_text(&a->source, source);
    struct od_ledger *l = od_callee_begin_fact(c, "invite", a->at);
    od_ledger_text(l, "from", m->from);
    od_ledger_text(l, "to", m->to);
    od_ledger_text(l, "branch", m->branch);
    od_ledger_number(l, "cseq", m->cseq);
    od_ledger_word(l, "number", c->number);
    od_ledger_word(l, "source", source);
    od_ledger_bool(l, "retransmission", again);
    od_ledger_number(l, "attempt", c->attempt);
    od_ledger_word(l, "plan", c->attempt ? od_plan_kind_name(c->plan.kind) : "refused");
    od_ledger_bool(l, "double_dial", double_dial);
    od_ledger_end(l);
}

void od_callee_write_bye(struct od_callee *c, const char *who, bool again, struct od_carrier_now at)
{
    struct od_ledger *l = od_callee_begin_fact(c, "bye", at);
    od_ledger_word(l, "who", who);
    od_ledger_bool(l, "retransmission", again);
    od_ledger_end(l);
}

void od_callee_write_end(struct od_callee *c, bool off_hook)
{
    uint64_t ring_end_ns = c->answer_ns ? c->answer_ns : c->end_ns;
    struct od_ledger *l = od_callee_begin_fact(c, "end", c->node->now);
    od_ledger_word(l, "number", c->number);
    od_ledger_word(l, "outcome", od_outcome_name(c->outcome));
    od_ledger_number(l, "code", (uint64_t)c->invite.status);
    od_ledger_number(l, "ring_ms", c->ring_ns ? (ring_end_ns - c->ring_ns) / ms_ns : 0);
    od_ledger_number(l, "talk_ms", c->answer_ns ? (c->end_ns - c->answer_ns) / ms_ns : 0);
    od_ledger_bool(l, "acked", c->acked_ever);
    od_ledger_bool(l, "cancelled", c->cancelled);
    od_ledger_word(l, "hung_up_by",
                   c->bye_from_caller   ? "caller"
                   : c->bye_from_callee ? "callee"
                                        : "nobody");
    od_ledger_bool(l, "off_hook_at_end", off_hook);
    od_ledger_end(l);
}

void od_callee_write_rtp(struct od_callee *c)
{
    const struct od_rtp_facts *f = od_rtp_talk_facts(c->talk);
    struct od_ledger *l = od_callee_begin_fact(c, "rtp", c->node->now);
    od_ledger_number(l, "packets_in", f->packets_in);
    od_ledger_number(l, "packets_out", f->packets_out);
    od_ledger_number(l, "lost", f->lost);
    od_ledger_tenths(l, "jitter_ms", f->jitter_ms);
    od_ledger_number(l, "speech_ms", f->speech_ms);
    od_ledger_number(l, "longest_silence_ms", f->longest_silence_ms);
    od_ledger_number(l, "before_answer", f->before_answer);
    od_ledger_number(l, "after_bye", f->after_bye);
    od_ledger_number(l, "wrong_place", f->wrong_place);
    od_ledger_number(l, "malformed", f->malformed);
    od_ledger_number(l, "events_in", f->events_in);
    od_ledger_word(l, "digits_sent", f->digits_sent);
    od_ledger_word(l, "talk", od_plan_talk_name(c->plan.talk));
    od_ledger_end(l);
}

/*
 * callee_facts: the ledger lines of one callee. They say what happened and nothing else; their
 * names and members are read by ledger_check.py. Called by callee.c and callee_wire.c.
 */
#ifndef OD_BENCH_CARRIER_CALLEE_FACTS_H
#define OD_BENCH_CARRIER_CALLEE_FACTS_H

#include "bench/carrier/callee.h"

/* Begins a line with the members every fact of a call has; the caller adds to it and ends it. */
struct od_ledger *od_callee_begin_fact(struct od_callee *, const char *fact, struct od_carrier_now);

void od_callee_write_invite(struct od_callee *, const struct od_sip_text *,
                            const struct od_carrier_arrival *, bool again, bool double_dial);
void od_callee_write_bye(struct od_callee *, const char *who, bool again, struct od_carrier_now);
void od_callee_write_end(struct od_callee *, bool off_hook);
void od_callee_write_rtp(struct od_callee *); /* it has a talk */

#endif

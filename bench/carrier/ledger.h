/*
 * ledger: what the carrier saw and did, one JSON object a line, for checkers that trust nobody's
 * memory. Lines are gathered and written whole (O_APPEND), at the latest when the node asks, so a
 * reader never sees half a line from us. It must never stop the carrier: a line that doesn't fit or
 * a failed write is counted, and the count is in the summary. Called by the node and the callees.
 *
 * Lifetime: owned by the node; od_ledger_close() writes what is left.
 */
#ifndef OD_BENCH_CARRIER_LEDGER_H
#define OD_BENCH_CARRIER_LEDGER_H

#include "bench/carrier/sip_text.h"

/* When something happened: wall clock for people, monotonic clock for arithmetic. */
struct od_carrier_now {
    uint64_t mono_ns;
    int64_t wall_ns;
};

struct od_ledger {
    int fd; /* -1: no ledger, every call does nothing */
    char *bytes;
    size_t used;
    size_t line_start;    /* of the line being written */
    bool overlong;        /* that line doesn't fit and will be dropped */
    uint64_t lines, lost; /* read by the summary */
};

/* path "-" is stdout, NULL none. 0 or a negative errno. */
int od_ledger_open(struct od_ledger *, const char *path);
void od_ledger_close(struct od_ledger *);
void od_ledger_flush(struct od_ledger *);

/* begin ... end make one line; the others add a member to it. Names are literals, not escaped. */
void od_ledger_begin(struct od_ledger *, const char *fact, struct od_carrier_now);
void od_ledger_text(struct od_ledger *, const char *name, struct od_text);
void od_ledger_word(struct od_ledger *, const char *name, const char *value);
void od_ledger_number(struct od_ledger *, const char *name, uint64_t value);
void od_ledger_tenths(struct od_ledger *, const char *name, double value); /* one decimal */
void od_ledger_bool(struct od_ledger *, const char *name, bool value);
void od_ledger_end(struct od_ledger *);

#endif

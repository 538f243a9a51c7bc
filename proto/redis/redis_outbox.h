/*
 * redis_outbox - the delivering side of the outbox: chains claimed for this process, and what
 * became of them. Acks are gathered and travel with the next claim, one script per org and turn;
 * an ack whose script's reply was lost is sent again (its claim's number makes that harmless).
 * Called by engine/host/outbox, on the loop's thread.
 */
#ifndef PROTO_REDIS_REDIS_OUTBOX_H
#define PROTO_REDIS_REDIS_OUTBOX_H

#include "outdial/outbox.h"

struct od_store;

/* What a row is made of besides its call, where that has changed since it was written. */
struct od_outbox_then {
    uint64_t last; /* the last row that the agent's document is good for; 0: the present one is */
    struct od_text doc; /* the agent's document then, as it was stored */
    struct od_text url; /* the endpoint's URL then; empty: the present one */
};

/* A claimed chain, borrowed for the time of the callback. */
struct od_outbox_claim {
    const char *org;
    struct od_text chain, token;
    struct od_text record, lane;       /* the call's; record empty: the call is gone */
    struct od_text hook;               /* its campaign's webhook, or empty */
    struct od_uid agent;               /* the call's; all zero: its rows say nothing of it */
    int64_t agent_ms;                  /* when the present document was stored; 0: there is none */
    const struct od_hook_row *rows;    /* in order */
    const struct od_outbox_then *then; /* of each row */
    size_t row_count;
    const struct od_hook_endpoint *endpoint; /* NULL: inline, or deleted */
};

struct od_outbox_events {
    void *ctx;
    uint32_t (*room)(void *ctx); /* how many chains may be handed over now */
    void (*claimed)(void *ctx, const struct od_outbox_claim *claim);
};

/* What a claim lasts; its owner has to ack well within. */
enum { OD_OUTBOX_CLAIM_MS = 60000 };

/* Starts claiming. Once, at any time after open; before the store is closed it may be given NULL,
 * which stops it. */
void od_store_outbox(struct od_store *store, const struct od_outbox_events *events);

/* One row of an ack. */
struct od_outbox_result {
    const struct od_hook_row *row; /* as it is to be kept */
    char what; /* 'p' pending, 'd' delivered, 'x' dead, 's' dead and nobody to blame, 'g' dead and
                  the endpoint wants no more */
};

/* Gives a chain back; due_ms: wall ms at which it is due again if rows are left. */
int od_store_outbox_ack(struct od_store *store, const char *org, struct od_text chain,
                        struct od_text token, int64_t due_ms,
                        const struct od_outbox_result *results, size_t count);

/* There is room again. */
void od_store_outbox_wake(struct od_store *store);

/* What was claimed in the org is surely still ours. False: we stood still, or Redis was away, for
 * so long that another worker may deliver it by now. */
bool od_store_outbox_ours(struct od_store *store, const char *org);

/* The call of a row as it was at the event. record: the claim's. scratch: at least as large as the
 * record; what `out` points to lives there. OD_EPROTO: the record is none of ours. */
int od_outbox_call(const struct od_hook_row *row, struct od_text record, struct od_text lane,
                   char *scratch, struct od_call_rec *out);

const struct od_outbox_port *od_store_outbox_port(struct od_store *store);

#endif

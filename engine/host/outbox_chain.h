/*
 * outbox_chain - a claimed chain in hand: its rows with what has become of each, what they are made
 * from, and what may be done of it when. It sends nothing and stores nothing.
 *
 * Lifetime: on the outbox's list from create() to free(); its texts live in one piece of memory.
 */
#ifndef ENGINE_HOST_OUTBOX_CHAIN_H
#define ENGINE_HOST_OUTBOX_CHAIN_H

#include "engine/api/hook_request.h"
#include "engine/host/outbox_past.h"
#include "outdial/outbox.h"
#include "proto/http/http_client.h"
#include "proto/redis/redis_outbox.h"

struct od_outbox;
struct od_outbox_gate;

enum { OD_OUTBOX_ROWS_MAX = 16 };

/* A terminal row that goes before others is marked first, on disk: it may have arrived from then
 * on, whatever becomes of us, and what comes before it in its call must not be sent any more. */
enum { OD_OUTBOX_MAY_HAVE_ARRIVED = 1 }; /* as the row's HTTP status */

/* What a row has become in our hands. */
struct od_outbox_row {
    struct od_hook_row row; /* its texts: in the chain's memory, in error, or in request */
    char what;
    char error[OD_HOOK_ERROR_MAX + 1];
    struct od_hook_request request; /* made here, until the row is told */
    char *sealed;                   /* its headers, once they are kept with the row */
    bool of_the_past;               /* made of the agent as it was, not as it is: */
    struct od_outbox_past *past;    /* NULL: that can't be read */
    struct od_text url;             /* an endpoint's, as it was; empty: as it is */
};

struct od_outbox_chain {
    struct od_outbox *outbox;
    struct od_outbox_chain *next, *prev;
    char org[OD_NAME_MAX];
    struct od_text name, token, record, lane, hook; /* in memory */
    struct od_hook_endpoint endpoint;               /* its texts in memory; to 0: none */
    struct od_uid agent;                            /* all zero: the rows say nothing of one */
    int64_t agent_ms; /* when its present document was stored; 0: there is none */
    uint64_t began_ms;
    struct od_outbox_gate *gate; /* of the attempt under way */
    struct od_http_call_id id;   /* gen 0: none under way */
    int status;
    uint64_t retry_after_ms;
    unsigned at, count;
    bool flows; /* the row before has just been delivered */
    char *memory;
    struct od_outbox_row rows[];
};

/* What chains share. */
struct od_outbox_chains {
    struct od_outbox_chain *first;
    struct od_outbox_past *pasts;
    const struct od_box_port *box;
};

/* At the front of the list; its rows wait. NULL: no memory, or more rows than there may be. */
struct od_outbox_chain *od_outbox_chain_create(struct od_outbox_chains *all,
                                               const struct od_outbox_claim *claim,
                                               uint64_t now_ms);
void od_outbox_chain_free(struct od_outbox_chains *all, struct od_outbox_chain *chain);

bool od_outbox_row_marked(const struct od_outbox_row *row);
bool od_outbox_chain_marked(const struct od_outbox_chain *chain);
/* Rows before this one are still to be delivered. */
bool od_outbox_chain_others_before(const struct od_outbox_chain *chain,
                                   const struct od_outbox_row *row);
/* When the chain is due again: its first row left, or its terminal one, whichever is sooner. Unix
 * time; 0: nothing is left. A terminal one counts when the first has failed. */
int64_t od_outbox_chain_due_ms(const struct od_outbox_chain *chain);
/* There is something to do for the row now. */
bool od_outbox_row_due(const struct od_outbox_chain *chain, const struct od_outbox_row *row,
                       int64_t wall_ms);

#endif

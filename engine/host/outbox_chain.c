/*
 * outbox_chain - see the header.
 */
#include "engine/host/outbox_chain.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "proto/wire/wire_hook.h"

static char *put(char **at, struct od_text from, struct od_text *to)
{
    char *here = *at;
    if (from.bytes)
        memcpy(here, from.at, from.bytes);
    here[from.bytes] = '\0';
    *to = (struct od_text){here, from.bytes};
    *at += from.bytes + 1;
    return here;
}

static size_t claim_bytes(const struct od_outbox_claim *claim)
{
    size_t bytes = claim->chain.bytes + claim->token.bytes + claim->record.bytes +
                   claim->lane.bytes + claim->hook.bytes + 16;
    for (size_t i = 0; i < claim->row_count; i++)
        bytes += od_wire_hook_bytes(&claim->rows[i]) + claim->then[i].url.bytes + 16;
    if (claim->endpoint)
        bytes += claim->endpoint->url.bytes + claim->endpoint->secret.bytes +
                 claim->endpoint->secret_old.bytes + 8;
    return bytes;
}

static void take_row(struct od_outbox_chains *all, const struct od_outbox_chain *chain,
                     const struct od_hook_row *from, const struct od_outbox_then *then,
                     struct od_outbox_row *to, char **at)
{
    struct od_hook_row *row = &to->row;
    *row = *from;
    put(at, from->state, &row->state);
    put(at, from->error, &row->error);
    put(at, from->frozen.method, &row->frozen.method);
    put(at, from->frozen.url, &row->frozen.url);
    put(at, from->frozen.body, &row->frozen.body);
    put(at, from->frozen.type, &row->frozen.type);
    put(at, from->frozen.headers, &row->frozen.headers);
    put(at, then->url, &to->url);
    to->what = 'p';
    to->of_the_past = then->last > 0;
    if (to->of_the_past)
        to->past = od_outbox_past_get(&all->pasts, all->box, chain->org, &chain->agent, then->last,
                                      then->doc);
}

struct od_outbox_chain *od_outbox_chain_create(struct od_outbox_chains *all,
                                               const struct od_outbox_claim *claim, uint64_t now_ms)
{
    if (claim->row_count > OD_OUTBOX_ROWS_MAX)
        return NULL;
    struct od_outbox_chain *chain =
        calloc(1, sizeof *chain + claim->row_count * sizeof *chain->rows);
    char *memory = malloc(claim_bytes(claim)), *at = memory;
    if (!chain || !memory) {
        free(chain);
        free(memory);
        return NULL;
    }
    chain->memory = memory;
    od_str_copy(chain->org, sizeof chain->org, claim->org, strlen(claim->org));
    put(&at, claim->chain, &chain->name);
    put(&at, claim->token, &chain->token);
    put(&at, claim->record, &chain->record);
    put(&at, claim->lane, &chain->lane);
    put(&at, claim->hook, &chain->hook);
    if (claim->endpoint) {
        chain->endpoint = *claim->endpoint;
        put(&at, claim->endpoint->url, &chain->endpoint.url);
        put(&at, claim->endpoint->secret, &chain->endpoint.secret);
        put(&at, claim->endpoint->secret_old, &chain->endpoint.secret_old);
    }
    chain->agent = claim->agent;
    chain->agent_ms = claim->agent_ms;
    for (size_t i = 0; i < claim->row_count; i++)
        take_row(all, chain, &claim->rows[i], &claim->then[i], &chain->rows[i], &at);
    chain->count = (unsigned)claim->row_count;
    chain->began_ms = now_ms;
    chain->next = all->first;
    if (all->first)
        all->first->prev = chain;
    all->first = chain;
    return chain;
}

void od_outbox_chain_free(struct od_outbox_chains *all, struct od_outbox_chain *chain)
{
    if (chain->prev)
        chain->prev->next = chain->next;
    else
        all->first = chain->next;
    if (chain->next)
        chain->next->prev = chain->prev;
    for (unsigned i = 0; i < chain->count; i++) {
        od_hook_request_free(&chain->rows[i].request);
        od_outbox_past_put(&all->pasts, chain->rows[i].past);
        free(chain->rows[i].sealed);
    }
    free(chain->memory);
    free(chain);
}

bool od_outbox_row_marked(const struct od_outbox_row *row)
{
    return row->what == 'p' && od_hook_ends(row->row.event) &&
           row->row.http_status == OD_OUTBOX_MAY_HAVE_ARRIVED;
}

bool od_outbox_chain_marked(const struct od_outbox_chain *chain)
{
    for (unsigned i = 0; i < chain->count; i++)
        if (od_outbox_row_marked(&chain->rows[i]))
            return true;
    return false;
}

bool od_outbox_chain_others_before(const struct od_outbox_chain *chain,
                                   const struct od_outbox_row *row)
{
    for (const struct od_outbox_row *other = chain->rows; other < row; other++)
        if (other->what == 'p')
            return true;
    return false;
}

/* An end overtakes only what has failed: what was put off untried, because the destination had no
 * room, is tried first. */
static bool may_overtake(const struct od_outbox_chain *chain, const struct od_outbox_row *row)
{
    if (od_outbox_row_marked(row))
        return true;
    for (const struct od_outbox_row *other = chain->rows; other < row; other++)
        if (other->what == 'p')
            return other->row.tries > 0;
    return true;
}

int64_t od_outbox_chain_due_ms(const struct od_outbox_chain *chain)
{
    int64_t due = INT64_MAX;
    bool first = true, marked = od_outbox_chain_marked(chain);
    for (unsigned i = 0; i < chain->count; i++) {
        const struct od_outbox_row *row = &chain->rows[i];
        if (row->what != 'p' || (marked && !od_outbox_row_marked(row)))
            continue;
        bool counts = first || (od_hook_ends(row->row.event) && may_overtake(chain, row));
        if (counts && row->row.due_ms < due)
            due = row->row.due_ms;
        first = false;
    }
    return due == INT64_MAX ? 0 : due;
}

bool od_outbox_row_due(const struct od_outbox_chain *chain, const struct od_outbox_row *row,
                       int64_t wall_ms)
{
    if (row->what != 'p')
        return false;
    bool first = !od_outbox_chain_others_before(chain, row);
    if ((!first || od_outbox_chain_marked(chain)) && !od_hook_ends(row->row.event))
        return false;
    if (!may_overtake(chain, row))
        return false;
    return row->row.due_ms <= wall_ms || (first && chain->flows);
}

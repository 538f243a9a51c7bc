/*
 * call_page - calls as the store gave them, each with its agent at hand: what a call doesn't say
 * itself (the number it came from) is shown as its agent has it.
 *
 * Lifetime: the first member of what q->work points to, zeroed by its maker, who frees it with
 * od_call_page_free() in q->work_free.
 */
#ifndef ENGINE_API_CALL_PAGE_H
#define ENGINE_API_CALL_PAGE_H

#include "engine/api/request.h"

struct od_call_page {
    /* read by the owner once fn() was called */
    struct od_call_rec *recs; /* copies */
    size_t count;
    uint64_t next_cursor;

    /* private */
    char **texts;          /* what the records point to */
    struct od_uid *agents; /* wanted, each once */
    size_t agent_count, at;
    void (*fn)(struct od_request *q);
};

/* Copies the records, reads their agents, then calls fn; answers the problem itself otherwise. The
 * request is back (od_request_back). */
void od_call_page_take(struct od_request *q, const struct od_call_rec *recs, size_t count,
                       uint64_t next_cursor, void (*fn)(struct od_request *q));

/* The agent's document; NULL: it was deleted. */
yyjson_val *od_call_page_agent(const struct od_request *q, const struct od_call_rec *rec);

void od_call_page_free(struct od_call_page *page);

#endif

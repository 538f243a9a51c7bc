/*
 * agent_page - one or more agents on their way to an answer, copied out of the store with what
 * their documents lead to: the linked numbers and those numbers' credentials. Both vendors show
 * them as parts of an agent.
 *
 * Lifetime: owned by its request.
 */
#ifndef ENGINE_API_AGENT_PAGE_H
#define ENGINE_API_AGENT_PAGE_H

#include "engine/api/request.h"

struct od_agent_item {
    struct od_agent_rec rec; /* its document is parsed below */
    yyjson_doc *doc;
    yyjson_val *root;
};
struct od_thing_item {
    struct od_uid id;
    int64_t created_ms, updated_ms;
    yyjson_doc *doc;
    yyjson_val *root;
};
struct od_thing_items {
    struct od_thing_item *all;
    size_t count;
};

struct od_agent_page {
    struct od_agent_item *agents;
    size_t count;
    struct od_thing_items numbers, credentials;
    void (*fn)(struct od_request *q);
    uint32_t from; /* of the store's list, while all are read */
};

/* Adds copies of the records to q->page (made when there is none); broken documents are left out.
 * False: answered (no memory). */
bool od_agent_page_add(struct od_request *q, const struct od_agent_rec *recs, size_t count);

/* A list of which `take` were asked for may go on behind these. */
bool od_agents_more(const struct od_agent_rec *recs, size_t count, uint32_t take);

/* Reads what the page's agents lead to, then calls fn with q->page complete; answers the problem
 * itself otherwise. */
void od_agent_page_link(struct od_request *q, void (*fn)(struct od_request *q));

/* Reads all agents of the org into q->page, then calls fn. */
void od_agent_page_all(struct od_request *q, void (*fn)(struct od_request *q));

void od_agent_page_destroy(struct od_agent_page *page); /* NULL is fine */

/* Copies of records; false: no memory. */
bool od_thing_items_copy(struct od_thing_items *items, const struct od_thing_rec *recs,
                         size_t count);
void od_thing_items_free(struct od_thing_items *items);
/* NULL: not among them. */
const struct od_thing_item *od_thing_items_find(const struct od_thing_items *items,
                                                const struct od_uid *id);

/* The uid of a member's text: "UUID" or "pn_UUID". False: none. */
bool od_member_uid(yyjson_val *value, struct od_uid *out);

/* The agent may call from the number. */
bool od_agent_uses(yyjson_val *agent, const struct od_uid *number);

/* The agent's primary number, NULL: none that is there. */
const struct od_thing_item *od_agent_primary(const struct od_agent_page *page, yyjson_val *agent);

#endif

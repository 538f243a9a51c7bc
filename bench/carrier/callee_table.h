/*
 * callee_table: where the node's callees live and how one is found: by INVITE transaction, by our
 * tag, by dialog, by what merged requests have in common, and by the earliest deadline. It must
 * never hand out a callee of an earlier tenant of a slot. Called by the node and the switchboard.
 */
#ifndef OD_BENCH_CARRIER_CALLEE_TABLE_H
#define OD_BENCH_CARRIER_CALLEE_TABLE_H

#include "bench/carrier/callee.h"

/* A new callee in a free slot, zeroed but for its place; NULL: calls_max are there, or no memory.
 */
struct od_callee *od_callee_table_add(struct od_carrier_node *);

/* Makes it findable by its INVITE's key and by `merge`. Once per callee. */
void od_callee_table_link(struct od_carrier_node *, struct od_callee *, uint64_t merge);

/* Takes it out of every table, deinits and frees it. */
void od_callee_table_remove(struct od_carrier_node *, struct od_callee *);

/* NULL: there is none. */
struct od_callee *od_callee_table_find_invite(struct od_carrier_node *, uint64_t transaction_key);
struct od_callee *od_callee_table_find_merge(struct od_carrier_node *, uint64_t merge_key);
struct od_callee *od_callee_table_find_tag(struct od_carrier_node *, struct od_text our_tag);
/* Call-ID and both tags must match (RFC 3261 12.2.2). */
struct od_callee *od_callee_table_find_dialog(struct od_carrier_node *, const struct od_sip_text *);

/* What a request and its copy over another way have in common (RFC 3261 8.2.2.2). */
uint64_t od_callee_table_merge_key(const struct od_carrier_node *, const struct od_sip_text *);

#endif

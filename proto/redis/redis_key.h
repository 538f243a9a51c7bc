/*
 * redis_key - the names of everything kept in Redis. Pure.
 *
 * All keys of an org begin with its prefix "od:{org}:", whose braces make them one slot of a
 * cluster. What follows the prefix is named in scripts/common.lua, the only code that touches it,
 * but for the two keys that a plain command reads:
 *
 *   rev            counter of changes of agents and lanes
 *   cha, chl       sorted sets: agents and lanes by the rev of their last change
 *   c:<uid>        a call's record (proto/wire/wire.h); <uid> is 16 raw bytes here and below
 *   q:<lane>       list of the calls waiting in a lane
 *   held:<worker>  set of the calls a worker holds
 *   stops:<worker> sorted set of the stop orders for it, by sequence
 *   later, deadlines  sorted sets of calls by wall ms
 *   up, use        hashes: what places a call counts in; how many calls count in a place that is
 * capped userest        hash: how many do in places that are not why            hash: why a call
 * waits, when its record has no room for the word sup, supfor    sorted set of the numbers nobody
 * may dial, by when they came; hash of reasons n:<number>     when a number was dialled, where caps
 * or retry rules want to know lanes, laneof  hashes: a lane's definition by its number; its number
 * by what makes it workers, wids  sorted set of workers by lease; hash of their numbers by name
 *   agents, agn, ag:<uid>   agents by age; their uids by name; the agent
 *   ths:<kind>, thk:<kind>  small documents of a kind by age; their uids by key
 *   th:<kind>:<uid>         the document
 *   cps, cp:<uid>  list of campaigns; the campaign with its counters
 *   cl:<campaign>, nums:<campaign>  its contacts in order; its numbers
 *   cl:, cl:a<agent>        the single calls; those of one agent
 *   sweeps         hash: how far the cancel of a campaign has come
 *   ev             stream of events
 *   audit          stream of what was changed while it ran, and by whom
 *   aga            hash: how many calls workers hold, by agent
 *   seq            counter
 *   keys           hash: what is known of the org's API keys, by uid
 *   once:<sha-256> hash: an idempotency key and the answer it got
 *
 * "od:{shared}:live": hash: what was changed of running trunks, by "trunk\nvalue's name".
 * "od:{shared}:use": hash: calls at once by trunk, over all orgs, where they are capped.
 * "od:{shared}:userest": the same where they are not.
 * "od:{shared}:rewritten": the run_id of the Redis whose append-only file was rewritten last.
 * "od:{shared}:r:<key>": the books of a rate that processes share (scripts/share.lua).
 *
 * Outside of any org: "od:orgs", a set of names; "od:keys:<sha-256 in hex>", a hash; "od:gone", a
 * stream of the hashes of revoked keys.
 */
#ifndef PROTO_REDIS_REDIS_KEY_H
#define PROTO_REDIS_REDIS_KEY_H

#include "outdial/types.h"

enum { OD_REDIS_KEY_MAX = OD_NAME_MAX + 48 };

#define OD_REDIS_KEY_ORGS "od:orgs"
#define OD_REDIS_KEY_LIVE "od:{shared}:live"
#define OD_REDIS_KEY_REWRITTEN "od:{shared}:rewritten"
#define OD_REDIS_KEY_GONE "od:gone"

/* An org's name is 1..63 letters, digits, '.', '_' or '-': it becomes part of keys. */
bool od_redis_key_org_ok(const char *org);

/* "od:{org}:" for a name that is ok. */
void od_redis_key_prefix(char out[OD_REDIS_KEY_MAX], const char *org);

/* "od:{org}:held:<worker>" */
void od_redis_key_held(char out[OD_REDIS_KEY_MAX], const char *prefix, uint32_t worker);

/* "od:{org}:ev" */
void od_redis_key_events(char out[OD_REDIS_KEY_MAX], const char *prefix);

/* "od:{org}:keys" */
void od_redis_key_keys(char out[OD_REDIS_KEY_MAX], const char *prefix);

/* "od:keys:<hex>" */
void od_redis_key_api(char out[OD_REDIS_KEY_MAX], const uint8_t hash[32]);

#endif

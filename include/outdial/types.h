/*
 * types - the small values that cross every edge of outdial: time, ids, network addresses.
 *
 * Nothing here has behaviour of its own beyond comparing. Everybody may include it; it includes
 * only the C library's own types.
 *
 * Glossary
 *   uid     the name of a thing that outlives the process (call, agent, campaign, ...): a UUIDv7.
 *   id      a place in a table of this process: index and generation. A stale id finds nothing,
 *           which is normal (ARCHITECTURE.md, "Ids cross edges").
 */
#ifndef OUTDIAL_TYPES_H
#define OUTDIAL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OD_NS_PER_MS UINT64_C(1000000)
#define OD_NS_PER_S UINT64_C(1000000000)

/* "Never" as a mono_ns deadline. */
#define OD_NEVER UINT64_MAX

/* No trunk: an index that ends a list, or says that none was dialled. */
#define OD_NO_TRUNK UINT32_MAX

enum {
    OD_ENDPOINT_MAX = 128,   /* a dialled address with its NUL: E.164 (16 bytes) or a SIP URI */
    OD_NAME_MAX = 64,        /* names of trunks, orgs, agents' keys, with NUL */
    OD_AGENT_NAME_MAX = 404, /* an agent's name: 100 characters of UTF-8, with NUL */
    OD_REASON_MAX = 64,      /* a SIP reason phrase or our own word for the end, with NUL */
    OD_CALLER_MAX = 32,      /* a caller's number with its NUL; longer ones are cut to fit */
    OD_TRUNKS_PER_LANE = 8,
};

/* A moment, read once per loop turn by the host and passed down. */
struct od_now {
    uint64_t mono_ns; /* CLOCK_MONOTONIC: timers and pacing */
    int64_t wall_ms;  /* Unix time in ms: hours, records */
};

/* UUIDv7 (RFC 9562 section 5.7), network byte order: sorts by creation time. All zero: none. */
struct od_uid {
    uint8_t b[16];
};

/* A slot of the engine's call table. gen 0 is never alive. */
struct od_call_id {
    uint32_t index, gen;
};

/* A slot of the store adapter's job table: what was claimed and is not yet given back. */
struct od_job_id {
    uint32_t index, gen;
};

/* A numeric transport address; names are resolved off the loop before they get this far. */
struct od_addr {
    uint8_t family; /* 0 none, 4 or 6 */
    uint16_t port;  /* host byte order */
    uint8_t ip[16]; /* network byte order, 4 or 16 bytes used */
};

#endif

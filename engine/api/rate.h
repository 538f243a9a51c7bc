/*
 * rate - how many requests a second one key and one address may send: a bucket each, filled at the
 * rate and as deep as one second of it. Kept in this process only; of many nodes each gives the
 * whole rate. Pure: time is an argument.
 *
 * Buckets are in a table of fixed size; the one that has been full for longest is forgotten for a
 * new one, which changes nothing for whoever it belongs to.
 */
#ifndef ENGINE_API_RATE_H
#define ENGINE_API_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct od_rates;

/* What is told to the client (RateLimit and X-RateLimit headers). */
struct od_rate_state {
    const char *name; /* "key", "address"; NULL: no limit applies */
    uint32_t per_s;   /* the limit, a window of one second */
    uint32_t left;    /* requests that could be sent now */
    uint32_t reset_s; /* until all of them could be, rounded up */
    uint32_t retry_s; /* refused: until one could be, rounded up */
};

enum { OD_RATE_HEADERS_MAX = 256 };

/* key: of the hash of names, which strangers choose. OD_ENOMEM. */
int od_rates_create(struct od_rates **out, const uint8_t key[16]);
void od_rates_destroy(struct od_rates *rates); /* NULL is fine */

/* One request of whoever `who` names. False: it is above the limit and is to be refused. */
bool od_rate_take(struct od_rates *rates, const char *name, const void *who, size_t bytes,
                  uint32_t per_s, uint64_t mono_ns, struct od_rate_state *out);
/* The same name's bucket loses so many requests besides. */
void od_rate_fine(struct od_rates *rates, const char *name, const void *who, size_t bytes,
                  uint32_t per_s, uint32_t requests, uint64_t mono_ns);

/* Both families of headers; "" when no limit applies. */
void od_rate_headers(const struct od_rate_state *state, char out[OD_RATE_HEADERS_MAX]);

#endif

/*
 * rate - see the header. A bucket is kept as the time at which it will be full again (GCRA): taking
 * a request puts that off by one interval, and a request is refused when it would be put off by
 * more than the bucket's depth.
 */
#include "engine/api/rate.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/siphash.h"
#include "engine/base/str.h"
#include "outdial/err.h"
#include "outdial/types.h"

enum { SETS = 2048, WAYS = 4 };

struct bucket {
    uint64_t who;     /* 0: free */
    uint64_t full_ns; /* when it is full again */
};

struct od_rates {
    uint8_t key[16];
    struct bucket at[SETS][WAYS];
};

int od_rates_create(struct od_rates **out, const uint8_t key[16])
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return OD_ENOMEM;
    memcpy((*out)->key, key, 16);
    return 0;
}

void od_rates_destroy(struct od_rates *rates)
{
    free(rates);
}

static struct bucket *bucket_of(struct od_rates *rates, const char *name, const void *who,
                                size_t bytes)
{
    /* the first letter keeps a key and an address apart that hash alike */
    uint64_t hash = (od_siphash(rates->key, who, bytes) ^ (uint64_t)(unsigned char)*name << 1) | 1;
    struct bucket *set = rates->at[hash >> 32 & (SETS - 1)], *oldest = set;
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].who == hash)
            return &set[i];
        if (set[i].full_ns < oldest->full_ns)
            oldest = &set[i];
    }
    *oldest = (struct bucket){.who = hash};
    return oldest;
}

static uint32_t seconds(uint64_t ns)
{
    return (uint32_t)((ns + OD_NS_PER_S - 1) / OD_NS_PER_S);
}

bool od_rate_take(struct od_rates *rates, const char *name, const void *who, size_t bytes,
                  uint32_t per_s, uint64_t mono_ns, struct od_rate_state *out)
{
    struct bucket *bucket = bucket_of(rates, name, who, bytes);
    uint64_t each = OD_NS_PER_S / per_s;
    uint64_t owed = bucket->full_ns > mono_ns ? bucket->full_ns - mono_ns : 0;
    bool good = owed + each <= OD_NS_PER_S;
    if (good) {
        owed += each;
        bucket->full_ns = mono_ns + owed;
    }
    *out = (struct od_rate_state){
        .name = name,
        .per_s = per_s,
        .left = owed < OD_NS_PER_S ? (uint32_t)((OD_NS_PER_S - owed) / each) : 0,
        .reset_s = seconds(owed),
        .retry_s = good ? 0 : seconds(owed + each - OD_NS_PER_S),
    };
    return good;
}

void od_rate_fine(struct od_rates *rates, const char *name, const void *who, size_t bytes,
                  uint32_t per_s, uint32_t requests, uint64_t mono_ns)
{
    struct bucket *bucket = bucket_of(rates, name, who, bytes);
    uint64_t owed = bucket->full_ns > mono_ns ? bucket->full_ns - mono_ns : 0;
    owed += requests * (OD_NS_PER_S / per_s);
    if (owed > OD_NS_PER_S)
        owed = OD_NS_PER_S;
    bucket->full_ns = mono_ns + owed;
}

/* draft-ietf-httpapi-ratelimit-headers-10, and the three that most clients know */
void od_rate_headers(const struct od_rate_state *state, char out[OD_RATE_HEADERS_MAX])
{
    struct od_buf buf;
    od_buf_init(&buf, out, OD_RATE_HEADERS_MAX);
    if (!state->name)
        return;
    od_buf_str(&buf, "RateLimit-Policy: \"");
    od_buf_str(&buf, state->name);
    od_buf_str(&buf, "\";q=");
    od_buf_u64(&buf, state->per_s);
    od_buf_str(&buf, ";w=1\r\nRateLimit: \"");
    od_buf_str(&buf, state->name);
    od_buf_str(&buf, "\";r=");
    od_buf_u64(&buf, state->left);
    od_buf_str(&buf, ";t=");
    od_buf_u64(&buf, state->reset_s);
    od_buf_str(&buf, "\r\nX-RateLimit-Limit: ");
    od_buf_u64(&buf, state->per_s);
    od_buf_str(&buf, "\r\nX-RateLimit-Remaining: ");
    od_buf_u64(&buf, state->left);
    od_buf_str(&buf, "\r\nX-RateLimit-Reset: ");
    od_buf_u64(&buf, state->reset_s);
    od_buf_str(&buf, "\r\n");
}

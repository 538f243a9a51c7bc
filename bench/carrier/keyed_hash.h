/*
 * keyed_hash: SipHash-2-4 (Aumasson and Bernstein, 2012) over bytes. The carrier uses it where an
 * outsider must not be able to choose colliding keys (transaction and number tables) and where a
 * draw must be a pure function of its inputs (the population). No state, no allocation.
 */
#ifndef OD_BENCH_CARRIER_KEYED_HASH_H
#define OD_BENCH_CARRIER_KEYED_HASH_H

#include <stddef.h>
#include <stdint.h>

struct od_hash_key {
    uint64_t k0, k1;
};

static inline uint64_t od_hash_rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static inline void od_hash_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = od_hash_rotate(v[1], 13) ^ v[0];
    v[0] = od_hash_rotate(v[0], 32);
    v[2] += v[3];
    v[3] = od_hash_rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = od_hash_rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = od_hash_rotate(v[1], 17) ^ v[2];
    v[2] = od_hash_rotate(v[2], 32);
}

static inline uint64_t od_keyed_hash(struct od_hash_key key, const void *bytes, size_t count)
{
    uint64_t v[4] = {key.k0 ^ 0x736f6d6570736575u, key.k1 ^ 0x646f72616e646f6du,
                     key.k0 ^ 0x6c7967656e657261u, key.k1 ^ 0x7465646279746573u};
    const unsigned char *p = bytes;
    for (size_t left = count;; left -= 8, p += 8) {
        uint64_t word = 0;
        size_t take = left < 8 ? left : 8;
        for (size_t i = 0; i < take; i++)
            word |= (uint64_t)p[i] << (8 * i);
        if (left < 8)
            word |= (uint64_t)count << 56;
        v[3] ^= word;
        od_hash_round(v);
        od_hash_round(v);
        v[0] ^= word;
        if (left < 8)
            break;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        od_hash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif

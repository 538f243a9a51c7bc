/*
 * challenge: whether an INVITE's Authorization is the one that a user with a password would give
 * (RFC 7616). It shares nothing with what it examines: the caller's own code computes the same.
 */
#ifndef OD_BENCH_CARRIER_CHALLENGE_H
#define OD_BENCH_CARRIER_CHALLENGE_H

#include "bench/carrier/profile.h"
#include "bench/carrier/sip_text.h"

enum od_challenge_verdict {
    OD_CHALLENGE_MISSING, /* no credentials for our realm */
    OD_CHALLENGE_WRONG,
    OD_CHALLENGE_STALE, /* the password is right, the nonce is another call's */
    OD_CHALLENGE_MET
};

/* nonce: the only one that this call may use. */
enum od_challenge_verdict od_challenge_check(const struct od_sip_text *,
                                             const struct od_profile_auth *, const char *nonce);

const char *od_challenge_word(enum od_challenge_verdict);

#endif

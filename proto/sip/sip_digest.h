/*
 * sip_digest - Digest access authentication as a client speaks it (RFC 7616, RFC 8760, RFC 3261
 * section 22): challenges read, responses computed. Pure: bytes in, bytes out; the nonces' lives
 * and the tries are sip_auth's. Challenges come from the network: all is bounded, and what is not
 * understood is no challenge.
 *
 * Lifetime: everything is the caller's memory; nothing is kept.
 */
#ifndef PROTO_SIP_SIP_DIGEST_H
#define PROTO_SIP_SIP_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OD_DIGEST_REALM_MAX = 256, /* with NUL, unescaped; likewise below */
    OD_DIGEST_NONCE_MAX = 512,
    OD_DIGEST_OPAQUE_MAX = 512,
    OD_DIGEST_PARAMS_MAX = 32,        /* parameters of one challenge; more: unusable */
    OD_DIGEST_CHALLENGE_MAX = 4096,   /* bytes of one header's value that are looked at */
    OD_DIGEST_CREDENTIALS_MAX = 4096, /* room that any credentials fit in */
};

/* The stronger one is greater. Each has a form whose key is bound to the first nonce. */
enum od_digest_hash { OD_DIGEST_MD5, OD_DIGEST_SHA256, OD_DIGEST_SHA512_256 };

struct od_digest_challenge {
    char realm[OD_DIGEST_REALM_MAX];
    char nonce[OD_DIGEST_NONCE_MAX];
    char opaque[OD_DIGEST_OPAQUE_MAX];
    uint8_t hash; /* enum od_digest_hash */
    bool session; /* the "-sess" form */
    bool algorithm_given;
    bool has_opaque;
    bool qop_auth; /* false: none was asked for, as in RFC 2069 */
    bool stale;    /* the credentials were right, the nonce was not */
};

/*
 * Reads the value of a WWW-Authenticate or Proxy-Authenticate header, which may hold several
 * challenges. Writes those that can be answered to out[0..max) and returns how many: other schemes,
 * unknown algorithms, qop without auth, and anything malformed or too long is left out.
 */
unsigned od_digest_parse(const char *text, size_t bytes, struct od_digest_challenge *out,
                         unsigned max);

/* The nonce that an Authentication-Info header gives for the next request; false: none. */
bool od_digest_next_nonce(const char *text, size_t bytes, char out[OD_DIGEST_NONCE_MAX]);

struct od_digest_request {
    const char *method, *uri; /* as they stand in the request line */
    const char *user, *password;
    const char *cnonce; /* hexadecimal; the same for all uses of a nonce, or "-sess" can't hold */
    uint32_t nc;        /* 1.. */
};

/*
 * Writes the value of an Authorization or Proxy-Authorization header, with NUL. Its length; or
 * OD_EINVAL (a control character in what would be quoted, a hash the library refuses), OD_ENOMEM
 * (no room).
 */
int od_digest_write(const struct od_digest_challenge *challenge,
                    const struct od_digest_request *request, char *out, size_t out_bytes);

#endif

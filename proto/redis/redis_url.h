/*
 * redis_url - reads the address of a Redis as the configuration states it. Pure.
 *
 *   redis://[[user]:password@]host[:port][/db]    host: a name or address, [..] around IPv6
 *   unix:///path/of/socket                        a socket on this machine
 *
 * The parts of the user information may be percent-encoded (RFC 3986 section 2.1).
 */
#ifndef PROTO_REDIS_REDIS_URL_H
#define PROTO_REDIS_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>

enum { OD_REDIS_HOST_MAX = 256, OD_REDIS_PASSWORD_MAX = 256 };

struct od_redis_url {
    bool is_path;
    char host[OD_REDIS_HOST_MAX]; /* path, or host without brackets; to be resolved by the caller */
    int port;                     /* 6379 when none is given */
    char password[OD_REDIS_PASSWORD_MAX]; /* secret; empty: none */
    int db;
};

/* OD_EINVAL with the reason in why (which never repeats the password); why_size >= 1. */
int od_redis_url_parse(const char *url, struct od_redis_url *out, char *why, size_t why_size);

#endif

/*
 * raw_client - connections to outside agents by TCP or a Unix socket, on which messages are bare
 * MessagePack arrays, one behind the other (raw_cut.h); peer.h says how one is used. There is no
 * handshake and no frame: it is open as soon as it stands, and a goodbye is the user's own last
 * message before od_peer_leave(), as is the agent's.
 */
#ifndef PROTO_WS_RAW_CLIENT_H
#define PROTO_WS_RAW_CLIENT_H

#include "proto/ws/peer.h"

enum { OD_RAW_PING_MAX = 16, OD_RAW_PATH_MAX = 107 /* unix(7): sun_path with its NUL is 108 */ };

struct od_raw_open {
    const char *url;    /* tcp://host:port or unix:///path/of/a.socket */
    bool allow_private; /* TCP: also loopback and private addresses */
    bool gathers;       /* what is sent in one turn of the loop goes out together behind it */
    const void *ping;   /* a message that is sent every ping_ms, up to OD_RAW_PING_MAX bytes */
    size_t ping_bytes;
    const struct od_peer_user *user; /* messages come with text false */
    void *ctx;
};

/* Everything is copied but user and ctx. OD_EINVAL: the ping is too long, or the URL is not as it
 * must be: with a port, and without credentials, path or query; a socket's path absolute, printable
 * and up to OD_RAW_PATH_MAX bytes. OD_ENOMEM. */
int od_raw_connect(struct od_peer_hub *hub, const struct od_raw_open *open, struct od_peer **out);

#endif

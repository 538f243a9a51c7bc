/*
 * ws_client - connections to outside agents by WebSocket (RFC 6455, client side); peer.h says how
 * one is used.
 */
#ifndef PROTO_WS_WS_CLIENT_H
#define PROTO_WS_WS_CLIENT_H

#include "proto/ws/peer.h"

struct od_ws_open {
    const char *url;         /* ws:// or wss:// */
    const char *subprotocol; /* NULL: none */
    const char *headers;     /* NULL or "Name: value\r\n" lines (ws_handshake.h tells which not) */
    bool allow_private;      /* also loopback and private addresses */
    bool gathers;            /* what is sent in one turn of the loop goes out together behind it */
    const struct od_peer_user *user;
    void *ctx;
};

/* Everything is copied but user and ctx. OD_EINVAL: url or headers break the rules; OD_ENOMEM. */
int od_ws_connect(struct od_peer_hub *hub, const struct od_ws_open *open, struct od_peer **out);

#endif

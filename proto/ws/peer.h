/*
 * peer - connections to outside agents that carry whole messages both ways, whatever is on the
 * wire: WebSockets (ws_client.h) or a bare byte stream (raw_client.h), which also say how one is
 * opened. Dialled as the HTTP client dials (look-up off the loop, TLS with verification, the
 * guard), pinged, bounded both ways.
 *
 * A connection that shows no life for dead_ms (no byte, no answer to pings) is broken. What can't
 * be sent at once is queued; who sends looks at queued() and holds back; above queue_max the peer
 * is taken for dead, so that it can't make us hold memory without end.
 *
 * What agents say is done as far as its share of a turn of the loop goes (share_us, in all and of
 * one connection), then in later turns, first come first; a connection that waits for its next turn
 * is not read. Of what is sent, a connection's second message of a turn and those behind it go out
 * together at the beginning of the next.
 *
 * Callbacks come from the loop, never from inside a function of this header. closed() is the last
 * one and comes exactly once, unless the connection was left before; the connection is gone then.
 *
 * Lifetime: the hub is its opener's until close()'s callback; a connection its user's until
 * closed() or leave().
 */
#ifndef PROTO_WS_PEER_H
#define PROTO_WS_PEER_H

#include <uv.h>

#include "outdial/types.h"

struct od_peer;
struct od_peer_hub;

/* Numbers: 0 takes the default in brackets. Strings are copied. */
struct od_peer_hub_config {
    const char *user_agent; /* ["outdial"] */
    const char *ca_file;    /* PEM file of trusted authorities; [NULL: the system's] */
    uint32_t connect_ms;    /* [5,000] per address, TLS included */
    uint32_t open_ms;       /* [10,000] from connect to opened() */
    uint32_t ping_ms;       /* [10,000] */
    uint32_t dead_ms;       /* [30,000] */
    uint32_t message_max;   /* [16 MiB] of a message from the agent */
    uint32_t queue_max;     /* [4 MiB] of bytes the agent doesn't take */
    struct {
        uint32_t all, each; /* [4,000], [500]: of a turn, for what all agents say and for one */
    } share_us;
    uint64_t (*clock_ns)(void); /* monotonic; [NULL: uv_hrtime] */
};

enum { OD_PEER_PIECE_MAX = 32 * 1024 }; /* a longer message has come in pieces */

/* How a connection ended. Borrowed while closed() runs. */
struct od_peer_end {
    int err;       /* 0: the agent closed in order; OD_EDOWN not reachable or broken off; OD_EDENIED
                      forbidden address, or refused by status; OD_EPROTO; OD_ETIMEOUT; OD_ETOOBIG;
                      OD_ENOMEM */
    int status;    /* WebSocket: of an answer other than 101; else 0 */
    uint16_t code; /* WebSocket: of the agent's close frame; OD_WS_NO_CODE; 0 when err != 0 */
    const char *why; /* for logs and people; the agent's reason, as far as it is printable */
    bool opened;     /* opened() had come */
};

struct od_peer_user {
    void (*opened)(void *ctx);
    /* False: it is not done with. The message stays where it is, no other comes, and go_on() is
     * called in this turn or later ones until it returns true. Only of messages above
     * OD_PEER_PIECE_MAX; after closed() or leave() the message is gone. */
    bool (*message)(void *ctx, bool text, const uint8_t *at, size_t bytes);
    bool (*go_on)(void *ctx);
    void (*drained)(void *ctx); /* everything queued was taken; may be NULL */
    void (*closed)(void *ctx, const struct od_peer_end *end);
};

/* OD_ENOMEM; OD_EIO: no TLS (the CA file can't be read). */
int od_peer_hub_open(struct od_peer_hub **out, uv_loop_t *loop,
                     const struct od_peer_hub_config *config);
/* Breaks every connection off without a word; fn (may be NULL) fires when all is gone. */
void od_peer_hub_close(struct od_peer_hub *hub, void (*fn)(void *ctx), void *ctx);

/* One whole message. text: WebSocket's kind of it. OD_ENOENT: not open (any more); OD_EBUSY: the
 * queue is full, the connection is about to be closed; OD_ENOMEM. */
int od_peer_send(struct od_peer *peer, bool text, const void *at, size_t bytes);

/* Bytes sent and not yet taken by the kernel, or not yet shown to it. */
size_t od_peer_queued(const struct od_peer *peer);

/* Says goodbye and is done with it: no callback comes any more, the hub ends the connection in
 * order (or after some seconds). code, reason: WebSocket's. */
void od_peer_leave(struct od_peer *peer, uint16_t code, const char *reason);

struct od_peer_stats {
    uint32_t open;                                     /* now, those being opened too */
    uint64_t connects, opened, failed, received, sent; /* since open; messages */
    uint64_t received_bytes, sent_bytes;
    uint64_t writes; /* times that bytes were handed to the connection */
};
void od_peer_hub_stats(const struct od_peer_hub *hub, struct od_peer_stats *out);

#endif

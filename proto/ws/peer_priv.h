/*
 * peer_priv - what a kind of connection is made of: ways to speak it over a stream, and the part
 * that all kinds have in common. Private to proto/ws.
 *
 * A kind's struct has struct od_peer as its first member, is zeroed by its maker and freed by
 * peer.c after release().
 */
#ifndef PROTO_WS_PEER_PRIV_H
#define PROTO_WS_PEER_PRIV_H

#include "engine/base/list.h"
#include "engine/base/turn_share.h"
#include "proto/http/http_bytes.h"
#include "proto/http/http_dial.h"
#include "proto/http/http_later.h"
#include "proto/ws/peer.h"

enum { OD_PEER_WHY_MAX = 160, OD_PEER_MASKS = 1024 };

enum od_peer_state {
    OD_PEER_DIALING,
    OD_PEER_ASKING, /* the stream stands, its kind's handshake is under way */
    OD_PEER_OPEN,
    OD_PEER_ENDING,
};

enum od_peer_reading {
    OD_PEER_ALL,   /* all was read */
    OD_PEER_LATER, /* not all: a message is held, or the turn's share is used up */
    OD_PEER_OVER,  /* nothing more is to be read; the peer may be gone */
};

struct od_peer_kind {
    const char *late; /* what is said when it isn't open in time */
    /* The stream stands, in state ASKING. Negative: the error, with *why. */
    int (*begin)(struct od_peer *peer, const char **why);
    /* The handshake's bytes; NULL: there is none. What lies behind it goes to od_peer_data(). */
    void (*answer)(struct od_peer *peer, const uint8_t *data, size_t bytes);
    /* Bytes of the open connection, or, after leave(), of the ending one; it moves data and bytes
     * on to what was not read. */
    enum od_peer_reading (*read)(struct od_peer *peer, const uint8_t **data, size_t *bytes);
    /* Nothing more will come (http_stream.h). */
    void (*ended)(struct od_peer *peer, int err);
    /* A message, or a ping, to od_peer_write(). Negative: OD_ENOMEM, OD_EIO. */
    int (*message)(struct od_peer *peer, bool text, const void *at, size_t bytes);
    int (*ping)(struct od_peer *peer);
    /* Of an open connection. */
    void (*goodbye)(struct od_peer *peer, uint16_t code, const char *reason);
    void (*release)(struct od_peer *peer);
};

struct od_peer {
    const struct od_peer_kind *kind;
    struct od_peer_hub *hub;
    struct od_list place; /* among the hub's */
    uint8_t state;        /* enum od_peer_state */
    bool opened, told;    /* told: closed() has come, or nobody listens */
    bool gathers;
    struct od_http_bytes gathered; /* what was written in this turn */
    struct od_http_later flush;    /* it goes out in the next */
    struct od_http_dial *dial;
    struct od_http_stream *stream; /* NULL: none yet */
    struct od_list waiting; /* for its next turn, among the hub's; it is not read meanwhile */
    struct od_turn_part part;
    bool held;                   /* the last message is not done with */
    struct od_http_bytes unread; /* what came behind what there was time for, */
    size_t unread_at;            /* from there on */
    uint64_t sent_turn;          /* the last one in which something was written */
    struct od_http_deadline deadline;
    struct od_http_later later;
    uint64_t heard_ms;
    const struct od_peer_user *user;
    void *ctx;
    struct od_peer_end end; /* what closed() will be told */
    char why[OD_PEER_WHY_MAX];
};

struct od_peer_hub {
    uv_loop_t *loop;
    struct od_peer_hub_config config; /* numbers filled in; strings NULL */
    char *user_agent;
    struct od_http_plain_set plain;
    struct od_http_tls *tls;
    struct od_http_dialer dialer;
    struct od_http_deadlines deadlines;
    struct od_http_laters laters, flushes;
    uv_prepare_t prepare; /* every turn */
    uv_idle_t idle;       /* active while some wait, so that the loop does not sleep */
    struct od_turn_share share;
    struct od_list all, waiting;
    struct od_peer_stats stats;
    uint8_t masks[OD_PEER_MASKS][4]; /* WebSocket's, taken from the system a page at a time */
    unsigned masks_left;
    bool closing;
    unsigned open_parts;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* What a connection is opened with, of any kind. */
struct od_peer_start {
    const struct od_http_url *url; /* copied as far as the dialler needs it */
    bool allow_private, gathers;
    const struct od_peer_user *user;
    void *ctx;
};
/* The peer is the hub's from here on; what goes wrong at once is told later, by closed(). */
void od_peer_start(struct od_peer_hub *hub, struct od_peer *peer, const struct od_peer_kind *kind,
                   const struct od_peer_start *start);

/* The handshake is done: opened() comes from inside. */
void od_peer_opened(struct od_peer *peer);
/* What has come, or what is left of it. */
void od_peer_data(struct od_peer *peer, const uint8_t *data, size_t bytes);
/* A message for the user, if there is one that listens; it must stay while peer->held. */
void od_peer_message(struct od_peer *peer, bool text, const uint8_t *at, size_t bytes);
/* Whether there is time in this turn for more of this peer. */
bool od_peer_may(struct od_peer *peer);
/* The connection is over for its user, who hears of it in the loop's next turn. err 0: in order.
 * Only the first end counts. */
void od_peer_over(struct od_peer *peer, int err, const char *why, size_t why_bytes);
void od_peer_fail(struct od_peer *peer, int err, const char *why);
void od_peer_free(struct od_peer *peer);

/* Bytes for the wire, at once or gathered. OD_ENOMEM. */
int od_peer_write(struct od_peer *peer, const void *at, size_t bytes);
int od_peer_flush(struct od_peer *peer);

#endif

/*
 * carrier_state: the inside of the node, shared by node.c, sip_port.c and callee.c and nobody else.
 */
#ifndef OD_BENCH_CARRIER_STATE_H
#define OD_BENCH_CARRIER_STATE_H

#include "bench/carrier/node.h"

/* Where and when a datagram arrived. */
struct od_carrier_arrival {
    struct od_carrier_addr source;
    struct od_sip_text_source source_text; /* the same, host in host[] */
    char host[OD_CARRIER_ADDR_TEXT];
    struct od_carrier_now at; /* the kernel's stamp where there was one */
};

/* One place where a callee can be; the generation tells a new tenant from the one before. */
struct od_carrier_slot {
    struct od_callee *callee;
    uint32_t generation;
};

struct od_sip_port; /* sockets and batches, sip_port.h */

struct od_carrier_node {
    struct od_carrier_setup setup;
    uv_loop_t loop;
    uv_signal_t on_term, on_int;
    uv_timer_t housekeeping;
    uv_poll_t timer_poll, rtp_poll, sip_poll;
    bool handles; /* the above are open */
    int timer_fd, rtp_epoll_fd;
    uint64_t timer_armed_ns; /* what the timer is set to; UINT64_MAX: nothing */
    struct od_sip_port *port;
    struct od_rtp_room *room;
    char contact_host[OD_CARRIER_ADDR_TEXT]; /* host:port for Contact and Via */
    struct od_carrier_addr media;            /* host for SDP when RTP is off */
    struct od_carrier_now now, started;
    struct od_hash_key secret; /* of this process: tables and tags */
    uint64_t faults;           /* random stream of the loss and duplication knobs */
    uint64_t serial;
    struct od_carrier_slot *slots;
    uint32_t *free_slots;
    size_t free_n;
    struct od_callee **heap;
    size_t heap_n;
    struct od_callee **by_invite, **by_merge; /* hash chains */
    size_t chains;                            /* a power of two */
    struct od_number_book book;
    struct od_rate_window accepted, offered;
    int64_t first_ns; /* the first INVITE's stamp */
    struct od_ledger ledger;
    struct od_carrier_tally tally;
    uint64_t live; /* telephones in a call */
    uint64_t busy; /* callees not lingering yet */
    uint64_t idle_since_ns;
    bool stopping; /* a signal came: refuse, wait for the rest */
    uint64_t stop_by_ns;
    char scratch[16384]; /* for composing texts that are kept */
};

/* ---- what callees call -------------------------------------------------------------------------
 */

/* Starts a datagram; NULL never. Filled by the caller, then sent by od_carrier_send(). */
struct od_sip_out *od_carrier_compose(struct od_carrier_node *);
void od_carrier_send(struct od_carrier_node *, const struct od_carrier_addr *to);

/* The callee's earliest timer changed. */
void od_carrier_arm(struct od_carrier_node *, struct od_callee *);

/* Its INVITE transaction has a new key (a re-INVITE). */
void od_carrier_rekey(struct od_carrier_node *, struct od_callee *, uint64_t key);

/* Its audio socket is open: wake it when there is something to read. 0 or -errno. */
int od_carrier_watch(struct od_carrier_node *, struct od_callee *);

/* The key of the INVITE transaction that a request belongs to (RFC 3261 17.2.3). */
uint64_t od_carrier_transaction_key(const struct od_carrier_node *, const struct od_sip_text *);

/* A response that nobody keeps: built from the request alone. `extra` is whole header lines or "".
 */
struct od_carrier_reply {
    int status;
    const char *reason; /* NULL: the usual one */
    const char *to_tag; /* NULL: none is added */
    const char *extra;
};
void od_carrier_reply(struct od_carrier_node *, const struct od_sip_text *,
                      const struct od_carrier_arrival *, struct od_carrier_reply);

uint64_t od_carrier_hash(const struct od_carrier_node *, struct od_text);

#endif

/*
 * sip_loop - sofia-sip's event loop (su_root) as a guest of libuv's: the one place that knows how.
 *
 * The guest has an epoll set of its own and no function that shows it, so it is found by comparing
 * the process's descriptors before and after it was made, and watched with a uv_poll. The guest's
 * clock is the wall clock, which would fail or freeze every call when it is set; its two exported
 * hooks are pointed at the owner's monotonic clock instead.
 *
 * Lifetime: embedded in its owner; closed() fires when the last handle is closed, and only then may
 * the memory go.
 */
#ifndef PROTO_SIP_SIP_LOOP_H
#define PROTO_SIP_SIP_LOOP_H

#include <sofia-sip/su_wait.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct od_sip_loop_config {
    uint64_t (*clock_ns)(void); /* one for the whole process, as the guest's hooks are global */
    uint32_t coalesce_us;       /* how long to gather datagrams under load; 0: never */
    void (*flush)(void *ctx);   /* deliver what was queued; called around each step of the guest */
    void *ctx;
};

struct od_sip_loop {
    su_root_t *root; /* read by the owner */

    /* private */
    struct od_sip_loop_config config;
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_timer_t timer;
    int epoll_fd;
    unsigned handles; /* open */
    bool dirty;       /* the owner did something since the last step */
    bool gathering;   /* not watching the epoll set until the timer fires */
    bool busy;        /* enough datagrams came lately to be worth gathering */
    uint64_t due_ns;  /* when the guest's next timer is due */
    uint64_t window_ns;
    uint32_t window_count; /* datagrams since window_ns */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* 0, OD_EINVAL (another clock is in use), OD_ENOMEM or OD_EIO (the guest's descriptor was not
 * found); *why then points to a static line for the operator. */
int od_sip_loop_open(struct od_sip_loop *loop, uv_loop_t *uv,
                     const struct od_sip_loop_config *config, const char **why);

/* After the owner destroyed everything that lives in the guest. */
void od_sip_loop_close(struct od_sip_loop *loop, void (*closed)(void *ctx), void *ctx);

/* There is something to flush, or the guest got new timers: take a turn before blocking. */
void od_sip_loop_kick(struct od_sip_loop *loop);

/* Around every call into the library: no name is resolved and no bad datagram read in between. */
void od_sip_loop_enter(void);
void od_sip_loop_leave(void);

#endif

/*
 * notify - what a service manager is told, by the protocol of sd_notify(3): one datagram a time to
 * the socket that NOTIFY_SOCKET names. Without that variable nothing is said.
 */
#ifndef ENGINE_HOST_NOTIFY_H
#define ENGINE_HOST_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

struct od_notify {
    int fd; /* -1: nobody listens */
    struct sockaddr_un to;
    unsigned to_bytes;
    uint64_t alive_every_ns; /* half of WATCHDOG_USEC; 0: nobody watches */
    uint64_t alive_at_ns, extend_at_ns;
};

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment: they are not for our
 * children. */
void od_notify_open(struct od_notify *notify);
void od_notify_close(struct od_notify *notify);

/* "READY=1", "STOPPING=1". */
void od_notify_say(const struct od_notify *notify, const char *state);
/* "RELOADING=1", with the time that goes with it; READY=1 follows when it is over. */
void od_notify_reloading(const struct od_notify *notify, uint64_t now_ns);

/* A few times a second: the loop lives. busy: it starts or ends, which takes as long as it takes:
 * more time is asked for. */
void od_notify_tick(struct od_notify *notify, uint64_t now_ns, bool busy);

#endif

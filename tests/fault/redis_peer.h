/*
 * redis_peer - a Redis that is in the trouble a test asks for: it stands on a unix socket between a
 * store and a real redis-server, passes commands on, and while it is told to, answers those that
 * the trouble concerns itself, or not at all. Lives on the test's loop.
 *
 * Counts what it is asked, so that a test sees whether a client stops, and whether it spins.
 */
#ifndef TESTS_FAULT_REDIS_PEER_H
#define TESTS_FAULT_REDIS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum peer_way {
    PEER_WELL,
    PEER_ANSWERS, /* each command that it concerns gets `text` */
    PEER_HANGS,   /* nothing is answered any more; new connections are taken */
    PEER_SLOW,    /* every answer comes ms later */
    PEER_SHUTS,   /* connections are closed as soon as something is asked */
};

enum peer_of {
    PEER_ALL,
    PEER_WRITES,  /* scripts and commands that change something */
    PEER_SCRIPTS, /* EVALSHA alone */
    PEER_TURNS,   /* the store's turns alone */
};

struct peer_trouble {
    enum peer_way way;
    enum peer_of of;
    const char *text; /* RESP: "-OOM ...\r\n" */
    uint32_t ms;
};

struct peer;

/* Listens on path. NULL: it can't. */
struct peer *peer_open(uv_loop_t *loop, const char *path, const char *server_path);
/* Closes all; the loop has to run until peer_closed(). */
void peer_close(struct peer *peer);
bool peer_closed(const struct peer *peer);
void peer_free(struct peer *peer);

/* From the next command on. The texts are borrowed. */
void peer_be(struct peer *peer, struct peer_trouble trouble);

struct peer_counts {
    uint64_t connects, commands; /* commands: whatever they are */
    uint64_t refused;            /* answered with the trouble's text */
    uint64_t turns;              /* the store's turns among them */
    uint64_t turns_after;        /* that came on a connection whose last answer was a refusal */
};
struct peer_counts peer_counts(const struct peer *peer); /* since peer_be() */

#endif

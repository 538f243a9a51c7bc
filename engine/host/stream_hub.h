/*
 * stream_hub - the connections to outside agents: one WebSocket per call, or one that many calls of
 * the same agent share where the format allows it, which then may also be a TCP connection or a
 * Unix socket. It signs the upgrade, tries again while a bot is
 * starting up, and keeps the memory that all calls' speech waits in. Used by talk_stream.
 *
 * Callbacks come from the loop, never from inside a function here. closed() is the last one.
 *
 * Lifetime: the hub is talk's; a link its user's until closed() or od_link_leave().
 */
#ifndef ENGINE_HOST_STREAM_HUB_H
#define ENGINE_HOST_STREAM_HUB_H

#include <uv.h>

#include "engine/agent/dialect.h"
#include "engine/agent/playout.h"
#include "outdial/types.h"

struct od_link;
struct od_stream_hub;

struct od_stream_hub_config {
    uv_loop_t *loop;
    const char *user_agent; /* NULL: "outdial" */
    const char *ca_file;    /* NULL or "": the system's */
    bool public_only;       /* bots at loopback and private addresses are refused */
    const char *unix_dir;   /* bots may be at Unix sockets in it; NULL or "": at none; borrowed */
    /* An agent that shares a connection has said how many calls it can take. May be NULL. */
    void (*capacity)(void *ctx, const char *url, uint32_t calls);
    void *ctx;
    size_t speech_max; /* bytes of speech that wait in all calls together; 0: 512 MiB */
};

/* OD_ENOMEM; OD_EIO: the CA file can't be read. */
int od_stream_hub_open(struct od_stream_hub **out, const struct od_stream_hub_config *config);
/* Whether bots at loopback and private addresses are refused, of connections from now on. */
void od_stream_hub_public(struct od_stream_hub *hub, bool only);
/* No link may be in use. */
void od_stream_hub_close(struct od_stream_hub *hub, void (*fn)(void *ctx), void *ctx);

struct od_chunk_pool *od_stream_hub_pool(struct od_stream_hub *hub);

struct od_link_user {
    /* The agent is there, and has room for this call too. */
    void (*opened)(void *ctx);
    /* A message; of a shared connection only commands of this call come, read already. False: it is
     * long, and not done with. It stays where it is, the agent's next one waits, and go_on() is
     * called until it returns true or the link is gone. */
    bool (*message)(void *ctx, bool text, const uint8_t *at, size_t bytes);
    bool (*command)(void *ctx, const struct od_stream_command *command);
    bool (*go_on)(void *ctx);
    void (*room)(void *ctx); /* what was queued is gone */
    /* orderly: the agent said goodbye in order. why: for people. */
    void (*closed)(void *ctx, bool orderly, const char *why);
};

struct od_link_setup {
    const struct od_dialect *dialect;
    const char *url;
    const char *auth_token, *bearer; /* NULL: none */
    uint32_t patience_ms;            /* a bot that refuses connections is tried again for so long */
    const struct od_link_user *user;
    void *ctx;
};

/* OD_EINVAL: the URL breaks the rules; OD_EDENIED: a socket outside of unix_dir; OD_ENOMEM. */
int od_link_open(struct od_stream_hub *hub, const struct od_link_setup *setup,
                 struct od_link **out);

/* The number of this call on a shared connection; 0 else. */
uint32_t od_link_sid(const struct od_link *link);

/* From opened() on: what the agent has asked the connection to carry; NULL: it has no choice. */
const struct od_wire_media *od_link_media(const struct od_link *link);

void od_link_send(struct od_link *link, bool text, const char *at, size_t bytes);
size_t od_link_queued(const struct od_link *link);

/* No callback comes any more; a connection of its own is closed with 1000. */
void od_link_leave(struct od_link *link);

struct od_stream_hub_stats {
    uint32_t open;
    uint64_t opened, failed, retries, sent, received;
    size_t speech_bytes; /* that wait now */
};
void od_stream_hub_stats(const struct od_stream_hub *hub, struct od_stream_hub_stats *out);

/* base64(HMAC-SHA1(token, url)), as Twilio signs: 28 characters. */
enum { OD_TWILIO_SIGNATURE = 29 };
void od_twilio_signature(const char *token, const char *url, char out[OD_TWILIO_SIGNATURE]);

#endif

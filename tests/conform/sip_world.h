/*
 * sip_world - a small world for the SIP port: the real nta on a simulated clock, and a scripted
 * peer that speaks raw UDP from the loopback.
 *
 * Everything that happens becomes a line of the transcript, with the time in ms:
 *     0 > INVITE          a datagram of ours reached the peer
 *   500 < 180             the peer sent something
 *   500 ! progress 180    an event reached the owner
 * A test drives the world, then compares the whole transcript.
 */
#ifndef TESTS_CONFORM_SIP_WORLD_H
#define TESTS_CONFORM_SIP_WORLD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/sip/sip.h"

enum { WORLD_TEXT_MAX = 65536, WORLD_PACKET_MAX = 16384 };

struct world {
    uv_loop_t loop;
    struct od_sip *sip;
    int fd;        /* the peer's socket */
    uint16_t port; /* and its port */
    struct sockaddr_in ours;
    char text[WORLD_TEXT_MAX]; /* the transcript */
    size_t used;
    char last[WORLD_PACKET_MAX];   /* what the peer got last */
    char invite[WORLD_PACKET_MAX]; /* the INVITE it got last */
    char bye[WORLD_PACKET_MAX];
    char cancel[WORLD_PACKET_MAX];
    char refer[WORLD_PACKET_MAX];
    char reg[WORLD_PACKET_MAX]; /* the REGISTER */
    char ack[WORLD_PACKET_MAX];
    bool auto_ack;     /* the owner acknowledges each 2xx at once */
    bool auto_again;   /* the owner orders a challenged INVITE again at once */
    bool verbose;      /* whole start lines (the message event) go into the transcript */
    bool quiet;        /* no transcript */
    struct od_sdp sdp; /* of the latest event that had one */
    struct od_sip_response response;     /* of the latest event; its pointers are stale */
    struct od_sip_registered registered; /* of the latest; reason is stale */
    unsigned events;
    bool closed;
};

/* Opens the port on 127.0.0.1 with the simulated clock at an odd moment. */
void world_open(struct world *w, const struct od_sip_config *more);
/* Closes it and frees everything. */
void world_close(struct world *w);

uint64_t world_ms(void);                        /* simulated ms since open */
void world_settle(struct world *w);             /* until nothing moves */
void world_until(struct world *w, uint64_t ms); /* lets the clock run to that time */

extern const struct od_call_id world_call; /* the call that world_invite() makes */
extern const struct od_sip_names world_names;
extern const char world_sdp[];

int world_invite(struct world *w);
/* The INVITE with other fields than usual. */
struct od_sip_invite world_usual(const struct world *w);

/* Answers the INVITE. status: "180 Ringing"; tag: To tag or NULL; extra: more header lines with
 * CRLF or NULL; sdp: body or NULL. */
void world_answer(struct world *w, const char *status, const char *tag, const char *extra,
                  const char *sdp);
/* The same for another request of ours. */
void world_reply(struct world *w, const char *request, const char *status, const char *tag,
                 const char *extra, const char *sdp);
/* A request of the peer in the dialog with this tag. */
void world_request(struct world *w, const char *method, unsigned cseq, const char *tag,
                   const char *extra, const char *sdp);
/* Any bytes. */
void world_send(struct world *w, const void *bytes, size_t count);

/* The value of a header in a message ("Via"), up to the line's end; "" when it isn't there. Static
 * storage, overwritten by the eighth call after. */
const char *world_header(const char *message, const char *name);

/* Fails the test unless the transcript since the last call is exactly this. */
void world_expect(struct world *w, const char *expected);

#endif

/*
 * api_fake - a world around the API for its tests: the repo in memory, a host with settable facts,
 * and exchanges that remember what was answered. An exchange may close the moment it is answered
 * (close_at_once), which is the server's right and finds uses of dead requests.
 */
#ifndef TESTS_UNIT_API_FAKE_H
#define TESTS_UNIT_API_FAKE_H

#include "engine/api/api.h"
#include "proto/crypto/box.h"
#include "tests/unit/api_fake_repo.h"

#define FAKE_KEY "sk_test_static_key_0001" /* org "acme", all scopes */

struct fake_world {
    struct fake_repo repo;
    struct od_api *api;
    struct od_now now;
    struct od_engine_stats stats;
    struct od_api_trunk trunks[3];
    size_t trunk_count;
    struct od_api_trunk_change changed; /* the last change of a trunk that was asked for */
    char changed_by[64], changed_name[OD_NAME_MAX];
    const char *not_ready;  /* NULL: ready */
    const char *live_state; /* NULL: not in memory */
    const char *trace;      /* NULL: none */
    struct od_box *box;
    struct od_box_port box_port;
    uint64_t random;
    bool close_at_once;
};

/* A request, and after fake_send() its answer. */
struct fake_exchange {
    struct od_exchange x; /* first: the ops get it back from here */
    struct fake_world *world;
    const char *headers; /* "name: value\n..." lower-case names */
    uint64_t limit;
    enum od_body_mode mode;
    bool paused, closed, finished, closing;
    int status; /* 0: not answered */
    char type[128];
    char *answer_headers;
    char *answer; /* NUL-terminated */
    size_t answer_bytes;
    size_t queued; /* what write() reports */
    unsigned answers;
};

struct fake_request {
    const char *method, *path, *query;
    const char *key;     /* NULL: FAKE_KEY; "": none */
    const char *type;    /* Content-Type; NULL: application/json when there is a body */
    const char *headers; /* more of them */
    const char *body;
    size_t bytes; /* 0: strlen(body) */
    size_t piece; /* streamed bodies come in pieces of so many bytes; 0: whole */
};

void fake_world_init(struct fake_world *world);
void fake_world_deinit(struct fake_world *world);

/* Head and body, no answers of the repo; streamed bodies stop while paused. */
void fake_open(struct fake_world *world, struct fake_exchange *x,
               const struct fake_request *request);
/* The client goes, or the answer is flushed; frees the answer too. */
void fake_close(struct fake_exchange *x);
/* The whole way to the answer. */
void fake_send(struct fake_world *world, struct fake_exchange *x,
               const struct fake_request *request);

#endif

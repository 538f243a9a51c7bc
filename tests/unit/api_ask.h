/*
 * api_ask - asking the API in one line: a world that every test begins afresh, requests with the
 * answer they must have, things to ask about.
 */
#ifndef TESTS_UNIT_API_ASK_H
#define TESTS_UNIT_API_ASK_H

#include "engine/base/uid.h"
#include "tests/unit/api_fake.h"

#define V1 "/outdial/v1"
#define NO_ID "01890a5d-ac96-774b-bcce-b302099a8057" /* nothing has it */
#define AGENT_DOC                                                                                  \
    "{\"name\":\"demo\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"steps\":["                   \
    "{\"say\":\"Hello {{name}}.\"},{\"hangup\":{}}]}},\"llmConfig\":{\"temp\":0.70,\"n\":1e2}}"

extern struct fake_world world;

int world_setup(void **state);
int world_teardown(void **state);

/* Sends and wants exactly one answer; its status. The caller closes the exchange. */
int send_full(struct fake_exchange *x, struct fake_request request);

/* Sends, and wants the status and, unless NULL, the part in the answer. */
void expect(const char *method, const char *path, const char *query, const char *body, int status,
            const char *part);

/* Makes a thing; wants 201 with its Location, gives its id. */
void create(const char *path, const char *body, char id[OD_UID_TEXT]);

/* Makes a key; wants the status. */
void new_key(const char *body, char key[128], int status);

/* The texts in one, good until 63 more have been made, which is more than a test makes. */
const char *join(const char *a, const char *b, const char *c);

#endif

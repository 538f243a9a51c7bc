/*
 * client - requests to the server, one after the other, as the verbs need them: call, wait, look at
 * the answer. Underneath runs the asynchronous client on a loop of its own. Also the loop's other
 * uses: sleeping and counting interrupts.
 *
 * Lifetime: owned by the verb; a reply is the verb's until od_reply_free().
 */
#ifndef ENGINE_CLI_CLIENT_H
#define ENGINE_CLI_CLIENT_H

#include <yyjson.h>

#include "engine/cli/cli.h"

struct od_client;

struct od_reply {
    int status; /* 200..599 */
    char *body; /* NUL-terminated */
    size_t bytes;
    yyjson_doc *doc; /* NULL when the body is no JSON */
};

/* Finds server and key as the contract says. An exit code when they are unusable (told on stderr),
 * else OD_EXIT_NONE. */
int od_client_open(struct od_client **out, const struct od_cli_common *common);
void od_client_close(struct od_client *client); /* NULL is fine */

/* path: "/outdial/v1/..."; body: JSON or NULL. True when a 2xx came. Otherwise one line was
 * printed: what failed, why, and what to do. reply (not NULL) is to be freed in both cases. */
bool od_client_call(struct od_client *client, const char *method, const char *path,
                    const char *body, struct od_reply *reply);

/* The same, but the caller looks at every status itself; false: no answer came (told). */
bool od_client_try(struct od_client *client, const char *method, const char *path, const char *body,
                   struct od_reply *reply);

/* Sends a file from its present position as the body. progress (may be NULL) is told the bytes
 * sent so far. An interrupt ends it. */
bool od_client_upload(struct od_client *client, const char *path, const char *content_type, int fd,
                      void (*progress)(void *ctx, uint64_t sent), void *ctx,
                      struct od_reply *reply);

/* While quiet, the functions above tell nothing when no answer comes: for those who try again. */
void od_client_quiet(struct od_client *client, bool quiet);

void od_reply_free(struct od_reply *reply);
/* The body as it came, on stdout, with one newline at its end. */
void od_reply_print(const struct od_reply *reply);
/* Tells in one line what a reply that is no 2xx says; its errors, if it lists some, in more. */
void od_reply_explain(const struct od_reply *reply, const char *doing);

/* From now on Ctrl-C is counted and does not end the process. */
void od_client_catch_interrupts(struct od_client *client);
unsigned od_client_interrupts(const struct od_client *client);

/* Milliseconds on the monotonic clock, for rates and patience. */
uint64_t od_client_mono_ms(void);

/* Waits; less when an interrupt comes. */
void od_client_sleep(struct od_client *client, unsigned ms);

const char *od_client_server(const struct od_client *client);

/* A path segment with everything but unreserved characters escaped (RFC 3986 section 2.3). False
 * when it does not fit. */
bool od_url_escape(const char *text, char *out, size_t out_bytes);

/* Members of an object by dotted path, with a value for "not there". obj may be NULL. */
const char *od_json_text(yyjson_val *obj, const char *path, const char *otherwise);
uint64_t od_json_u64(yyjson_val *obj, const char *path, uint64_t otherwise);

#endif

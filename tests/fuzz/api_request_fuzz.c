/*
 * Any request through the whole API over the repo in memory: one answer, well-formed, and nothing
 * left behind. The input is
 *
 *   3 bytes: flags (1 close at once, 2 the store fails, 4 the client leaves early), piece size,
 *            how many operations succeed before the store fails
 *   METHOD PATH[?QUERY]\n    in the path, @a is an agent's id, @c a campaign's, @x a call's
 *   name: value\n ...        headers; a good key is there already
 *   \n
 *   BODY
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "engine/base/assert.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/unit/api_fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATH_MAX_BYTES = 2048 };

static void add_agent(struct fake_world *world)
{
    static const char doc[] = "{\"name\":\"demo\",\"outdial\":{\"agent\":{\"kind\":\"script\","
                              "\"steps\":[{\"hangup\":{}}]}}}";
    struct fake_exchange x;
    fake_send(world, &x,
              &(struct fake_request){.method = "POST", .path = "/outdial/v1/agents", .body = doc});
    OD_ASSERT(x.status == 201);
    fake_close(&x);
    fake_send(world, &x,
              &(struct fake_request){.method = "POST",
                                     .path = "/outdial/v1/campaigns",
                                     .body = "{\"name\":\"c\",\"agent\":\"demo\"}"});
    OD_ASSERT(x.status == 201);
    fake_close(&x);
    fake_send(world, &x,
              &(struct fake_request){.method = "POST",
                                     .path = "/outdial/v1/calls",
                                     .body = "{\"to\":\"+15550001111\",\"agent\":\"demo\"}"});
    OD_ASSERT(x.status == 201);
    fake_close(&x);
    fake_repo_add_event(&world->repo, "acme", "call.ringing", "{}");
}

/* Copies the path with ids in the place of @a, @c and @x. */
static void fill_path(const struct fake_world *world, const char *path, size_t bytes,
                      char out[PATH_MAX_BYTES])
{
    struct od_buf buf;
    char id[OD_UID_TEXT];
    od_buf_init(&buf, out, PATH_MAX_BYTES);
    for (size_t i = 0; i < bytes; i++) {
        const struct od_uid *uid = NULL;
        if (path[i] == '@' && i + 1 < bytes)
            uid = path[i + 1] == 'a'   ? &world->repo.agents[0].rec.id
                  : path[i + 1] == 'c' ? &world->repo.campaigns[0].rec.id
                  : path[i + 1] == 'x' ? &world->repo.calls[0].rec.id
                                       : NULL;
        if (uid) {
            od_uid_text(uid, id);
            od_buf_str(&buf, id);
            i++;
        } else if (path[i]) {
            od_buf_char(&buf, path[i]);
        }
    }
}

static void check_answer(const struct fake_exchange *x)
{
    OD_ASSERT(x->answers == 1);
    OD_ASSERT(x->status >= 200 && x->status < 600);
    if (strncmp(x->type, "application/", 12) == 0) {
        yyjson_doc *doc = yyjson_read(x->answer, x->answer_bytes, 0);
        OD_ASSERT(doc);
        yyjson_doc_free(doc);
    } else if (x->answer_bytes) {
        OD_ASSERT(strncmp(x->type, "text/", 5) == 0);
    }
}

static void send(struct fake_world *world, const uint8_t flags[3], const char *head, char *body,
                 size_t body_bytes)
{
    char path[PATH_MAX_BYTES], method[16];
    size_t line = strcspn(head, "\n"), word = strcspn(head, " \n");
    const char *target = head + word + (head[word] == ' ');
    size_t target_bytes = target < head + line ? (size_t)(head + line - target) : 0;
    od_str_copy(method, sizeof method, head, word);
    fill_path(world, target, target_bytes, path);
    char *query = strchr(path, '?');
    if (query)
        *query++ = 0;
    struct fake_request request = {
        .method = method,
        .path = path,
        .query = query ? query : "",
        .type = "",
        .headers = head + line + (head[line] == '\n'),
        .body = body_bytes ? body : NULL,
        .bytes = body_bytes,
        .piece = flags[1],
    };
    world->close_at_once = flags[0] & 1;
    if (flags[0] & 2) {
        world->repo.fail = OD_EDOWN;
        world->repo.fail_after = flags[2] % 8;
    }
    struct fake_exchange x;
    if (flags[0] & 4) {
        fake_open(world, &x, &request);
        for (unsigned i = 0; i < flags[2] % 8u; i++)
            fake_repo_run_one(&world->repo);
    } else {
        fake_send(world, &x, &request);
        world->now.mono_ns += 20 * OD_NS_PER_S;
        od_api_tick(world->api, world->now);
        fake_repo_run(&world->repo);
        check_answer(&x);
    }
    fake_close(&x);
    fake_repo_run(&world->repo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    const char *text = (const char *)data + 3;
    size_t bytes = size - 3;
    const char *gap = memmem(text, bytes, "\n\n", 2);
    size_t head_bytes = gap ? (size_t)(gap - text) + 1 : bytes;
    size_t body_at = gap ? head_bytes + 1 : bytes;
    char *head = malloc(head_bytes + 1), *body = malloc(bytes - body_at + 1);
    for (size_t i = 0; i < head_bytes; i++)
        head[i] = text[i] ? text[i] : ' ';
    head[head_bytes] = 0;
    memcpy(body, text + body_at, bytes - body_at);
    struct fake_world world;
    fake_world_init(&world);
    add_agent(&world);
    send(&world, data, head, body, bytes - body_at);
    fake_world_deinit(&world);
    free(head);
    free(body);
    return 0;
}

/*
 * A connection of the HTTP server with no socket: the input is what a client sends, cut into
 * pieces, with the client's end, held answers and pauses in between. The handler answers in a way
 * that the path chooses. Whatever comes, each exchange that was opened is closed once, nothing is
 * answered twice, and nothing is left over.
 *
 * The first byte of the input sets the size of the pieces and what happens around them.
 */
#include <stdint.h>
#include <string.h>

#include "http_memory.h"
#include "outdial/http.h"
#include "proto/http/http_hub.h"

struct world {
    unsigned heads, closeds;
    struct od_exchange *held; /* to be answered later */
    struct od_exchange *paused;
};

static enum od_body_mode on_head(void *ctx, struct od_exchange *x, uint64_t *limit)
{
    struct world *world = ctx;
    struct od_text value;
    world->heads++;
    if (strchr(x->path, '%') == NULL && strstr(x->path, "//"))
        abort();
    x->header(x, "authorization", &value);
    switch (x->path[1]) {
    case 'e':
        x->ops->respond(x, 401, "text/plain", "WWW-Authenticate: Bearer\r\n", "no", 2);
        return OD_BODY_BUFFER;
    case 'n':
        x->ops->respond(x, 204, NULL, NULL, NULL, 0);
        return OD_BODY_NONE;
    case 's':
    case 'p':
        *limit = 1000;
        return OD_BODY_STREAM;
    default:
        return OD_BODY_BUFFER;
    }
}

static void on_body(void *ctx, struct od_exchange *x, const char *data, size_t bytes, bool last)
{
    struct world *world = ctx;
    if (!last) {
        if (x->path[1] == 'p') {
            x->ops->pause(x);
            world->paused = x;
        }
        return;
    }
    switch (x->path[1]) {
    case 'h':
        world->held = x;
        return;
    case 'c':
        x->ops->begin(x, 200, "text/plain", NULL);
        x->ops->write(x, data, bytes);
        x->ops->write(x, "more", 4);
        x->ops->finish(x);
        return;
    default:
        x->ops->respond(x, 200, "application/json", NULL, data, bytes);
        return;
    }
}

static void on_closed(void *ctx, struct od_exchange *x)
{
    struct world *world = ctx;
    world->closeds++;
    if (world->held == x)
        world->held = NULL;
    if (world->paused == x)
        world->paused = NULL;
}

/* What the loop, the handler's own time and the peer's reading would bring. */
static void let_time_pass(uv_loop_t *loop, struct world *world, struct memory_stream *memory)
{
    if (world->held) {
        struct od_exchange *x = world->held;
        world->held = NULL;
        x->ops->respond(x, 200, "text/plain", NULL, "later", 5);
    }
    if (world->paused) {
        struct od_exchange *x = world->paused;
        world->paused = NULL;
        x->ops->resume(x);
    }
    uv_run(loop, UV_RUN_NOWAIT);
    if (memory->held && !memory->closing) {
        memory->held = 0;
        memory->base.user->drained(memory->base.ctx);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uv_loop_t loop;
    static struct od_http_hub hub;
    static struct world world;
    static bool ready;
    if (size == 0 || size > 300000)
        return 0;
    if (!ready) {
        uv_loop_init(&loop);
        od_http_hub_init(&hub, &loop, &(struct od_http_server_config){.body_bytes_max = 5000},
                         &(struct od_http_handler){
                             .ctx = &world, .head = on_head, .body = on_body, .closed = on_closed});
        ready = true;
    }
    world = (struct world){0};
    uint8_t knobs = data[0];
    size_t piece = knobs & 7 ? (size_t)1 << ((knobs & 7) - 1) * 2 : size;
    struct memory_stream *memory = memory_create();
    memory->holding = knobs & 8;
    if (od_http_conn_open(&hub, &memory->base, "192.0.2.1"))
        abort();
    for (size_t at = 1; at < size && !memory->closing;) {
        if (memory->reading) {
            size_t n = size - at < piece ? size - at : piece;
            memory->base.user->data(memory->base.ctx, (const char *)data + at, n);
            at += n;
        } else {
            let_time_pass(&loop, &world, memory);
            if (!memory->reading && !memory->closing && !world.held && !world.paused &&
                !memory->held)
                abort(); /* stuck: nobody will ever wake it */
        }
        if (knobs & 16)
            let_time_pass(&loop, &world, memory);
    }
    if (!memory->closing && (knobs & 32))
        memory->base.user->end(memory->base.ctx, 0);
    for (int i = 0; i < 4 && !memory->closing; i++)
        let_time_pass(&loop, &world, memory);
    od_http_hub_cut(&hub);
    memory_free(memory);
    uv_run(&loop, UV_RUN_NOWAIT);
    if (world.heads != world.closeds || hub.conns || hub.stats.exchanges || hub.stats.connections ||
        hub.stats.odd)
        abort();
    return 0;
}

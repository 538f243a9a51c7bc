/*
 * redis_outbox - see the header. The turn of the outbox is a script apart from the queue's turn, so
 * that a busy outbox does not make the queue's turns longer; the queue's turn only says when there
 * is something to do.
 */
#include "proto/redis/redis_outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/redis/redis_read.h"
#include "proto/redis/redis_repo.h"
#include "proto/wire/wire.h"
#include "proto/wire/wire_hook.h"

enum { CHAINS_MAX = 256, ROWS_MAX = 16, BYTES_MAX = 1024 * 1024 };

/* The arguments of one ack, each with its length before it. */
struct od_redis_ack {
    struct od_redis_ack *next;
    size_t bytes;
    char args[];
};

/* Acks */

static void put_arg(char **at, const void *bytes, uint32_t count)
{
    memcpy(*at, &count, sizeof count);
    memcpy(*at + sizeof count, bytes, count);
    *at += sizeof count + count;
}

static void put_number(char **at, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)value);
    put_arg(at, text, (uint32_t)n);
}

static void queue(struct od_redis_acks *acks, struct od_redis_ack *ack)
{
    ack->next = NULL;
    *acks->last = ack;
    acks->last = &ack->next;
    acks->count++;
}

static struct od_redis_ack *dequeue(struct od_redis_acks *acks)
{
    struct od_redis_ack *ack = acks->first;
    acks->first = ack->next;
    if (acks->first == NULL)
        acks->last = &acks->first;
    acks->count--;
    return ack;
}

static void clear(struct od_redis_acks *acks)
{
    while (acks->first != NULL)
        free(dequeue(acks));
}

int od_store_outbox_ack(struct od_store *store, const char *name, struct od_text chain,
                        struct od_text token, int64_t due_ms,
                        const struct od_outbox_result *results, size_t count)
{
    struct od_redis_org *org = od_store_org(store, name, false);
    if (org == NULL)
        return OD_ENOENT;
    size_t bytes = chain.bytes + token.bytes + 4 * 32;
    for (size_t i = 0; i < count; i++)
        bytes += 96 + od_wire_hook_bytes(results[i].row);
    struct od_redis_ack *ack = malloc(sizeof *ack + bytes);
    if (ack == NULL)
        return OD_ENOMEM;
    char *at = ack->args;
    put_arg(&at, chain.at, (uint32_t)chain.bytes);
    put_arg(&at, token.at, (uint32_t)token.bytes);
    put_number(&at, due_ms);
    put_number(&at, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        put_number(&at, (int64_t)results[i].row->number);
        put_arg(&at, &results[i].what, 1);
        uint32_t row_bytes = 0;
        int put = od_wire_hook_put(at + sizeof row_bytes, od_wire_hook_bytes(results[i].row),
                                   results[i].row);
        if (put < 0) { /* its owner keeps the limits of wire_hook.h */
            free(ack);
            return OD_ETOOBIG;
        }
        row_bytes = (uint32_t)put;
        memcpy(at, &row_bytes, sizeof row_bytes);
        at += sizeof row_bytes + row_bytes;
    }
    ack->bytes = (size_t)(at - ack->args);
    queue(&org->outbox.waiting, ack);
    od_store_kick(store);
    return 0;
}

static void add_ack(struct od_redis_cmd *cmd, const struct od_redis_ack *ack)
{
    for (size_t at = 0; at < ack->bytes;) {
        uint32_t count;
        memcpy(&count, ack->args + at, sizeof count);
        od_redis_cmd_add(cmd, ack->args + at + sizeof count, count);
        at += sizeof count + count;
    }
}

/* Claims */

static void point_field(struct od_text name, struct od_text value, const struct redisReply *fields,
                        size_t at, struct od_hook_endpoint *out)
{
#define IS(word) (name.bytes == sizeof word - 1 && memcmp(name.at, word, sizeof word - 1) == 0)
    if (IS("url"))
        out->url = value;
    else if (IS("description"))
        out->description = value;
    else if (IS("secret"))
        out->secret = value;
    else if (IS("old"))
        out->secret_old = value;
    else if (IS("until"))
        out->old_until_ms = od_redis_read_int(fields, at);
    else if (IS("why"))
        out->why = value;
    else if (IS("on"))
        out->enabled = od_redis_read_int(fields, at) == 1;
    else if (IS("kind"))
        out->to = (uint8_t)od_redis_read_int(fields, at);
    else if (IS("mask"))
        out->mask = (uint16_t)od_redis_read_int(fields, at);
    else if (IS("fails"))
        out->failures = (uint32_t)od_redis_read_int(fields, at);
    else if (IS("created"))
        out->created_ms = od_redis_read_int(fields, at);
    else if (IS("updated"))
        out->updated_ms = od_redis_read_int(fields, at);
#undef IS
}

static bool read_point(const struct redisReply *fields, const struct od_uid *uid,
                       struct od_hook_endpoint *out)
{
    static const struct od_text none = {"", 0};
    *out = (struct od_hook_endpoint){.id = *uid,
                                     .url = none,
                                     .description = none,
                                     .secret = none,
                                     .secret_old = none,
                                     .why = none};
    if (!od_redis_read_array(fields, 2))
        return false;
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        point_field(od_redis_read_text(fields, i), od_redis_read_text(fields, i + 1), fields, i + 1,
                    out);
    return out->to == OD_HOOK_TO_POINT_CALLINGBOX || out->to == OD_HOOK_TO_POINT_NATIVE;
}

static size_t read_rows(struct od_store *store, const struct redisReply *array, size_t from,
                        struct od_hook_row *rows, size_t max)
{
    size_t count = 0;
    for (size_t i = from; array != NULL && i + 1 < array->elements && count < max; i += 2) {
        struct od_text bytes = od_redis_read_text(array, i + 1);
        if (od_wire_hook_get(bytes.at, bytes.bytes, &rows[count]) != 0) {
            store->stats.odd++;
            continue;
        }
        rows[count].number = (uint64_t)od_redis_read_int(array, i);
        count++;
    }
    return count;
}

/* The endpoint's fields, which the reply has once; NULL: it is deleted, or there is none. */
static const struct redisReply *find_point(const struct redisReply *points,
                                           const struct od_uid *uid)
{
    for (size_t i = 0; i + 1 < points->elements; i += 2) {
        struct od_text name = od_redis_read_text(points, i);
        if (name.bytes == sizeof uid->b && memcmp(name.at, uid->b, sizeof uid->b) == 0)
            return points->element[i + 1];
    }
    return NULL;
}

/* The call's agent, and the documents of the past that its rows are made of. */
static void read_agent(const struct redisReply *agents, struct od_outbox_claim *claim,
                       struct od_outbox_then *then)
{
    const struct redisReply *one = NULL;
    for (size_t i = 0; i < agents->elements && one == NULL; i++) {
        struct od_text uid = od_redis_read_text(agents->element[i], 0);
        if (uid.bytes == sizeof claim->agent.b && claim->lane.bytes >= uid.bytes &&
            memcmp(uid.at, claim->lane.at, uid.bytes) == 0)
            one = agents->element[i];
    }
    if (one == NULL)
        return;
    memcpy(claim->agent.b, claim->lane.at, sizeof claim->agent.b); /* a lane begins with it */
    claim->agent_ms = od_redis_read_int(one, 1);
    for (size_t r = 0; r < claim->row_count; r++) {
        for (size_t i = 2; i + 1 < one->elements; i += 2) {
            uint64_t last = (uint64_t)od_redis_read_int(one, i);
            if (last < claim->rows[r].number || (then[r].last > 0 && last >= then[r].last))
                continue;
            then[r].last = last;
            then[r].doc = od_redis_read_text(one, i + 1);
        }
    }
}

/* "url@<row>": where rows up to that one go. */
static void read_urls(const struct redisReply *fields, const struct od_hook_row *rows, size_t count,
                      struct od_outbox_then *then)
{
    static const char head[] = "url@";
    uint64_t lasts[ROWS_MAX] = {0};
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        struct od_text name = od_redis_read_text(fields, i);
        uint64_t last;
        if (name.bytes < sizeof head || memcmp(name.at, head, sizeof head - 1) != 0 ||
            !od_str_u64(name.at + sizeof head - 1, name.bytes - (sizeof head - 1), UINT64_MAX,
                        &last))
            continue;
        for (size_t r = 0; r < count; r++) {
            if (last < rows[r].number || (lasts[r] > 0 && last >= lasts[r]))
                continue;
            lasts[r] = last;
            then[r].url = od_redis_read_text(fields, i + 1);
        }
    }
}

static void tell_claim(struct od_redis_org *org, const struct redisReply *turn,
                       const struct redisReply *one)
{
    struct od_store *store = org->store;
    const struct redisReply *records = turn->element[3], *fields = NULL;
    struct od_hook_row rows[ROWS_MAX];
    struct od_outbox_then then[ROWS_MAX] = {0};
    struct od_hook_endpoint point;
    int64_t place = od_redis_read_int(one, 1);
    struct od_outbox_claim claim = {
        .org = org->name,
        .chain = od_redis_read_text(one, 0),
        .token = od_redis_read_text(turn, 2),
        .record = {"", 0},
        .lane = {"", 0},
        .hook = {"", 0},
        .rows = rows,
        .then = then,
        .row_count = read_rows(store, one, 2, rows, ROWS_MAX),
    };
    if (place > 0 && (size_t)place * 3 <= records->elements) {
        size_t at = ((size_t)place - 1) * 3;
        claim.record = od_redis_read_text(records, at);
        claim.lane = od_redis_read_text(records, at + 1);
        claim.hook = od_redis_read_text(records, at + 2);
    }
    if (claim.row_count > 0)
        fields = find_point(turn->element[4], &rows[0].endpoint);
    if (fields != NULL && read_point(fields, &rows[0].endpoint, &point)) {
        claim.endpoint = &point;
        read_urls(fields, rows, claim.row_count, then);
    }
    read_agent(turn->element[6], &claim, then);
    if (claim.chain.bytes == 0 || claim.chain.bytes > OD_HOOK_CHAIN_MAX)
        store->stats.odd++;
    else if (store->outbox.claimed != NULL)
        store->outbox.claimed(store->outbox.ctx, &claim);
}

/* The acks under way were not stored, as far as anybody knows. */
static void undo(struct od_redis_org *org)
{
    struct od_redis_outbox *outbox = &org->outbox;
    outbox->busy = false;
    if (outbox->sent.first == NULL)
        return;
    *outbox->sent.last = outbox->waiting.first;
    if (outbox->waiting.first != NULL)
        outbox->sent.last = outbox->waiting.last;
    outbox->waiting.first = outbox->sent.first;
    outbox->waiting.last = outbox->sent.last;
    outbox->waiting.count += outbox->sent.count;
    outbox->sent = (struct od_redis_acks){0};
    outbox->sent.last = &outbox->sent.first;
}

void od_redis_outbox_due(struct od_redis_org *org, int64_t in_ms)
{
    org->outbox.due_ms = in_ms < 0 ? UINT64_MAX : od_store_now_ms(org->store) + (uint64_t)in_ms;
}

static void turn_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    struct od_store *store = org->store;
    if (!od_store_reply_list(store, "outbox", reply, 7)) {
        undo(org);
        return;
    }
    org->outbox.busy = false;
    clear(&org->outbox.sent);
    od_redis_outbox_due(org, od_redis_read_int(reply, 1));
    const struct redisReply *chains = reply->element[5];
    for (size_t i = 0; i < chains->elements; i++)
        tell_claim(org, reply, chains->element[i]);
    od_store_kick(store);
}

static void turn_send(struct od_redis_org *org, uint32_t want)
{
    struct od_store *store = org->store;
    struct od_redis_outbox *outbox = &org->outbox;
    struct od_redis_cmd *cmd = &store->cmd;
    size_t bytes = 0;
    uint32_t count = 0;
    for (struct od_redis_ack *ack = outbox->waiting.first;
         ack != NULL && count < CHAINS_MAX && bytes < BYTES_MAX; ack = ack->next) {
        bytes += ack->bytes;
        count++;
    }
    od_redis_script_begin(cmd, OD_SCRIPT_OUTBOX_TURN, org->prefix);
    od_redis_cmd_int(cmd, want < CHAINS_MAX ? want : CHAINS_MAX);
    od_redis_cmd_int(cmd, OD_OUTBOX_CLAIM_MS);
    od_redis_cmd_int(cmd, org->worker);
    od_redis_cmd_int(cmd, count);
    while (count-- > 0) {
        struct od_redis_ack *ack = dequeue(&outbox->waiting);
        add_ack(cmd, ack);
        queue(&outbox->sent, ack);
    }
    outbox->busy = true;
    outbox->turn_at_ms = od_store_now_ms(store);
    store->stats.outbox_turns++;
    if (od_redis_script_send(store->conn, cmd, OD_SCRIPT_OUTBOX_TURN, turn_done, org) != 0)
        undo(org);
}

uint64_t od_redis_outbox_run(struct od_redis_org *org, uint64_t now)
{
    struct od_store *store = org->store;
    struct od_redis_outbox *outbox = &org->outbox;
    if (outbox->busy || store->outbox.room == NULL)
        return UINT64_MAX;
    uint32_t room =
        store->closing || now < outbox->due_ms ? 0 : store->outbox.room(store->outbox.ctx);
    if (outbox->waiting.count == 0 && room == 0)
        return store->closing || now >= outbox->due_ms ? UINT64_MAX : outbox->due_ms;
    /* much at a time goes at once, little waits for company */
    uint64_t pause =
        outbox->waiting.count >= CHAINS_MAX / 2 || store->closing ? 0 : store->config.flush_ms / 3;
    if (now < outbox->turn_at_ms + pause)
        return outbox->turn_at_ms + pause;
    turn_send(org, room);
    return UINT64_MAX;
}

bool od_redis_outbox_unsent(const struct od_redis_org *org)
{
    return org->outbox.busy || org->outbox.waiting.count > 0;
}

void od_redis_outbox_init(struct od_redis_org *org)
{
    org->outbox.waiting.last = &org->outbox.waiting.first;
    org->outbox.sent.last = &org->outbox.sent.first;
    org->outbox.due_ms = UINT64_MAX;
}

void od_redis_outbox_deinit(struct od_redis_org *org)
{
    clear(&org->outbox.waiting);
    clear(&org->outbox.sent);
}

void od_store_outbox(struct od_store *store, const struct od_outbox_events *events)
{
    store->outbox = events == NULL ? (struct od_outbox_events){0} : *events;
    od_store_kick(store);
}

bool od_store_outbox_ours(struct od_store *store, const char *name)
{
    const struct od_redis_org *org = od_store_org(store, name, false);
    return org != NULL && (org->lease_ns == 0 || uv_hrtime() < org->lease_ns);
}

void od_store_outbox_wake(struct od_store *store)
{
    od_store_kick(store);
}

int od_outbox_call(const struct od_hook_row *row, struct od_text record, struct od_text lane,
                   char *scratch, struct od_call_rec *out)
{
    size_t bytes = row->record_bytes ? row->record_bytes : record.bytes;
    if (bytes > record.bytes || bytes < OD_WIRE_STATE_BYTES)
        return OD_EPROTO;
    memcpy(scratch, record.at, bytes);
    if (row->state.bytes == OD_WIRE_STATE_BYTES)
        memcpy(scratch, row->state.at, OD_WIRE_STATE_BYTES);
    return od_redis_read_record((struct od_text){scratch, bytes}, lane, &row->call, out)
               ? 0
               : OD_EPROTO;
}

/* What the API asks */

static void begin_filter(struct od_repo_call *call, const struct od_outbox_filter *filter)
{
    static const struct od_uid none;
    od_redis_cmd_add(&call->store->cmd, filter->to, filter->to_count);
    if (memcmp(&filter->endpoint, &none, sizeof none) == 0)
        od_redis_cmd_str(&call->store->cmd, "");
    else
        od_repo_add_uid(call, &filter->endpoint);
}

static void rows_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_hook_row *rows = NULL;
    if (err == 0) {
        rows = calloc(reply->elements / 2 + 1, sizeof *rows);
        err = rows == NULL ? OD_ENOMEM : 0;
    }
    if (err == 0) {
        size_t count = read_rows(call->store, reply, 2, rows, reply->elements / 2 + 1);
        call->fn.rows(call->fn_ctx, 0, rows, count, (uint64_t)od_redis_read_int(reply, 1));
        od_repo_end(call);
    } else {
        od_repo_answer(call, err);
    }
    free(rows);
}

static struct od_repo_call *rows_begin(struct od_store *store, const char *org,
                                       enum od_script script, od_outbox_rows_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(store, org, OD_REPO_ROWS, (union od_repo_fn){.rows = fn}, fn_ctx);
    return call != NULL && od_repo_script(call, script) ? call : NULL;
}

static void rows_list(void *ctx, const char *org, const struct od_outbox_filter *filter,
                      uint64_t below, uint32_t take, od_outbox_rows_fn fn, void *fn_ctx)
{
    struct od_repo_call *call = rows_begin(ctx, org, OD_SCRIPT_OUTBOX_LIST, fn, fn_ctx);
    if (call == NULL)
        return;
    od_redis_cmd_int(&call->store->cmd, filter->status);
    begin_filter(call, filter);
    od_redis_cmd_int(&call->store->cmd, (int64_t)below);
    od_redis_cmd_int(&call->store->cmd, od_repo_page(take));
    od_repo_send(call, OD_SCRIPT_OUTBOX_LIST, rows_done);
}

static void again(void *ctx, const char *org, const struct od_outbox_filter *filter,
                  uint64_t number, uint32_t take, od_outbox_rows_fn fn, void *fn_ctx)
{
    struct od_repo_call *call = rows_begin(ctx, org, OD_SCRIPT_OUTBOX_AGAIN, fn, fn_ctx);
    if (call == NULL)
        return;
    call->writes = true;
    od_redis_cmd_int(&call->store->cmd, (int64_t)number);
    begin_filter(call, filter);
    od_redis_cmd_int(&call->store->cmd, od_repo_page(take));
    od_repo_send(call, OD_SCRIPT_OUTBOX_AGAIN, rows_done);
}

static void row_again(void *ctx, const char *org, const struct od_outbox_filter *filter,
                      uint64_t number, od_outbox_rows_fn fn, void *fn_ctx)
{
    again(ctx, org, filter, number, 1, fn, fn_ctx);
}

static void rows_replay(void *ctx, const char *org, const struct od_outbox_filter *filter,
                        uint32_t take, od_outbox_rows_fn fn, void *fn_ctx)
{
    again(ctx, org, filter, 0, take, fn, fn_ctx);
}

static void points_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_hook_endpoint points[OD_HOOK_POINTS_MAX * 2];
    size_t count = 0;
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    for (size_t i = 1; i + 1 < reply->elements && count < 2 * OD_HOOK_POINTS_MAX; i += 2) {
        struct od_uid uid;
        if (od_redis_read_uid(reply, i, &uid) &&
            read_point(reply->element[i + 1], &uid, &points[count]))
            count++;
    }
    call->fn.points(call->fn_ctx, 0, points, count);
    od_repo_end(call);
}

static void points_get(void *ctx, const char *org, const struct od_uid *id, od_outbox_points_fn fn,
                       void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_POINTS, (union od_repo_fn){.points = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_OUTBOX_POINT))
        return;
    od_redis_cmd_str(&call->store->cmd, "get");
    if (id == NULL)
        od_redis_cmd_str(&call->store->cmd, "");
    else
        od_repo_add_uid(call, id);
    od_repo_send(call, OD_SCRIPT_OUTBOX_POINT, points_done);
}

static void field(struct od_redis_cmd *cmd, const char *name, struct od_text value)
{
    od_redis_cmd_str(cmd, name);
    od_redis_cmd_add(cmd, value.at, value.bytes);
}

static void number_field(struct od_redis_cmd *cmd, const char *name, int64_t value)
{
    od_redis_cmd_str(cmd, name);
    od_redis_cmd_int(cmd, value);
}

static void point_write(struct od_store *store, const char *org, const char *what,
                        const struct od_hook_endpoint *point, unsigned parts, od_repo_done_fn fn,
                        void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(store, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL)
        return;
    od_repo_touch_org(call);
    if (!od_repo_script(call, OD_SCRIPT_OUTBOX_POINT))
        return;
    struct od_redis_cmd *cmd = &store->cmd;
    od_redis_cmd_str(cmd, what);
    od_repo_add_uid(call, &point->id);
    od_redis_cmd_int(cmd, OD_HOOK_POINTS_MAX);
    if (strcmp(what, "put") == 0)
        number_field(cmd, "kind", point->to);
    if (parts & OD_HOOK_SET_URL)
        field(cmd, "url", point->url);
    if (parts & OD_HOOK_SET_DESCRIPTION)
        field(cmd, "description", point->description);
    if (parts & OD_HOOK_SET_MASK)
        number_field(cmd, "mask", point->mask);
    if (parts & OD_HOOK_SET_ENABLED) {
        number_field(cmd, "on", point->enabled);
        field(cmd, "why", point->why);
        if (point->enabled)
            number_field(cmd, "fails", 0);
    }
    if (parts & OD_HOOK_SET_SECRET) {
        field(cmd, "secret", point->secret);
        field(cmd, "old", point->secret_old);
        number_field(cmd, "until", point->old_until_ms);
    }
    od_repo_send(call, OD_SCRIPT_OUTBOX_POINT, od_repo_done);
}

static void point_put(void *ctx, const char *org, const struct od_hook_endpoint *point,
                      od_repo_done_fn fn, void *fn_ctx)
{
    point_write(ctx, org, "put", point, ~0u, fn, fn_ctx);
}

static void point_set(void *ctx, const char *org, const struct od_hook_endpoint *point,
                      unsigned parts, od_repo_done_fn fn, void *fn_ctx)
{
    point_write(ctx, org, "set", point, parts, fn, fn_ctx);
}

static void point_delete(void *ctx, const char *org, const struct od_uid *id, od_repo_done_fn fn,
                         void *fn_ctx)
{
    point_write(ctx, org, "del", &(struct od_hook_endpoint){.id = *id}, 0, fn, fn_ctx);
}

void od_redis_outbox_port_init(struct od_store *store)
{
    store->outbox_port = (struct od_outbox_port){.ctx = store,
                                                 .point_put = point_put,
                                                 .point_set = point_set,
                                                 .point_delete = point_delete,
                                                 .points = points_get,
                                                 .rows = rows_list,
                                                 .again = row_again,
                                                 .replay = rows_replay};
}

const struct od_outbox_port *od_store_outbox_port(struct od_store *store)
{
    return &store->outbox_port;
}

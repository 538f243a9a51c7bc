/*
 * once - see the header. The kept answer is one text: status, media type, the headers' length, a
 * line each, then the headers and the body; it is sealed, since it may hold a key that is shown
 * once.
 */
#include "engine/api/once.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/request.h"
#include "engine/base/str.h"
#include "outdial/err.h"

enum { HEAD_BYTES = 400, CONTEXT_BYTES = OD_NAME_MAX + 8 };

struct answer {
    int status;
    char *memory; /* of all below */
    const char *type, *headers, *body;
    size_t bytes;
};

struct od_once {
    uint8_t key[OD_HASH_BYTES], print[OD_HASH_BYTES], seed[OD_SEED_BYTES];
    void *hash; /* of the print, while it is being made */
    bool asked, owned, ended;
    bool drains; /* another's answer is known, the body is read for its print only */
    uint32_t drawn;
    void (*run)(struct od_request *q);
    uint8_t kept_print[OD_HASH_BYTES];
    struct answer answer;
};

/* ---- the key ---- */

/* A string of RFC 8941 section 3.3.3, or the bare text that older clients send. */
static bool key_read(struct od_text value, char out[OD_ONCE_KEY_MAX], size_t *bytes)
{
    bool quoted = value.bytes >= 2 && value.at[0] == '"';
    size_t at = quoted ? 1 : 0, end = value.bytes - (quoted ? 1 : 0), used = 0;
    if (quoted && value.at[value.bytes - 1] != '"')
        return false;
    for (; at < end; at++) {
        char c = value.at[at];
        if (quoted && c == '\\') {
            if (++at == end || (value.at[at] != '"' && value.at[at] != '\\'))
                return false;
            c = value.at[at];
        } else if (quoted && c == '"') {
            return false;
        }
        if (c < 0x20 || c > 0x7e || used == OD_ONCE_KEY_MAX)
            return false;
        out[used++] = c;
    }
    *bytes = used;
    return used > 0;
}

static void hash_text(struct od_request *q, const char *text)
{
    const struct od_api_host *host = &q->api->host;
    host->hash_add(q->once->hash, text, strlen(text));
    host->hash_add(q->once->hash, "\n", 1);
}

bool od_once_take(struct od_request *q)
{
    const struct od_api_host *host = &q->api->host;
    struct od_text header;
    char key[OD_ONCE_KEY_MAX];
    size_t bytes;
    if (!q->x->header(q->x, "idempotency-key", &header))
        return true;
    if (!key_read(header, key, &bytes)) {
        od_request_fault(q, "header/Idempotency-Key",
                         "expected 1 to 255 printable characters, bare or as a quoted string");
        return false;
    }
    q->once = calloc(1, sizeof *q->once);
    if (q->once)
        q->once->hash = host->hash_begin(host->ctx);
    if (!q->once || !q->once->hash) {
        od_request_err(q, OD_ENOMEM, "request");
        return false;
    }
    host->sha256(host->ctx, key, bytes, q->once->key);
    hash_text(q, q->x->method);
    hash_text(q, q->x->path);
    hash_text(q, q->x->query);
    return true;
}

void od_once_body(struct od_request *q, const char *data, size_t bytes)
{
    if (q->once && q->once->hash)
        q->api->host.hash_add(q->once->hash, data, bytes);
}

static void print_end(struct od_request *q)
{
    if (q->once->hash)
        q->api->host.hash_end(q->once->hash, q->once->print);
    q->once->hash = NULL;
}

/* ---- asking ---- */

static void context_text(const struct od_request *q, char out[CONTEXT_BYTES])
{
    snprintf(out, CONTEXT_BYTES, "%s once", q->who.org);
}

/* Takes apart what keep() put together; the text is the answer's own. */
static bool answer_read(struct answer *answer, char *text, size_t bytes)
{
    char *status = text, *type = memchr(text, '\n', bytes), *length = NULL, *rest = NULL;
    uint64_t number, headers;
    if (type)
        length = memchr(type + 1, '\n', bytes - (size_t)(type + 1 - text));
    if (length)
        rest = memchr(length + 1, '\n', bytes - (size_t)(length + 1 - text));
    if (!rest)
        return false;
    *type++ = *length++ = *rest++ = 0;
    size_t left = bytes - (size_t)(rest - text);
    if (!od_str_u64(status, strlen(status), 599, &number) || number < 200 ||
        !od_str_u64(length, strlen(length), left, &headers) || headers == left)
        return false;
    answer->status = (int)number;
    answer->type = *type ? type : NULL;
    answer->headers = rest; /* ends with the NUL that keep() put there */
    answer->body = rest + headers + 1;
    answer->bytes = left - (size_t)headers - 1;
    return rest[headers] == 0;
}

static void replay(struct od_request *q)
{
    struct answer *answer = &q->once->answer;
    char headers[HEAD_BYTES];
    snprintf(headers, sizeof headers, "Idempotent-Replayed: true\r\n%s", answer->headers);
    q->answered = true;
    od_request_send(q, answer->status, answer->type, headers, answer->body, answer->bytes);
}

static void refuse_other(struct od_request *q)
{
    od_request_problem(q, 422, "idempotency_key_reused",
                       "this Idempotency-Key was used with another request");
}

/* The first one's answer is here. False: answered already. */
static bool take_kept(struct od_request *q, const struct od_once_rec *rec)
{
    const struct od_box_port *box = q->api->host.box;
    struct od_once *once = q->once;
    char context[CONTEXT_BYTES];
    size_t used;
    context_text(q, context);
    once->answer.memory = malloc(rec->answer.bytes + 1);
    int err = once->answer.memory ? box->open(box->ctx, context, rec->answer, once->answer.memory,
                                              rec->answer.bytes + 1, &used)
                                  : OD_ENOMEM;
    memcpy(once->kept_print, rec->print, sizeof once->kept_print);
    if (!err && answer_read(&once->answer, once->answer.memory, used))
        return true;
    if (err == OD_ENOMEM)
        od_request_err(q, err, "request");
    else
        od_request_problem(q, 500, "idempotency_key_unreadable",
                           "this request was answered before, but the kept answer can't be "
                           "opened: was secrets.key changed?");
    return false;
}

static void take_done(struct od_request *q, const struct od_once_rec *rec)
{
    struct od_once *once = q->once;
    if (!take_kept(q, rec))
        return;
    if (!once->hash) {
        replay(q);
        return;
    }
    once->drains = true; /* od_once_body_end() compares */
    q->x->ops->resume(q->x);
}

static void begin_done(void *ctx, int err, const struct od_once_rec *rec)
{
    struct od_request *q = ctx;
    if (!err && rec->state <= OD_ONCE_AGAIN) { /* also when the client has gone: see od_once_free */
        q->once->owned = true;
        memcpy(q->once->seed, rec->seed, sizeof q->once->seed);
    }
    if (!od_request_back(q))
        return;
    if (err) {
        od_request_err(q, err, "request");
        return;
    }
    switch ((enum od_once_state)rec->state) {
    case OD_ONCE_FRESH:
    case OD_ONCE_AGAIN:
        q->once->run(q);
        return;
    case OD_ONCE_RUNNING:
        od_request_answer_problem(
            q, 409,
            od_request_problem_doc(q, 409, "idempotency_key_in_use",
                                   "the first request with this Idempotency-Key is still running"),
            "Retry-After: 1\r\n");
        return;
    case OD_ONCE_DONE:
        take_done(q, rec);
        return;
    case OD_ONCE_OTHER:
        refuse_other(q);
        return;
    }
}

void od_once_begin(struct od_request *q, void (*run)(struct od_request *q))
{
    struct od_once *once = q->once;
    const struct od_guard_port *guard = &q->api->guard;
    uint8_t seed[OD_SEED_BYTES];
    if (!once || once->asked) {
        run(q);
        return;
    }
    once->asked = true;
    once->run = run;
    if (q->complete)
        print_end(q);
    int64_t wall_ms = q->api->host.now(q->api->host.ctx).wall_ms;
    for (int i = 7; i >= 0; i--, wall_ms >>= 8)
        seed[i] = (uint8_t)wall_ms;
    q->api->host.random(q->api->host.ctx, seed + 8, sizeof seed - 8);
    od_request_out(q);
    guard->once_begin(guard->ctx, q->who.org, once->key, once->print, seed, OD_ONCE_LEASE_MS,
                      begin_done, q);
}

bool od_once_drains(const struct od_request *q)
{
    return q->once && q->once->drains;
}

void od_once_body_end(struct od_request *q)
{
    struct od_once *once = q->once;
    if (!once)
        return;
    print_end(q);
    if (!once->drains)
        return;
    if (memcmp(once->print, once->kept_print, sizeof once->print) == 0)
        replay(q);
    else
        refuse_other(q);
}

/* ---- answering ---- */

/* False: no memory, or more than can be kept. */
static bool keep(struct od_request *q, char **sealed, size_t *bytes)
{
    const struct answer *answer = &q->once->answer;
    const struct od_box_port *box = q->api->host.box;
    char context[CONTEXT_BYTES], head[HEAD_BYTES];
    size_t headers = strlen(answer->headers);
    int n = snprintf(head, sizeof head, "%d\n%s\n%zu\n", answer->status,
                     answer->type ? answer->type : "", headers);
    size_t used = (size_t)n + headers + 1 + answer->bytes;
    char *text = malloc(used), *out = malloc(OD_BOX_SEALED_BYTES(used));
    bool good = text && out && n > 0 && n < HEAD_BYTES;
    if (good) {
        memcpy(text, head, (size_t)n);
        memcpy(text + n, answer->headers, headers + 1);
        memcpy(text + n + headers + 1, answer->body, answer->bytes);
        context_text(q, context);
        good = box->seal(box->ctx, context, (struct od_text){text, used}, out,
                         OD_BOX_SEALED_BYTES(used), bytes) == 0;
    }
    if (text)
        explicit_bzero(text, used);
    free(text);
    if (good)
        *sealed = out;
    else
        free(out);
    return good;
}

static bool answer_copy(struct answer *answer, int status, const char *type, const char *headers,
                        const char *body, size_t bytes)
{
    size_t type_bytes = type ? strlen(type) + 1 : 0, header_bytes = headers ? strlen(headers) : 0;
    char *at = answer->memory = malloc(type_bytes + header_bytes + 1 + bytes);
    if (!at)
        return false;
    *answer = (struct answer){.status = status, .memory = at, .bytes = bytes};
    if (type) {
        answer->type = memcpy(at, type, type_bytes);
        at += type_bytes;
    }
    if (header_bytes)
        memcpy(at, headers, header_bytes);
    at[header_bytes] = 0;
    answer->headers = at;
    at += header_bytes + 1;
    if (bytes)
        memcpy(at, body, bytes);
    answer->body = at;
    return true;
}

static void end_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    (void)err; /* what was done is done, kept or not: a repeat would do the same again */
    if (!od_request_back(q))
        return;
    const struct answer *answer = &q->once->answer;
    od_request_send(q, answer->status, answer->type, answer->headers, answer->body, answer->bytes);
}

bool od_once_answers(struct od_request *q, int status, const char *type, const char *headers,
                     const char *body, size_t bytes)
{
    struct od_once *once = q->once;
    const struct od_guard_port *guard = &q->api->guard;
    char *sealed = NULL;
    size_t sealed_bytes = 0;
    if (!once || !once->owned || once->ended)
        return false;
    if (!answer_copy(&once->answer, status, type, headers, body, bytes))
        return false;
    enum od_once_end how = status < 300   ? OD_ONCE_KEEP
                           : status < 500 ? OD_ONCE_DROP
                                          : OD_ONCE_YIELD;
    if (how == OD_ONCE_KEEP && !keep(q, &sealed, &sealed_bytes))
        how = OD_ONCE_YIELD; /* a repeat makes the same answer anew */
    once->ended = true;
    od_request_out(q);
    guard->once_end(guard->ctx, q->who.org, once->key, once->seed, how, once->print,
                    (struct od_text){sealed ? sealed : "", sealed_bytes}, end_done, q);
    free(sealed);
    return true;
}

/* ---- drawing ---- */

bool od_once_random(struct od_request *q, void *out, size_t bytes)
{
    struct od_once *once = q->once;
    const struct od_box_port *box = q->api->host.box;
    uint8_t data[OD_SEED_BYTES + 4], block[32];
    if (!once || !once->owned)
        return false;
    memcpy(data, once->seed, OD_SEED_BYTES);
    for (char *at = out; bytes;) {
        uint32_t number = once->drawn++;
        size_t piece = bytes < sizeof block ? bytes : sizeof block;
        memcpy(data + OD_SEED_BYTES, &number, sizeof number);
        box->derive(box->ctx, "once", data, sizeof data, block);
        memcpy(at, block, piece);
        at += piece;
        bytes -= piece;
    }
    explicit_bzero(block, sizeof block);
    return true;
}

int64_t od_once_wall_ms(const struct od_request *q)
{
    int64_t ms = 0;
    if (!q->once || !q->once->owned)
        return 0;
    for (unsigned i = 0; i < 8; i++)
        ms = (int64_t)((uint64_t)ms << 8 | q->once->seed[i]);
    return ms;
}

static void nobody_waits(void *ctx, int err)
{
    (void)ctx, (void)err;
}

void od_once_free(struct od_request *q)
{
    struct od_once *once = q->once;
    const struct od_guard_port *guard = &q->api->guard;
    if (!once)
        return;
    if (once->owned && !once->ended)
        guard->once_end(guard->ctx, q->who.org, once->key, once->seed, OD_ONCE_YIELD, once->print,
                        (struct od_text){"", 0}, nobody_waits, NULL);
    if (once->hash)
        q->api->host.hash_end(once->hash, once->print);
    free(once->answer.memory);
    free(once);
    q->once = NULL;
}

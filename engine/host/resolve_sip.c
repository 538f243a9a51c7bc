/*
 * resolve_sip - NAPTR and SRV through the C library's resolver, read with code of our own.
 */
#include "engine/host/resolve_sip.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "engine/base/str.h"
#include "outdial/config.h"
#include "outdial/err.h"

enum {
    HOST_MAX = 253, /* RFC 1035 section 2.3.4, in text form */
    ANSWER_MAX = 8192,
    RECORDS_MAX = 64, /* looked at in one answer */
    HEADER_BYTES = 12,
    PATIENCE_S = 1, /* of one nameserver; a host name in /etc/hosts must not wait for long */
};

/* ---- an answer ---- */

struct record {
    unsigned type;
    const uint8_t *at; /* its data */
    size_t bytes;
};

struct answer {
    const uint8_t *base, *end, *at;
    unsigned left;
};

static unsigned two(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static bool skip_name(struct answer *answer)
{
    int bytes = dn_skipname(answer->at, answer->end);
    if (bytes < 0 || bytes > answer->end - answer->at)
        return false;
    answer->at += bytes;
    return true;
}

/* Behind the questions. False: no message of ours to read. */
static bool begin(struct answer *answer, const uint8_t *message, size_t bytes)
{
    if (bytes < HEADER_BYTES)
        return false;
    *answer = (struct answer){message, message + bytes, message + HEADER_BYTES, two(message + 6)};
    if (answer->left > RECORDS_MAX)
        answer->left = RECORDS_MAX;
    for (unsigned questions = two(message + 4); questions; questions--) {
        if (!skip_name(answer) || answer->end - answer->at < 4)
            return false;
        answer->at += 4;
    }
    return true;
}

static bool next(struct answer *answer, struct record *out)
{
    if (!answer->left-- || !skip_name(answer) || answer->end - answer->at < 10) {
        answer->left = 0;
        return false;
    }
    *out = (struct record){two(answer->at), answer->at + 10, two(answer->at + 8)};
    if (out->bytes > (size_t)(answer->end - out->at)) {
        answer->left = 0;
        return false;
    }
    answer->at = out->at + out->bytes;
    return true;
}

/* A host name as it may stand in a look-up; "" for the root. False: something else. */
static bool read_name(const struct answer *answer, const uint8_t *at, char out[OD_DNS_NAME_MAX])
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return at < answer->end && dn_expand(answer->base, answer->end, at, out, OD_DNS_NAME_MAX) > 0 &&
           strspn(out, allowed) == strlen(out);
}

size_t od_dns_targets(const uint8_t *message, size_t bytes,
                      struct od_dns_target out[OD_DNS_TARGETS_MAX])
{
    struct answer answer;
    struct record record;
    size_t count = 0;
    if (!begin(&answer, message, bytes))
        return 0;
    while (count < OD_DNS_TARGETS_MAX && next(&answer, &record)) {
        struct od_dns_target *target = &out[count];
        if (record.type != ns_t_srv || record.bytes < 7 ||
            !read_name(&answer, record.at + 6, target->host))
            continue;
        target->priority = (uint16_t)two(record.at);
        target->weight = (uint16_t)two(record.at + 2);
        target->port = (uint16_t)two(record.at + 4);
        count += target->port || !target->host[0];
    }
    return count;
}

static int by_priority(const void *a, const void *b)
{
    const struct od_dns_target *left = a, *right = b;
    return left->priority != right->priority ? left->priority - right->priority
                                             : left->weight - right->weight;
}

void od_dns_order(struct od_dns_target *targets, size_t count, struct od_rng *rng)
{
    qsort(targets, count, sizeof *targets, by_priority);
    for (size_t i = 0; i < count; i++) {
        uint64_t sum = 0;
        size_t same = i, chosen = i;
        for (; same < count && targets[same].priority == targets[i].priority; same++)
            sum += targets[same].weight;
        uint64_t drawn = od_rng_below(rng, sum + 1), so_far = targets[i].weight;
        while (so_far < drawn)
            so_far += targets[++chosen].weight;
        struct od_dns_target swap = targets[i];
        targets[i] = targets[chosen];
        targets[chosen] = swap;
    }
}

/* A character string of RFC 1035 section 3.3; *at moves behind it. */
static bool read_string(const uint8_t **at, const uint8_t *end, char *out, size_t size)
{
    if (*at >= end || end - *at - 1 < **at)
        return false;
    od_str_copy(out, size, (const char *)*at + 1, **at);
    *at += 1 + **at;
    return true;
}

/* By enum od_config_transport: RFC 3263 section 4.1, RFC 3261 section 19.1.2. */
static const struct {
    const char *naptr, *srv;
    uint16_t port;
} services[] = {
    {"SIP+D2U", "_sip._udp", 5060},
    {"SIP+D2T", "_sip._tcp", 5060},
    {"SIPS+D2T", "_sips._tcp", 5061},
};

uint16_t od_sip_usual_port(uint8_t transport)
{
    return services[transport].port;
}

bool od_dns_service(const uint8_t *message, size_t bytes, uint8_t transport,
                    char out[OD_DNS_NAME_MAX])
{
    struct answer answer;
    struct record record;
    uint32_t best = UINT32_MAX;
    if (!begin(&answer, message, bytes))
        return false;
    while (next(&answer, &record)) {
        const uint8_t *at = record.at + 4, *end = record.at + record.bytes;
        char flags[8], service[32], regexp[8], name[OD_DNS_NAME_MAX];
        if (record.type != ns_t_naptr || record.bytes < 8 ||
            !read_string(&at, end, flags, sizeof flags) ||
            !read_string(&at, end, service, sizeof service) ||
            !read_string(&at, end, regexp, sizeof regexp) || at >= end)
            continue;
        uint32_t rank = two(record.at) << 16 | two(record.at + 2);
        if (rank >= best || strcasecmp(flags, "s") != 0 ||
            strcasecmp(service, services[transport].naptr) != 0 || regexp[0] ||
            !read_name(&answer, at, name) || !name[0])
            continue;
        best = rank;
        memcpy(out, name, sizeof name);
    }
    return best != UINT32_MAX;
}

/* ---- asking ---- */

struct question {
    uv_work_t request;
    char host[HOST_MAX + 1];
    uint16_t port;             /* 0: none was given */
    uint8_t transport;         /* enum od_config_transport */
    struct od_addr nameserver; /* family 0: the system's */
    od_resolve_sip_fn fn;
    void *ctx;
    int err;
    struct od_addr list[OD_SERVERS_MAX];
    size_t count;
    char why[96];
};

/* Adds the addresses of a host. */
static void add_addresses(struct question *question, const char *host, uint16_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int status = getaddrinfo(host, NULL, &hints, &list);
    for (const struct addrinfo *info = list; !status && info && question->count < OD_SERVERS_MAX;
         info = info->ai_next)
        question->count += od_addr_take(info, port, &question->list[question->count]);
    if (list)
        freeaddrinfo(list);
    if (question->count)
        return;
    question->err = status == EAI_NONAME || status == EAI_NODATA ? OD_ENOENT : OD_EDOWN;
    snprintf(question->why, sizeof question->why, "%s", gai_strerror(status));
}

/* Bytes of the answer; 0: there is none; -1: nobody answered. */
static int ask(res_state state, const char *name, int type, uint8_t *out)
{
    int bytes = res_nquery(state, name, ns_c_in, type, out, ANSWER_MAX);
    if (bytes > ANSWER_MAX)
        return 0;
    if (bytes >= 0)
        return bytes;
    return state->res_h_errno == HOST_NOT_FOUND || state->res_h_errno == NO_DATA ? 0 : -1;
}

/* Whether SRV records decided it. */
static bool by_service(struct question *question, res_state state)
{
    uint8_t *message = malloc(ANSWER_MAX);
    char name[OD_DNS_NAME_MAX + 16];
    struct od_dns_target targets[OD_DNS_TARGETS_MAX];
    struct od_rng rng = {uv_hrtime()};
    int bytes = message ? ask(state, question->host, ns_t_naptr, message) : -1;
    snprintf(name, sizeof name, "%s.%s", services[question->transport].srv, question->host);
    if (bytes > 0)
        od_dns_service(message, (size_t)bytes, question->transport, name);
    if (bytes >= 0)
        bytes = ask(state, name, ns_t_srv, message);
    size_t count = bytes > 0 ? od_dns_targets(message, (size_t)bytes, targets) : 0;
    od_dns_order(targets, count, &rng);
    for (size_t i = 0; i < count; i++)
        if (targets[i].host[0])
            add_addresses(question, targets[i].host, targets[i].port);
    if (count && !question->count && !*question->why)
        snprintf(question->why, sizeof question->why, "there is no SIP service at this name");
    if (count && !question->count)
        question->err = OD_ENOENT;
    free(message);
    return count > 0;
}

static void use_nameserver(res_state state, const struct od_addr *server)
{
    if (server->family != 4)
        return;
    state->nscount = 1;
    state->nsaddr_list[0] =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(server->port)};
    memcpy(&state->nsaddr_list[0].sin_addr, server->ip, 4);
}

static void look_up(uv_work_t *request)
{
    struct question *question = request->data;
    struct __res_state state;
    memset(&state, 0, sizeof state);
    bool decided = false;
    if (!question->port && strchr(question->host, '.') && res_ninit(&state) == 0) {
        state.retrans = PATIENCE_S;
        state.retry = 1;
        use_nameserver(&state, &question->nameserver);
        decided = by_service(question, &state);
        res_nclose(&state);
    }
    if (!decided)
        add_addresses(question, question->host,
                      question->port ? question->port : services[question->transport].port);
}

static void looked_up(uv_work_t *request, int status)
{
    struct question *question = request->data;
    int err = status ? OD_EDOWN : question->count ? 0 : question->err;
    question->fn(question->ctx, err, question->list, err ? 0 : question->count,
                 status ? uv_strerror(status) : question->why);
    free(question);
}

int od_resolve_sip(uv_loop_t *loop, const char *host, uint16_t port, uint8_t transport,
                   const struct od_addr *nameserver, od_resolve_sip_fn fn, void *ctx)
{
    if (!*host || strlen(host) > HOST_MAX)
        return OD_EINVAL;
    struct question *question = calloc(1, sizeof *question);
    if (!question)
        return OD_ENOMEM;
    question->request.data = question;
    question->port = port;
    question->transport = transport;
    question->fn = fn;
    question->ctx = ctx;
    strcpy(question->host, host);
    if (nameserver)
        question->nameserver = *nameserver;
    if (uv_queue_work(loop, &question->request, look_up, looked_up)) {
        free(question);
        return OD_ENOMEM;
    }
    return 0;
}

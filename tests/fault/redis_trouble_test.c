/*
 * redis_trouble_test - each kind of trouble a Redis can be in. Goal: the store stops claiming with
 * the answer that tells of it, says what it is, keeps what is up and how it ended, doesn't hammer,
 * and has all of it stored once when the trouble is over. Method: the real store over a peer that
 * passes on to a real Redis, or answers as one in trouble does (the errors' texts are Redis 7's);
 * then, where a real Redis can be brought into that trouble, the real thing.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/contract/redis_world.h"
#include "tests/fault/redis_peer.h"

enum { TROUBLE_MS = 250, COMMAND_MS = 300 };

static const char org[] = "acme";
static const struct od_sip_names names = {"00112233445566778899aabbccddeeff", "0011223344556677",
                                          "z9hG4bK0011223344556677"};

struct scene {
    struct world *w;
    struct peer *peer; /* NULL: the store is at the server itself */
    struct od_uid agent;
    uint32_t lane;
    struct od_event talking, queued; /* jobs: one that is up, one that is only claimed */
    struct od_uid uids[4];
};

/* Setting it up */

static bool is_closed(struct world *w)
{
    return peer_closed(((struct scene *)w->user)->peer);
}

static void scene_close(struct scene *s)
{
    world_store_close(s->w);
    if (s->peer != NULL) {
        peer_close(s->peer);
        assert_true(world_until(s->w, is_closed, WORLD_LIMIT_MS));
        peer_free(s->peer);
    }
    world_close(s->w);
}

static void open_store(struct scene *s, const char *path)
{
    assert_int_equal(world_store_open(s->w, &(struct od_store_config){.path_or_host = path,
                                                                      .worker = "w1",
                                                                      .jobs_max = 100,
                                                                      .command_ms = COMMAND_MS}),
                     0);
    assert_true(world_wait_up(s->w));
}

static struct od_event claim_one(struct scene *s)
{
    struct od_event job, done;
    s->w->port->claim(s->w->port->ctx, s->lane, 1);
    assert_true(world_next_of(s->w, OD_EV_JOB, &job));
    assert_true(world_next_of(s->w, OD_EV_CLAIM_DONE, &done));
    return job;
}

static void intend(struct scene *s, const struct od_event *job, uint32_t call)
{
    s->w->port->intent(s->w->port->ctx, (struct od_call_id){call, 1}, job->u.job.job, &names, 0,
                       job->u.job.attempt);
}

static void finish(struct scene *s, const struct od_event *job)
{
    s->w->port->finish(s->w->port->ctx, job->u.job.job,
                       &(struct od_outcome){.cause = OD_CAUSE_COMPLETED,
                                            .sip_status = 200,
                                            .dialed_ms = 1000,
                                            .answered_ms = 2000,
                                            .ended_ms = 3000});
}

/* Four calls, of which one is talking and one is claimed. */
static void begin_calls(struct scene *s)
{
    char to[4][24];
    struct od_call_new calls[4];
    struct od_event event;
    s->agent = world_uid(s->w);
    assert_int_equal(world_agent_put(s->w, org, &s->agent, "a", "{}"), 0);
    for (int i = 0; i < 4; i++) {
        snprintf(to[i], sizeof to[i], "+1555000%04d", i);
        s->uids[i] = world_uid(s->w);
        calls[i] = (struct od_call_new){.id = s->uids[i], .to = to[i]};
    }
    assert_int_equal(world_add(s->w, org, &s->agent, NULL, calls, 4), 0);
    do
        assert_true(world_next_of(s->w, OD_EV_LANE_READY, &event));
    while (event.u.lane.waiting == 0);
    s->lane = event.u.lane.lane;
    s->talking = claim_one(s);
    intend(s, &s->talking, 1);
    assert_true(world_next_of(s->w, OD_EV_DURABLE, &event));
    s->w->port->progress(s->w->port->ctx, s->talking.u.job.job, "talking", 2000);
    s->queued = claim_one(s);
    world_run_for(s->w, 30); /* a turn carries the progress */
}

/* A server, with a peer before it. */
static void scene_open(struct scene *s, bool with_peer, const char *const *extra)
{
    char path[256];
    memset(s, 0, sizeof *s);
    s->w = world_bare();
    s->w->user = s;
    assert_true(redis_server_start(&s->w->server, extra));
    snprintf(path, sizeof path, "%s/peer", s->w->server.dir);
    if (with_peer) {
        s->peer = peer_open(&s->w->loop, path, s->w->server.path);
        assert_non_null(s->peer);
    }
    open_store(s, with_peer ? path : s->w->server.path);
    begin_calls(s);
}

/* What is looked for */

static void forget_events(struct world *w)
{
    w->events_tail = w->events_head;
}

/* Events since they were forgotten. */
static uint32_t events_of(const struct world *w, enum od_event_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = w->events_tail; i != w->events_head; i++)
        count += w->events[i % WORLD_EVENTS].kind == kind;
    return count;
}

static void nothing_may_be_dialled(const struct world *w)
{
    assert_int_equal(events_of(w, OD_EV_JOB), 0);
    assert_int_equal(events_of(w, OD_EV_DURABLE), 0);
    /* and nothing that is up is taken away */
    assert_int_equal(events_of(w, OD_EV_LOST), 0);
    assert_int_equal(events_of(w, OD_EV_NOT_DURABLE), 0);
}

static uint32_t wanted;

static bool enough_ended(struct world *w)
{
    return w->ended_count >= wanted;
}

static void all_is_stored(struct scene *s)
{
    struct world *w = s->w;
    struct od_event event;
    assert_true(world_wait_up(w));
    assert_string_equal(od_store_why(w->store), "");
    /* the intent that could not be stored is stored now, and its call is dialled once */
    if (events_of(w, OD_EV_DURABLE) == 0)
        assert_true(world_next_of(w, OD_EV_DURABLE, &event));
    forget_events(w);
    finish(s, &s->queued);
    for (int i = 0; i < 2; i++) {
        struct od_event job = claim_one(s);
        assert_int_equal(job.u.job.attempt, 1);
        intend(s, &job, 3);
        assert_true(world_next_of(w, OD_EV_DURABLE, &event));
        finish(s, &job);
    }
    wanted = 4;
    assert_true(world_until(w, enough_ended, WORLD_LIMIT_MS));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(world_ends(w, org, &s->uids[i]), 1);
        assert_int_equal(w->ended[i].cause, OD_CAUSE_COMPLETED);
        assert_int_equal(w->ended[i].attempts, 1);
    }
    struct od_store_stats stats;
    od_store_stats(w->store, &stats);
    assert_int_equal(stats.jobs, 0);
    assert_int_equal(stats.lost, 0);
}

static bool is_down(struct world *w)
{
    return !w->up;
}

/* From here on it is in trouble: a claim and an intent are ordered, and neither is answered. */
static void goes_down(struct scene *s, const char *word)
{
    struct world *w = s->w;
    forget_events(w);
    w->port->claim(w->port->ctx, s->lane, 1);
    intend(s, &s->queued, 2);
    assert_true(world_until(w, is_down, WORLD_LIMIT_MS));
    nothing_may_be_dialled(w);
    assert_non_null(strstr(od_store_why(w->store), word));
    assert_non_null(strstr(w->last_log, word));
    assert_int_equal(events_of(w, OD_EV_CLAIM_DONE), 1); /* failed, not forgotten */
    finish(s, &s->talking); /* a call that goes on ends: its outcome is held */
    w->port->claim(w->port->ctx, s->lane, 1);
    assert_int_equal(events_of(w, OD_EV_CLAIM_DONE), 2);
}

static void stays_down(struct scene *s, const char *word, uint32_t ms)
{
    struct world *w = s->w;
    world_run_for(w, ms);
    assert_false(w->up);
    assert_non_null(strstr(od_store_why(w->store), word));
    nothing_may_be_dialled(w);
    assert_int_equal(w->ended_count, 0);
    assert_true(w->troubles <= 3); /* said, and not again and again */
}

/* The table */

struct row {
    const char *name;
    struct peer_trouble trouble;
    const char *word; /* in the reason that readiness and log give */
};

#define SAYS(of_, text_)                                                                           \
    {                                                                                              \
        .way = PEER_ANSWERS, .of = (of_), .text = "-" text_ "\r\n"                                 \
    }
#define SHA ", on @user_script:1."

static const struct row rows[] = {
    {"READONLY",
     SAYS(PEER_WRITES, "READONLY You can't write against a read only replica. script: 1" SHA),
     "READONLY"},
    {"MISCONF",
     SAYS(PEER_WRITES, "MISCONF Redis is configured to save RDB snapshots, but it's currently "
                       "unable to persist to disk. script: 1" SHA),
     "MISCONF"},
    {"MISCONF of the append-only file",
     SAYS(PEER_WRITES, "MISCONF Errors writing to the AOF file: No space left on device"),
     "MISCONF"},
    {"OOM",
     SAYS(PEER_WRITES, "OOM command not allowed when used memory > 'maxmemory'. script: 1" SHA),
     "OOM"},
    {"LOADING", SAYS(PEER_ALL, "LOADING Redis is loading the dataset in memory"), "LOADING"},
    {"NOSCRIPT", SAYS(PEER_SCRIPTS, "NOSCRIPT No matching script. Please use EVAL."), "NOSCRIPT"},
    {"WRONGTYPE of everything",
     SAYS(PEER_SCRIPTS, "WRONGTYPE Operation against a key holding the wrong kind of value script: "
                        "1" SHA),
     "WRONGTYPE"},
    {"WRONGTYPE of what turns touch",
     SAYS(PEER_TURNS, "WRONGTYPE Operation against a key holding the wrong kind of value script: "
                      "1" SHA),
     "WRONGTYPE"},
    {"BUSY",
     SAYS(PEER_ALL,
          "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."),
     "BUSY"},
    {"NOPERM",
     SAYS(PEER_SCRIPTS, "NOPERM User default has no permissions to run the 'evalsha' command"),
     "NOPERM"},
    {"NOAUTH", SAYS(PEER_ALL, "NOAUTH Authentication required."), "NOAUTH"},
    {"CLUSTERDOWN", SAYS(PEER_WRITES, "CLUSTERDOWN Hash slot not served"), "CLUSTERDOWN"},
    {"MOVED", SAYS(PEER_WRITES, "MOVED 3999 127.0.0.1:6381"), "MOVED"},
    {"TRYAGAIN", SAYS(PEER_WRITES, "TRYAGAIN Multiple keys request during rehashing of slot"),
     "TRYAGAIN"},
    {"MASTERDOWN",
     SAYS(PEER_ALL,
          "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
     "MASTERDOWN"},
    {"NOREPLICAS", SAYS(PEER_WRITES, "NOREPLICAS Not enough good replicas to write."),
     "NOREPLICAS"},
    {"too many clients", SAYS(PEER_ALL, "ERR max number of clients reached"), "max number"},
    {"shut", {.way = PEER_SHUTS}, "closed the connection"},
    {"hung", {.way = PEER_HANGS}, "no answer within 300 ms"},
    {"another server",
     {.way = PEER_ANSWERS, .of = PEER_ALL, .text = "HTTP/1.1 400 Bad\r\n"},
     "Protocol error"},
    {"half an answer",
     {.way = PEER_ANSWERS, .of = PEER_ALL, .text = "$100\r\nhalf"},
     "no answer within 300 ms"},
    {"an answer of another shape",
     {.way = PEER_ANSWERS, .of = PEER_SCRIPTS, .text = "*1\r\n$-1\r\n"},
     "format"},
};

/* A connection is tried at growing intervals (50 to 100 ms, twice that, ...), and asks for itself,
 * the scripts and the orgs. */
enum { CONNECTS_MAX = 12, COMMANDS_MAX = 12 * 45 };

static void trouble_is_lived_through(void **state)
{
    const struct row *row = *state;
    struct scene s;
    scene_open(&s, true, NULL);
    s.w->troubles = 0;
    peer_be(s.peer, row->trouble);
    goes_down(&s, row->word);
    stays_down(&s, row->word, TROUBLE_MS);
    struct peer_counts seen = peer_counts(s.peer);
    /* no claim, no intent behind the answer that said it */
    bool told_again = strcmp(row->word, "NOSCRIPT") == 0; /* scripts, then the turn, once */
    assert_int_equal(seen.turns_after, told_again ? 1 : 0);
    assert_true(seen.connects <= CONNECTS_MAX);
    assert_true(seen.commands <= COMMANDS_MAX);
    assert_true(seen.turns <= CONNECTS_MAX);
    peer_be(s.peer, (struct peer_trouble){.way = PEER_WELL});
    all_is_stored(&s);
    scene_close(&s);
}

/* Slow is no trouble: all is done, later, and no more is asked than what is answered. */
static void slow_is_only_slow(void **state)
{
    (void)state;
    struct scene s;
    struct od_event event;
    scene_open(&s, true, NULL);
    peer_be(s.peer, (struct peer_trouble){.way = PEER_SLOW, .ms = 150});
    forget_events(s.w);
    intend(&s, &s.queued, 2);
    for (int i = 0; i < 20; i++) /* more and more is wanted */
        s.w->port->claim(s.w->port->ctx, s.lane, 1);
    assert_true(world_next_of(s.w, OD_EV_DURABLE, &event));
    finish(&s, &s.talking);
    for (int i = 0; i < 30 || (i < 500 && s.w->ended_count == 0); i++)
        world_run_for(s.w, 20);
    assert_true(s.w->up);
    assert_int_equal(s.w->ended_count, 1);
    struct peer_counts seen = peer_counts(s.peer);
    assert_int_equal(seen.connects, 0);
    assert_true(seen.turns >= 2);
    assert_true(seen.turns <= 8); /* one at a time, and each takes 150 ms */
    peer_be(s.peer, (struct peer_trouble){.way = PEER_WELL});
    scene_close(&s);
}

/* The real thing */

#define ASK(s, out, ...)                                                                           \
    do {                                                                                           \
        const char *const ask_[] = {__VA_ARGS__};                                                  \
        assert_true(redis_server_ask(&(s)->w->server, out, sizeof out,                             \
                                     (int)(sizeof ask_ / sizeof ask_[0]), ask_));                  \
    } while (0)

static void real_misconf(void **state)
{
    (void)state;
    struct scene s;
    char text[256], path[256];
    scene_open(&s, false, NULL);
    snprintf(path, sizeof path, "%s/dump.rdb", s.w->server.dir);
    assert_int_equal(mkdir(path, 0700), 0); /* a snapshot can't take its place */
    ASK(&s, text, "CONFIG", "SET", "save", "3600 1");
    ASK(&s, text, "BGSAVE", "SCHEDULE"); /* its append-only file may be under way */
    for (int i = 0; i < 1000 && strstr(text, "rdb_last_bgsave_status:err") == NULL; i++) {
        static char info[16384];
        world_run_for(s.w, 20);
        ASK(&s, info, "INFO", "persistence");
        snprintf(text, sizeof text, "%s",
                 strstr(info, "rdb_last_bgsave_status:err") ? "rdb_last_bgsave_status:err" : "");
    }
    assert_string_equal(text, "rdb_last_bgsave_status:err");
    goes_down(&s, "MISCONF");
    stays_down(&s, "MISCONF", 200);
    assert_int_equal(rmdir(path), 0);
    ASK(&s, text, "BGSAVE", "SCHEDULE"); /* its append-only file may be under way */
    all_is_stored(&s);
    scene_close(&s);
}

static void real_noperm(void **state)
{
    (void)state;
    struct scene s;
    char text[256];
    scene_open(&s, false, NULL);
    ASK(&s, text, "ACL", "SETUSER", "default", "-evalsha");
    goes_down(&s, "NOPERM");
    stays_down(&s, "NOPERM", 200);
    ASK(&s, text, "ACL", "SETUSER", "default", "+evalsha");
    all_is_stored(&s);
    scene_close(&s);
}

static void real_wrongtype(void **state)
{
    (void)state;
    struct scene s;
    char text[256];
    scene_open(&s, false, NULL);
    ASK(&s, text, "SET", "od:{acme}:later", "x"); /* nothing waits for its time */
    goes_down(&s, "WRONGTYPE");
    stays_down(&s, "WRONGTYPE", 200);
    ASK(&s, text, "DEL", "od:{acme}:later");
    all_is_stored(&s);
    scene_close(&s);
}

static void real_cluster_without_slots(void **state)
{
    (void)state;
    struct world *w = world_bare();
    assert_true(redis_server_start(
        &w->server, (const char *const[]){"--port", "0", "--cluster-enabled", "yes", NULL}));
    assert_int_equal(world_store_open(w, &(struct od_store_config){.path_or_host = w->server.path,
                                                                   .worker = "w1",
                                                                   .jobs_max = 10}),
                     0);
    for (int i = 0; i < 500 && strstr(od_store_why(w->store), "CLUSTERDOWN") == NULL; i++)
        world_run_for(w, 20);
    assert_non_null(strstr(od_store_why(w->store), "CLUSTERDOWN"));
    assert_int_equal(w->ups, 0);
    world_close(w);
}

/* The answer to a client that has gone in the meantime is an error of the peer's write, and no
 * signal that ends the test. */
static void an_answer_for_who_has_gone(void **state)
{
    (void)state;
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    struct world *w = world_bare();
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char text[64];
    assert_true(redis_server_start(&w->server, NULL));
    snprintf(at.sun_path, sizeof at.sun_path, "%.80s/peer", w->server.dir);
    struct peer *peer = peer_open(&w->loop, at.sun_path, w->server.path);
    struct scene s = {.w = w, .peer = peer};
    w->user = &s;
    assert_non_null(peer);
    world_run_for(w, 1);
    redis_server_signal(&w->server, SIGSTOP);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(send(fd, ping, sizeof ping - 1, MSG_NOSIGNAL), sizeof ping - 1);
    while (peer_counts(peer).commands == 0)
        uv_run(&w->loop, UV_RUN_ONCE);
    world_run_for(w, 5); /* nothing more of the client is to be looked at first */
    redis_server_signal(&w->server, SIGCONT);
    /* The server has answered the peer before it answers these; the peer has not looked yet. */
    for (int i = 0; i < 2; i++)
        assert_true(redis_server_ask(&w->server, text, sizeof text, 1, (const char *[]){"PING"}));
    close(fd);
    world_run_for(w, 20);
    peer_close(peer);
    assert_true(world_until(w, is_closed, WORLD_LIMIT_MS));
    peer_free(peer);
    world_close(w);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct CMUnitTest tests[ROWS + 8];
    size_t n = 0;
    memset(tests, 0, sizeof tests);
    for (; n < ROWS; n++)
        tests[n] = (struct CMUnitTest){.name = rows[n].name,
                                       .test_func = trouble_is_lived_through,
                                       .initial_state = (void *)&rows[n]};
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(an_answer_for_who_has_gone);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(slow_is_only_slow);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(real_misconf);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(real_noperm);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(real_wrongtype);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(real_cluster_without_slots);
    return _cmocka_run_group_tests("redis_trouble", tests, n, NULL, NULL);
}

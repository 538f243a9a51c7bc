/*
 * redis_crash_test - "never twice" when processes die. A worker (this program again, as a child)
 * dials a campaign: it claims, writes intents, reports progress, gives back some calls and
 * finishes the others, and notes in a file every call it would now dial. It is killed in the
 * middle, over and over; in a second test Redis is killed under it. At the end the books have to
 * agree: no call was dialled twice, none is lost, each has exactly one terminal event, the
 * campaign's counts are right, nobody holds anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "engine/base/uid.h"
#include "proto/journal/journal.h"
#include "tests/contract/redis_world.h"

/* The stream keeps 20,000 events; a call makes up to three. */
enum { CALLS = 6000, KILLS = 50, REDIS_KILLS = 12, CLAIM = 6, CHILD_DONE = 42 };

static const char org[] = "acme";
static const char *self;

/* The worker */

struct worker {
    uv_loop_t loop;
    uv_check_t check;
    uv_timer_t tick;
    struct od_store *store;
    const struct od_store_port *port;
    struct od_event ring[8192];
    uint32_t head, tail;
    struct od_job_id jobs[1 << 16]; /* by the call's number */
    uint32_t calls, alive, idle_turns;
    uint32_t lane, claims_out;
    bool lane_known, up, told;
    struct od_rng rng;
    int dialed_fd;
};

static const struct od_sip_names names = {"00112233445566778899aabbccddeeff", "0011223344556677",
                                          "z9hG4bK0011223344556677"};

static void worker_post(void *ctx, const struct od_event *event)
{
    struct worker *w = ctx;
    if (w->head - w->tail == 8192)
        abort();
    w->ring[w->head++ % 8192] = *event;
}

/* From here on a phone may ring: what was durable is noted where a kill can't reach it. */
static void worker_dial(struct worker *w, uint32_t call)
{
    const struct od_job *job = od_store_job(w->store, w->jobs[call]);
    uint8_t line[18];
    memcpy(line, job->uid.b, 16);
    line[16] = (uint8_t)(job->attempt >> 8);
    line[17] = (uint8_t)job->attempt;
    if (write(w->dialed_fd, line, sizeof line) != sizeof line)
        abort();
    w->port->progress(w->port->ctx, w->jobs[call], "ringing", 1000);
    if (od_rng_below(&w->rng, 2) == 0)
        w->port->progress(w->port->ctx, w->jobs[call], "talking", 2000);
    struct od_outcome outcome = {.cause = od_rng_below(&w->rng, 2) == 0 ? OD_CAUSE_COMPLETED
                                                                        : OD_CAUSE_BUSY,
                                 .trunk = OD_NO_TRUNK,
                                 .ended_ms = 3000};
    w->port->finish(w->port->ctx, w->jobs[call], &outcome);
    w->alive--;
}

static void worker_event(struct worker *w, const struct od_event *e)
{
    switch (e->kind) {
    case OD_EV_STORE_UP:
        w->up = true;
        if (!w->told && write(1, "x", 1) != 1) /* the parent may begin to count down */
            abort();
        w->told = true;
        break;
    case OD_EV_STORE_DOWN:
        w->up = false;
        break;
    case OD_EV_LANE_READY:
        w->lane_known = true;
        w->lane = e->u.lane.lane;
        break;
    case OD_EV_JOB: {
        uint32_t call = w->calls++ % (1 << 16);
        w->jobs[call] = e->u.job.job;
        w->alive++;
        if (od_rng_below(&w->rng, 8) == 0) {
            w->port->release(w->port->ctx, (struct od_call_id){call, 1}, e->u.job.job, 0, "test");
            w->alive--;
        } else {
            w->port->intent(w->port->ctx, (struct od_call_id){call, 1}, e->u.job.job, &names, 0,
                            e->u.job.attempt);
        }
        break;
    }
    case OD_EV_CLAIM_DONE:
        w->claims_out--;
        w->idle_turns = e->u.claim.got > 0 || e->u.claim.failed ? 0 : w->idle_turns + 1;
        break;
    case OD_EV_DURABLE:
        worker_dial(w, e->call.index);
        break;
    case OD_EV_NOT_DURABLE: /* taken away: the store knows how it ended */
        w->port->finish(w->port->ctx, w->jobs[e->call.index],
                        &(struct od_outcome){.cause = OD_CAUSE_UNKNOWN});
        w->alive--;
        break;
    default:
        break;
    }
}

static void worker_turn(struct worker *w)
{
    while (w->tail != w->head)
        worker_event(w, &w->ring[w->tail++ % 8192]);
    if (w->up && w->lane_known && w->claims_out < 2 && w->alive < 2 * CLAIM) {
        w->claims_out++;
        w->port->claim(w->port->ctx, w->lane, CLAIM);
    }
}

static void on_check(uv_check_t *check)
{
    worker_turn(check->data);
}

static void on_tick(uv_timer_t *tick)
{
    worker_turn(tick->data);
}

static void worker_closed(void *ctx)
{
    (void)ctx;
    exit(CHILD_DONE);
}

/* until_empty: ends by itself when nothing is left; otherwise it goes on until it is killed. */
static int worker_main(const char *path, const char *dialed, uint64_t seed, bool until_empty)
{
    static struct worker worker;
    struct worker *w = &worker;
    char dir[128];
    snprintf(dir, sizeof dir, "%s-journal", dialed);
    struct od_journal_config journal = {.dir = dir, .sync = true};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    w->rng.state = seed;
    w->dialed_fd = open(dialed, O_WRONLY | O_APPEND | O_CLOEXEC);
    uv_loop_init(&w->loop);
    uv_check_init(&w->loop, &w->check);
    uv_timer_init(&w->loop, &w->tick);
    w->check.data = w->tick.data = w;
    uv_check_start(&w->check, on_check);
    uv_timer_start(&w->tick, on_tick, 5, 5);
    if (w->dialed_fd < 0 ||
        od_store_open(&w->store, &w->loop,
                      &(struct od_store_config){.path_or_host = path,
                                                .worker = "w1",
                                                .jobs_max = 1000,
                                                .flush_ms = 2,
                                                .journal = &journal},
                      &(struct od_store_events){.ctx = w, .post = worker_post}) != 0)
        return 1;
    w->port = od_store_port(w->store);
    /* a lane that is empty from the start is never made known */
    uint64_t quiet_ms = uv_now(&w->loop) + 1500;
    while (!until_empty || w->alive > 0 ||
           (w->lane_known ? w->idle_turns < 20 : uv_now(&w->loop) < quiet_ms)) {
        if (!w->up) /* the time counts from where it could have been told */
            quiet_ms = uv_now(&w->loop) + 1500;
        uv_run(&w->loop, UV_RUN_ONCE);
    }
    od_store_close(w->store, worker_closed, w);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    return 1;
}

/* Starts a worker and waits until it is up. */
static pid_t worker_start(const struct world *w, const char *dialed, uint64_t seed,
                          bool until_empty)
{
    int pipe_fd[2];
    char text[24], byte;
    assert_int_equal(pipe(pipe_fd), 0);
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fd[1], 1);
        close(pipe_fd[0]);
        close(pipe_fd[1]);
        execl(self, self, "worker", w->server.path, dialed, text, until_empty ? "1" : "0",
              (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    close(pipe_fd[1]);
    ssize_t got = read(pipe_fd[0], &byte, 1);
    close(pipe_fd[0]);
    assert_int_equal(got, 1);
    return pid;
}

static void sleep_us(uint64_t us)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(us / 1000000),
                                 .tv_nsec = (long)(us % 1000000 * 1000)},
              NULL);
}

/* The books */

struct books {
    struct world *w;
    struct od_uid campaign;
    char dialed[128];
    struct od_uid *uids;
};

static void books_open(struct books *b)
{
    static char to[1000][24];
    static struct od_call_new calls[1000];
    b->w = world_open("clerk");
    assert_non_null(b->w);
    snprintf(b->dialed, sizeof b->dialed, "%s/dialed", b->w->server.dir);
    close(open(b->dialed, O_CREAT | O_WRONLY, 0600));
    struct od_uid agent = world_uid(b->w);
    b->campaign = world_uid(b->w);
    b->uids = calloc(CALLS, sizeof *b->uids);
    assert_int_equal(world_agent_put(b->w, org, &agent, "a", "{}"), 0);
    assert_int_equal(world_campaign(b->w, org, &b->campaign, &agent, OD_CAMPAIGN_RUNNING, ""), 0);
    for (uint32_t done = 0; done < CALLS; done += 1000) {
        for (uint32_t i = 0; i < 1000; i++) {
            snprintf(to[i], sizeof to[i], "+1555%07u", done + i);
            b->uids[done + i] = world_uid(b->w);
            calls[i] = (struct od_call_new){.id = b->uids[done + i], .to = to[i]};
        }
        assert_int_equal(world_add(b->w, org, &agent, &b->campaign, calls, 1000), 0);
    }
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

static bool *mark_of(struct books *b, bool *marks, const void *uid)
{
    const struct od_uid *at = bsearch(uid, b->uids, CALLS, sizeof *b->uids, by_bytes);
    return at == NULL ? NULL : &marks[at - b->uids];
}

/* Every call that was dialled, once. */
static void check_dialed(struct books *b, bool *dialed)
{
    uint8_t line[18];
    int fd = open(b->dialed, O_RDONLY);
    assert_true(fd >= 0);
    while (read(fd, line, sizeof line) == sizeof line) {
        bool *mark = mark_of(b, dialed, line);
        assert_non_null(mark);
        assert_false(*mark); /* twice! */
        *mark = true;
        assert_int_equal(line[16] << 8 | line[17], 1);
    }
    close(fd);
}

static void check_events(struct books *b)
{
    static const char *const ends[] = {"call.completed", "call.busy", "call.failed"};
    bool *seen = calloc(CALLS, sizeof *seen);
    char after[40] = "";
    uint32_t found = 0;
    while (world_events(b->w, org, after, 1000) == 0 && b->w->count > 0) {
        for (size_t i = 0; i < b->w->count; i++) {
            const struct od_event_rec *rec = &b->w->recs[i];
            bool terminal = false;
            for (int e = 0; e < 3; e++)
                terminal |= strcmp(rec->type, ends[e]) == 0;
            struct od_uid uid;
            if (strncmp(rec->type, "call.", 5) != 0)
                continue;
            assert_true(od_uid_parse(rec->body.at + 9, 36, &uid)); /* {"call":"... */
            bool *mark = mark_of(b, seen, &uid);
            assert_non_null(mark);
            assert_false(*mark); /* nothing comes after the terminal event */
            *mark = terminal;
            found += terminal;
        }
        snprintf(after, sizeof after, "%s", b->w->recs[b->w->count - 1].id);
    }
    for (uint32_t i = 0; i < CALLS && found != CALLS; i++)
        if (!seen[i] && world_call_get(b->w, org, &b->uids[i]) == 0)
            print_message("no end of a call in phase %d, cause %d, after %u attempts\n",
                          b->w->calls[0].phase, b->w->calls[0].outcome.cause,
                          b->w->calls[0].attempts);
    assert_int_equal(found, CALLS);
    free(seen);
}

static void check_calls(struct books *b, const bool *dialed, uint32_t *unknown)
{
    uint64_t cursor = 0;
    uint32_t seen = 0;
    do {
        assert_int_equal(
            world_call_list(b->w, org, &b->campaign, OD_PHASE_COUNT, OD_CAUSE_COUNT, cursor, 1000),
            0);
        for (size_t i = 0; i < b->w->count; i++, seen++) {
            const struct od_call_rec *rec = &b->w->calls[i];
            const bool *mark = mark_of(b, (bool *)dialed, &rec->id);
            assert_int_equal(rec->phase, OD_PHASE_ENDED);
            assert_int_equal(rec->attempts, 1);
            if (rec->outcome.cause == OD_CAUSE_UNKNOWN)
                (*unknown)++;
            else
                assert_true(*mark); /* no outcome without a dialled call */
        }
        cursor = b->w->next_cursor;
    } while (cursor != 0);
    assert_int_equal(seen, CALLS);
}

static void check_nothing_is_held(struct books *b)
{
    char text[64];
    static const char lua[] = "return #redis.call('KEYS', 'od:{acme}:held:*') + "
                              "redis.call('ZCARD', 'od:{acme}:later') + "
                              "#redis.call('KEYS', 'od:{acme}:q:*')";
    assert_true(redis_server_ask(&b->w->server, text, sizeof text, 3,
                                 (const char *const[]){"EVAL", lua, "0"}));
    assert_string_equal(text, "0");
}

static void books_agree(struct books *b, const char *what)
{
    bool *dialed = calloc(CALLS, sizeof *dialed);
    uint32_t unknown = 0;
    /* the clerk's loop has not run for a while: its connection may have to be made anew */
    for (int i = 0; i < 100 && world_campaign_get(b->w, org, &b->campaign) != 0; i++)
        world_run_for(b->w, 100);
    qsort(b->uids, CALLS, sizeof *b->uids, by_bytes);
    check_dialed(b, dialed);
    check_events(b);
    check_calls(b, dialed, &unknown);
    assert_int_equal(world_campaign_get(b->w, org, &b->campaign), 0);
    const struct od_campaign_rec *c = &b->w->campaigns[0];
    assert_int_equal(c->total, CALLS);
    assert_int_equal(c->waiting, 0);
    assert_int_equal(c->active, 0);
    assert_int_equal(c->ended, CALLS);
    assert_int_equal(c->ended_by[OD_CAUSE_UNKNOWN], unknown);
    check_nothing_is_held(b);
    print_message("%s: %u calls, %u of them unknown\n", what, CALLS, unknown);
    free(dialed);
}

static void books_close(struct books *b)
{
    world_close(b->w);
    free(b->uids);
}

/* The last worker finds what the others left, and finishes it all. */
static void run_to_the_end(struct books *b, uint64_t seed)
{
    int status;
    pid_t pid = worker_start(b->w, b->dialed, seed, true);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_DONE);
}

static off_t noted(const struct books *b)
{
    struct stat now;
    assert_int_equal(stat(b->dialed, &now), 0);
    return now.st_size;
}

/* Somewhere in its work, wherever a busy machine has it by then; one in four maybe before that. */
static void let_it_work(const struct books *b, struct od_rng *rng, off_t before, bool dialing)
{
    for (int ms = 0; dialing && noted(b) == before; ms++) {
        assert_true(ms < 30000);
        sleep_us(1000);
    }
    sleep_us(od_rng_below(rng, dialing ? 30000 : 60000));
}

static void workers_are_killed(void **state)
{
    (void)state;
    struct books b = {0};
    books_open(&b);
    struct od_rng rng = {.state = 20240607};
    uint32_t in_vain = 0;
    for (int i = 0; i < KILLS; i++) {
        int status;
        const off_t before = noted(&b);
        pid_t pid = worker_start(b.w, b.dialed, od_rng_next(&rng), false);
        let_it_work(&b, &rng, before, i % 4 != 0);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status)); /* not by itself */
        in_vain += noted(&b) == before;
    }
    run_to_the_end(&b, 1);
    books_agree(&b, "workers killed");
    print_message("%u of %u died before they had dialled\n", in_vain, KILLS);
    assert_true(in_vain < KILLS / 2);
    books_close(&b);
}

static void redis_is_killed(void **state)
{
    (void)state;
    struct books b = {0};
    books_open(&b);
    struct od_rng rng = {.state = 20240608};
    for (int i = 0; i < REDIS_KILLS; i++) {
        pid_t pid = worker_start(b.w, b.dialed, od_rng_next(&rng), false);
        sleep_us(od_rng_below(&rng, 40000));
        redis_server_kill(&b.w->server);
        sleep_us(od_rng_below(&rng, 20000));
        assert_true(redis_server_restart(&b.w->server, NULL));
        sleep_us(od_rng_below(&rng, 300000)); /* it goes on, or not yet */
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    run_to_the_end(&b, 2);
    books_agree(&b, "Redis killed");
    books_close(&b);
}

int main(int argc, char **argv)
{
    static char path[4096];
    if (argc == 6 && strcmp(argv[1], "worker") == 0)
        return worker_main(argv[2], argv[3], strtoull(argv[4], NULL, 10), argv[5][0] == '1');
    ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 1);
    if (bytes <= 0)
        return 1;
    self = path;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_are_killed),
        cmocka_unit_test(redis_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

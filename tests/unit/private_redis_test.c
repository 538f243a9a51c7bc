/*
 * Goal: the private redis-server is there when ready() says so, comes back when it dies, is adopted
 * after our crash and never doubled, ends when we end; and when it can't be had one line says why.
 * Method: the real redis-server in temporary directories; the loop runs until a condition holds,
 * with a limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/host/private_redis.h"
#include "outdial/err.h"

enum { LIMIT_MS = 20000 };

struct world {
    uv_loop_t loop;
    uv_timer_t limit;
    char dir[64];
    struct od_private_redis *redis;
    unsigned ready, failed, died;
    bool stopped, late;
    char socket_path[256], why[1024];
};

static void on_ready(void *ctx, const char *socket_path)
{
    struct world *w = ctx;
    w->ready++;
    snprintf(w->socket_path, sizeof w->socket_path, "%s", socket_path);
}

static void on_failed(void *ctx, const char *why)
{
    struct world *w = ctx;
    w->failed++;
    snprintf(w->why, sizeof w->why, "%s", why);
}

static void on_died(void *ctx, const char *why)
{
    struct world *w = ctx;
    w->died++;
    snprintf(w->why, sizeof w->why, "%s", why);
}

static void on_stopped(void *ctx)
{
    ((struct world *)ctx)->stopped = true;
}

static void too_late(uv_timer_t *timer)
{
    ((struct world *)timer->data)->late = true;
}

static void world_init(struct world *w, const char *dir)
{
    memset(w, 0, sizeof *w);
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->limit);
    w->limit.data = w;
    if (dir) {
        snprintf(w->dir, sizeof w->dir, "%s", dir);
    } else {
        snprintf(w->dir, sizeof w->dir, "/tmp/outdial-redis-XXXXXX");
        assert_non_null(mkdtemp(w->dir));
    }
}

static void begin(struct world *w)
{
    char why[512] = "";
    struct od_private_redis_events events = {
        .ctx = w, .ready = on_ready, .failed = on_failed, .died = on_died};
    int err = od_private_redis_start(&w->redis, &w->loop, w->dir, &events, why, sizeof why);
    if (err)
        fail_msg("%s", why);
    /* Nothing is called from inside start(). */
    assert_int_equal(w->ready + w->failed + w->died, 0);
}

/* Runs the loop until *what reaches count. */
static void run_until(struct world *w, const unsigned *what, unsigned count)
{
    w->late = false;
    uv_timer_start(&w->limit, too_late, LIMIT_MS, 0);
    while (*what < count && !w->late)
        uv_run(&w->loop, UV_RUN_ONCE);
    uv_timer_stop(&w->limit);
    if (*what < count)
        fail_msg("waited in vain; last: %s", w->why);
}

static void end(struct world *w)
{
    if (w->redis) {
        od_private_redis_stop(w->redis, on_stopped, w);
        assert_false(w->stopped);
    }
    uv_close((uv_handle_t *)&w->limit, NULL);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    if (w->redis)
        assert_true(w->stopped);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_dir(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* One command in Redis' own protocol, its reply as text. */
static void ask(const char *socket_path, const char *command, char *out, size_t out_bytes)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(write(fd, command, strlen(command)), (int)strlen(command));
    ssize_t bytes = read(fd, out, out_bytes - 1);
    assert_true(bytes > 0);
    out[bytes] = 0;
    close(fd);
}

/* Not even as a zombie, which an orphan stays where nobody reaps. */
static bool alive(int pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return false;
    ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    const char *state = strrchr(text, ')');
    return bytes > 0 && state && state[2] != 'Z';
}

static void test_start_and_stop(void **state)
{
    (void)state;
    struct world w;
    char reply[256];
    world_init(&w, NULL);
    begin(&w);
    run_until(&w, &w.ready, 1);
    int pid = od_private_redis_pid(w.redis);
    assert_true(pid > 1 && alive(pid));

    ask(w.socket_path, "SET a b\r\n", reply, sizeof reply);
    assert_string_equal(reply, "+OK\r\n");
    ask(w.socket_path, "CONFIG GET appendfsync\r\n", reply, sizeof reply);
    assert_non_null(strstr(reply, "always"));
    ask(w.socket_path, "CONFIG GET port\r\n", reply, sizeof reply);
    assert_non_null(strstr(reply, "$1\r\n0\r\n"));
    ask(w.socket_path, "CONFIG GET maxmemory-policy\r\n", reply, sizeof reply);
    assert_non_null(strstr(reply, "noeviction"));

    struct stat st;
    char path[128];
    snprintf(path, sizeof path, "%s/redis", w.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(w.socket_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    char dir[64];
    snprintf(dir, sizeof dir, "%s", w.dir);
    end(&w);
    assert_false(alive(pid));
    assert_int_equal(w.failed + w.died, 0);

    /* What was written is there again. */
    world_init(&w, dir);
    begin(&w);
    run_until(&w, &w.ready, 1);
    ask(w.socket_path, "GET a\r\n", reply, sizeof reply);
    assert_string_equal(reply, "$1\r\nb\r\n");
    end(&w);
    remove_dir(dir);
}

static void test_death_and_return(void **state)
{
    (void)state;
    struct world w;
    char reply[64];
    world_init(&w, NULL);
    begin(&w);
    run_until(&w, &w.ready, 1);
    ask(w.socket_path, "SET a 1\r\n", reply, sizeof reply);
    for (unsigned round = 1; round <= 2; round++) {
        int pid = od_private_redis_pid(w.redis);
        kill(pid, SIGKILL);
        run_until(&w, &w.died, round);
        assert_non_null(strstr(w.why, "signal 9"));
        assert_int_equal(od_private_redis_pid(w.redis), 0);
        run_until(&w, &w.ready, round + 1);
        assert_int_not_equal(od_private_redis_pid(w.redis), pid);
        ask(w.socket_path, "GET a\r\n", reply, sizeof reply);
        assert_string_equal(reply, "$1\r\n1\r\n");
    }
    assert_int_equal(w.failed, 0);
    end(&w);
    remove_dir(w.dir);
}

/* A process that starts a server and is killed: what a crash of ours leaves behind. */
static int orphan_server(const char *dir)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct world w;
        world_init(&w, dir);
        begin(&w);
        run_until(&w, &w.ready, 1);
        int pid = od_private_redis_pid(w.redis);
        if (write(ends[1], &pid, sizeof pid) != sizeof pid)
            _exit(1);
        raise(SIGKILL);
    }
    int pid = 0;
    close(ends[1]);
    assert_int_equal(read(ends[0], &pid, sizeof pid), sizeof pid);
    close(ends[0]);
    waitpid(child, NULL, 0);
    return pid;
}

static void test_adoption(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, NULL);
    int pid = orphan_server(w.dir);
    assert_true(alive(pid));

    begin(&w);
    run_until(&w, &w.ready, 1);
    assert_int_equal(od_private_redis_pid(w.redis), pid);

    /* An adopted one is watched as well as a child. */
    kill(pid, SIGKILL);
    run_until(&w, &w.died, 1);
    run_until(&w, &w.ready, 2);
    int second = od_private_redis_pid(w.redis);
    assert_int_not_equal(second, pid);
    end(&w);
    assert_false(alive(second));
    remove_dir(w.dir);
}

static void test_adopted_is_stopped(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, NULL);
    int pid = orphan_server(w.dir);
    begin(&w);
    run_until(&w, &w.ready, 1);
    end(&w);
    assert_false(alive(pid));
    remove_dir(w.dir);
}

/* The pid file of a dead server may name a process that is something else by now. */
static void test_stale_pid_file(void **state)
{
    (void)state;
    struct world w;
    char path[128], text[32];
    world_init(&w, NULL);
    snprintf(path, sizeof path, "%s/redis", w.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/redis/redis.pid", w.dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    int bytes = snprintf(text, sizeof text, "%d\n", (int)getpid());
    assert_int_equal(write(fd, text, (size_t)bytes), bytes);
    close(fd);
    begin(&w);
    run_until(&w, &w.ready, 1);
    assert_int_not_equal(od_private_redis_pid(w.redis), getpid());
    end(&w);
    remove_dir(w.dir);
}

static void test_no_binary(void **state)
{
    (void)state;
    struct world w;
    char path[4096];
    snprintf(path, sizeof path, "%s", getenv("PATH"));
    world_init(&w, NULL);
    setenv("PATH", w.dir, 1);
    begin(&w);
    run_until(&w, &w.failed, 1);
    setenv("PATH", path, 1);
    assert_string_equal(w.why,
                        "redis-server not found in PATH: install the package redis-server, or "
                        "set redis.url");
    end(&w);
    remove_dir(w.dir);
}

/* A file of its append-only directory, from before it was started. */
static void put_file(const struct world *w, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/redis", w->dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/redis/appendonlydir", w->dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/redis/appendonlydir/%s", w->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* A kill has left half of a write behind the last whole one, and another came before it was mended:
 * Redis shortens the file and ends, and is started once more. */
static void test_ends_once_before_it_answers(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, NULL);
    put_file(&w, "appendonly.aof.manifest",
             "file appendonly.aof.1.incr.aof seq 1 type i\n"
             "file appendonly.aof.2.incr.aof seq 2 type i\n");
    put_file(&w, "appendonly.aof.1.incr.aof",
             "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$5\r\nMULTI\r\n"
             "*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$1\r\n1\r\n");
    put_file(&w, "appendonly.aof.2.incr.aof",
             "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$5\r\nwhole\r\n$1\r\n1\r\n");
    begin(&w);
    run_until(&w, &w.ready, 1);
    assert_int_equal(w.failed + w.died, 0);
    end(&w);
    remove_dir(w.dir);
}

/* A file that Redis can't load: it ends before it answers, and its own last words are passed on. */
static void test_ends_before_it_answers(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, NULL);
    put_file(&w, "appendonly.aof.manifest", "nonsense\n");
    begin(&w);
    run_until(&w, &w.failed, 1);
    assert_non_null(strstr(w.why, "before it answered"));
    assert_non_null(strstr(w.why, "redis.log"));
    assert_null(strchr(w.why, '\n'));
    end(&w);
    remove_dir(w.dir);
}

static void test_unusable_directories(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct od_private_redis *redis;
    struct od_private_redis_events events = {0};
    char why[512], longer[200] = "/tmp/";
    uv_loop_init(&loop);
    memset(longer + 5, 'x', 120);
    assert_int_equal(od_private_redis_start(&redis, &loop, longer, &events, why, sizeof why),
                     OD_EINVAL);
    assert_non_null(strstr(why, "at most 107"));
    assert_null(redis);
    remove_dir(longer);
    assert_int_equal(od_private_redis_start(&redis, &loop, "/dev/null/x", &events, why, sizeof why),
                     OD_EIO);
    assert_non_null(strstr(why, "can't make the directory /dev/null/x"));
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_stop_before_ready(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, NULL);
    begin(&w);
    end(&w);
    remove_dir(w.dir);

    /* And with the child just started. */
    world_init(&w, NULL);
    begin(&w);
    while (od_private_redis_pid(w.redis) == 0)
        uv_run(&w.loop, UV_RUN_ONCE);
    int pid = od_private_redis_pid(w.redis);
    end(&w);
    assert_false(alive(pid));
    assert_int_equal(w.ready, 0);
    remove_dir(w.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_and_stop),
        cmocka_unit_test(test_death_and_return),
        cmocka_unit_test(test_adoption),
        cmocka_unit_test(test_adopted_is_stopped),
        cmocka_unit_test(test_stale_pid_file),
        cmocka_unit_test(test_no_binary),
        cmocka_unit_test(test_ends_once_before_it_answers),
        cmocka_unit_test(test_ends_before_it_answers),
        cmocka_unit_test(test_unusable_directories),
        cmocka_unit_test(test_stop_before_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

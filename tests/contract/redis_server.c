/*
 * redis_server - a redis-server of a test's own.
 */
#include "tests/contract/redis_server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGS_MAX = 48 };

static void exec_server(const struct redis_server *server, const char *const *extra)
{
    const char *args[ARGS_MAX] = {
        "redis-server", "--port",     "0",      "--unixsocket", server->path, "--dir",
        server->dir,    "--save",     "",       "--appendonly", "yes",        "--appendfsync",
        "always",       "--loglevel", "warning"};
    size_t n = 15;
    for (size_t i = 0; extra != NULL && extra[i] != NULL && n < ARGS_MAX - 1; i++)
        args[n++] = extra[i];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execvp("redis-server", (char *const *)args);
    _exit(127);
}

bool redis_server_ask(const struct redis_server *server, char *out, size_t size, int argc,
                      const char *const *argv)
{
    redisContext *c = redisConnectUnixWithTimeout(server->path, (struct timeval){2, 0});
    if (c == NULL)
        return false;
    redisReply *reply = NULL;
    if (c->err == 0) {
        redisSetTimeout(c, (struct timeval){5, 0});
        reply = redisCommandArgv(c, argc, (const char **)argv, NULL);
    }
    bool ok = reply != NULL;
    if (ok && reply->type == REDIS_REPLY_INTEGER)
        snprintf(out, size, "%lld", reply->integer);
    else if (ok)
        snprintf(out, size, "%s", reply->str == NULL ? "" : reply->str);
    if (reply != NULL)
        freeReplyObject(reply);
    redisFree(c);
    return ok;
}

/* Up when it answers PING with anything but "loading". */
static bool wait_up(struct redis_server *server)
{
    for (int i = 0; i < 1000; i++) {
        char text[128];
        int status;
        if (redis_server_ask(server, text, sizeof text, 1, (const char *const[]){"PING"}) &&
            strncmp(text, "LOADING", 7) != 0)
            return true;
        if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
            server->pid = 0;
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
    return false;
}

static bool start_once(struct redis_server *server, const char *const *extra)
{
    unlink(server->path);
    server->pid = fork();
    if (server->pid == 0)
        exec_server(server, extra);
    return server->pid > 0 && wait_up(server);
}

bool redis_server_restart(struct redis_server *server, const char *const *extra)
{
    return start_once(server, extra) || (server->pid == 0 && start_once(server, extra));
}

bool redis_server_is_settled(const struct redis_server *server)
{
    char text[16384];
    return redis_server_ask(server, text, sizeof text, 2,
                            (const char *const[]){"INFO", "persistence"}) &&
           strstr(text, "aof_rewrite_in_progress:0\r") != NULL;
}

bool redis_server_start(struct redis_server *server, const char *const *extra)
{
    memset(server, 0, sizeof *server);
    snprintf(server->dir, sizeof server->dir, "/tmp/od_redis_XXXXXX");
    if (mkdtemp(server->dir) == NULL)
        return false;
    snprintf(server->path, sizeof server->path, "%s/s", server->dir);
    return redis_server_restart(server, extra);
}

void redis_server_signal(const struct redis_server *server, int signal)
{
    if (server->pid > 0)
        kill(server->pid, signal);
}

void redis_server_kill(struct redis_server *server)
{
    if (server->pid <= 0)
        return;
    kill(server->pid, SIGKILL);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    server->pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void redis_server_stop(struct redis_server *server)
{
    redis_server_kill(server);
    if (server->dir[0] != '\0')
        nftw(server->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    server->dir[0] = '\0';
}

/*
 * redis_server - a redis-server of a test's own: in a new directory, on a unix socket, its
 * append-only file fsynced on every write. Ended and removed by stop; dies with the test.
 */
#ifndef TESTS_CONTRACT_REDIS_SERVER_H
#define TESTS_CONTRACT_REDIS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct redis_server {
    char dir[64];
    char path[96]; /* of the socket */
    pid_t pid;     /* 0: not running */
};

/* extra: more arguments, NULL-terminated, or NULL. Waits until it takes commands (or refuses them
 * for want of a password). False: it did not come up within 10 s. */
bool redis_server_start(struct redis_server *server, const char *const *extra);
/* The same directory again, after kill. A second time when it ends at once: so Redis does after it
 * has shortened a damaged file. */
bool redis_server_restart(struct redis_server *server, const char *const *extra);
/* Its append-only file is not being rewritten. */
bool redis_server_is_settled(const struct redis_server *server);
void redis_server_signal(const struct redis_server *server, int signal); /* SIGSTOP, SIGCONT */
void redis_server_kill(struct redis_server *server);                     /* SIGKILL, and waits */
void redis_server_stop(struct redis_server *server);                     /* and removes the files */

/* One command on a connection of its own; the reply's first line or bulk text in out. */
bool redis_server_ask(const struct redis_server *server, char *out, size_t size, int argc,
                      const char *const *argv);

#endif

/*
 * redis_peer - a Redis in trouble.
 */
#include "tests/fault/redis_peer.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "proto/redis/redis_script.h"

enum { ROOM = 64 * 1024 };

/* One client and its own connection to the server. Answers of the peer wait until the server has
 * answered what was passed on before. */
struct line {
    struct line *next;
    struct peer *peer;
    uv_pipe_t client, server;
    uv_connect_t connecting;
    redisReader *asked, *answered;
    char *unread; /* of the client: bytes of commands not yet complete */
    size_t unread_bytes;
    uint32_t passed; /* commands the server still owes an answer */
    uint32_t owed;   /* refusals behind those */
    bool refused;    /* the last answer was a refusal */
    uint32_t late;   /* answers that are held back */
    uint64_t due_ms; /* of the last of them */
    bool ending;
    int handles;
};

struct peer {
    uv_loop_t *loop;
    uv_pipe_t listener;
    char server_path[256];
    struct peer_trouble trouble;
    struct peer_counts counts;
    struct line *lines;
    int open; /* lines and the listener */
};

struct piece {
    uv_write_t write;
    uv_timer_t timer;
    struct line *line;
    size_t bytes;
    char at[];
};

static void end(struct line *line);

/* Writing */

static void written(uv_write_t *write, int status)
{
    struct piece *piece = write->data;
    (void)status;
    free(piece);
}

static void send_piece(struct piece *piece, uv_pipe_t *to)
{
    uv_buf_t buf = uv_buf_init(piece->at, (unsigned)piece->bytes);
    piece->write.data = piece;
    if (piece->line->ending || uv_write(&piece->write, (uv_stream_t *)to, &buf, 1, written) != 0)
        free(piece);
}

static struct piece *make_piece(struct line *line, const char *bytes, size_t count)
{
    struct piece *piece = malloc(sizeof *piece + count);
    piece->line = line;
    piece->bytes = count;
    memcpy(piece->at, bytes, count);
    return piece;
}

static void line_gone(struct line *line)
{
    if (--line->handles > 0)
        return;
    struct line **at = &line->peer->lines;
    while (*at != line)
        at = &(*at)->next;
    *at = line->next;
    line->peer->open--;
    redisReaderFree(line->asked);
    redisReaderFree(line->answered);
    free(line->unread);
    free(line);
}

static void piece_timer_closed(uv_handle_t *handle)
{
    struct piece *piece = handle->data;
    struct line *line = piece->line;
    line->late--;
    send_piece(piece, &line->client);
    line_gone(line);
}

static void piece_due(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, piece_timer_closed);
}

static void to_client(struct line *line, const char *bytes, size_t count)
{
    struct piece *piece = make_piece(line, bytes, count);
    bool slow = line->peer->trouble.way == PEER_SLOW;
    if (!slow && line->late == 0) {
        send_piece(piece, &line->client);
        return;
    }
    uint64_t now_ms = uv_now(line->peer->loop);
    uint64_t due_ms = now_ms + (slow ? line->peer->trouble.ms : 0);
    if (due_ms > line->due_ms) /* none overtakes another */
        line->due_ms = due_ms;
    line->late++;
    uv_timer_init(line->peer->loop, &piece->timer);
    piece->timer.data = piece;
    line->handles++;
    uv_timer_start(&piece->timer, piece_due, line->due_ms - now_ms, 0);
}

/* Answering */

static void refuse(struct line *line)
{
    const char *text = line->peer->trouble.text;
    line->refused = true;
    line->peer->counts.refused++;
    to_client(line, text, strlen(text));
}

static void pay(struct line *line)
{
    while (line->passed == 0 && line->owed > 0) {
        line->owed--;
        if (line->peer->trouble.way == PEER_ANSWERS)
            refuse(line);
    }
}

static bool is(const redisReply *word, const char *text)
{
    return word->type == REDIS_REPLY_STRING && strcasecmp(word->str, text) == 0;
}

static bool is_turn(const redisReply *command)
{
    return command->elements > 1 && is(command->element[0], "EVALSHA") &&
           is(command->element[1], od_redis_scripts[OD_SCRIPT_TURN].sha);
}

static bool concerns(enum peer_of of, const redisReply *command)
{
    const redisReply *verb = command->element[0];
    switch (of) {
    case PEER_ALL:
        return true;
    case PEER_WRITES:
        return is(verb, "EVALSHA") || is(verb, "SADD") || is(verb, "HSET") || is(verb, "XADD");
    case PEER_SCRIPTS:
        return is(verb, "EVALSHA");
    default:
        return is_turn(command);
    }
}

/* One whole command and its bytes. */
static void take(struct line *line, const redisReply *command, const char *bytes, size_t count)
{
    struct peer *peer = line->peer;
    peer->counts.commands++;
    if (is_turn(command)) {
        peer->counts.turns++;
        peer->counts.turns_after += line->refused;
    }
    if (peer->trouble.way == PEER_HANGS)
        return;
    if (peer->trouble.way == PEER_SHUTS) {
        end(line);
        return;
    }
    if (peer->trouble.way == PEER_ANSWERS && concerns(peer->trouble.of, command)) {
        line->owed++;
        pay(line);
        return;
    }
    line->passed++;
    send_piece(make_piece(line, bytes, count), &line->server);
}

/* Reading */

static void room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    (void)handle;
    (void)wanted;
    *buf = uv_buf_init(malloc(ROOM), ROOM);
}

static void drop(struct line *line, size_t count)
{
    line->unread_bytes -= count;
    memmove(line->unread, line->unread + count, line->unread_bytes);
}

/* The bytes of the first command in the text, which is known to be whole: "*n" and n of "$len". */
static size_t command_bytes(const char *text)
{
    const char *at = strstr(text, "\r\n") + 2;
    for (long n = strtol(text + 1, NULL, 10); n > 0; n--) {
        long bytes = strtol(at + 1, NULL, 10);
        at = strstr(at, "\r\n") + 2 + bytes + 2;
    }
    return (size_t)(at - text);
}

static void client_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct line *line = stream->data;
    void *command = NULL;
    if (got > 0 && !line->ending) {
        line->unread = realloc(line->unread, line->unread_bytes + (size_t)got + 1);
        memcpy(line->unread + line->unread_bytes, buf->base, (size_t)got);
        line->unread_bytes += (size_t)got;
        line->unread[line->unread_bytes] = '\0';
        redisReaderFeed(line->asked, buf->base, (size_t)got);
        while (!line->ending && redisReaderGetReply(line->asked, &command) == REDIS_OK && command) {
            size_t bytes = command_bytes(line->unread);
            take(line, command, line->unread, bytes);
            freeReplyObject(command);
            drop(line, bytes);
            line->unread[line->unread_bytes] = '\0';
        }
    }
    free(buf->base);
    if (got < 0)
        end(line);
}

static void server_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct line *line = stream->data;
    void *reply = NULL;
    if (got > 0 && !line->ending && line->peer->trouble.way != PEER_HANGS) {
        to_client(line, buf->base, (size_t)got);
        redisReaderFeed(line->answered, buf->base, (size_t)got);
        while (redisReaderGetReply(line->answered, &reply) == REDIS_OK && reply) {
            freeReplyObject(reply);
            line->passed--;
            line->refused = false;
        }
        pay(line);
    }
    free(buf->base);
    if (got < 0)
        end(line);
}

/* Connections */

static void handle_closed(uv_handle_t *handle)
{
    line_gone(handle->data);
}

static void end(struct line *line)
{
    if (line->ending)
        return;
    line->ending = true;
    uv_close((uv_handle_t *)&line->client, handle_closed);
    uv_close((uv_handle_t *)&line->server, handle_closed);
}

static void server_connected(uv_connect_t *connect, int status)
{
    struct line *line = connect->data;
    if (status != 0) {
        end(line);
        return;
    }
    if (line->ending)
        return;
    uv_read_start((uv_stream_t *)&line->server, room, server_read);
    uv_read_start((uv_stream_t *)&line->client, room, client_read);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct peer *peer = listener->data;
    if (status != 0)
        return;
    struct line *line = calloc(1, sizeof *line);
    line->peer = peer;
    line->asked = redisReaderCreate();
    line->answered = redisReaderCreate();
    line->next = peer->lines;
    peer->lines = line;
    peer->open++;
    peer->counts.connects++;
    line->handles = 2;
    uv_pipe_init(peer->loop, &line->client, 0);
    uv_pipe_init(peer->loop, &line->server, 0);
    line->client.data = line->server.data = line->connecting.data = line;
    if (uv_accept(listener, (uv_stream_t *)&line->client) != 0)
        end(line);
    else
        uv_pipe_connect(&line->connecting, &line->server, peer->server_path, server_connected);
}

struct peer *peer_open(uv_loop_t *loop, const char *path, const char *server_path)
{
    struct peer *peer = calloc(1, sizeof *peer);
    peer->loop = loop;
    snprintf(peer->server_path, sizeof peer->server_path, "%s", server_path);
    unlink(path);
    uv_pipe_init(loop, &peer->listener, 0);
    peer->listener.data = peer;
    peer->open = 1;
    if (uv_pipe_bind(&peer->listener, path) == 0 &&
        uv_listen((uv_stream_t *)&peer->listener, 16, on_connection) == 0)
        return peer;
    free(peer);
    return NULL;
}

static void listener_closed(uv_handle_t *handle)
{
    ((struct peer *)handle->data)->open--;
}

void peer_close(struct peer *peer)
{
    uv_close((uv_handle_t *)&peer->listener, listener_closed);
    for (struct line *line = peer->lines; line != NULL; line = line->next)
        end(line);
}

bool peer_closed(const struct peer *peer)
{
    return peer->open == 0;
}

void peer_free(struct peer *peer)
{
    free(peer);
}

void peer_be(struct peer *peer, struct peer_trouble trouble)
{
    peer->trouble = trouble;
    peer->counts = (struct peer_counts){0};
    for (struct line *line = peer->lines; line != NULL; line = line->next)
        line->refused = false;
}

struct peer_counts peer_counts(const struct peer *peer)
{
    return peer->counts;
}

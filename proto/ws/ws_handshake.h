/*
 * ws_handshake - the opening handshake of RFC 6455 section 4 from the client's side: the URL of a
 * WebSocket server, the request, and whether the answer is the right one. Pure; the answer's bytes
 * are read by http_response.
 */
#ifndef PROTO_WS_WS_HANDSHAKE_H
#define PROTO_WS_WS_HANDSHAKE_H

#include "proto/http/http_head.h"
#include "proto/http/http_url.h"

enum {
    OD_WS_URL_MAX = 2048,        /* with NUL */
    OD_WS_REQUEST_MAX = 12288,   /* of the whole request */
    OD_WS_KEY_CHARS = 24,        /* base64 of 16 bytes */
    OD_WS_ACCEPT_CHARS = 28,     /* base64 of a SHA-1 */
    OD_WS_CREDENTIALS_MAX = 512, /* user:password of a URL */
};

/* ws://[user:password@]host[:port]/path?query or wss://... */
struct od_ws_url {
    struct od_http_url http;                 /* target points into `text` */
    char text[OD_WS_URL_MAX];                /* with http(s) for ws(s) and no credentials */
    char shown[OD_WS_URL_MAX];               /* as it was, without credentials: for logs, signing */
    char credentials[OD_WS_CREDENTIALS_MAX]; /* secret; "" none; percent escapes are decoded */
};

/* OD_EINVAL. A fragment is refused (RFC 6455 section 3). */
int od_ws_url_read(struct od_ws_url *out, const char *text);

struct od_ws_request {
    const struct od_ws_url *url;
    const char *key;         /* OD_WS_KEY_CHARS */
    const char *user_agent;  /* NULL: none */
    const char *subprotocol; /* NULL: none */
    const char *headers;     /* more "Name: value\r\n" lines; NULL: none */
};

/* Returns the bytes written, or OD_ETOOBIG. */
int od_ws_request_write(const struct od_ws_request *request, char *out, size_t size);

/* Sec-WebSocket-Accept for a key. */
void od_ws_accept(const char *key, char out[OD_WS_ACCEPT_CHARS + 1]);

/* NULL: the answer opens the connection. Otherwise what is wrong with it, static. */
const char *od_ws_judge(const struct od_http_head *head, const char *key, const char *subprotocol);

/* Header lines a user of the client must not bring. NULL-terminated. */
extern const char *const od_ws_reserved_headers[];

#endif

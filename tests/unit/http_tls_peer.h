/*
 * http_tls_peer - what the tests of https talk to: certificates made for each case, and a TLS
 * server (OpenSSL, blocking, on a thread of its own; one connection after the other).
 */
#ifndef TESTS_UNIT_HTTP_TLS_PEER_H
#define TESTS_UNIT_HTTP_TLS_PEER_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdint.h>

struct identity {
    EVP_PKEY *key;
    X509 *cert;
};

/* issuer NULL: an authority that signs itself. days: until it ends, may be in the past. */
struct identity make_identity(const struct identity *issuer, const char *names, int days);
void free_identity(struct identity *identity);
/* As PEM; key_file may be NULL. */
void write_identity(const struct identity *identity, const char *cert_file, const char *key_file);

enum manner {
    PROPER,    /* answers, keeps the connection, says goodbye */
    CUT_SHORT, /* an answer to the connection's end, with no goodbye */
    GOODBYE,   /* the same with one */
    NO_TLS,    /* answers in the clear */
    OLD,       /* TLS 1.1 at most */
    HANGS,     /* says nothing */
};

struct server {
    int fd;
    uint16_t port;
    enum manner manner;
    SSL_CTX *ctx;
    pthread_t thread;
    unsigned handshakes, requests;
    unsigned shown;                     /* handshakes in which the client showed a certificate */
    char sni[64], alpn[16], seen[4096]; /* seen: the last request */
};

void server_open(struct server *server, const struct identity *identity, enum manner manner);
/* Before the first connection: nobody gets in without a certificate of that authority's. */
void server_wants_certificates(struct server *server, const struct identity *authority);
void server_close(struct server *server);

#endif

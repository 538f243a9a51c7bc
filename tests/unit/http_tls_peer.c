/*
 * http_tls_peer - see the header.
 */
#include "http_tls_peer.h"

#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_support.h"

/* Certificates */

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

struct identity make_identity(const struct identity *issuer, const char *names, int days)
{
    static long serial = 1;
    struct identity made = {EVP_EC_gen("P-256"), X509_new()};
    assert_non_null(made.key);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
    X509_set_version(made.cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(made.cert), -86400L * 10);
    X509_gmtime_adj(X509_getm_notAfter(made.cert), 86400L * days);
    X509_set_pubkey(made.cert, made.key);
    X509_NAME *name = X509_get_subject_name(made.cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)(issuer ? "leaf" : "authority"), -1, -1, 0);
    X509 *signer = issuer ? issuer->cert : made.cert;
    X509_set_issuer_name(made.cert, X509_get_subject_name(signer));
    if (issuer) {
        add_extension(made.cert, signer, NID_subject_alt_name, names);
    } else {
        add_extension(made.cert, signer, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(made.cert, signer, NID_key_usage, "critical,keyCertSign");
    }
    X509_sign(made.cert, issuer ? issuer->key : made.key, EVP_sha256());
    return made;
}

void free_identity(struct identity *identity)
{
    EVP_PKEY_free(identity->key);
    X509_free(identity->cert);
}

/* The server: one connection after the other, until its listening socket is shut. */

static void answer(struct server *server, SSL *ssl)
{
    char request[65536];
    size_t used = 0;
    int n;
    while ((n = SSL_read(ssl, request + used, (int)(sizeof request - 1 - used))) > 0) {
        used += (size_t)n;
        request[used] = 0;
        if (!strstr(request, "\r\n\r\n"))
            continue;
        snprintf(server->seen, sizeof server->seen, "%.4000s", request);
        used = 0;
        server->requests++;
        if (server->manner == PROPER) {
            static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
            SSL_write(ssl, text, sizeof text - 1);
            continue;
        }
        static const char text[] = "HTTP/1.1 200 OK\r\n\r\nto the end";
        SSL_write(ssl, text, sizeof text - 1);
        if (server->manner == GOODBYE)
            SSL_shutdown(ssl);
        return;
    }
}

static void serve(struct server *server, int fd)
{
    if (server->manner == NO_TLS) {
        static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        (void)!send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
        return;
    }
    if (server->manner == HANGS) {
        char byte;
        while (recv(fd, &byte, 1, 0) > 0)
            ;
        return;
    }
    SSL *ssl = SSL_new(server->ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        server->handshakes++;
        X509 *shown = SSL_get1_peer_certificate(ssl);
        server->shown += shown != NULL;
        X509_free(shown);
        const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(server->sni, sizeof server->sni, "%s", sni ? sni : "");
        answer(server, ssl);
    }
    SSL_free(ssl);
}

static void *server_thread(void *arg)
{
    struct server *server = arg;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        serve(server, fd);
        close(fd);
    }
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                       const unsigned char *in, unsigned in_bytes, void *arg)
{
    struct server *server = arg;
    (void)ssl;
    if (in_bytes != 9 || memcmp(in, "\x08http/1.1", 9) != 0)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    snprintf(server->alpn, sizeof server->alpn, "http/1.1");
    *out = in + 1;
    *out_bytes = 8;
    return SSL_TLSEXT_ERR_OK;
}

void server_open(struct server *server, const struct identity *identity, enum manner manner)
{
    memset(server, 0, sizeof *server);
    server->manner = manner;
    server->ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(server->ctx, identity->cert);
    SSL_CTX_use_PrivateKey(server->ctx, identity->key);
    SSL_CTX_set_alpn_select_cb(server->ctx, select_alpn, server);
    if (manner == OLD) {
        SSL_CTX_set_security_level(server->ctx, 0);
        SSL_CTX_set_min_proto_version(server->ctx, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(server->ctx, TLS1_1_VERSION);
    }
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t bytes = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(server->fd, 8), 0);
    getsockname(server->fd, (struct sockaddr *)&addr, &bytes);
    server->port = ntohs(addr.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, server_thread, server), 0);
}

void server_wants_certificates(struct server *server, const struct identity *authority)
{
    X509_STORE_add_cert(SSL_CTX_get_cert_store(server->ctx), authority->cert);
    SSL_CTX_set_verify(server->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

void write_identity(const struct identity *identity, const char *cert_file, const char *key_file)
{
    FILE *f = fopen(cert_file, "w");
    assert_non_null(f);
    PEM_write_X509(f, identity->cert);
    fclose(f);
    f = key_file ? fopen(key_file, "w") : NULL;
    if (f) {
        PEM_write_PrivateKey(f, identity->key, NULL, NULL, 0, NULL, NULL);
        fclose(f);
    }
}

void server_close(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    SSL_CTX_free(server->ctx);
}

/*
 * http_tls_ctx - see the header.
 */
#include "proto/http/http_tls_ctx.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

/* Does the system's folder of authorities have files named by hash, as OpenSSL looks for them? */
static bool has_hashed_folder(void)
{
    const char *path = getenv(X509_get_default_cert_dir_env());
    DIR *dir = opendir(path ? path : X509_get_default_cert_dir());
    bool found = false;
    if (!dir)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        found = n == 10 && strcmp(entry->d_name + 8, ".0") == 0;
    }
    closedir(dir);
    return found;
}

/* The system's bundle takes 30 ms to read, the folder is read one authority at a time when a
 * handshake needs it: so the bundle only when somebody named it or there is no folder. */
static bool set_trust(SSL_CTX *ctx, const char *ca_file)
{
    if (ca_file)
        return SSL_CTX_load_verify_locations(ctx, ca_file, NULL) == 1;
    if (getenv(X509_get_default_cert_file_env()) || !has_hashed_folder())
        return SSL_CTX_set_default_verify_paths(ctx) == 1;
    return SSL_CTX_set_default_verify_dir(ctx) == 1;
}

int od_http_tls_client_ctx(SSL_CTX **out, const char *ca_file)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return OD_ENOMEM;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1);
    if (!set_trust(ctx, ca_file)) {
        SSL_CTX_free(ctx);
        return OD_EIO;
    }
    *out = ctx;
    return 0;
}

/* The client's list holds http/1.1, or it didn't ask; to anything else (h2 alone) we say no. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                       const unsigned char *in, unsigned in_bytes, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl, (void)arg;
    unsigned char *chosen;
    int rc = SSL_select_next_proto(&chosen, out_bytes, ours, sizeof ours - 1, in, in_bytes);
    *out = chosen;
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int refuse_file(const char *file, const char *what, char *why, size_t why_bytes)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(why, why_bytes, "%s: %s: %s", file, what, reason ? reason : "unreadable");
    ERR_clear_error();
    return OD_EINVAL;
}

/* OD_EINVAL: `why` names the file. */
static int use_files(SSL_CTX *ctx, const char *cert_file, const char *key_file, char *why,
                     size_t why_bytes)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return refuse_file(cert_file, "expected a PEM certificate chain", why, why_bytes);
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
        return refuse_file(key_file, "expected the PEM key of the certificate", why, why_bytes);
    return 0;
}

int od_http_tls_server_ctx(SSL_CTX **out, const char *cert_file, const char *key_file, char *why,
                           size_t why_bytes)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        snprintf(why, why_bytes, "no memory");
        return OD_ENOMEM;
    }
    ERR_clear_error();
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets do, and cost no memory */
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    int err = use_files(ctx, cert_file, key_file, why, why_bytes);
    if (err) {
        SSL_CTX_free(ctx);
        return err;
    }
    *out = ctx;
    return 0;
}

int od_http_tls_ctx_trust(SSL_CTX *ctx, const char *ca_file, char *why, size_t why_bytes)
{
    ERR_clear_error();
    return SSL_CTX_load_verify_locations(ctx, ca_file, NULL) == 1
               ? 0
               : refuse_file(ca_file, "expected PEM certificates of authorities", why, why_bytes);
}

int od_http_tls_identity_ctx(SSL_CTX **out, const char *cert_file, const char *key_file, char *why,
                             size_t why_bytes)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    snprintf(why, why_bytes, "no memory");
    if (!ctx)
        return OD_ENOMEM;
    ERR_clear_error();
    int err = use_files(ctx, cert_file, key_file, why, why_bytes);
    if (err) {
        SSL_CTX_free(ctx);
        return err;
    }
    *out = ctx;
    return 0;
}

void od_http_tls_ctx_free(SSL_CTX *ctx)
{
    SSL_CTX_free(ctx);
}

/*
 * ws_handshake - see the header.
 */
#include "proto/ws/ws_handshake.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "engine/base/base64.h"
#include "engine/base/str.h"
#include "outdial/err.h"

const char *const od_ws_reserved_headers[] = {"Host",
                                              "Connection",
                                              "Upgrade",
                                              "User-Agent",
                                              "Content-Length",
                                              "Transfer-Encoding",
                                              "Sec-WebSocket-Key",
                                              "Sec-WebSocket-Version",
                                              "Sec-WebSocket-Protocol",
                                              "Sec-WebSocket-Extensions",
                                              NULL};

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* user:password (RFC 3986 section 3.2.1), its escapes decoded. */
static int read_credentials(struct od_ws_url *out, const char *text, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < bytes ? hex_value(text[i + 1]) : -1;
            int low = i + 2 < bytes ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return OD_EINVAL;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if ((unsigned char)c < ' ' || c == 0x7f || used + 1 >= sizeof out->credentials)
            return OD_EINVAL;
        out->credentials[used++] = c;
    }
    out->credentials[used] = 0;
    return used ? 0 : OD_EINVAL;
}

int od_ws_url_read(struct od_ws_url *out, const char *text)
{
    memset(out, 0, sizeof *out);
    bool tls = strncmp(text, "wss://", 6) == 0;
    size_t scheme = tls ? 6 : 5;
    if ((!tls && strncmp(text, "ws://", 5)) || strchr(text, '#'))
        return OD_EINVAL;
    const char *host = text + scheme;
    size_t authority = strcspn(host, "/?");
    for (size_t i = authority; i-- > 0;) {
        if (host[i] != '@')
            continue;
        if (read_credentials(out, host, i))
            return OD_EINVAL;
        host += i + 1;
        break;
    }
    int shown = snprintf(out->shown, sizeof out->shown, "%.*s%s", (int)scheme, text, host);
    int n = snprintf(out->text, sizeof out->text, "%s%s", tls ? "https://" : "http://", host);
    if (shown < 0 || n < 0 || (size_t)n >= sizeof out->text || (size_t)shown >= sizeof out->shown)
        return OD_EINVAL;
    return od_http_url_read(&out->http, out->text);
}

int od_ws_request_write(const struct od_ws_request *request, char *out, size_t size)
{
    char host[OD_HTTP_HOST_MAX + 8];
    struct od_buf buf;
    const struct od_http_url *url = &request->url->http;
    od_buf_init(&buf, out, size);
    od_http_url_authority(url, host, sizeof host);
    od_buf_str(&buf, "GET ");
    if (!url->target_bytes || url->target[0] != '/')
        od_buf_char(&buf, '/');
    od_buf_add(&buf, url->target, url->target_bytes);
    od_buf_str(&buf, " HTTP/1.1\r\nHost: ");
    od_buf_str(&buf, host);
    od_buf_str(&buf, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ");
    od_buf_add(&buf, request->key, OD_WS_KEY_CHARS);
    od_buf_str(&buf, "\r\nSec-WebSocket-Version: 13\r\n");
    if (request->user_agent) {
        od_buf_str(&buf, "User-Agent: ");
        od_buf_str(&buf, request->user_agent);
        od_buf_str(&buf, "\r\n");
    }
    if (request->subprotocol) {
        od_buf_str(&buf, "Sec-WebSocket-Protocol: ");
        od_buf_str(&buf, request->subprotocol);
        od_buf_str(&buf, "\r\n");
    }
    if (*request->url->credentials) { /* RFC 7617 section 2 */
        char basic[OD_BASE64_CHARS(OD_WS_CREDENTIALS_MAX)];
        const char *credentials = request->url->credentials;
        size_t n = od_base64_encode(basic, (const uint8_t *)credentials, strlen(credentials));
        od_buf_str(&buf, "Authorization: Basic ");
        od_buf_add(&buf, basic, n);
        od_buf_str(&buf, "\r\n");
    }
    if (request->headers)
        od_buf_str(&buf, request->headers);
    od_buf_str(&buf, "\r\n");
    return buf.cut ? OD_ETOOBIG : (int)buf.used;
}

void od_ws_accept(const char *key, char out[OD_WS_ACCEPT_CHARS + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */
    uint8_t text[OD_WS_KEY_CHARS + sizeof guid - 1], digest[SHA_DIGEST_LENGTH];
    memcpy(text, key, OD_WS_KEY_CHARS);
    memcpy(text + OD_WS_KEY_CHARS, guid, sizeof guid - 1);
    EVP_Digest(text, sizeof text, digest, NULL, EVP_sha1(), NULL);
    od_base64_encode(out, digest, sizeof digest);
    out[OD_WS_ACCEPT_CHARS] = 0;
}

/* A word among the comma-separated ones of a field, any case. */
static bool has_word(struct od_text value, const char *word)
{
    const char *at = value.at, *end = value.at + value.bytes;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end, *last = stop;
        while (at < last && (*at == ' ' || *at == '\t'))
            at++;
        while (last > at && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if (od_str_equal_nocase(at, (size_t)(last - at), word))
            return true;
        at = stop + 1;
    }
    return false;
}

/* RFC 6455 section 4.1, what the client must check. */
const char *od_ws_judge(const struct od_http_head *head, const char *key, const char *subprotocol)
{
    char expected[OD_WS_ACCEPT_CHARS + 1];
    struct od_text value;
    if (!od_http_head_find(head, "upgrade", &value) || !has_word(value, "websocket"))
        return "101 without Upgrade: websocket";
    if (!od_http_head_find(head, "connection", &value) || !has_word(value, "upgrade"))
        return "101 without Connection: Upgrade";
    od_ws_accept(key, expected);
    if (!od_http_head_find(head, "sec-websocket-accept", &value) ||
        value.bytes != OD_WS_ACCEPT_CHARS || memcmp(value.at, expected, OD_WS_ACCEPT_CHARS))
        return "a wrong Sec-WebSocket-Accept";
    if (od_http_head_find(head, "sec-websocket-extensions", &value) && value.bytes)
        return "an extension that was not offered";
    bool named = od_http_head_find(head, "sec-websocket-protocol", &value) && value.bytes;
    if (named && (!subprotocol || value.bytes != strlen(subprotocol) ||
                  memcmp(value.at, subprotocol, value.bytes)))
        return "a subprotocol that was not offered";
    if (subprotocol && !named)
        return "the subprotocol was not accepted";
    return NULL;
}

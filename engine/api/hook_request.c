/*
 * hook_request - see the header.
 */
#include "engine/api/hook_request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/api/json_read.h"
#include "engine/base/base64.h"
#include "engine/base/str.h"
#include "outdial/err.h"
#include "outdial/outbox.h"

enum { HEADERS_MAX = 16 * 1024, PARAMS_MAX = 64 };

enum place {
    PLACE_URL,  /* percent-encoded */
    PLACE_JSON, /* inside a JSON text: escaped in strings, JSON elsewhere */
    PLACE_FORM, /* percent-encoded with '+' for a blank */
    PLACE_PLAIN,
};

/* Text that grows, up to a limit. */
struct text {
    char *at;
    size_t used, size, max;
    int err;
};

static void add(struct text *text, const char *bytes, size_t count)
{
    if (text->err)
        return;
    if (count > text->max - text->used) {
        text->err = OD_ETOOBIG;
        return;
    }
    if (text->used + count + 1 > text->size) {
        size_t size = text->size ? text->size * 2 : 512;
        while (size < text->used + count + 1)
            size *= 2;
        char *at = realloc(text->at, size);
        if (!at) {
            text->err = OD_ENOMEM;
            return;
        }
        text->at = at;
        text->size = size;
    }
    memcpy(text->at + text->used, bytes, count);
    text->used += count;
    text->at[text->used] = '\0';
}

static void add_str(struct text *text, const char *str)
{
    add(text, str, strlen(str));
}

/* RFC 3986 section 2.3: what needs no escaping. */
static void add_percent(struct text *text, const char *bytes, size_t count, bool form)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (isalnum(c) || strchr("-._~", c)) {
            if (c)
                add(text, (const char *)&c, 1);
        } else if (form && c == ' ') {
            add(text, "+", 1);
        } else {
            char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
            add(text, escaped, 3);
        }
    }
}

/* The member of the payload that a name stands for, NULL: none. */
static yyjson_val *look_up(yyjson_val *at, const char *name, size_t bytes)
{
    yyjson_val *whole = yyjson_obj_getn(at, name, bytes);
    while (!whole && at) {
        const char *dot = memchr(name, '.', bytes);
        size_t part = dot ? (size_t)(dot - name) : bytes;
        uint64_t index;
        if (yyjson_is_arr(at) && od_str_u64(name, part, 100000, &index))
            at = yyjson_arr_get(at, (size_t)index);
        else
            at = yyjson_obj_getn(at, name, part);
        if (!dot)
            return at;
        name += part + 1;
        bytes -= part + 1;
    }
    return whole;
}

static void add_value(struct text *text, yyjson_val *value, enum place place, bool in_string)
{
    if (place == PLACE_JSON && !in_string) {
        char *json = value ? yyjson_val_write(value, 0, NULL) : NULL;
        add_str(text, json ? json : "null");
        free(json);
        return;
    }
    if (!value || yyjson_is_null(value))
        return;
    size_t count = 0;
    char *json = yyjson_val_write(value, 0, &count);
    if (!json) {
        text->err = OD_ENOMEM;
        return;
    }
    if (place == PLACE_JSON && yyjson_is_str(value)) {
        add(text, json + 1, count - 2); /* escaped already: what stands between the quotes */
    } else if (place == PLACE_JSON) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        size_t escaped_bytes = 0;
        char *escaped = NULL;
        if (doc)
            escaped = yyjson_mut_val_write(yyjson_mut_strn(doc, json, count), 0, &escaped_bytes);
        if (escaped)
            add(text, escaped + 1, escaped_bytes - 2);
        else
            text->err = OD_ENOMEM;
        free(escaped);
        yyjson_mut_doc_free(doc);
    } else {
        const char *plain = yyjson_is_str(value) ? yyjson_get_str(value) : json;
        size_t plain_bytes = yyjson_is_str(value) ? yyjson_get_len(value) : count;
        if (place == PLACE_PLAIN)
            add(text, plain, plain_bytes);
        else
            add_percent(text, plain, plain_bytes, place == PLACE_FORM);
    }
    free(json);
}

static void fill(struct text *out, const char *template, enum place place, yyjson_val *payload,
                 unsigned *unknown)
{
    bool in_string = false;
    for (const char *p = template; *p && !out->err;) {
        const char *end = p[0] == '{' && p[1] == '{' ? strstr(p + 2, "}}") : NULL;
        if (end) {
            const char *first = p + 2, *last = end;
            while (first < last && *first == ' ')
                first++;
            while (last > first && last[-1] == ' ')
                last--;
            yyjson_val *value = look_up(payload, first, (size_t)(last - first));
            *unknown += !value;
            add_value(out, value, place, in_string);
            p = end + 2;
            continue;
        }
        if (place == PLACE_JSON && in_string && p[0] == '\\' && p[1]) {
            add(out, p, 2);
            p += 2;
            continue;
        }
        in_string ^= *p == '"';
        add(out, p++, 1);
    }
}

/* ---- the parts ---- */

bool od_hook_method_ok(const char *method)
{
    static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(method, known[i]) == 0)
            return true;
    return false;
}

bool od_hook_header_name_ok(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return false;
    return *name != '\0';
}

bool od_hook_header_value_ok(const char *value)
{
    for (const unsigned char *c = (const unsigned char *)value; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

/* Headers that the sender makes itself. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {
        "host",       "content-length", "transfer-encoding", "connection", "user-agent",
        "webhook-id", "expect",         "upgrade",           "te",         "proxy-authorization"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (od_str_equal_nocase(name, strlen(name), ours[i]))
            return true;
    return false;
}

static int make_headers(struct text *out, yyjson_val *headers, const char **content_type,
                        const char **why)
{
    size_t i, max;
    yyjson_val *key, *value;
    add_str(out, "");
    if (!yyjson_is_obj(headers))
        return out->err;
    yyjson_obj_foreach(headers, i, max, key, value)
    {
        const char *name = yyjson_get_str(key), *text = yyjson_get_str(value);
        if (!text) /* null: a secret that can't be opened, or nothing */
            continue;
        if (!od_hook_header_name_ok(name) || !od_hook_header_value_ok(text)) {
            *why = "a header's name or value has characters that can't stand there";
            return OD_EINVAL;
        }
        if (od_str_equal_nocase(name, strlen(name), "content-type")) {
            *content_type = text;
            continue;
        }
        if (is_ours(name))
            continue;
        add_str(out, name);
        add_str(out, ": ");
        add_str(out, text);
        add_str(out, "\r\n");
    }
    if (out->err)
        *why = "the headers are too long";
    return out->err;
}

bool od_hook_url_ok(const char *url)
{
    const char *scheme = strstr(url, "://");
    size_t fixed = scheme ? (size_t)(scheme + 3 - url) : 0;
    fixed += strcspn(url + fixed, "/?#");
    char *host = strndup(url, fixed);
    bool good = host && od_json_is_http_url(host);
    free(host);
    for (const char *c = url + fixed; *c && good; c++)
        good = (unsigned char)*c > ' ' || strstr(c, "}}"); /* blanks inside of {{ a }} alone */
    return good;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* RFC 3986 section 2.1; in its place. Returns the bytes. */
static size_t percent_decode(char *text, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        int high = text[i] == '%' && i + 2 < bytes ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        text[used++] = low >= 0 ? (char)(high << 4 | low) : text[i];
        i += low >= 0 ? 2 : 0;
    }
    return used;
}

/* Credentials in the URL go as Basic ones (RFC 7617) and not in the request line (RFC 9110 section
 * 4.2.4), unless the webhook has an Authorization of its own. *rest: the URL without them; free()
 * it. */
static int take_credentials(struct text *headers, const char *url, bool authorized, char **rest,
                            const char **why)
{
    const char *slashes = strstr(url, "://");
    size_t head = slashes ? (size_t)(slashes + 3 - url) : 0;
    size_t authority = strcspn(url + head, "/?#"), bytes = authority;
    while (bytes && url[head + bytes - 1] != '@')
        bytes--;
    *rest = strdup(url);
    char *user = bytes && head ? strndup(url + head, bytes - 1) : NULL;
    if (!*rest || (bytes && head && !user)) {
        free(user);
        return OD_ENOMEM;
    }
    if (!user)
        return 0;
    memmove(*rest + head, *rest + head + bytes, strlen(url + head + bytes) + 1);
    int err = strcmp(user, "***") == 0 ? OD_EINVAL : 0;
    if (err)
        *why = "the URL has *** in the place of its credentials";
    if (!err && !authorized) {
        size_t plain = percent_decode(user, bytes - 1);
        char *encoded = malloc(OD_BASE64_CHARS(plain) + 1);
        if (encoded) {
            add_str(headers, "Authorization: Basic ");
            add(headers, encoded, od_base64_encode(encoded, (const uint8_t *)user, plain));
            add_str(headers, "\r\n");
            explicit_bzero(encoded, OD_BASE64_CHARS(plain));
        }
        err = encoded ? headers->err : OD_ENOMEM;
        free(encoded);
    }
    explicit_bzero(user, bytes - 1);
    free(user);
    return err;
}

static bool has_authorization(yyjson_val *headers)
{
    size_t i, max;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(headers))
        return false;
    yyjson_obj_foreach(headers, i, max, key,
                       value) if (yyjson_is_str(value) &&
                                  od_str_equal_nocase(yyjson_get_str(key), yyjson_get_len(key),
                                                      "authorization")) return true;
    return false;
}

static int make_url(struct text *out, const char *url, yyjson_val *query, yyjson_val *payload,
                    unsigned *unknown, const char **why)
{
    size_t count = 0;
    yyjson_val *key, *value;
    if (strncmp(url, "http://", 7) && strncmp(url, "https://", 8)) {
        *why = "the webhook has no http:// or https:// URL";
        return OD_EINVAL;
    }
    /* Where it goes is not for the payload to say: places are filled after the host only. */
    const char *slashes = strchr(url, ':') + 3;
    size_t fixed = (size_t)(slashes - url) + strcspn(slashes, "/?#");
    size_t bare = fixed + strcspn(url + fixed, "#");
    char *rest = strndup(url + fixed, bare - fixed);
    if (!rest)
        return OD_ENOMEM;
    if (memchr(url, '{', fixed)) {
        *why = "the webhook's host can't come from the payload";
        free(rest);
        return OD_EINVAL;
    }
    add(out, url, fixed);
    if (*rest != '/')
        add(out, "/", 1);
    fill(out, rest, PLACE_URL, payload, unknown);
    bool has_query = strchr(rest, '?') != NULL;
    free(rest);
    yyjson_obj_iter params;
    if (yyjson_is_obj(query))
        yyjson_obj_iter_init(query, &params);
    else
        memset(&params, 0, sizeof params);
    while (count++ < PARAMS_MAX && (key = yyjson_obj_iter_next(&params))) {
        value = yyjson_obj_iter_get_val(key);
        add(out, has_query ? "&" : "?", 1);
        has_query = true;
        add_percent(out, yyjson_get_str(key), yyjson_get_len(key), false);
        add(out, "=", 1);
        if (yyjson_is_str(value)) {
            /* the value's own text is not escaped twice: only what is not a place */
            for (const char *p = yyjson_get_str(value); *p && !out->err;) {
                const char *end = p[0] == '{' && p[1] == '{' ? strstr(p + 2, "}}") : NULL;
                size_t n = end ? (size_t)(end + 2 - p) : 1;
                char *piece = end ? strndup(p, n) : NULL;
                if (piece)
                    fill(out, piece, PLACE_URL, payload, unknown);
                else if (!end)
                    add_percent(out, p, 1, false);
                free(piece);
                p += n;
            }
        } else {
            add_value(out, value, PLACE_URL, false);
        }
    }
    for (size_t at = 0; at < out->used; at++)
        if ((unsigned char)out->at[at] <= ' ' || (unsigned char)out->at[at] >= 0x7f)
            out->err = out->err ? out->err : OD_EINVAL;
    if (out->err)
        *why = out->err == OD_ETOOBIG ? "the URL is too long"
                                      : "the URL has characters that can't stand there";
    return out->err;
}

static enum place body_place(const char *template, const char *content_type)
{
    if (content_type && strstr(content_type, "x-www-form-urlencoded"))
        return PLACE_FORM;
    if (content_type && strstr(content_type, "json"))
        return PLACE_JSON;
    size_t blank = strspn(template, " \t\r\n");
    return template[blank] == '{' || template[blank] == '[' ? PLACE_JSON : PLACE_PLAIN;
}

static int make_body(struct od_hook_request *out, const char *template, const char *content_type,
                     const char *payload, size_t bytes, yyjson_val *values, const char **why)
{
    if (!template) {
        out->body = malloc(bytes + 1);
        if (!out->body)
            return OD_ENOMEM;
        memcpy(out->body, payload, bytes);
        out->body[bytes] = '\0';
        out->body_bytes = bytes;
        out->content_type = strdup(content_type ? content_type : "application/json");
        return out->content_type ? 0 : OD_ENOMEM;
    }
    enum place place = body_place(template, content_type);
    struct text text = {.max = OD_HOOK_BODY_MAX};
    add_str(&text, "");
    fill(&text, template, place, values, &out->unknown);
    out->body = text.at;
    out->body_bytes = text.used;
    if (!content_type)
        content_type = place == PLACE_JSON ? "application/json" : "text/plain; charset=utf-8";
    out->content_type = strdup(content_type);
    if (text.err == OD_ETOOBIG)
        *why = "the body is too long";
    return text.err ? text.err : out->content_type ? 0 : OD_ENOMEM;
}

static const char *url_of(yyjson_val *hook)
{
    const char *url =
        yyjson_is_str(hook) ? yyjson_get_str(hook) : yyjson_get_str(yyjson_obj_get(hook, "url"));
    return url ? url : "";
}

/* The headers, and the URL without credentials: free() both. */
static int make_head(struct text *headers, yyjson_val *hook, const char **content_type, char **bare,
                     const char **why)
{
    yyjson_val *fields = yyjson_obj_get(hook, "headers");
    *bare = NULL;
    int err = make_headers(headers, fields, content_type, why);
    if (!err)
        err = take_credentials(headers, url_of(hook), has_authorization(fields), bare, why);
    return err;
}

static void forget(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

char *od_hook_request_headers(yyjson_val *hook)
{
    struct text headers = {.max = HEADERS_MAX};
    const char *content_type = NULL, *why = "";
    char *bare;
    int err = make_head(&headers, hook, &content_type, &bare, &why);
    forget(bare);
    if (!err)
        return headers.at;
    forget(headers.at);
    return NULL;
}

bool od_hook_same_origin(const char *a, const char *b)
{
    const char *at[2] = {strstr(a, "://"), strstr(b, "://")};
    size_t bytes[2];
    if (!at[0] || !at[1] || at[0] - a != at[1] - b || strncasecmp(a, b, (size_t)(at[0] - a)) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        at[i] += 3;
        bytes[i] = strcspn(at[i], "/?#");
        for (size_t k = bytes[i]; k > 0; k--)
            if (at[i][k - 1] == '@') {
                at[i] += k;
                bytes[i] -= k;
                break;
            }
    }
    return bytes[0] == bytes[1] && strncasecmp(at[0], at[1], bytes[0]) == 0;
}

static int make(struct od_hook_request *out, yyjson_val *hook, const char *payload, size_t bytes,
                yyjson_val *values, const char **why)
{
    yyjson_val *custom = yyjson_obj_get(hook, "customSettings");
    yyjson_val *format = yyjson_obj_get(custom, "bodyFormat");
    const char *method = yyjson_get_str(yyjson_obj_get(custom, "httpMethod"));
    const char *template = yyjson_get_str(yyjson_obj_get(format, "template"));
    const char *content_type = NULL;
    struct text headers = {.max = HEADERS_MAX}, target = {.max = OD_HOOK_URL_MAX};
    if (!method || !*method)
        method = "POST";
    if (template && !*template)
        template = NULL;
    if (!od_hook_method_ok(method)) {
        *why = "the webhook's method is none of GET, POST, PUT, PATCH, DELETE";
        return OD_EINVAL;
    }
    char *bare;
    int err = make_head(&headers, hook, &content_type, &bare, why);
    out->headers = headers.at;
    if (!err)
        err = make_url(&target, bare, yyjson_obj_get(custom, "queryParams"), values, &out->unknown,
                       why);
    forget(bare);
    out->url = target.at;
    out->method = strdup(method);
    if (!err && (!out->method || !out->headers))
        err = OD_ENOMEM;
    /* RFC 9110 section 9.3.1: a GET has no body of its own accord */
    if (!err && (template || (strcmp(method, "GET") && strcmp(method, "DELETE"))))
        err = make_body(out, template, content_type, payload, bytes, values, why);
    return err;
}

int od_hook_request_make(struct od_hook_request *out, yyjson_val *hook, const char *payload,
                         size_t bytes, const char **why)
{
    const char *unwanted = "";
    why = why ? why : &unwanted;
    *why = "";
    *out = (struct od_hook_request){0};
    yyjson_doc *doc = yyjson_read(payload, bytes, 0);
    int err = make(out, hook, payload, bytes, yyjson_doc_get_root(doc), why);
    yyjson_doc_free(doc);
    if (err)
        od_hook_request_free(out);
    if (err == OD_ETOOBIG)
        err = OD_EINVAL;
    return err;
}

void od_hook_request_free(struct od_hook_request *request)
{
    free(request->method);
    free(request->url);
    free(request->headers);
    free(request->content_type);
    free(request->body);
    *request = (struct od_hook_request){0};
}

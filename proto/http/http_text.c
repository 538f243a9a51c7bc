/*
 * http_text - see the header. No locale is asked: HTTP's dates and names are English and ASCII.
 */
#include "proto/http/http_text.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool od_http_is_token_char(unsigned char c)
{
    return is_alnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool od_http_is_token(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (!od_http_is_token_char((unsigned char)text[i]))
            return false;
    }
    return bytes > 0;
}

static bool is_value_char(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

bool od_http_value_ok(const char *value)
{
    for (const char *p = value; *p; p++) {
        if (!is_value_char((unsigned char)*p))
            return false;
    }
    return true;
}

static bool is_reserved(const char *name, size_t bytes, const char *const *reserved)
{
    for (; reserved && *reserved; reserved++) {
        if (od_str_equal_nocase(name, bytes, *reserved))
            return true;
    }
    return false;
}

bool od_http_header_lines_ok(const char *lines, const char *const *reserved)
{
    for (const char *p = lines; p && *p;) {
        const char *end = strstr(p, "\r\n");
        const char *colon = strchr(p, ':');
        if (!end || !colon || colon > end || !od_http_is_token(p, (size_t)(colon - p)) ||
            is_reserved(p, (size_t)(colon - p), reserved))
            return false;
        for (const char *v = colon + 1; v < end; v++) {
            if (!is_value_char((unsigned char)*v))
                return false;
        }
        p = end + 2;
    }
    return true;
}

const char *od_http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Status";
}

void od_http_date(time_t now, char out[OD_HTTP_DATE_BYTES])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;
    gmtime_r(&now, &tm);
    snprintf(out, OD_HTTP_DATE_BYTES, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT",
             days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
}

bool od_http_date_read(const char *text, size_t bytes, time_t *out)
{
    /* RFC 9110 section 5.6.7: the present form, RFC 850's, asctime's. The process keeps the C
     * locale, in which these names are English. */
    static const char *const forms[] = {"%a, %d %b %Y %T GMT", "%a, %d-%b-%y %T GMT",
                                        "%a %b %d %T %Y"};
    char copy[OD_HTTP_DATE_BYTES];
    if (bytes >= sizeof copy)
        return false;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm tm = {0};
        const char *end = strptime(copy, forms[i], &tm);
        if (end && !*end) {
            *out = timegm(&tm);
            return true;
        }
    }
    return false;
}

bool od_http_request_id_ok(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!is_alnum(c) && c != '.' && c != '_' && c != '-')
            return false;
    }
    return bytes > 0 && bytes <= OD_HTTP_REQUEST_ID_MAX;
}

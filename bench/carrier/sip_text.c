/*
 * sip_text: see sip_text.h. A cursor over a slice does all the scanning; nothing here looks at a
 * byte without asking the cursor whether there is one. Grammar references are to RFC 3261
 * section 25.
 */
#include "bench/carrier/sip_text.h"

#include <string.h>

struct cursor {
    const char *at, *end;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_token(char c)
{
    if ((lower(c) >= 'a' && lower(c) <= 'z') || is_digit(c))
        return true;
    return c != 0 && strchr("-.!%*_+`'~", c) != NULL;
}

bool od_text_equal(struct od_text a, struct od_text b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.at, b.at, a.bytes) == 0);
}

bool od_text_is(struct od_text text, const char *word)
{
    return od_text_equal(text, (struct od_text){word, strlen(word)});
}

bool od_text_is_nocase(struct od_text text, const char *word)
{
    if (text.bytes != strlen(word))
        return false;
    for (size_t i = 0; i < text.bytes; i++) {
        if (lower(text.at[i]) != lower(word[i]))
            return false;
    }
    return true;
}

static struct od_text trimmed(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    while (end > at && is_space(end[-1]))
        end--;
    return (struct od_text){at, (size_t)(end - at)};
}

static struct cursor over(struct od_text text)
{
    const char *at = text.at ? text.at : ""; /* adding even 0 to NULL is undefined */
    return (struct cursor){at, at + text.bytes};
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && is_space(*c->at))
        c->at++;
}

static bool take_char(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static struct od_text take_token(struct cursor *c)
{
    skip_space(c);
    const char *start = c->at;
    while (c->at < c->end && is_token(*c->at))
        c->at++;
    return (struct od_text){start, (size_t)(c->at - start)};
}

/* The cursor stands on the opening quote. False: the quote is never closed. */
static bool skip_quoted(struct cursor *c)
{
    for (c->at++; c->at < c->end; c->at++) {
        if (*c->at == '"') {
            c->at++;
            return true;
        }
        if (*c->at == '\\' && c->at + 1 < c->end)
            c->at++;
    }
    return false;
}

/* One ";name[=value]". False: no further parameter here (end, comma or garbage). */
static bool take_param(struct cursor *c, struct od_text *name, struct od_text *value)
{
    *value = (struct od_text){NULL, 0};
    if (!take_char(c, ';'))
        return false;
    *name = take_token(c);
    struct cursor mark = *c;
    if (!take_char(c, '=')) {
        *c = mark;
        return true;
    }
    skip_space(c);
    const char *start = c->at;
    if (c->at < c->end && *c->at == '"') {
        if (!skip_quoted(c))
            return false;
    } else {
        while (c->at < c->end && !is_space(*c->at) && *c->at != ';' && *c->at != ',')
            c->at++;
    }
    *value = (struct od_text){start, (size_t)(c->at - start)};
    return true;
}

static bool take_number(struct od_text digits, uint64_t limit, uint64_t *out)
{
    if (digits.bytes == 0)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < digits.bytes; i++) {
        if (!is_digit(digits.at[i]))
            return false;
        n = n * 10 + (uint64_t)(digits.at[i] - '0');
        if (n > limit)
            return false;
    }
    *out = n;
    return true;
}

/*
 * name-addr or addr-spec up to the parameters; the cursor is left before the first ";" or ",".
 * False: an unclosed quote or angle bracket, or nothing at all.
 */
static bool take_addr(struct cursor *c, struct od_text *uri)
{
    skip_space(c);
    const char *start = c->at;
    while (c->at < c->end) {
        if (*c->at == '"') {
            if (!skip_quoted(c))
                return false;
        } else if (*c->at == '<') {
            const char *inside = c->at + 1;
            const char *close = memchr(inside, '>', (size_t)(c->end - inside));
            if (!close)
                return false;
            *uri = trimmed(inside, close);
            c->at = close + 1;
            return uri->bytes > 0;
        } else if (*c->at == ';' || *c->at == ',') {
            break;
        } else {
            c->at++;
        }
    }
    *uri = trimmed(start, c->at);
    return uri->bytes > 0;
}

bool od_sip_text_addr_uri(struct od_text value, struct od_text *uri)
{
    struct cursor c = over(value);
    return value.at != NULL && take_addr(&c, uri);
}

bool od_sip_text_next_element(struct od_text *rest, struct od_text *element)
{
    struct cursor c = over(*rest);
    skip_space(&c);
    if (rest->at == NULL || c.at == c.end)
        return false;
    const char *start = c.at;
    bool angle = false;
    while (c.at < c.end && (angle || *c.at != ',')) {
        if (*c.at == '"' && !angle) {
            if (!skip_quoted(&c))
                c.at = c.end;
            continue;
        }
        if (*c.at == '<')
            angle = true;
        else if (*c.at == '>')
            angle = false;
        c.at++;
    }
    *element = trimmed(start, c.at);
    if (c.at < c.end)
        c.at++;
    *rest = (struct od_text){c.at, (size_t)(c.end - c.at)};
    return true;
}

/* ---- the start line ---- */

static enum od_sip_text_method method_of(struct od_text name)
{
    static const struct {
        const char *name;
        enum od_sip_text_method method;
    } methods[] = {
        {"INVITE", OD_SIP_TEXT_INVITE},   {"ACK", OD_SIP_TEXT_ACK},
        {"BYE", OD_SIP_TEXT_BYE},         {"CANCEL", OD_SIP_TEXT_CANCEL},
        {"OPTIONS", OD_SIP_TEXT_OPTIONS}, {"REGISTER", OD_SIP_TEXT_REFUSED},
        {"INFO", OD_SIP_TEXT_REFUSED},    {"UPDATE", OD_SIP_TEXT_REFUSED},
        {"PRACK", OD_SIP_TEXT_REFUSED},   {"SUBSCRIBE", OD_SIP_TEXT_REFUSED},
        {"NOTIFY", OD_SIP_TEXT_REFUSED},  {"REFER", OD_SIP_TEXT_REFUSED},
        {"MESSAGE", OD_SIP_TEXT_REFUSED}, {"PUBLISH", OD_SIP_TEXT_REFUSED},
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (od_text_is(name, methods[i].name)) /* method names are case-sensitive (7.1) */
            return methods[i].method;
    }
    return OD_SIP_TEXT_UNKNOWN;
}

static int fail(struct od_sip_text *m, int status, const char *problem)
{
    m->problem = problem;
    return status;
}

static bool parse_status_line(struct od_sip_text *m, struct od_text line)
{
    /* "SIP/2.0 200" and an optional reason (noreason.dat of RFC 4475 has an empty one) */
    if (line.bytes < 11 || line.at[7] != ' ')
        return false;
    uint64_t status;
    if (!take_number((struct od_text){line.at + 8, 3}, 699, &status) || status < 100)
        return false;
    if (line.bytes > 11 && line.at[11] != ' ')
        return false;
    m->request = false;
    m->status = (int)status;
    return true;
}

static int parse_request_line(struct od_sip_text *m, struct od_text line)
{
    struct cursor c = over(line);
    m->request = true;
    m->method_name = take_token(&c);
    if (m->method_name.bytes == 0 || m->method_name.at != line.at || c.at == c.end)
        return -1;
    m->method = method_of(m->method_name);
    if (*c.at != ' ')
        return -1;
    const char *uri = c.at + 1, *version = c.end;
    while (version > uri && version[-1] != ' ')
        version--;
    if (version == uri || (size_t)(c.end - version) < 5 || memcmp(version, "SIP/", 4) != 0)
        return fail(m, 400, "Malformed Request-Line");
    m->uri = (struct od_text){uri, (size_t)(version - 1 - uri)};
    if (!od_text_is((struct od_text){version, (size_t)(c.end - version)}, "SIP/2.0"))
        return fail(m, 505, "Version Not Supported");
    /* 7.1: no white space and no angle brackets in a Request-URI */
    if (m->uri.bytes == 0 || memchr(m->uri.at, ' ', m->uri.bytes) ||
        memchr(m->uri.at, '\t', m->uri.bytes) || m->uri.at[0] == '<')
        return fail(m, 400, "Malformed Request-URI");
    return 0;
}

/* ---- the heads ---- */

static enum od_sip_text_head_id head_of(struct od_text name)
{
    static const struct {
        const char *name, *compact;
        enum od_sip_text_head_id id;
    } heads[] = {
        {"Via", "v", OD_SIP_HEAD_VIA},
        {"From", "f", OD_SIP_HEAD_FROM},
        {"To", "t", OD_SIP_HEAD_TO},
        {"Call-ID", "i", OD_SIP_HEAD_CALL_ID},
        {"CSeq", "", OD_SIP_HEAD_CSEQ},
        {"Contact", "m", OD_SIP_HEAD_CONTACT},
        {"Record-Route", "", OD_SIP_HEAD_RECORD_ROUTE},
        {"Content-Length", "l", OD_SIP_HEAD_CONTENT_LENGTH},
        {"Content-Type", "c", OD_SIP_HEAD_CONTENT_TYPE},
        {"Max-Forwards", "", OD_SIP_HEAD_MAX_FORWARDS},
        {"Require", "", OD_SIP_HEAD_REQUIRE},
        {"Timestamp", "", OD_SIP_HEAD_TIMESTAMP},
        {"Authorization", "", OD_SIP_HEAD_AUTHORIZATION},
        {"WWW-Authenticate", "", OD_SIP_HEAD_WWW_AUTHENTICATE},
        {"Proxy-Authenticate", "", OD_SIP_HEAD_PROXY_AUTHENTICATE},
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        if (od_text_is_nocase(name, heads[i].name) ||
            (name.bytes == 1 && od_text_is_nocase(name, heads[i].compact)))
            return heads[i].id;
    }
    return OD_SIP_HEAD_OTHER;
}

/*
 * The next logical line: folded lines are joined by turning the line end into spaces, and a stray
 * CR inside becomes a space, so that no value ever carries a line end into an answer. False: no
 * line end.
 */
static bool take_line(char **at, char *end, struct od_text *line)
{
    char *start = *at;
    for (char *from = start;;) {
        char *newline = memchr(from, '\n', (size_t)(end - from));
        if (!newline)
            return false;
        char *stop = newline > start && newline[-1] == '\r' ? newline - 1 : newline;
        char *next = newline + 1;
        if (stop > start && next < end && is_space(*next)) {
            *newline = ' ';
            from = next;
            continue;
        }
        for (char *p = start; (p = memchr(p, '\r', (size_t)(stop - p))) != NULL;)
            *p = ' ';
        *line = (struct od_text){start, (size_t)(stop - start)};
        *at = next;
        return true;
    }
}

/* Top Via: sent-protocol LWS sent-by *( ; param ), with LWS allowed around "/" and ":" (wsinv.dat).
 */
static bool parse_via(struct od_sip_text *m, struct od_text value)
{
    struct cursor c = over(value);
    const char *start = value.at;
    if (take_token(&c).bytes == 0 || !take_char(&c, '/') || take_token(&c).bytes == 0 ||
        !take_char(&c, '/') || take_token(&c).bytes == 0)
        return false;
    skip_space(&c);
    const char *host = c.at;
    if (c.at < c.end && *c.at == '[') {
        const char *close = memchr(c.at, ']', (size_t)(c.end - c.at));
        if (!close)
            return false;
        m->via_host = (struct od_text){host + 1, (size_t)(close - host - 1)};
        c.at = close + 1;
    } else {
        m->via_host = take_token(&c);
    }
    if (m->via_host.bytes == 0)
        return false;
    if (take_char(&c, ':')) {
        uint64_t port;
        if (!take_number(take_token(&c), 65535, &port) || port == 0)
            return false;
        m->via_port = (uint16_t)port;
    }
    struct od_text name, param;
    while (take_param(&c, &name, &param)) {
        if (od_text_is_nocase(name, "branch"))
            m->branch = param;
        else if (od_text_is_nocase(name, "rport") && param.at == NULL)
            m->rport_end = name.at + name.bytes;
        else if (od_text_is_nocase(name, "received"))
            m->received = true;
    }
    skip_space(&c);
    if (c.at < c.end && *c.at != ',')
        return false;
    m->via = trimmed(start, c.at);
    return true;
}

static bool parse_tagged(struct od_text value, struct od_text *tag)
{
    struct cursor c = over(value);
    struct od_text uri, name, param;
    if (!take_addr(&c, &uri))
        return false;
    while (take_param(&c, &name, &param)) {
        if (od_text_is_nocase(name, "tag"))
            *tag = param;
    }
    skip_space(&c);
    return c.at == c.end;
}

static bool parse_cseq(struct od_sip_text *m, struct od_text value)
{
    struct cursor c = over(value);
    uint64_t n;
    /* 8.1.1.5: less than 2**31 */
    if (!take_number(take_token(&c), 0x7fffffff, &n))
        return false;
    m->cseq = (uint32_t)n;
    m->cseq_method = take_token(&c);
    skip_space(&c);
    return m->cseq_method.bytes > 0 && c.at == c.end;
}

/* What is gathered while the heads go by and judged when all were seen. */
struct tally {
    bool content_length_seen;
    uint64_t content_length;
    unsigned from, to, call_id, cseq, max_forwards;
    const char *problem; /* the first thing found wrong */
};

static void note(struct tally *t, bool good, const char *problem)
{
    if (!good && !t->problem)
        t->problem = problem;
}

static void read_length(struct tally *t, struct od_text value)
{
    uint64_t n = 0;
    note(t, take_number(value, 1u << 30, &n), "Bad Content-Length");
    note(t, !t->content_length_seen || n == t->content_length, "Conflicting Content-Length");
    t->content_length_seen = true;
    t->content_length = n;
}

static void read_head(struct od_sip_text *m, struct tally *t, enum od_sip_text_head_id id,
                      struct od_text value)
{
    uint64_t n;
    switch (id) {
    case OD_SIP_HEAD_VIA:
        if (m->via.at == NULL && !parse_via(m, value))
            note(t, false, "Bad Via");
        break;
    case OD_SIP_HEAD_FROM:
        m->from = value;
        note(t, ++t->from == 1 && parse_tagged(value, &m->from_tag), "Bad From");
        break;
    case OD_SIP_HEAD_TO:
        m->to = value;
        note(t, ++t->to == 1 && parse_tagged(value, &m->to_tag), "Bad To");
        break;
    case OD_SIP_HEAD_CALL_ID:
        m->call_id = value;
        note(t, ++t->call_id == 1 && value.bytes > 0, "Bad Call-ID");
        break;
    case OD_SIP_HEAD_CSEQ:
        note(t, ++t->cseq == 1 && parse_cseq(m, value), "Bad CSeq");
        break;
    case OD_SIP_HEAD_CONTENT_LENGTH:
        read_length(t, value);
        break;
    case OD_SIP_HEAD_MAX_FORWARDS:
        note(t, ++t->max_forwards == 1 && take_number(value, 255, &n), "Bad Max-Forwards");
        break;
    case OD_SIP_HEAD_CONTACT:
        if (m->contact.at == NULL)
            m->contact = value;
        break;
    case OD_SIP_HEAD_CONTENT_TYPE:
        m->content_type = value;
        break;
    case OD_SIP_HEAD_REQUIRE:
        if (m->require.at == NULL)
            m->require = value;
        break;
    case OD_SIP_HEAD_RECORD_ROUTE:
    case OD_SIP_HEAD_TIMESTAMP:
    case OD_SIP_HEAD_AUTHORIZATION:
    case OD_SIP_HEAD_WWW_AUTHENTICATE:
    case OD_SIP_HEAD_PROXY_AUTHENTICATE:
    case OD_SIP_HEAD_OTHER:
        break;
    }
}

static void read_heads(struct od_sip_text *m, struct tally *t, char **at, char *end)
{
    struct od_text line;
    for (;;) {
        if (!take_line(at, end, &line)) {
            note(t, false, "Headers Not Terminated");
            *at = end;
            return;
        }
        if (line.bytes == 0)
            return;
        const char *colon = memchr(line.at, ':', line.bytes);
        struct od_text name = trimmed(line.at, colon ? colon : line.at);
        if (!colon || name.bytes == 0 || name.at != line.at) {
            note(t, false, "Malformed Header");
            continue;
        }
        if (m->heads_n == OD_SIP_TEXT_HEADS_MAX) {
            note(t, false, "Too Many Headers");
            return;
        }
        struct od_sip_text_head *head = &m->heads[m->heads_n++];
        head->id = head_of(name);
        head->value = trimmed(colon + 1, line.at + line.bytes);
        read_head(m, t, head->id, head->value);
    }
}

static int judge(struct od_sip_text *m, const struct tally *t, int start_status)
{
    if (m->via.at == NULL)
        return -1;
    bool complete = t->from && t->to && t->call_id && t->cseq;
    if (!m->request) {
        if (t->problem || !complete)
            return -1;
        m->method = method_of(m->cseq_method);
        return 0;
    }
    if (start_status)
        return start_status;
    if (t->problem)
        return fail(m, 400, t->problem);
    if (!complete)
        return fail(m, 400, "Missing Header");
    if (!od_text_equal(m->cseq_method, m->method_name))
        return fail(m, 400, "CSeq Method Mismatch");
    return 0;
}

int od_sip_text_parse(struct od_sip_text *m, char *bytes, size_t count)
{
    memset(m, 0, offsetof(struct od_sip_text, heads));
    char *at = bytes, *end = bytes + count;
    /* 7.5: empty lines before the start line are ignored; alone they are a keep-alive */
    while (at < end && (*at == '\r' || *at == '\n'))
        at++;
    struct od_text line;
    if (at == end || !take_line(&at, end, &line))
        return -1;
    int start_status = 0;
    if (line.bytes >= 8 && memcmp(line.at, "SIP/2.0 ", 8) == 0) {
        if (!parse_status_line(m, line))
            return -1;
    } else {
        start_status = parse_request_line(m, line);
        if (start_status < 0)
            return -1;
    }
    struct tally t = {0};
    read_heads(m, &t, &at, end);
    size_t left = (size_t)(end - at);
    if (t.content_length_seen && t.content_length > left) {
        /* 18.3: over UDP a body shorter than announced is an error, a longer one is cut */
        note(&t, false, "Body Shorter Than Content-Length");
    }
    m->body = (struct od_text){
        at, t.content_length_seen && t.content_length < left ? (size_t)t.content_length : left};
    return judge(m, &t, start_status);
}

/* ---- URIs ---- */

static bool starts(struct od_text text, const char *prefix)
{
    size_t n = strlen(prefix);
    return text.bytes >= n && od_text_is_nocase((struct od_text){text.at, n}, prefix);
}

static int hex_of(char c)
{
    if (is_digit(c))
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Copies the user part; bytes that are not printable become '?', so that it is safe to print. */
static size_t copy_user(struct cursor c, char *out, size_t room)
{
    size_t n = 0;
    while (c.at < c.end && n + 1 < room) {
        int byte = (unsigned char)*c.at++;
        if (byte == '%' && c.end - c.at >= 2 && hex_of(c.at[0]) >= 0 && hex_of(c.at[1]) >= 0) {
            byte = hex_of(c.at[0]) * 16 + hex_of(c.at[1]);
            c.at += 2;
        }
        out[n++] = byte > ' ' && byte < 0x7f ? (char)byte : '?';
    }
    out[n] = 0;
    return n;
}

int od_sip_text_number(struct od_text uri, char out[OD_SIP_TEXT_NUMBER_BYTES])
{
    out[0] = 0;
    const char *colon = memchr(uri.at, ':', uri.bytes);
    if (!colon)
        return 400;
    const char *end = uri.at + uri.bytes, *stop;
    if (starts(uri, "tel:")) {
        stop = end;
    } else if (starts(uri, "sip:") || starts(uri, "sips:")) {
        stop = memchr(colon, '@', (size_t)(end - colon));
        if (!stop)
            return 484;
    } else {
        return 416;
    }
    struct cursor c = {colon + 1, colon + 1};
    while (c.end < stop && *c.end != ':' && *c.end != ';')
        c.end++;
    return copy_user(c, out, OD_SIP_TEXT_NUMBER_BYTES) > 0 ? 0 : 484;
}

bool od_sip_text_uri_host(struct od_text uri, struct od_text *host, uint16_t *port)
{
    *port = 0;
    if (!starts(uri, "sip:") && !starts(uri, "sips:"))
        return false;
    const char *colon = memchr(uri.at, ':', uri.bytes), *end = uri.at + uri.bytes;
    const char *at_sign = memchr(colon, '@', (size_t)(end - colon));
    struct cursor c = {at_sign ? at_sign + 1 : colon + 1, end};
    const char *start = c.at;
    if (c.at < c.end && *c.at == '[') {
        const char *close = memchr(c.at, ']', (size_t)(c.end - c.at));
        if (!close)
            return false;
        *host = (struct od_text){start + 1, (size_t)(close - start - 1)};
        c.at = close + 1;
    } else {
        *host = take_token(&c);
    }
    uint64_t n = 0;
    if (take_char(&c, ':')) {
        if (!take_number(take_token(&c), 65535, &n) || n == 0)
            return false;
        *port = (uint16_t)n;
    }
    return host->bytes > 0;
}

/*
 * sip_text: the bytes of one SIP message to slices of it, and answers back to bytes. The subset of
 * RFC 3261 that a telephone at the end of a trunk needs: start line, the headers that routing and
 * transactions use, the body. It must never read outside its buffer, never allocate and never fail
 * in a way the caller can't answer: what is wrong comes back as the status to answer with. Called
 * by the node for every datagram; pure, so it is also the fuzz target.
 *
 * Words: head = one header line; echo = the headers of a request that its response repeats.
 * Lifetime: every slice points into the buffer given to od_sip_text_parse() and dies with it.
 */
#ifndef OD_BENCH_CARRIER_SIP_TEXT_H
#define OD_BENCH_CARRIER_SIP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OD_SIP_TEXT_HEADS_MAX = 128,  /* more heads than this is answered 400 */
    OD_SIP_TEXT_NUMBER_BYTES = 64 /* longest called number kept, with its final zero */
};

/* A piece of text inside someone else's buffer; not zero-terminated. */
struct od_text {
    const char *at;
    size_t bytes;
};

enum od_sip_text_method {
    OD_SIP_TEXT_UNKNOWN, /* not a method of any RFC we know: 501 */
    OD_SIP_TEXT_INVITE,
    OD_SIP_TEXT_ACK,
    OD_SIP_TEXT_BYE,
    OD_SIP_TEXT_CANCEL,
    OD_SIP_TEXT_OPTIONS,
    OD_SIP_TEXT_REFUSED /* a method that exists, but a telephone here refuses: 405 */
};

enum od_sip_text_head_id {
    OD_SIP_HEAD_OTHER,
    OD_SIP_HEAD_VIA,
    OD_SIP_HEAD_FROM,
    OD_SIP_HEAD_TO,
    OD_SIP_HEAD_CALL_ID,
    OD_SIP_HEAD_CSEQ,
    OD_SIP_HEAD_CONTACT,
    OD_SIP_HEAD_RECORD_ROUTE,
    OD_SIP_HEAD_CONTENT_LENGTH,
    OD_SIP_HEAD_CONTENT_TYPE,
    OD_SIP_HEAD_MAX_FORWARDS,
    OD_SIP_HEAD_REQUIRE,
    OD_SIP_HEAD_TIMESTAMP,
    OD_SIP_HEAD_AUTHORIZATION,
    OD_SIP_HEAD_WWW_AUTHENTICATE,
    OD_SIP_HEAD_PROXY_AUTHENTICATE
};

struct od_sip_text_head {
    enum od_sip_text_head_id id;
    struct od_text value; /* unfolded, without the white space around it */
};

/* Read by the caller after od_sip_text_parse(). A slice with at == NULL was absent. */
struct od_sip_text {
    bool request;                   /* false: a response */
    enum od_sip_text_method method; /* of the request, or of the response's CSeq */
    int status;                     /* responses: 100..699 */
    const char *problem;            /* reason phrase when parsing returned a status */
    struct od_text method_name, uri;
    struct od_text call_id, from, to, from_tag, to_tag, contact, content_type, require;
    uint32_t cseq;
    struct od_text cseq_method;
    struct od_text via;      /* the topmost Via value alone */
    struct od_text via_host; /* its sent-by host */
    uint16_t via_port;       /* its sent-by port, 0 when absent */
    struct od_text branch;   /* its branch, absent in RFC 2543 messages */
    const char *rport_end;   /* behind an "rport" that has no value, else NULL (RFC 3581) */
    bool received;           /* it already carries a received parameter */
    struct od_text body;     /* cut to Content-Length */
    size_t heads_n;
    struct od_sip_text_head heads[OD_SIP_TEXT_HEADS_MAX];
};

/*
 * Parses bytes[0..count), which it also writes to (folded lines are joined, RFC 3261 7.3.1).
 * Returns 0; or a SIP status 400..699 that the request should be answered with (problem says why;
 * Via is usable); or -1 for what nobody can answer: not SIP, a keep-alive, no usable Via, a broken
 * response.
 */
int od_sip_text_parse(struct od_sip_text *, char *bytes, size_t count);

/*
 * The called number: the user part of a sip:, sips: or tel: URI, %-decoded, password and parameters
 * cut off. Writes at most OD_SIP_TEXT_NUMBER_BYTES. Returns 0, or the status to refuse with: 416
 * unknown scheme (RFC 3261 8.2.2.1), 484 no number in it, 400 not a URI.
 */
int od_sip_text_number(struct od_text uri, char out[OD_SIP_TEXT_NUMBER_BYTES]);

/* The URI of a name-addr or addr-spec (Contact, Record-Route, To). False: there is none. */
bool od_sip_text_addr_uri(struct od_text value, struct od_text *uri);

/* Host and port (0 when absent) of a sip: or sips: URI; brackets of an IPv6 host are cut off. */
bool od_sip_text_uri_host(struct od_text uri, struct od_text *host, uint16_t *port);

/* The next comma-separated element of a header value; false at the end. Quotes and <> respected. */
bool od_sip_text_next_element(struct od_text *rest, struct od_text *element);

bool od_text_equal(struct od_text, struct od_text);
bool od_text_is(struct od_text, const char *word);        /* exact */
bool od_text_is_nocase(struct od_text, const char *word); /* ASCII case ignored */

/* A bounded writer. Once full it stays full and its text must not be sent. */
struct od_sip_out {
    char *at;
    size_t used, room;
    bool full;
};

void od_sip_out_bytes(struct od_sip_out *, const char *bytes, size_t count);
void od_sip_out_text(struct od_sip_out *, struct od_text);
void od_sip_out_word(struct od_sip_out *, const char *word);
void od_sip_out_format(struct od_sip_out *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Where a request came from, as text for received= and rport= (RFC 3581). */
struct od_sip_text_source {
    const char *host;
    uint16_t port;
};

/*
 * Writes the lines a response repeats: all Vias (the topmost with received and rport filled in),
 * From, To (with ;tag=to_tag added when the request had none and to_tag is not NULL), Call-ID,
 * CSeq, Timestamp (RFC 3261 8.2.6.2).
 */
void od_sip_text_echo(const struct od_sip_text *, struct od_sip_text_source, const char *to_tag,
                      struct od_sip_out *);

/* Writes the request's Record-Route values as lines named `name` ("Record-Route" or "Route"). */
void od_sip_text_routes(const struct od_sip_text *, const char *name, struct od_sip_out *);

/* The reason phrase of a status this carrier sends. */
const char *od_sip_text_reason(int status);

#endif

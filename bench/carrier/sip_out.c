/*
 * sip_out: the writing half of sip_text.h. Everything goes through a writer that knows its room.
 */
#include "bench/carrier/sip_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void od_sip_out_bytes(struct od_sip_out *out, const char *bytes, size_t count)
{
    if (out->full || count > out->room - out->used) {
        out->full = true;
        return;
    }
    if (count)
        memcpy(out->at + out->used, bytes, count);
    out->used += count;
}

void od_sip_out_text(struct od_sip_out *out, struct od_text text)
{
    od_sip_out_bytes(out, text.at, text.bytes);
}

void od_sip_out_word(struct od_sip_out *out, const char *word)
{
    od_sip_out_bytes(out, word, strlen(word));
}

void od_sip_out_format(struct od_sip_out *out, const char *format, ...)
{
    if (out->full)
        return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out->at + out->used, out->room - out->used, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= out->room - out->used)
        out->full = true;
    else
        out->used += (size_t)n;
}

static void echo_line(struct od_sip_out *out, const char *name, struct od_text value)
{
    if (value.at == NULL)
        return;
    od_sip_out_word(out, name);
    od_sip_out_text(out, value);
    od_sip_out_word(out, "\r\n");
}

/* RFC 3581 section 4: rport filled in, and received always beside it; else received only if it
 * differs. */
static void echo_top_via(const struct od_sip_text *m, struct od_sip_text_source source,
                         struct od_text value, struct od_sip_out *out)
{
    const char *end = m->via.at + m->via.bytes;
    const char *cut = m->rport_end ? m->rport_end : end;
    od_sip_out_word(out, "Via: ");
    od_sip_out_bytes(out, m->via.at, (size_t)(cut - m->via.at));
    if (m->rport_end)
        od_sip_out_format(out, "=%u", (unsigned)source.port);
    od_sip_out_bytes(out, cut, (size_t)(end - cut));
    if (!m->received && (m->rport_end || !od_text_is(m->via_host, source.host))) {
        od_sip_out_word(out, ";received=");
        od_sip_out_word(out, source.host);
    }
    od_sip_out_bytes(out, end, (size_t)(value.at + value.bytes - end));
    od_sip_out_word(out, "\r\n");
}

void od_sip_text_echo(const struct od_sip_text *m, struct od_sip_text_source source,
                      const char *to_tag, struct od_sip_out *out)
{
    for (size_t i = 0; i < m->heads_n; i++) {
        struct od_text value = m->heads[i].value;
        if (m->heads[i].id == OD_SIP_HEAD_VIA && value.at == m->via.at)
            echo_top_via(m, source, value, out);
        else if (m->heads[i].id == OD_SIP_HEAD_VIA)
            echo_line(out, "Via: ", value);
        else if (m->heads[i].id == OD_SIP_HEAD_TIMESTAMP)
            echo_line(out, "Timestamp: ", value);
    }
    echo_line(out, "From: ", m->from);
    if (m->to.at != NULL) {
        od_sip_out_word(out, "To: ");
        od_sip_out_text(out, m->to);
        if (m->to_tag.at == NULL && to_tag != NULL) {
            od_sip_out_word(out, ";tag=");
            od_sip_out_word(out, to_tag);
        }
        od_sip_out_word(out, "\r\n");
    }
    echo_line(out, "Call-ID: ", m->call_id);
    for (size_t i = 0; i < m->heads_n; i++) {
        if (m->heads[i].id == OD_SIP_HEAD_CSEQ) {
            echo_line(out, "CSeq: ", m->heads[i].value);
            break;
        }
    }
}

void od_sip_text_routes(const struct od_sip_text *m, const char *name, struct od_sip_out *out)
{
    for (size_t i = 0; i < m->heads_n; i++) {
        if (m->heads[i].id != OD_SIP_HEAD_RECORD_ROUTE)
            continue;
        od_sip_out_word(out, name);
        od_sip_out_word(out, ": ");
        od_sip_out_text(out, m->heads[i].value);
        od_sip_out_word(out, "\r\n");
    }
}

const char *od_sip_text_reason(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } reasons[] = {
        {100, "Trying"},
        {180, "Ringing"},
        {183, "Session Progress"},
        {200, "OK"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {415, "Unsupported Media Type"},
        {416, "Unsupported URI Scheme"},
        {420, "Bad Extension"},
        {480, "Temporarily Unavailable"},
        {481, "Call/Transaction Does Not Exist"},
        {482, "Loop Detected"},
        {484, "Address Incomplete"},
        {486, "Busy Here"},
        {487, "Request Terminated"},
        {488, "Not Acceptable Here"},
        {491, "Request Pending"},
        {500, "Server Internal Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {505, "Version Not Supported"},
        {513, "Message Too Large"},
        {600, "Busy Everywhere"},
        {603, "Decline"},
        {604, "Does Not Exist Anywhere"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status)
            return reasons[i].phrase;
    }
    return "Unknown";
}

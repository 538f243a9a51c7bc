/*
 * sip_read - responses, bodies and start lines. Everything here comes from the network: strings are
 * borrowed and bounded, numbers are clamped.
 */
#include "proto/sip/sip_read.h"

#include <sofia-sip/url.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

enum { RETRY_AFTER_S_MAX = 24 * 3600 };

int od_sip_read_sdp(const sip_t *message, const char **text, size_t *bytes)
{
    const sip_payload_t *payload = message->sip_payload;
    if (!payload || !payload->pl_len)
        return OD_ENOENT;
    const sip_content_type_t *type = message->sip_content_type;
    if (!type || !type->c_type ||
        !od_str_equal_nocase(type->c_type, strlen(type->c_type), "application/sdp"))
        return OD_EPROTO;
    *text = payload->pl_data;
    *bytes = payload->pl_len;
    return 0;
}

void od_sip_read_response(const sip_t *message, bool local, struct od_sip_response *out,
                          struct od_sdp *sdp)
{
    *out = (struct od_sip_response){.local = local, .reason = ""};
    if (!message || !message->sip_status)
        return;
    int status = message->sip_status->st_status;
    out->status = (uint16_t)(status < 100 ? 100 : status > 699 ? 699 : status);
    const char *phrase = message->sip_status->st_phrase;
    if (phrase && od_str_utf8(phrase, strlen(phrase)))
        out->reason = phrase;
    if (message->sip_retry_after) {
        unsigned long delay_s = message->sip_retry_after->af_delta;
        out->retry_after_s = delay_s > RETRY_AFTER_S_MAX ? RETRY_AFTER_S_MAX : (uint32_t)delay_s;
    }
    const char *text;
    size_t bytes;
    int err = local ? OD_ENOENT : od_sip_read_sdp(message, &text, &bytes);
    if (!err)
        err = od_sdp_parse(text, bytes, sdp);
    else if (err == OD_ENOENT)
        return;
    out->sdp_err = err;
    out->sdp = err ? NULL : sdp;
}

void od_sip_read_start_line(const sip_t *message, char *out, size_t out_bytes)
{
    struct od_buf line;
    od_buf_init(&line, out, out_bytes);
    if (message->sip_request) {
        const sip_request_t *request = message->sip_request;
        char uri[160] = "";
        url_e(uri, sizeof uri, request->rq_url);
        uri[sizeof uri - 1] = '\0';
        od_buf_some(&line, request->rq_method_name, 32);
        od_buf_char(&line, ' ');
        od_buf_str(&line, uri);
        od_buf_char(&line, ' ');
        od_buf_some(&line, request->rq_version, 16);
    } else {
        const sip_status_t *status = message->sip_status;
        od_buf_some(&line, status->st_version, 16);
        od_buf_char(&line, ' ');
        od_buf_u64(&line, (uint64_t)status->st_status);
        od_buf_char(&line, ' ');
        od_buf_some(&line, status->st_phrase ? status->st_phrase : "", 64);
    }
}

/* sdp_text: see sdp_text.h. */
#include "bench/carrier/sdp_text.h"

#include <string.h>

static bool next_line(struct od_text *rest, struct od_text *line)
{
    if (rest->bytes == 0)
        return false;
    const char *newline = memchr(rest->at, '\n', rest->bytes);
    size_t taken = newline ? (size_t)(newline - rest->at) : rest->bytes;
    *line = (struct od_text){rest->at, taken};
    size_t step = newline ? taken + 1 : taken;
    *rest = (struct od_text){rest->at + step, rest->bytes - step};
    while (line->bytes && (line->at[line->bytes - 1] == '\r' || line->at[line->bytes - 1] == ' '))
        line->bytes--;
    return true;
}

static bool next_word(struct od_text *rest, struct od_text *word)
{
    while (rest->bytes && *rest->at == ' ')
        *rest = (struct od_text){rest->at + 1, rest->bytes - 1};
    size_t n = 0;
    while (n < rest->bytes && rest->at[n] != ' ')
        n++;
    *word = (struct od_text){rest->at, n};
    *rest = (struct od_text){rest->at + n, rest->bytes - n};
    return n > 0;
}

/* -1: not a number of at most `limit`. */
static int number_of(struct od_text word, int limit)
{
    int n = 0;
    if (word.bytes == 0)
        return -1;
    for (size_t i = 0; i < word.bytes; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return -1;
        n = n * 10 + (word.at[i] - '0');
        if (n > limit)
            return -1;
    }
    return n;
}

/* "IN IP4 192.0.2.1", perhaps with "/ttl" */
static bool read_connection(struct od_text value, struct od_carrier_addr *out)
{
    struct od_text net, kind, host;
    if (!next_word(&value, &net) || !next_word(&value, &kind) || !next_word(&value, &host))
        return false;
    const char *slash = memchr(host.at, '/', host.bytes);
    if (slash)
        host.bytes = (size_t)(slash - host.at);
    return od_text_is(net, "IN") && od_carrier_addr_host(out, host.at, host.bytes, 0);
}

/* An m= line. Returns its port, or -1 when it is no m= line. */
static int read_stream(struct od_text value, struct od_sdp_stream *stream)
{
    struct od_text port;
    if (!next_word(&value, &stream->media) || !next_word(&value, &port) ||
        !next_word(&value, &stream->proto))
        return -1;
    const char *slash = memchr(port.at, '/', port.bytes);
    if (slash)
        port.bytes = (size_t)(slash - port.at);
    while (value.bytes && *value.at == ' ')
        value = (struct od_text){value.at + 1, value.bytes - 1};
    stream->formats = value;
    return number_of(port, 65535);
}

static int codec_of(struct od_text formats)
{
    struct od_text word;
    while (next_word(&formats, &word)) {
        int type = number_of(word, 127);
        if (type == 0 || type == 8) /* RFC 3551 table 4: the static types of G.711 */
            return type;
    }
    return -1;
}

static void read_direction(struct od_sdp_text *sdp, struct od_text value)
{
    if (od_text_is(value, "sendrecv"))
        sdp->sends = sdp->receives = true;
    else if (od_text_is(value, "sendonly"))
        sdp->sends = true, sdp->receives = false;
    else if (od_text_is(value, "recvonly"))
        sdp->sends = false, sdp->receives = true;
    else if (od_text_is(value, "inactive"))
        sdp->sends = sdp->receives = false;
}

static void read_attribute(struct od_sdp_text *sdp, struct od_text value)
{
    read_direction(sdp, value);
    if (value.bytes < 7 || memcmp(value.at, "rtpmap:", 7) != 0)
        return;
    value = (struct od_text){value.at + 7, value.bytes - 7};
    struct od_text type, name;
    if (next_word(&value, &type) && next_word(&value, &name) &&
        od_text_is_nocase(name, "telephone-event/8000"))
        sdp->event = number_of(type, 127);
}

bool od_sdp_text_parse(struct od_sdp_text *sdp, struct od_text body)
{
    memset(sdp, 0, sizeof *sdp);
    sdp->codec = sdp->event = -1;
    sdp->sends = sdp->receives = true;
    struct od_carrier_addr session = {0}, media = {0};
    bool session_given = false, media_given = false, audio_found = false, in_audio = false;
    int audio_port = 0;
    struct od_text line;
    while (next_line(&body, &line)) {
        if (line.bytes < 2 || line.at[1] != '=')
            continue;
        struct od_text value = {line.at + 2, line.bytes - 2};
        if (line.at[0] == 'm') {
            if (sdp->streams_n == OD_SDP_TEXT_STREAMS_MAX)
                return false;
            struct od_sdp_stream *stream = &sdp->streams[sdp->streams_n];
            int port = read_stream(value, stream);
            if (port < 0)
                return false;
            in_audio = !audio_found && od_text_is(stream->media, "audio") &&
                       od_text_is(stream->proto, "RTP/AVP") && codec_of(stream->formats) >= 0;
            if (in_audio) {
                audio_found = true;
                audio_port = port;
                sdp->codec = codec_of(stream->formats);
                sdp->audio_stream = sdp->streams_n;
            }
            sdp->streams_n++;
        } else if (line.at[0] == 'c' && sdp->streams_n == 0) {
            session_given = read_connection(value, &session);
        } else if (line.at[0] == 'c' && in_audio) {
            media_given = read_connection(value, &media);
        } else if (line.at[0] == 'a' && sdp->streams_n == 0) {
            read_direction(sdp, value);
        } else if (line.at[0] == 'a' && in_audio) {
            read_attribute(sdp, value);
        }
    }
    if (!audio_found || (!session_given && !media_given))
        return false;
    sdp->audio = media_given ? media : session;
    od_carrier_addr_set_port(&sdp->audio, (uint16_t)audio_port);
    return true;
}

static void write_audio(const struct od_sdp_text *offer, unsigned port, struct od_sip_out *out)
{
    int event = offer ? offer->event : 101;
    if (offer)
        od_sip_out_format(out, "m=audio %u RTP/AVP %d", port, offer->codec);
    else
        od_sip_out_format(out, "m=audio %u RTP/AVP 0 8", port);
    if (event >= 0)
        od_sip_out_format(out, " %d", event);
    od_sip_out_word(out, "\r\n");
    if (!offer || offer->codec == 0)
        od_sip_out_word(out, "a=rtpmap:0 PCMU/8000\r\n");
    if (!offer || offer->codec == 8)
        od_sip_out_word(out, "a=rtpmap:8 PCMA/8000\r\n");
    if (event >= 0)
        od_sip_out_format(out, "a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", event,
                          event);
    /* RFC 3264 6.1: what the other side doesn't receive we don't send, and the other way round */
    bool we_send = !offer || offer->receives, we_receive = !offer || offer->sends;
    od_sip_out_format(out, "a=ptime:20\r\na=%s\r\n",
                      we_send && we_receive ? "sendrecv"
                      : we_send             ? "sendonly"
                      : we_receive          ? "recvonly"
                                            : "inactive");
}

void od_sdp_text_write(const struct od_sdp_text *offer, const struct od_carrier_addr *local,
                       uint64_t serial, struct od_sip_out *out)
{
    char host[OD_CARRIER_ADDR_TEXT];
    od_carrier_addr_host_text(local, host);
    const char *kind = local->u.any.sa_family == AF_INET6 ? "IP6" : "IP4";
    od_sip_out_format(out, "v=0\r\no=- %llu 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
                      (unsigned long long)serial, kind, host, kind, host);
    if (!offer) {
        write_audio(NULL, od_carrier_addr_port(local), out);
        return;
    }
    for (size_t i = 0; i < offer->streams_n; i++) {
        if (i == offer->audio_stream) {
            write_audio(offer, od_carrier_addr_port(local), out);
            continue;
        }
        /* RFC 3264 6: a refused stream keeps its place, with port 0 */
        od_sip_out_word(out, "m=");
        od_sip_out_text(out, offer->streams[i].media);
        od_sip_out_word(out, " 0 ");
        od_sip_out_text(out, offer->streams[i].proto);
        od_sip_out_word(out, " ");
        od_sip_out_text(out, offer->streams[i].formats);
        od_sip_out_word(out, "\r\n");
    }
}

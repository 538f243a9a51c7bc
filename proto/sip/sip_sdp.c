/*
 * sip_sdp - reads and writes the few lines of SDP that an audio leg needs.
 *
 * The text comes from the network: every number is bounded, every line is looked at once, nothing
 * is allocated, and what is not understood is skipped. A body is one pass over at most
 * OD_SDP_BYTES_MAX bytes.
 */
#include "proto/sip/sip_sdp.h"

#include <arpa/inet.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/sip/sip_addr.h"

enum { STREAMS_MAX = 16, PTIME_MS_MAX = 200 };

struct span {
    const char *at;
    size_t bytes;
};

/* Takes the next line off `rest`, without its CR LF; a lone LF ends a line too (RFC 8866
 * section 5: parsers should accept it). */
static bool next_line(struct span *rest, struct span *line)
{
    if (!rest->bytes)
        return false;
    const char *end = memchr(rest->at, '\n', rest->bytes);
    size_t taken = end ? (size_t)(end - rest->at) + 1 : rest->bytes;
    *line = (struct span){rest->at, end ? taken - 1 : taken};
    if (line->bytes && line->at[line->bytes - 1] == '\r')
        line->bytes--;
    rest->at += taken;
    rest->bytes -= taken;
    return true;
}

/* Takes the next word off `rest`; words are parted by spaces. Empty at the end. */
static struct span next_word(struct span *rest)
{
    while (rest->bytes && *rest->at == ' ') {
        rest->at++;
        rest->bytes--;
    }
    struct span word = {rest->at, 0};
    while (rest->bytes && *rest->at != ' ') {
        word.bytes++;
        rest->at++;
        rest->bytes--;
    }
    return word;
}

/* Takes what precedes `mark` (or all) off `rest`, and the mark with it. */
static struct span until(struct span *rest, char mark)
{
    const char *at = rest->bytes ? memchr(rest->at, mark, rest->bytes) : NULL;
    struct span piece = {rest->at, at ? (size_t)(at - rest->at) : rest->bytes};
    size_t taken = piece.bytes + (at != NULL);
    rest->at += taken;
    rest->bytes -= taken;
    return piece;
}

static bool is(struct span word, const char *text)
{
    return od_str_equal_nocase(word.at, word.bytes, text);
}

/* True when the attribute is `name`; for "name:value" *value gets the value. */
static bool attribute(struct span line, const char *name, struct span *value)
{
    struct span rest = line;
    struct span head = until(&rest, ':');
    *value = rest;
    return is(head, name);
}

/* What is known of one m= section, or of the lines before the first. */
struct section {
    bool has_address;
    uint8_t family;
    uint8_t ip[16];
    bool has_direction;
    uint8_t direction;
};

struct stream {
    bool usable;   /* audio over RTP/AVP or RTP/SAVP */
    bool secure;   /* the latter */
    uint16_t port; /* 0: refused */
    uint16_t ptime_ms;
    uint8_t count;
    uint8_t mapped[OD_SDP_FORMATS_MAX]; /* has an rtpmap */
    struct od_sdp_format formats[OD_SDP_FORMATS_MAX];
    struct od_sdp_key key;
    struct section section;
};

/* RFC 3551 table 4: payload types that mean something without an rtpmap. */
static const struct od_sdp_format static_formats[] = {
    {0, "PCMU", 8000, 1},  {3, "GSM", 8000, 1},   {4, "G723", 8000, 1},   {5, "DVI4", 8000, 1},
    {6, "DVI4", 16000, 1}, {7, "LPC", 8000, 1},   {8, "PCMA", 8000, 1},   {9, "G722", 8000, 1},
    {10, "L16", 44100, 2}, {11, "L16", 44100, 1}, {12, "QCELP", 8000, 1}, {13, "CN", 8000, 1},
    {15, "G728", 8000, 1}, {18, "G729", 8000, 1},
};

/* c=IN IP4 192.0.2.1 (RFC 8866 section 5.7). A multicast or broadcast address would make us send
 * speech to many, so it is refused, and so is a name: nothing resolves here. */
static int read_connection(struct span line, struct section *section)
{
    struct span net = next_word(&line);
    struct span type = next_word(&line);
    struct span address = next_word(&line);
    char text[INET6_ADDRSTRLEN];
    if (!is(net, "IN") || line.bytes || !address.bytes || address.bytes >= sizeof text)
        return OD_EPROTO;
    memcpy(text, address.at, address.bytes);
    text[address.bytes] = '\0';
    if (is(type, "IP4")) {
        if (inet_pton(AF_INET, text, section->ip) != 1)
            return OD_EPROTO;
        if (section->ip[0] >= 224)
            return OD_EPROTO;
        section->family = 4;
    } else if (is(type, "IP6")) {
        if (inet_pton(AF_INET6, text, section->ip) != 1 || section->ip[0] == 0xff)
            return OD_EPROTO;
        section->family = 6;
    } else {
        return OD_EPROTO;
    }
    section->has_address = true;
    return 0;
}

/* m=audio 49170 RTP/AVP 0 8 101 (RFC 8866 section 5.14) */
static int read_media(struct span line, struct stream *stream)
{
    memset(stream, 0, sizeof *stream);
    struct span media = next_word(&line);
    struct span port = next_word(&line);
    struct span proto = next_word(&line);
    uint64_t number = 0, ports = 1;
    if (!media.bytes || !proto.bytes)
        return OD_EPROTO;
    struct span first = until(&port, '/');
    if (!od_str_u64(first.at, first.bytes, 65535, &number))
        return OD_EPROTO;
    if (port.bytes && (!od_str_u64(port.at, port.bytes, 65535, &ports) || ports != 1))
        return OD_EPROTO;
    stream->port = (uint16_t)number;
    stream->secure = is(proto, "RTP/SAVP");
    stream->usable = is(media, "audio") && (is(proto, "RTP/AVP") || stream->secure);
    if (!stream->usable)
        return 0;
    struct span word;
    while ((word = next_word(&line)).bytes) {
        uint64_t type;
        if (!od_str_u64(word.at, word.bytes, 127, &type))
            return OD_EPROTO;
        bool known = false;
        for (unsigned i = 0; i < stream->count; i++)
            known = known || stream->formats[i].payload_type == type;
        if (!known && stream->count < OD_SDP_FORMATS_MAX)
            stream->formats[stream->count++].payload_type = (uint8_t)type;
    }
    return stream->count ? 0 : OD_EPROTO;
}

/* a=rtpmap:101 telephone-event/8000[/1] (RFC 8866 section 6.6) */
static int read_rtpmap(struct span value, struct stream *stream)
{
    struct span type_word = next_word(&value);
    struct span map = next_word(&value);
    struct span name = until(&map, '/');
    struct span rate_word = until(&map, '/');
    uint64_t type, rate, channels = 1;
    if (!od_str_u64(type_word.at, type_word.bytes, 127, &type) || !name.bytes)
        return OD_EPROTO;
    if (!od_str_u64(rate_word.at, rate_word.bytes, 384000, &rate) || !rate)
        return OD_EPROTO;
    if (map.bytes && (!od_str_u64(map.at, map.bytes, 255, &channels) || !channels))
        return OD_EPROTO;
    for (unsigned i = 0; i < stream->count; i++) {
        struct od_sdp_format *format = &stream->formats[i];
        if (format->payload_type != type || name.bytes >= sizeof format->encoding)
            continue;
        for (size_t c = 0; c < name.bytes; c++) {
            char letter = name.at[c];
            format->encoding[c] = (char)(letter >= 'a' && letter <= 'z' ? letter - 32 : letter);
        }
        format->encoding[name.bytes] = '\0';
        format->rate = (uint32_t)rate;
        format->channels = (uint8_t)channels;
        stream->mapped[i] = 1;
    }
    return 0;
}

/* Exactly OD_SRTP_KEY_BYTES in base64 (40 characters, no padding). */
static bool read_base64(struct span text, uint8_t out[OD_SRTP_KEY_BYTES])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (text.bytes != OD_SRTP_KEY_BYTES * 4 / 3)
        return false;
    for (size_t i = 0; i < text.bytes; i += 4) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *at = memchr(letters, text.at[i + k], sizeof letters - 1);
            if (!at)
                return false;
            bits = bits << 6 | (uint32_t)(at - letters);
        }
        *out++ = (uint8_t)(bits >> 16);
        *out++ = (uint8_t)(bits >> 8);
        *out++ = (uint8_t)bits;
    }
    return true;
}

/* a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY[|lifetime][|MKI] (RFC 4568 section 9.1). One that
 * asks for what we don't do is passed over; the first that fits counts. */
static void read_crypto(struct span value, struct stream *stream)
{
    struct span tag_word = next_word(&value);
    struct span suite = next_word(&value);
    struct span params = next_word(&value);
    struct span more = next_word(&value); /* session parameters, all of which change the rules */
    uint64_t tag;
    if (stream->key.tag || !is(suite, "AES_CM_128_HMAC_SHA1_80") || more.bytes ||
        !od_str_u64(tag_word.at, tag_word.bytes, 999999999, &tag) || !tag)
        return;
    struct span method = until(&params, ':');
    struct span key = until(&params, '|');
    struct span lifetime = until(&params, '|');
    bool mki = params.bytes || (lifetime.bytes && memchr(lifetime.at, ':', lifetime.bytes));
    if (!is(method, "inline") || mki || !read_base64(key, stream->key.key))
        return;
    stream->key.tag = (uint32_t)tag;
}

static int read_attribute(struct span line, struct section *section, struct stream *stream)
{
    static const char *const directions[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
    struct span value;
    for (uint8_t d = 0; d < 4; d++) {
        if (is(line, directions[d])) {
            section->has_direction = true;
            section->direction = d;
            return 0;
        }
    }
    if (!stream || !stream->usable)
        return 0;
    if (attribute(line, "rtpmap", &value))
        return read_rtpmap(value, stream);
    if (attribute(line, "crypto", &value))
        read_crypto(value, stream);
    if (attribute(line, "ptime", &value)) {
        uint64_t ptime;
        /* out of range counts as not given: the peer then gets our 20 ms */
        if (od_str_u64(value.at, value.bytes, PTIME_MS_MAX, &ptime))
            stream->ptime_ms = (uint16_t)ptime;
    }
    return 0;
}

/* Gives formats without an rtpmap their static meaning and drops those that have none. */
static void settle_formats(const struct stream *stream, struct od_sdp *out)
{
    out->count = 0;
    for (unsigned i = 0; i < stream->count; i++) {
        const struct od_sdp_format *format = &stream->formats[i];
        if (!stream->mapped[i]) {
            unsigned s = 0, known = sizeof static_formats / sizeof *static_formats;
            while (s < known && static_formats[s].payload_type != format->payload_type)
                s++;
            if (s == known)
                continue;
            format = &static_formats[s];
        }
        out->formats[out->count++] = *format;
    }
}

static int settle(const struct section *session, const struct stream *stream, struct od_sdp *out)
{
    const struct section *own = &stream->section;
    const struct section *address = own->has_address ? own : session;
    if (!address->has_address && stream->port)
        return OD_EPROTO;
    out->remote.family = address->family;
    memcpy(out->remote.ip, address->ip, sizeof out->remote.ip);
    out->remote.port = stream->port;
    out->direction = own->has_direction ? own->direction : session->direction;
    out->ptime_ms = stream->ptime_ms;
    out->secure = stream->secure;
    out->key = stream->key;
    settle_formats(stream, out);
    return 0;
}

/* *chosen: which m= line (0..) became `out`; *streams: how many there are. */
static int parse(const char *text, size_t bytes, struct od_sdp *out, unsigned *chosen,
                 unsigned *streams)
{
    memset(out, 0, sizeof *out);
    *streams = 0;
    *chosen = STREAMS_MAX;
    if (bytes > OD_SDP_BYTES_MAX || (bytes && memchr(text, '\0', bytes)))
        return OD_EPROTO;
    struct span rest = {text, bytes}, line;
    if (!next_line(&rest, &line) || line.bytes != 3 || memcmp(line.at, "v=0", 3) != 0)
        return OD_EPROTO;
    struct section session = {0};
    struct stream best = {0}, current = {0};
    unsigned current_index = 0;
    bool in_media = false;
    for (;;) {
        bool more = next_line(&rest, &line);
        bool media = more && line.bytes >= 2 && line.at[0] == 'm' && line.at[1] == '=';
        if (in_media && (!more || media) && current.usable &&
            (*chosen == STREAMS_MAX || (!best.port && current.port))) {
            best = current;
            *chosen = current_index;
        }
        if (!more)
            break;
        if (!line.bytes)
            continue;
        if (line.bytes < 2 || line.at[1] != '=' || line.at[0] < 'a' || line.at[0] > 'z')
            return OD_EPROTO;
        struct span value = {line.at + 2, line.bytes - 2};
        int err = 0;
        if (media) {
            if (*streams == STREAMS_MAX)
                return OD_EPROTO;
            current_index = (*streams)++;
            in_media = true;
            err = read_media(value, &current);
        } else if (line.at[0] == 'c') {
            /* a stream that isn't ours may have any address */
            if (!in_media || current.usable)
                err = read_connection(value, in_media ? &current.section : &session);
        } else if (line.at[0] == 'a') {
            err = read_attribute(value, in_media ? &current.section : &session,
                                 in_media ? &current : NULL);
        }
        if (err)
            return err;
    }
    if (*chosen == STREAMS_MAX)
        return OD_ENOENT;
    return settle(&session, &best, out);
}

int od_sdp_parse(const char *text, size_t bytes, struct od_sdp *out)
{
    unsigned chosen, streams;
    return parse(text, bytes, out, &chosen, &streams);
}

static const char *direction_name(uint8_t direction)
{
    switch (direction) {
    case OD_SDP_SENDONLY:
        return "sendonly";
    case OD_SDP_RECVONLY:
        return "recvonly";
    case OD_SDP_INACTIVE:
        return "inactive";
    default:
        return "sendrecv";
    }
}

uint8_t od_sdp_mirror(uint8_t direction)
{
    switch (direction) {
    case OD_SDP_SENDONLY:
        return OD_SDP_RECVONLY;
    case OD_SDP_RECVONLY:
        return OD_SDP_SENDONLY;
    case OD_SDP_INACTIVE:
        return OD_SDP_INACTIVE;
    default:
        return OD_SDP_SENDRECV;
    }
}

static void write_address(struct od_buf *buf, const struct od_addr *addr)
{
    od_buf_str(buf, addr->family == 6 ? "IN IP6 " : "IN IP4 ");
    od_sip_add_ip(buf, addr);
    od_buf_str(buf, "\r\n");
}

static int finish(const struct od_buf *buf)
{
    return buf->cut ? OD_ETOOBIG : (int)buf->used;
}

const uint8_t od_sdp_types[OD_VOICE_COUNT] = {0, 8, 9, 111};

/* RFC 3551 section 4.5.2: G.722 counts 8,000 a second, for history's sake. RFC 7587: Opus always
 * counts 48,000 and says two channels, whatever it sends. */
static const char *const voice_maps[OD_VOICE_COUNT] = {"PCMU/8000", "PCMA/8000", "G722/8000",
                                                       "opus/48000/2"};

static void write_crypto(struct od_buf *buf, const uint8_t *key)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    od_buf_str(buf, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:");
    for (unsigned i = 0; i < OD_SRTP_KEY_BYTES; i += 3) {
        uint32_t bits = (uint32_t)key[i] << 16 | (uint32_t)key[i + 1] << 8 | key[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            od_buf_char(buf, letters[bits >> shift & 63]);
    }
    od_buf_str(buf, "\r\n");
}

int od_sdp_write(const struct od_sdp_offer *offer, char *out, size_t out_bytes)
{
    struct od_buf buf;
    od_buf_init(&buf, out, out_bytes);
    od_buf_str(&buf, "v=0\r\no=");
    od_buf_str(&buf, offer->user);
    od_buf_char(&buf, ' ');
    od_buf_u64(&buf, offer->session);
    od_buf_char(&buf, ' ');
    od_buf_u64(&buf, offer->session);
    od_buf_char(&buf, ' ');
    write_address(&buf, &offer->local);
    od_buf_str(&buf, "s=-\r\nc=");
    write_address(&buf, &offer->local);
    od_buf_str(&buf, "t=0 0\r\nm=audio ");
    od_buf_u64(&buf, offer->local.port);
    od_buf_str(&buf, offer->srtp == OD_SRTP_REQUIRED ? " RTP/SAVP" : " RTP/AVP");
    for (unsigned i = 0; i < offer->voice_count; i++) {
        od_buf_char(&buf, ' ');
        od_buf_u64(&buf, od_sdp_types[offer->voices[i]]);
    }
    if (offer->dtmf_type) {
        od_buf_char(&buf, ' ');
        od_buf_u64(&buf, offer->dtmf_type);
    }
    od_buf_str(&buf, "\r\n");
    if (offer->srtp != OD_SRTP_OFF)
        write_crypto(&buf, offer->key);
    for (unsigned i = 0; i < offer->voice_count; i++) {
        od_buf_str(&buf, "a=rtpmap:");
        od_buf_u64(&buf, od_sdp_types[offer->voices[i]]);
        od_buf_char(&buf, ' ');
        od_buf_str(&buf, voice_maps[offer->voices[i]]);
        od_buf_str(&buf, "\r\n");
    }
    if (offer->dtmf_type) {
        od_buf_str(&buf, "a=rtpmap:");
        od_buf_u64(&buf, offer->dtmf_type);
        od_buf_str(&buf, " telephone-event/8000\r\na=fmtp:");
        od_buf_u64(&buf, offer->dtmf_type);
        od_buf_str(&buf, " 0-15\r\n");
    }
    od_buf_str(&buf, "a=ptime:20\r\na=");
    od_buf_str(&buf, direction_name(offer->direction));
    od_buf_str(&buf, "\r\n");
    return finish(&buf);
}

static void copy_line(struct od_buf *buf, struct span line)
{
    od_buf_add(buf, line.at, line.bytes);
    od_buf_str(buf, "\r\n");
}

/* o=user id version IN IP4 address, with the version raised */
static void repeat_origin(struct od_buf *buf, struct span line, uint32_t changes)
{
    struct span rest = line;
    struct span user = next_word(&rest);
    struct span id = next_word(&rest);
    struct span version = next_word(&rest);
    uint64_t number = 0;
    if (!od_str_u64(version.at, version.bytes, UINT64_MAX - UINT32_MAX, &number)) {
        copy_line(buf, line);
        return;
    }
    od_buf_add(buf, user.at, user.bytes);
    od_buf_char(buf, ' ');
    od_buf_add(buf, id.at, id.bytes);
    od_buf_char(buf, ' ');
    od_buf_u64(buf, number + changes);
    copy_line(buf, rest);
}

/* Our lines before the first m=, or from it on. */
static void repeat_ours(struct od_buf *buf, const struct od_sdp_repeat *repeat, bool media)
{
    struct span rest = {repeat->offer, repeat->offer_bytes}, line;
    bool in_media = false;
    while (next_line(&rest, &line)) {
        if (line.bytes < 2)
            continue;
        in_media = in_media || line.at[0] == 'm';
        struct span value = {line.at + 2, line.bytes - 2};
        if (in_media != media)
            continue;
        struct section found = {0};
        if (line.at[0] == 'a')
            read_attribute(value, &found, NULL);
        if (found.has_direction) {
            od_buf_str(buf, "a=");
            od_buf_str(buf, direction_name(repeat->direction));
            od_buf_str(buf, "\r\n");
        } else if (line.at[0] == 'o') {
            repeat_origin(buf, line, repeat->changes);
        } else {
            copy_line(buf, line);
        }
    }
}

/* A stream we don't take: the peer's line with port 0 and one of its formats. */
static void refuse_stream(struct od_buf *buf, struct span value)
{
    struct span media = next_word(&value);
    next_word(&value);
    struct span proto = next_word(&value);
    struct span format = next_word(&value);
    od_buf_str(buf, "m=");
    od_buf_add(buf, media.at, media.bytes);
    od_buf_str(buf, " 0 ");
    od_buf_add(buf, proto.at, proto.bytes);
    od_buf_char(buf, ' ');
    copy_line(buf, format.bytes ? format : (struct span){"0", 1});
}

int od_sdp_repeat(const struct od_sdp_repeat *repeat, char *out, size_t out_bytes)
{
    struct od_buf buf;
    od_buf_init(&buf, out, out_bytes);
    if (!repeat->peer) {
        repeat_ours(&buf, repeat, false);
        repeat_ours(&buf, repeat, true);
        return finish(&buf);
    }
    struct od_sdp parsed;
    unsigned chosen, streams, index = 0;
    int err = parse(repeat->peer, repeat->peer_bytes, &parsed, &chosen, &streams);
    if (err)
        return err;
    repeat_ours(&buf, repeat, false);
    struct span rest = {repeat->peer, repeat->peer_bytes}, line;
    while (next_line(&rest, &line)) {
        if (line.bytes < 2 || line.at[0] != 'm')
            continue;
        if (index++ == chosen && parsed.remote.port)
            repeat_ours(&buf, repeat, true);
        else
            refuse_stream(&buf, (struct span){line.at + 2, line.bytes - 2});
    }
    return finish(&buf);
}

/* OD_VOICE_COUNT: none of ours. */
static uint8_t voice_of(const struct od_sdp_format *format)
{
    static const struct {
        const char *encoding;
        uint32_t rate;
        uint8_t channels;
        uint8_t type; /* a static one must be itself; 255: any */
    } known[OD_VOICE_COUNT] = {
        {"PCMU", 8000, 1, 0}, {"PCMA", 8000, 1, 8}, {"G722", 8000, 1, 9}, {"OPUS", 48000, 2, 255}};
    uint8_t voice = 0;
    while (voice < OD_VOICE_COUNT &&
           (strcmp(format->encoding, known[voice].encoding) != 0 ||
            format->rate != known[voice].rate || format->channels != known[voice].channels ||
            (known[voice].type != 255 && format->payload_type != known[voice].type)))
        voice++;
    return voice;
}

int od_sdp_choose(const struct od_sdp *answer, struct od_sdp_choice *out)
{
    bool found = false;
    *out = (struct od_sdp_choice){0};
    for (unsigned i = 0; i < answer->count; i++) {
        const struct od_sdp_format *format = &answer->formats[i];
        uint8_t voice = voice_of(format);
        if (voice < OD_VOICE_COUNT && !found) {
            out->voice = voice;
            out->type = format->payload_type;
            found = true;
        } else if (format->rate == 8000 && format->channels == 1 &&
                   strcmp(format->encoding, "TELEPHONE-EVENT") == 0 && !out->dtmf_type) {
            out->dtmf_type = format->payload_type;
        }
    }
    return found ? 0 : OD_ENOENT;
}

/*
 * ws_frame - see the header. A message that lies whole in the bytes at hand is shown where it lies;
 * one that comes in pieces is gathered.
 */
#include "proto/ws/ws_frame.h"

#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

static const char not_utf8[] = "a text that is not UTF-8";

enum { KEEP_BYTES_MAX = 64 * 1024 }; /* memory of a gathered message that is kept for the next */

void od_ws_reader_init(struct od_ws_reader *reader, size_t message_max)
{
    memset(reader, 0, sizeof *reader);
    reader->message_max = message_max;
}

void od_ws_reader_free(struct od_ws_reader *reader)
{
    od_http_bytes_free(&reader->message);
}

static enum od_ws_step bad(struct od_ws_reader *reader, enum od_ws_code code, const char *why)
{
    reader->code = (uint16_t)code;
    reader->why = why;
    return OD_WS_BAD;
}

static bool is_control(unsigned op)
{
    return op & 8u;
}

/* Bytes of the frame's head, as far as its first two bytes tell; a server's frames have no mask. */
static size_t head_bytes(const uint8_t head[2])
{
    unsigned length = head[1] & 0x7fu;
    return length == 126 ? 4 : length == 127 ? 10 : 2;
}

static uint64_t read_length(const uint8_t *head)
{
    unsigned length = head[1] & 0x7fu;
    unsigned count = length == 126 ? 2 : length == 127 ? 8 : 0;
    uint64_t value = count ? 0 : length;
    for (unsigned i = 0; i < count; i++)
        value = value << 8 | head[2 + i];
    return value;
}

/* NULL, or the rule that the head breaks. */
static const char *judge_head(const struct od_ws_reader *reader, unsigned op, uint64_t length)
{
    const uint8_t *head = reader->head;
    unsigned written = head[1] & 0x7fu;
    bool control = is_control(op);
    if (head[0] & 0x70)
        return "reserved bits are set";
    if (head[1] & 0x80)
        return "a server's frame is masked";
    if (op > OD_WS_PONG || (op > OD_WS_BINARY && op < OD_WS_CLOSE))
        return "an unknown opcode";
    if (control && (!reader->fin || length > OD_WS_CONTROL_MAX))
        return "a control frame in pieces or above 125 bytes";
    if ((written == 126 && length < 126) || (written == 127 && length < 65536))
        return "a length that is not as short as can be";
    if (!control && op != OD_WS_CONTINUATION && reader->message_op)
        return "a new message within another";
    if (op == OD_WS_CONTINUATION && !reader->message_op)
        return "a continuation of nothing";
    return NULL;
}

/* The head is complete. */
static enum od_ws_step begin_frame(struct od_ws_reader *reader)
{
    unsigned op = reader->head[0] & 0x0fu;
    uint64_t length = read_length(reader->head);
    reader->fin = reader->head[0] & 0x80;
    const char *why = judge_head(reader, op, length);
    if (why)
        return bad(reader, OD_WS_PROTOCOL, why);
    if (!is_control(op) && length > reader->message_max - reader->message.used)
        return bad(reader, OD_WS_TOO_BIG, "a message too long");
    if (!is_control(op) && op != OD_WS_CONTINUATION)
        reader->message_op = (uint8_t)op;
    reader->frame_op = (uint8_t)op;
    reader->payload_left = length;
    reader->in_payload = true;
    reader->control_have = 0;
    return OD_WS_MORE;
}

static bool take_head(struct od_ws_reader *reader, const uint8_t **data, size_t *bytes,
                      enum od_ws_step *step)
{
    while (*bytes) {
        reader->head[reader->head_have++] = *(*data)++;
        --*bytes;
        if (reader->head_have >= 2 && reader->head_have == head_bytes(reader->head)) {
            reader->head_have = 0;
            *step = begin_frame(reader);
            return *step != OD_WS_BAD;
        }
    }
    *step = OD_WS_MORE;
    return false;
}

/* RFC 6455 sections 5.5.1 and 7.4: a code that may stand on the wire, and a reason in UTF-8. */
static enum od_ws_step show_close(struct od_ws_reader *reader)
{
    reader->close_code = OD_WS_NO_CODE;
    if (reader->bytes == 1)
        return bad(reader, OD_WS_PROTOCOL, "a close code of one byte");
    if (reader->bytes >= 2) {
        unsigned code = (unsigned)reader->at[0] << 8 | reader->at[1];
        if (code < 1000 || (code >= 1004 && code <= 1006) || (code >= 1015 && code < 3000) ||
            code > 4999)
            return bad(reader, OD_WS_PROTOCOL, "a close code that must not be sent");
        if (!od_str_utf8((const char *)reader->at + 2, reader->bytes - 2))
            return bad(reader, OD_WS_BAD_TEXT, "a close reason that is not UTF-8");
        reader->close_code = (uint16_t)code;
    }
    return OD_WS_MESSAGE;
}

static enum od_ws_step show(struct od_ws_reader *reader, unsigned op, const uint8_t *at,
                            size_t bytes)
{
    reader->op = (uint8_t)op;
    reader->at = at;
    reader->bytes = bytes;
    return op == OD_WS_CLOSE ? show_close(reader) : OD_WS_MESSAGE;
}

/* A piece of a text is judged when it comes (RFC 6455 section 8.1), so that the last one of
 * megabytes has no more to it than the others. */
static bool good_so_far(struct od_ws_reader *reader, bool ends)
{
    const struct od_http_bytes *message = &reader->message;
    if (reader->message_op != OD_WS_TEXT || !message->used)
        return true;
    reader->valid += od_str_utf8_prefix(message->at + reader->valid, message->used - reader->valid);
    return message->used - reader->valid < (ends ? 1 : 4);
}

static enum od_ws_step end_message(struct od_ws_reader *reader, const uint8_t *at, size_t bytes)
{
    unsigned op = reader->message_op;
    reader->message_op = 0;
    return show(reader, op, at, bytes);
}

static enum od_ws_step take_control(struct od_ws_reader *reader, const uint8_t *data, size_t take)
{
    memcpy(reader->control + reader->control_have, data, take);
    reader->control_have = (uint8_t)(reader->control_have + take);
    if (reader->payload_left)
        return OD_WS_MORE;
    reader->in_payload = false;
    return show(reader, reader->frame_op, reader->control, reader->control_have);
}

static enum od_ws_step take_data(struct od_ws_reader *reader, const uint8_t *data, size_t take,
                                 bool whole)
{
    bool ends = !reader->payload_left && reader->fin;
    reader->in_payload = reader->payload_left != 0;
    if (ends && whole && !reader->message.used) {
        if (reader->message_op == OD_WS_TEXT && !od_str_utf8((const char *)data, take))
            return bad(reader, OD_WS_BAD_TEXT, not_utf8);
        return end_message(reader, data, take);
    }
    if (od_http_bytes_add(&reader->message, data, take))
        return bad(reader, OD_WS_TOO_BIG, "no memory for a message");
    if (!good_so_far(reader, ends))
        return bad(reader, OD_WS_BAD_TEXT, not_utf8);
    if (!ends)
        return OD_WS_MORE;
    reader->spent = true;
    return end_message(reader, (const uint8_t *)reader->message.at, reader->message.used);
}

static void forget_shown(struct od_ws_reader *reader)
{
    if (!reader->spent)
        return;
    reader->spent = false;
    reader->message.used = reader->valid = 0;
    if (reader->message.size > KEEP_BYTES_MAX)
        od_http_bytes_free(&reader->message);
}

enum od_ws_step od_ws_reader_step(struct od_ws_reader *reader, const uint8_t **data, size_t *bytes)
{
    enum od_ws_step step = OD_WS_MORE;
    if (reader->why)
        return OD_WS_BAD;
    forget_shown(reader);
    for (;;) {
        bool fresh = !reader->in_payload;
        if (fresh && !take_head(reader, data, bytes, &step))
            return step;
        if (!*bytes && reader->payload_left)
            return OD_WS_MORE;
        size_t take = reader->payload_left < *bytes ? (size_t)reader->payload_left : *bytes;
        const uint8_t *from = *data;
        *data += take;
        *bytes -= take;
        reader->payload_left -= take;
        step = is_control(reader->frame_op) ? take_control(reader, from, take)
                                            : take_data(reader, from, take, fresh);
        if (step != OD_WS_MORE)
            return step;
    }
}

size_t od_ws_head(uint8_t out[OD_WS_HEAD_MAX], enum od_ws_op op, size_t payload_bytes,
                  const uint8_t mask[4])
{
    size_t at = 2;
    out[0] = (uint8_t)(0x80u | (unsigned)op);
    if (payload_bytes < 126) {
        out[1] = (uint8_t)(0x80u | payload_bytes);
    } else {
        unsigned count = payload_bytes < 65536 ? 2 : 8;
        out[1] = (uint8_t)(0x80u | (count == 2 ? 126u : 127u));
        for (unsigned i = 0; i < count; i++)
            out[at++] = (uint8_t)((uint64_t)payload_bytes >> (8 * (count - 1 - i)));
    }
    memcpy(out + at, mask, 4);
    return at + 4;
}

void od_ws_mask(uint8_t *out, const uint8_t *in, size_t bytes, const uint8_t mask[4])
{
    uint64_t wide, word, four[4];
    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    size_t i = 0;
    for (; i + sizeof four <= bytes; i += sizeof four) {
        memcpy(four, in + i, sizeof four);
        for (unsigned k = 0; k < 4; k++)
            four[k] ^= wide;
        memcpy(out + i, four, sizeof four);
    }
    for (; i + 8 <= bytes; i += 8) {
        memcpy(&word, in + i, 8);
        word ^= wide;
        memcpy(out + i, &word, 8);
    }
    for (; i < bytes; i++)
        out[i] = in[i] ^ mask[i & 3];
}

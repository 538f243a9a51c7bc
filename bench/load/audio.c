/* audio - see audio.h. */
#include "bench/load/audio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/carrier/rtp_stream.h"
#include "bench/carrier/voice.h"

enum {
    FRAME_NS = 20000000,
    FRAME_QUEUE = 1, /* of the timers: all frames are 20 ms ahead */
    BEHIND_MAX = 10, /* frames sent at once after a hold-up; older ones are left out */
    BATCH = 16,
    PACKET_BYTES = 512,
    SOCKET_BYTES = 256 << 10,
};

struct od_load_line {
    struct od_load_room *room;
    struct od_load_line *next; /* in the list at rest */
    uv_poll_t poll;
    int fd;
    struct od_carrier_addr local, remote;
    bool speaking;
    struct od_timer frame;
    uint64_t due_ns; /* of the next frame */
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    uint64_t sample; /* of the speech */
    enum od_voice_law law;
    uint64_t sent, received;
    struct od_rtp_stream heard;
};

struct od_load_room {
    struct od_load_room_setup setup;
    struct od_voice voice;
    struct od_load_line *rest_first, *rest_last; /* the longest at rest first */
    uint32_t port_next, lines, lines_closed, lines_max;
    struct od_load_line **all; /* of lines_max */
    bool closing;
    uint8_t in[BATCH][PACKET_BYTES];
};

struct od_load_room *od_load_room_create(const struct od_load_room_setup *setup)
{
    struct od_load_room *room = calloc(1, sizeof *room);
    if (!room)
        return NULL;
    room->setup = *setup;
    room->port_next = setup->port_lowest + (setup->port_lowest & 1u);
    room->lines_max = (setup->port_highest - setup->port_lowest) / 2u + 1;
    room->all = calloc(room->lines_max, sizeof *room->all);
    if (!room->all) {
        free(room);
        return NULL;
    }
    od_voice_init(&room->voice);
    return room;
}

static void room_free(struct od_load_room *room)
{
    free(room->all);
    free(room);
}

static void line_closed(uv_handle_t *handle)
{
    struct od_load_line *line = handle->data;
    struct od_load_room *room = line->room;
    close(line->fd);
    free(line);
    if (++room->lines_closed == room->lines && room->closing)
        room_free(room);
}

void od_load_room_destroy(struct od_load_room *room)
{
    room->closing = true;
    for (uint32_t i = 0; i < room->lines; i++) {
        od_timers_stop(room->setup.timers, &room->all[i]->frame);
        uv_close((uv_handle_t *)&room->all[i]->poll, line_closed);
    }
    if (room->lines == 0)
        room_free(room);
}

static void hear(struct od_load_line *line, const uint8_t *at, size_t bytes,
                 const struct od_carrier_addr *source, int64_t arrived_ns)
{
    struct od_rtp_packet packet;
    if (!line->speaking || !od_carrier_addr_equal(source, &line->remote) ||
        !od_rtp_packet_parse(at, bytes, &packet))
        return;
    line->received++;
    od_rtp_stream_count(&line->heard, &packet);
    if (packet.type == 0 || packet.type == 8)
        od_rtp_stream_time(&line->heard, &packet, arrived_ns);
}

static int64_t stamp_of(struct msghdr *head)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            return (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
        }
    }
    return 0;
}

static void line_readable(uv_poll_t *poll, int status, int events)
{
    struct od_load_line *line = poll->data;
    struct od_load_room *room = line->room;
    struct mmsghdr heads[BATCH];
    struct iovec pieces[BATCH];
    struct od_carrier_addr sources[BATCH];
    char controls[BATCH][CMSG_SPACE(sizeof(struct timespec))] __attribute__((aligned(8)));
    (void)status;
    (void)events;
    memset(heads, 0, sizeof heads);
    for (int i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){room->in[i], PACKET_BYTES};
        heads[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i],
                                           .msg_iovlen = 1,
                                           .msg_name = &sources[i],
                                           .msg_namelen = sizeof sources[i],
                                           .msg_control = controls[i],
                                           .msg_controllen = sizeof controls[i]};
    }
    int count = recvmmsg(line->fd, heads, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        hear(line, room->in[i], heads[i].msg_len, &sources[i], stamp_of(&heads[i].msg_hdr));
}

/* Binds the socket to the next free even port; false when the range is used up. */
static bool bind_next(struct od_load_room *room, struct od_load_line *line)
{
    for (; room->port_next <= room->setup.port_highest; room->port_next += 2) {
        line->local = room->setup.local;
        od_carrier_addr_set_port(&line->local, (uint16_t)room->port_next);
        if (bind(line->fd, &line->local.u.any, od_carrier_addr_bytes(&line->local)) == 0) {
            room->port_next += 2;
            return true;
        }
        if (errno != EADDRINUSE && errno != EACCES)
            return false;
    }
    return false;
}

static struct od_load_line *line_open(struct od_load_room *room)
{
    struct od_load_line *line = room->lines < room->lines_max ? calloc(1, sizeof *line) : NULL;
    if (!line)
        return NULL;
    int on = 1, bytes = SOCKET_BYTES;
    line->room = room;
    line->frame = (struct od_timer){.kind = OD_LOAD_TIMER_FRAME, .queue = FRAME_QUEUE};
    line->fd =
        socket(room->setup.local.u.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (line->fd < 0 || !bind_next(room, line) ||
        uv_poll_init(room->setup.loop, &line->poll, line->fd)) {
        if (line->fd >= 0)
            close(line->fd);
        free(line);
        return NULL;
    }
    setsockopt(line->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(line->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    line->poll.data = line;
    uv_poll_start(&line->poll, UV_READABLE, line_readable);
    room->all[room->lines++] = line;
    return line;
}

struct od_load_line *od_load_line_take(struct od_load_room *room)
{
    struct od_load_line *line = room->rest_first;
    if (line) {
        room->rest_first = line->next;
        if (!room->rest_first)
            room->rest_last = NULL;
    } else {
        line = line_open(room);
    }
    if (!line)
        return NULL;
    line->next = NULL;
    line->sent = line->received = 0;
    line->heard = (struct od_rtp_stream){0};
    return line;
}

void od_load_line_put(struct od_load_line *line, struct od_load_tally *tally)
{
    struct od_load_room *room = line->room;
    od_load_line_stop(line);
    if (tally) {
        tally->rtp_calls++;
        tally->rtp_mute += line->received == 0;
        tally->rtp_sent += line->sent;
        tally->rtp_received += line->received;
        tally->rtp_lost += line->heard.lost;
        /* jitter is in samples of 125 us */
        if (line->received > 1)
            od_hist_add(&tally->metrics[OD_LOAD_JITTER], (uint64_t)(line->heard.jitter * 125));
    }
    if (room->rest_last)
        room->rest_last->next = line;
    else
        room->rest_first = line;
    room->rest_last = line;
}

void od_load_line_local(const struct od_load_line *line, struct od_carrier_addr *out)
{
    *out = line->local;
}

void od_load_line_start(struct od_load_line *line, const struct od_sdp_text *sdp, uint64_t now_ns)
{
    line->remote = sdp->audio;
    line->law = sdp->codec == 8 ? OD_VOICE_ALAW : OD_VOICE_ULAW;
    if (line->speaking || od_carrier_addr_port(&sdp->audio) == 0 ||
        sdp->audio.u.any.sa_family != line->local.u.any.sa_family)
        return;
    line->speaking = true;
    /* what a call of before left behind is of another SSRC */
    line->ssrc = line->ssrc * 2654435761u + (uint32_t)now_ns + od_carrier_addr_port(&line->local);
    line->due_ns = now_ns;
    od_timers_start(line->room->setup.timers, &line->frame, now_ns);
}

void od_load_line_stop(struct od_load_line *line)
{
    line->speaking = false;
    od_timers_stop(line->room->setup.timers, &line->frame);
}

static void send_frame(struct od_load_line *line)
{
    uint8_t packet[OD_RTP_HEAD_BYTES + OD_VOICE_FRAME];
    packet[0] = 0x80;
    packet[1] = (uint8_t)((line->sent == 0 ? 0x80 : 0) | (line->law == OD_VOICE_ALAW ? 8 : 0));
    packet[2] = (uint8_t)(line->sequence >> 8);
    packet[3] = (uint8_t)line->sequence;
    for (int i = 0; i < 4; i++) {
        packet[4 + i] = (uint8_t)(line->timestamp >> (24 - 8 * i));
        packet[8 + i] = (uint8_t)(line->ssrc >> (24 - 8 * i));
    }
    od_voice_speech(&line->room->voice, line->law, line->sample, packet + OD_RTP_HEAD_BYTES);
    if (sendto(line->fd, packet, sizeof packet, MSG_DONTWAIT, &line->remote.u.any,
               od_carrier_addr_bytes(&line->remote)) > 0)
        line->sent++;
}

void od_load_line_tick(struct od_timer *timer, uint64_t now_ns)
{
    struct od_load_line *line =
        (struct od_load_line *)((char *)timer - offsetof(struct od_load_line, frame));
    uint64_t behind = (now_ns - line->due_ns) / FRAME_NS;
    for (uint64_t i = 0; i <= behind; i++) {
        if (behind - i < BEHIND_MAX)
            send_frame(line);
        line->sequence++;
        line->timestamp += OD_VOICE_FRAME;
        line->sample += OD_VOICE_FRAME;
        line->due_ns += FRAME_NS;
    }
    od_timers_start(line->room->setup.timers, &line->frame, line->due_ns);
}

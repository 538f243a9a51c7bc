/*
 * rtp_talk: see rtp_talk.h. One frame is decided per tick: a key being pressed goes before speech,
 * speech before silence. Silence is sent too; a telephone on a trunk has no voice activity
 * detection.
 */
#include "bench/carrier/rtp_talk.h"

#include "bench/carrier/rtp_stream.h"
#include "bench/carrier/wav_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    FRAME_NS = 20000000,
    LATE_NS_MAX = 200000000, /* further behind than this we skip instead of bursting */
    BATCH = 8,
    PACKET_BYTES = 1500,
    LOUD = 200,           /* about -44 dBFS: above line noise, below any speech */
    TURN_SPEECH_MS = 300, /* shorter than this is a cough */
    TURN_PAUSE_MS = 600,  /* longer than the gap between two words */
    KEY_GAP_FRAMES = 4,   /* 80 ms between keys; RFC 4733 and Q.24 want 40 at least */
    END_PACKETS = 3       /* RFC 4733 2.5.1.4 */
};

struct od_rtp_room {
    struct od_rtp_room_setup setup;
    uint32_t port_next;
    struct od_voice voice;
    struct mmsghdr heads[BATCH];
    struct iovec pieces[BATCH];
    struct od_carrier_addr sources[BATCH];
    uint8_t packets[BATCH][PACKET_BYTES];
    char controls[BATCH][CMSG_SPACE(sizeof(struct timespec))] __attribute__((aligned(8)));
};

enum phase {
    PHASE_IDLE,     /* nothing is sent */
    PHASE_RINGBACK, /* early media */
    PHASE_PAUSE,
    PHASE_SPEAKING,
    PHASE_LISTENING,
    PHASE_BEEPING
};

/* The key being pressed. */
struct press {
    size_t next;         /* index into the plan's digits */
    unsigned frame;      /* frames since it went down; 0: no key is down */
    unsigned gap_frames; /* still to pass before the next */
    uint32_t timestamp;  /* of the whole event */
    unsigned ends_sent;
};

struct od_rtp_talk {
    struct od_rtp_room *room;
    int fd;
    struct od_carrier_addr local, remote;
    bool remote_known, sends, receives;
    enum od_voice_law law;
    int event_type;
    struct od_plan plan;
    uint32_t digit_frames;
    uint64_t random;
    uint32_t ssrc, timestamp;
    uint16_t sequence;
    enum phase phase;
    unsigned frames_left;   /* of the phase, when it has an end */
    unsigned greeting_left; /* frames a machine still greets */
    uint64_t sample;        /* position in speech or tone */
    uint64_t next_ns;       /* deadline of the next frame */
    bool answered, hung_up, marker;
    uint64_t answered_ns, loud_ns; /* when speech was last heard */
    uint64_t turn_ms;              /* heard since the last turn */
    struct press press;
    struct od_rtp_stream in;
    uint32_t event_timestamp;
    bool event_seen;
    struct od_wav_file wav;
    struct od_rtp_facts facts;
};

struct od_rtp_room *od_rtp_room_create(const struct od_rtp_room_setup *setup)
{
    struct od_rtp_room *room = calloc(1, sizeof *room);
    if (!room)
        return NULL;
    room->setup = *setup;
    room->port_next = setup->port_lowest + (setup->port_lowest & 1u);
    od_voice_init(&room->voice);
    for (int i = 0; i < BATCH; i++) {
        room->pieces[i] = (struct iovec){room->packets[i], PACKET_BYTES};
        room->heads[i].msg_hdr.msg_iov = &room->pieces[i];
        room->heads[i].msg_hdr.msg_iovlen = 1;
        room->heads[i].msg_hdr.msg_name = &room->sources[i];
        room->heads[i].msg_hdr.msg_control = room->controls[i];
    }
    return room;
}

void od_rtp_room_destroy(struct od_rtp_room *room)
{
    free(room);
}

static int bind_next_port(struct od_rtp_room *room, int fd, struct od_carrier_addr *local)
{
    uint32_t lowest = room->setup.port_lowest + (room->setup.port_lowest & 1u);
    uint32_t ports = (room->setup.port_highest - lowest) / 2 + 1;
    *local = room->setup.local;
    for (uint32_t tried = 0; tried < ports; tried++) {
        od_carrier_addr_set_port(local, (uint16_t)room->port_next);
        room->port_next += 2;
        if (room->port_next > room->setup.port_highest)
            room->port_next = lowest;
        if (bind(fd, &local->u.any, od_carrier_addr_bytes(local)) == 0)
            return 0;
        if (errno != EADDRINUSE)
            return -errno;
    }
    return -EADDRINUSE;
}

int od_rtp_talk_open(struct od_rtp_talk **out, struct od_rtp_room *room, const struct od_plan *plan,
                     uint32_t digit_ms, const char *name)
{
    struct od_rtp_talk *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->room = room;
    t->plan = *plan;
    t->wav.fd = -1;
    t->digit_frames = (digit_ms + 19) / 20;
    t->random = plan->voice;
    t->ssrc = (uint32_t)od_population_next(&t->random);
    t->timestamp = (uint32_t)od_population_next(&t->random);
    t->sequence = (uint16_t)od_population_next(&t->random);
    t->sample = od_population_next(&t->random) % OD_VOICE_SPEECH;
    t->event_type = -1;
    t->fd = socket(room->setup.local.u.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int status = t->fd < 0 ? -errno : bind_next_port(room, t->fd, &t->local);
    if (status) {
        od_rtp_talk_close(t);
        return status;
    }
    int on = 1;
    setsockopt(t->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    if (room->setup.record_dir)
        od_wav_file_open(&t->wav, room->setup.record_dir, name);
    *out = t;
    return 0;
}

void od_rtp_talk_close(struct od_rtp_talk *t)
{
    od_wav_file_close(&t->wav);
    if (t->fd >= 0)
        close(t->fd);
    free(t);
}

int od_rtp_talk_fd(const struct od_rtp_talk *t)
{
    return t->fd;
}

void od_rtp_talk_local(const struct od_rtp_talk *t, struct od_carrier_addr *out)
{
    *out = t->local;
}

const struct od_rtp_facts *od_rtp_talk_facts(const struct od_rtp_talk *t)
{
    return &t->facts;
}

void od_rtp_talk_describe(struct od_rtp_talk *t, const struct od_sdp_text *sdp)
{
    struct od_carrier_addr any = sdp->audio;
    bool nowhere = any.u.any.sa_family == AF_INET && any.u.v4.sin_addr.s_addr == INADDR_ANY;
    t->remote = sdp->audio;
    t->remote_known = od_carrier_addr_port(&sdp->audio) != 0 && !nowhere &&
                      sdp->audio.u.any.sa_family == t->local.u.any.sa_family;
    t->law = sdp->codec == 8 ? OD_VOICE_ALAW : OD_VOICE_ULAW;
    t->event_type = sdp->event;
    t->sends = sdp->receives;
    t->receives = sdp->sends;
}

/* ---- saying ---- */

/* A whole number of frames for `low`..`high` milliseconds. */
static unsigned draw_frames(struct od_rtp_talk *t, unsigned low_ms, unsigned high_ms)
{
    return (unsigned)(low_ms + od_population_next(&t->random) % (high_ms - low_ms + 1)) / 20;
}

static void enter(struct od_rtp_talk *t, enum phase phase, unsigned frames)
{
    t->phase = phase;
    t->frames_left = frames;
}

void od_rtp_talk_ringback(struct od_rtp_talk *t, uint64_t now_ns)
{
    enter(t, PHASE_RINGBACK, 0);
    t->sample = 0;
    t->marker = true;
    t->next_ns = now_ns;
}

void od_rtp_talk_answer(struct od_rtp_talk *t, uint64_t now_ns)
{
    if (t->phase == PHASE_IDLE)
        t->next_ns = now_ns;
    t->answered = true;
    t->answered_ns = t->loud_ns = now_ns;
    t->marker = true;
    t->sample = od_population_next(&t->random) % OD_VOICE_SPEECH;
    t->greeting_left = t->plan.talk == OD_TALK_MACHINE ? draw_frames(t, 5000, 9000) : 0;
    if (t->plan.talk == OD_TALK_SILENCE)
        enter(t, PHASE_LISTENING, 0);
    else
        enter(t, PHASE_PAUSE, draw_frames(t, 200, 600));
}

static void close_silence(struct od_rtp_talk *t, uint64_t now_ns)
{
    uint64_t gap_ms = now_ns > t->loud_ns ? (now_ns - t->loud_ns) / 1000000 : 0;
    if (gap_ms > t->facts.longest_silence_ms)
        t->facts.longest_silence_ms = gap_ms;
}

void od_rtp_talk_hang_up(struct od_rtp_talk *t, uint64_t now_ns)
{
    if (t->hung_up)
        return;
    if (t->answered)
        close_silence(t, now_ns);
    t->hung_up = true;
    enter(t, PHASE_IDLE, 0);
}

static bool caller_paused(const struct od_rtp_talk *t, uint64_t now_ns)
{
    return t->turn_ms >= TURN_SPEECH_MS && now_ns - t->loud_ns >= TURN_PAUSE_MS * 1000000ull;
}

/* The phase is over: what comes next, by what kind of callee this is. */
static void next_phase(struct od_rtp_talk *t)
{
    bool spoke = t->phase == PHASE_SPEAKING;
    switch (t->plan.talk) {
    case OD_TALK_HELLO:
        if (spoke)
            enter(t, PHASE_LISTENING, 0);
        else
            enter(t, PHASE_SPEAKING, draw_frames(t, 400, 1200));
        break;
    case OD_TALK_BABBLE:
        if (spoke)
            enter(t, PHASE_PAUSE, draw_frames(t, 100, 400));
        else
            enter(t, PHASE_SPEAKING, draw_frames(t, 800, 2500));
        break;
    case OD_TALK_MACHINE:
        if (t->phase == PHASE_BEEPING)
            enter(t, PHASE_LISTENING, 0);
        else if (spoke)
            enter(t, PHASE_PAUSE, draw_frames(t, 150, 350));
        else if (t->greeting_left > 0)
            enter(t, PHASE_SPEAKING, draw_frames(t, 600, 1800));
        else
            enter(t, PHASE_BEEPING, 20), t->sample = 0;
        break;
    case OD_TALK_SILENCE:
        enter(t, PHASE_LISTENING, 0);
        break;
    }
}

/* There is a key still to press at the caller's next pause; it goes before a spoken answer. */
static bool key_awaits_turn(const struct od_rtp_talk *t)
{
    return t->plan.digits_after_turn && t->press.next == 0 && t->plan.digits[0];
}

static void advance_phase(struct od_rtp_talk *t, uint64_t now_ns)
{
    if (t->greeting_left > 0)
        t->greeting_left--;
    if (t->phase == PHASE_LISTENING) {
        if (t->plan.talk == OD_TALK_HELLO && !key_awaits_turn(t) && caller_paused(t, now_ns)) {
            t->turn_ms = 0;
            enter(t, PHASE_PAUSE, draw_frames(t, 200, 500));
        }
    } else if (t->phase > PHASE_RINGBACK) {
        if (t->frames_left > 0)
            t->frames_left--;
        else
            next_phase(t);
    }
}

static bool key_due(struct od_rtp_talk *t, uint64_t now_ns)
{
    if (!t->answered || t->plan.talk == OD_TALK_MACHINE || !t->plan.digits[t->press.next])
        return false;
    if (t->press.next > 0)
        return true;
    if (t->plan.digits_after_turn && caller_paused(t, now_ns)) {
        t->turn_ms = 0; /* pressing is the answer to this turn */
        return true;
    }
    return now_ns - t->answered_ns >= t->plan.digit_delay_ms * 1000000ull;
}

static void send_packet(struct od_rtp_talk *t, int type, uint32_t timestamp, const uint8_t *payload,
                        size_t count)
{
    uint8_t packet[OD_RTP_HEAD_BYTES + OD_VOICE_FRAME];
    packet[0] = 0x80;
    packet[1] = (uint8_t)(type | (t->marker ? 0x80 : 0));
    packet[2] = (uint8_t)(t->sequence >> 8);
    packet[3] = (uint8_t)t->sequence;
    for (int i = 0; i < 4; i++) {
        packet[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
        packet[8 + i] = (uint8_t)(t->ssrc >> (24 - 8 * i));
    }
    memcpy(packet + OD_RTP_HEAD_BYTES, payload, count);
    t->marker = false;
    t->sequence++;
    if (sendto(t->fd, packet, OD_RTP_HEAD_BYTES + count, MSG_DONTWAIT, &t->remote.u.any,
               od_carrier_addr_bytes(&t->remote)) > 0)
        t->facts.packets_out++;
}

static void release_key(struct od_rtp_talk *t)
{
    size_t sent = strlen(t->facts.digits_sent);
    t->facts.digits_sent[sent] = t->plan.digits[t->press.next];
    t->press.next++;
    t->press.frame = 0;
    t->press.ends_sent = 0;
    t->press.gap_frames = KEY_GAP_FRAMES;
}

/*
 * RFC 4733 2.5.1: one timestamp for the event, the marker on its first packet, a duration that
 * grows with every update, and a last packet with the end bit sent three times.
 */
static void send_event(struct od_rtp_talk *t, int event)
{
    if (t->press.frame == 0) {
        t->press.timestamp = t->timestamp;
        t->marker = true;
    }
    if (t->press.frame < t->digit_frames)
        t->press.frame++;
    bool end = t->press.frame == t->digit_frames;
    unsigned duration = t->press.frame * OD_VOICE_FRAME;
    uint8_t payload[4] = {(uint8_t)event, (uint8_t)((end ? 0x80 : 0) | 10),
                          (uint8_t)(duration >> 8), (uint8_t)duration};
    send_packet(t, t->event_type, t->press.timestamp, payload, sizeof payload);
    if (end && ++t->press.ends_sent == END_PACKETS)
        release_key(t);
}

static int audio_type(const struct od_rtp_talk *t)
{
    return t->law == OD_VOICE_ALAW ? 8 : 0;
}

static void send_tones(struct od_rtp_talk *t, struct od_voice_tones tones)
{
    uint8_t frame[OD_VOICE_FRAME];
    od_voice_tones(tones, t->law, (uint64_t)t->press.frame * OD_VOICE_FRAME, frame);
    send_packet(t, audio_type(t), t->timestamp, frame, sizeof frame);
    if (++t->press.frame >= t->digit_frames)
        release_key(t);
}

/* True: this frame was the key's. */
static bool press_keys(struct od_rtp_talk *t, uint64_t now_ns)
{
    if (t->press.gap_frames > 0) {
        t->press.gap_frames--;
        return false;
    }
    if (t->press.frame == 0 && !key_due(t, now_ns))
        return false;
    struct od_voice_tones tones;
    int event = od_voice_key(t->plan.digits[t->press.next], &tones);
    if (t->event_type >= 0 && !t->plan.tones)
        send_event(t, event);
    else
        send_tones(t, tones);
    return true;
}

static void send_audio(struct od_rtp_talk *t)
{
    uint8_t frame[OD_VOICE_FRAME];
    if (t->phase == PHASE_SPEAKING)
        od_voice_speech(&t->room->voice, t->law, t->sample, frame);
    else if (t->phase == PHASE_BEEPING)
        od_voice_tones((struct od_voice_tones){1000, 0}, t->law, t->sample, frame);
    else if (t->phase == PHASE_RINGBACK && t->sample % 48000 < 16000) /* 2 s on, 4 s off */
        od_voice_ringback(&t->room->voice, t->law, t->sample, frame);
    else
        od_voice_silence(t->law, frame);
    t->sample += OD_VOICE_FRAME;
    send_packet(t, audio_type(t), t->timestamp, frame, sizeof frame);
}

uint64_t od_rtp_talk_tick(struct od_rtp_talk *t, uint64_t now_ns)
{
    if (t->phase == PHASE_IDLE)
        return UINT64_MAX;
    if (now_ns > t->next_ns + LATE_NS_MAX) {
        uint64_t frames = (now_ns - t->next_ns) / FRAME_NS;
        t->next_ns += frames * FRAME_NS;
        t->timestamp += (uint32_t)(frames * OD_VOICE_FRAME);
    }
    while (t->next_ns <= now_ns) {
        advance_phase(t, now_ns);
        if (t->remote_known && t->sends && !press_keys(t, now_ns))
            send_audio(t);
        t->timestamp += OD_VOICE_FRAME;
        t->next_ns += FRAME_NS;
    }
    return t->next_ns;
}

/* ---- hearing ---- */

static void hear(struct od_rtp_talk *t, const struct od_rtp_packet *p, uint64_t now_ns)
{
    if (od_voice_loudness(&t->room->voice, t->law, p->payload, p->bytes) >= LOUD) {
        if (t->answered)
            close_silence(t, now_ns);
        t->loud_ns = now_ns;
        t->facts.speech_ms += p->bytes / 8;
        t->turn_ms += p->bytes / 8;
    }
    if (t->wav.fd >= 0 && p->bytes <= 1024) {
        int16_t samples[1024];
        for (size_t i = 0; i < p->bytes; i++)
            samples[i] = t->room->voice.linear[t->law][p->payload[i]];
        od_wav_file_put(&t->wav, p->timestamp - t->in.timestamp_first, samples, p->bytes);
    }
}

static void hear_event(struct od_rtp_talk *t, const struct od_rtp_packet *p)
{
    if (t->event_seen && t->event_timestamp == p->timestamp)
        return;
    t->event_seen = true;
    t->event_timestamp = p->timestamp;
    t->facts.events_in++;
}

static void take_packet(struct od_rtp_talk *t, const struct od_carrier_addr *source,
                        const struct od_rtp_packet *p, int64_t arrived_ns, uint64_t now_ns)
{
    t->facts.packets_in++;
    if (t->remote_known && !od_carrier_addr_equal(source, &t->remote)) {
        t->facts.wrong_place++;
        return;
    }
    if (t->hung_up) {
        t->facts.after_bye++;
        return;
    }
    if (!t->answered)
        t->facts.before_answer++;
    od_rtp_stream_count(&t->in, p);
    t->facts.lost = t->in.lost;
    if (p->type == t->event_type) {
        hear_event(t, p);
        return;
    }
    if (p->type != audio_type(t))
        return;
    od_rtp_stream_time(&t->in, p, arrived_ns);
    t->facts.jitter_ms = t->in.jitter / 8;
    hear(t, p, now_ns);
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

void od_rtp_talk_read(struct od_rtp_talk *t, uint64_t now_ns)
{
    struct od_rtp_room *room = t->room;
    for (int i = 0; i < BATCH; i++) {
        room->heads[i].msg_hdr.msg_namelen = sizeof room->sources[i];
        room->heads[i].msg_hdr.msg_controllen = sizeof room->controls[i];
    }
    /* one batch a turn: a flood on one call must not starve the others */
    int n = recvmmsg(t->fd, room->heads, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        struct od_rtp_packet p;
        if (!od_rtp_packet_parse(room->packets[i], room->heads[i].msg_len, &p))
            t->facts.malformed++;
        else
            take_packet(t, &room->sources[i], &p, stamp_of(&room->heads[i].msg_hdr), now_ns);
    }
}

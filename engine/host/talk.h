/*
 * talk - what happens on a call besides its signalling: the session of one call's media and agent.
 * It leases the RTP socket that an INVITE offers, follows the answer, runs the agent's script on
 * the callee's ear, hears keys, and reports what came of it as events. It decides nothing about the
 * call: the engine orders start and stop through the talk port.
 *
 * A session is named by the engine's call id and begins with whatever names it first, the port's
 * hook(), offer() or the port's prepare(); it ends when drop() and, if it was ever prepared or
 * started, stop() have come, in either order. Agent definitions are used from offer() to drop()
 * only, so an owner who holds them for the life of the leg holds them long enough.
 *
 * Lifetime: owned by the host until close()'s callback. All on the loop's thread. Events may be
 * posted from inside any function here (posting runs nothing).
 */
#ifndef ENGINE_HOST_TALK_H
#define ENGINE_HOST_TALK_H

#include <uv.h>

#include "engine/agent/agent_def.h"
#include "engine/media/amd.h"
#include "outdial/event.h"
#include "outdial/ports.h"
#include "outdial/repo.h"
#include "proto/sip/sip_sdp.h"

struct od_job;
struct od_recordings;
struct od_talk;

struct od_talk_config {
    uv_loop_t *loop;
    const char *rtp_ports;   /* "20000-39999" */
    const char *rtp_address; /* numeric, to bind; NULL or "": every IPv4 address */
    const char *data_dir;    /* speech/ and audio/ are made in it */
    struct od_addr
        advertise;          /* the address in offers; family 0: rtp_address, or the machine's own */
    uint32_t sessions_max;  /* call indices are below this */
    bool any_source;        /* hear RTP from other addresses than the negotiated one */
    uint32_t silent_ms_max; /* no RTP for so long ends the call; 0: 30,000; UINT32_MAX: never */
    const char *synthesiser; /* NULL: "espeak-ng" */
    const char *user_agent;  /* of the connections to agents; NULL: "outdial" */
    const char *ca_file; /* whom wss:// agents' certificates are trusted from; NULL: the system's */
    bool public_only;    /* agents at loopback and private addresses are refused */
    const char *unix_dir; /* agents may be at Unix sockets in it; NULL or "": at none; borrowed */
};

struct od_talk_events {
    void *ctx;
    /* AGENT_DONE, AGENT_FAILED, MEDIA_FAILED, HOOK_DONE */
    void (*post)(void *ctx, const struct od_event *event);
    /* NULL: gone. Borrowed while the function that asked runs. */
    const struct od_job *(*job)(void *ctx, struct od_job_id job);
    /* NULL: it has none. Must live until od_talk_drop() for this call. */
    const struct od_agent_def *(*agent)(void *ctx, struct od_call_id call,
                                        const struct od_job *job);
    /* What the agent brought, from inside stop(). */
    void (*result)(void *ctx, struct od_job_id job, const char *json, size_t bytes);
    /* What was noted of the call's audio, from inside stop(). NULL: not wanted. */
    void (*media)(void *ctx, struct od_job_id job, const char *json, size_t bytes);
    /* The agent wants the callee to be handed on to `target` (a number or SIP URI): a REFER; how it
     * goes comes back by od_talk_referred(). As od_sip_refer(). NULL: can't be done. */
    int (*refer)(void *ctx, struct od_call_id call, const char *target);
    /* The callee is being handed on, by either way. NULL: not wanted. */
    void (*transfer)(void *ctx, struct od_job_id job);
    /* Who took the call, as it becomes known, provisional verdicts too. NULL: not wanted. */
    void (*verdict)(void *ctx, struct od_call_id call, const struct od_amd_verdict *verdict);
    /* The agent at that URL has said how many calls it can take. NULL: not wanted. */
    void (*capacity)(void *ctx, const char *url, uint32_t calls);
    /* The agent calls one of its tools: done fires once, never from inside, unless tool_cancel(id)
     * comes first. OD_ENOENT: it has none of that name; other errors as of tools.h. NULL: there are
     * no tools. */
    int (*tool)(void *ctx, const struct od_agent_def *def, const struct od_job *job,
                const char *name, struct od_text arguments,
                void (*done)(void *done_ctx, int err, const char *json, size_t bytes),
                void *done_ctx, uint64_t *id);
    void (*tool_cancel)(void *ctx, uint64_t id);
    /* The agent's plan has a webhook that says whom to hand the callee on to: done and
     * tool_cancel() as of a tool. NULL: it can't be asked. */
    int (*route)(void *ctx, const struct od_agent_def *def, const struct od_job *job,
                 struct od_text order,
                 void (*done)(void *done_ctx, int err, const char *json, size_t bytes),
                 void *done_ctx, uint64_t *id);
    /* 20 ms of a callee's voice (160 bytes of mu-law) as it is played; as_sent is false for what
     * was made up for lost or late packets and for silence. NULL: not wanted. */
    void (*heard)(void *ctx, struct od_call_id call, const uint8_t *ulaw, bool as_sent);
};

/* Bounds of the classes of od_talk_stats.mos, times 100; the last class has none. */
enum { OD_TALK_MOS_STEPS = 5 };
extern const uint16_t od_talk_mos_steps[OD_TALK_MOS_STEPS];

/* What was lost between callees and stream agents. */
struct od_talk_missed {
    uint64_t heard_frames; /* of callees, for which agents read too slowly */
    uint64_t spoken_bytes; /* of agents, 8,000 a second, for which there was no room */
};

struct od_talk_stats {
    uint32_t sessions, talking;
    uint64_t sent, received, lost, late, wrong_source; /* packets */
    uint64_t given_up;               /* frames not sent because the host was more than 60 ms late */
    uint64_t digits;                 /* keys pressed */
    struct od_talk_missed missed;    /* of calls that ended */
    uint64_t verdicts[OD_AMD_KINDS]; /* who took the calls, as was settled */
    uint64_t mos[OD_TALK_MOS_STEPS + 1]; /* ended calls by how they sounded here */
    uint64_t mos_sum_100;
    uint64_t spoken_from_memory, spoken_from_disk, synthesised, speech_failed;
};

/* OD_EINVAL, OD_EBUSY, OD_EIO, OD_ENOMEM, with one line for the operator in `why`. */
int od_talk_open(struct od_talk **out, const struct od_talk_config *config,
                 const struct od_talk_events *events, char *why, size_t why_bytes);
/* Another configuration's public_only. */
void od_talk_public(struct od_talk *talk, bool only);
/* Ends all sessions without a word; fn fires when the last handle is closed. */
void od_talk_close(struct od_talk *talk, void (*fn)(void *ctx), void *ctx);

/* prepare, start, stop, hook of outdial/ports.h. Lives as long as the talk. */
const struct od_talk_port *od_talk_port(struct od_talk *talk);

/* Leases a socket for the call (the same again when it has one); `local` is for the SDP. OD_EBUSY:
 * no port is free; OD_EINVAL: index beyond sessions_max; OD_ENOMEM, OD_EIO. */
int od_talk_offer(struct od_talk *talk, struct od_call_id call, struct od_addr *local);

/* With it: keys are heard in the sound, too (od_media_leg_hear_keys). */
void od_talk_hear_keys(struct od_talk *talk, struct od_call_id call);

/* The key to offer with it (OD_SRTP_KEY_BYTES, the call's); NULL: no session, or no randomness. */
const uint8_t *od_talk_secure(struct od_talk *talk, struct od_call_id call, uint8_t srtp_mode);

/* The SDP of a 2xx, or of a change during the call (hold and resume are honoured). OD_ENOENT: no
 * common codec or no usable address; also when the call has no session. */
int od_talk_answer(struct od_talk *talk, struct od_call_id call, const struct od_sdp *answer);

/* The SDP of an 18x: the callee's side is received, nothing is sent. What can't be used is ignored.
 */
void od_talk_early(struct od_talk *talk, struct od_call_id call, const struct od_sdp *sdp);
/* Its phone rings: a callee who waits for it hears that. */
void od_talk_rings(struct od_talk *talk, struct od_call_id call);

/* The call is over before it was dialled: what was got ready for it in hook() goes. Nothing when it
 * was dialled. */
void od_talk_forget(struct od_talk *talk, struct od_call_id call);

/* How a REFER goes (sip.h, `referred`). When the target has answered, the call is over. */
void od_talk_referred(struct od_talk *talk, struct od_call_id call, uint16_t status, bool final);

/* The leg is over: the socket goes back, the agent's definition is not used any more. */
void od_talk_drop(struct od_talk *talk, struct od_call_id call);

/* False with a line for the operator when this agent can't be run on this machine. */
bool od_talk_able(const struct od_talk *talk, const struct od_agent_def *def, char *why,
                  size_t why_bytes);

/* What calls are recorded into, for whoever reads them; lives as long as the talk. */
struct od_recordings *od_talk_recordings(const struct od_talk *talk);

void od_talk_stats(const struct od_talk *talk, struct od_talk_stats *out);

#endif

/*
 * registrations - who is registered at which registrar (RFC 3261 section 10): every configured
 * trunk that says `register: true`, and every stored number with `registration: true` through the
 * credentials it leads through. Each process registers its own Contact.
 *
 * A binding is refreshed well before it ends. A refusal or silence is tried again after 15 to 30 s,
 * then twice as long each time up to half an hour, at random within the upper half, so that those
 * who lost a registrar together do not come back together (RFC 5626 section 4.5). What is asked for
 * too briefly (423) is asked for again at once. A binding whose trunk, credentials or wish is gone
 * is taken away, and so are all at the end.
 *
 * It owns no socket and reads no clock. Lifetime: owned by the host.
 */
#ifndef ENGINE_HOST_REGISTRATIONS_H
#define ENGINE_HOST_REGISTRATIONS_H

#include "engine/api/api.h"
#include "engine/host/catalog.h"
#include "proto/sip/sip.h"

struct od_registrations;

struct od_registrations_port {
    void *ctx;
    /* The i-th configured trunk; NULL behind the last. */
    const struct od_trunk_entry *(*trunk)(void *ctx, size_t i);
    /* The trunk that calls from a stored number go out by; NULL: there is none now. */
    const struct od_trunk_entry *(*way)(void *ctx, const struct od_uid *number);
    /* As od_sip_register() and od_sip_register_end(). */
    int (*send)(void *ctx, uint32_t id, const struct od_sip_invite *who, uint32_t expires_s);
    void (*end)(void *ctx, uint32_t id);
};

/* seed: of the waits. OD_ENOMEM. */
int od_registrations_create(struct od_registrations **out, const struct od_registrations_port *port,
                            uint64_t seed);
void od_registrations_destroy(struct od_registrations *regs); /* NULL is fine */

/* A stored number, new, changed or (wanted false) gone or without the wish. */
void od_registrations_number(struct od_registrations *regs, const struct od_uid *id,
                             const char *number, bool wanted);

/* Sends what is due. Often. */
void od_registrations_tick(struct od_registrations *regs, struct od_now now);
/* od_sip_events.registered */
void od_registrations_answer(struct od_registrations *regs, uint32_t id,
                             const struct od_sip_registered *answer, struct od_now now);

/* Takes all bindings away; nothing is registered any more. */
void od_registrations_stop(struct od_registrations *regs);
/* Requests that wait for their answer. */
size_t od_registrations_under_way(const struct od_registrations *regs);

/* How a number's (or a configured trunk's) registration stands. Zeroes (OD_API_REGISTER_OFF) when
 * there is none. */
void od_registrations_of_number(const struct od_registrations *regs, const struct od_uid *id,
                                struct od_api_registration *out);
void od_registrations_of_trunk(const struct od_registrations *regs, const char *name,
                               struct od_api_registration *out);
/* How many stand in that state (enum od_api_register_state). */
size_t od_registrations_count(const struct od_registrations *regs, unsigned state);

#endif

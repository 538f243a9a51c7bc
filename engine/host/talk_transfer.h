/*
 * talk_transfer - an agent's order to hand the callee on, from the word it gives (a route of its
 * document, a destination, or nothing) to a REFER or a second leg: looked up in the agent's plan
 * (engine/agent/transfer_plan.h), or asked for at the plan's webhook. Private to the talking half
 * of the host.
 */
#ifndef ENGINE_HOST_TALK_TRANSFER_H
#define ENGINE_HOST_TALK_TRANSFER_H

#include "engine/agent/transfer_plan.h"
#include "outdial/repo.h"

struct od_talk_session;

/* What a session knows of it. All zero: nothing. */
struct od_talk_transfer {
    uint64_t ask; /* the webhook is asked; 0: no */
    struct od_transfer how;
    struct od_transfer_way otherwise; /* when it fails; "": nobody */
};

enum {
    OD_TRANSFER_FAILED = 502
}; /* SIP-like: the webhook brought nothing, and there is no other */

/*
 * word: "" is the plan's own destination. order: the agent's, a JSON object for the webhook, or
 * empty. 0: referred() or bridged() of the agent follows, never from inside; what the webhook's
 * answer leads to that can't be done is told by referred(), final. Otherwise nothing does:
 * OD_EINVAL: no destination; OD_ENOENT: none of that name; OD_ECONFLICT: one is under way, or the
 * call is over.
 */
int od_talk_transfer_begin(struct od_talk_session *session, const char *word,
                           const struct od_transfer *how, struct od_text order);

/* What the webhook says is not wanted any more. */
void od_talk_transfer_end(struct od_talk_session *session);

/* SIP-like, of an error of begin(). */
unsigned od_talk_transfer_status(int err);

#endif

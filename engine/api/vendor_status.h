/*
 * vendor_status - one call, two projections: the words of both vendors' dialects for where a call
 * is and how it ended, and the way back, from a filter's word to the places it means. Pure tables;
 * nothing else in the API maps a state to a word.
 *
 * Lists take every documented spelling ("Running" and "InProgress", any case).
 */
#ifndef ENGINE_API_VENDOR_STATUS_H
#define ENGINE_API_VENDOR_STATUS_H

#include "outdial/repo.h"

/* A set of places: a bit for each phase of a live call, a bit for each cause of an ended one. */
struct od_call_set {
    uint32_t phases; /* 1 << enum od_call_phase, never ENDED */
    uint32_t causes; /* 1 << enum od_cause */
};

/* "Created", "Queued", "Pending", "InProgress" ("Running" when asked for), "Completed", "Failed",
 * "Canceled". Never NULL. */
const char *od_dasha_status(const struct od_call_rec *rec, bool running_word);
/* "queued", "initiated", "ringing", "in_progress", "completed", "no_answer", "busy", "canceled",
 * "failed". Never NULL. */
const char *od_callingbox_status(const struct od_call_rec *rec);

/* Adds what the word means; false when it is no status of the dialect. */
bool od_dasha_status_add(const char *word, struct od_call_set *set);
bool od_callingbox_status_add(const char *word, struct od_call_set *set);

bool od_call_set_has(const struct od_call_set *set, const struct od_call_rec *rec);

/* Why an ended call was no success, in a few words ("busy", "no answer"); NULL while it lives and
 * when it completed. */
const char *od_call_trouble(const struct od_call_rec *rec);
/* The same as one word ("unknown_outcome"), and "normal" for a completed call; NULL while it lives.
 */
const char *od_call_hangup_cause(const struct od_call_rec *rec);

#endif

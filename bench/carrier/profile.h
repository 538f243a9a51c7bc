/*
 * profile: how the simulated population behaves, as an operator writes it: one `key: value` a line
 * in a file, or `--set key=value`. It must refuse what it doesn't understand by name, with what was
 * expected; a typo that silently becomes a default ruins an experiment. Read by the population, the
 * callees and the node; never changed once the carrier runs.
 *
 * Words: distribution = how a duration is drawn; choice = a weighted list of words,
 * `1:0.7,none:0.3`.
 */
#ifndef OD_BENCH_CARRIER_PROFILE_H
#define OD_BENCH_CARRIER_PROFILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    OD_PROFILE_STEPS_MAX = 16,        /* changes of a limit that drifts */
    OD_PROFILE_CHOICES_MAX = 16,      /* entries of one weighted list */
    OD_PROFILE_WORD_BYTES = 32,       /* longest word of one, with its final zero */
    OD_PROFILE_CREDENTIAL_BYTES = 64, /* a user, a password */
    OD_PROFILE_PROBLEM_BYTES = 240    /* room for what is wrong, in words */
};

enum od_distribution_kind {
    OD_DISTRIBUTION_NEVER,       /* `never`: it doesn't happen */
    OD_DISTRIBUTION_AFTER_TURN,  /* `turn`: when the caller has spoken and paused; digits only */
    OD_DISTRIBUTION_UNIFORM,     /* `200-800`, and `500` as 500-500 */
    OD_DISTRIBUTION_EXPONENTIAL, /* `exp:MEAN` */
    OD_DISTRIBUTION_LOGNORMAL    /* `lognormal:MEDIAN:SIGMA` */
};

/* Who must say so with every INVITE (RFC 7616). */
struct od_profile_auth {
    char user[OD_PROFILE_CREDENTIAL_BYTES]; /* "": nobody is asked */
    char password[OD_PROFILE_CREDENTIAL_BYTES];
    char algorithm[16]; /* MD5, SHA-256, SHA-512-256 */
};

/* A limit that changes while the carrier runs: from so many seconds after its first INVITE on. */
struct od_profile_drift {
    size_t n;
    struct {
        uint32_t after_s, limit; /* by time */
    } steps[OD_PROFILE_STEPS_MAX];
};

/* Numbers that this carrier can't bring to anybody, for a while. */
struct od_profile_broken {
    char prefix[OD_PROFILE_WORD_BYTES]; /* "": none */
    uint16_t status;                    /* of the refusal */
    uint32_t for_s;                     /* from its first INVITE on; 0: for good */
};

/* Milliseconds. */
struct od_distribution {
    enum od_distribution_kind kind;
    double a, b; /* uniform: lowest, highest; exponential: mean; lognormal: median, sigma */
};

struct od_choice {
    size_t n;
    double weight_sum;
    struct {
        char word[OD_PROFILE_WORD_BYTES];
        double weight;
    } entries[OD_PROFILE_CHOICES_MAX];
};

struct od_profile {
    uint64_t seed;
    /* weights of what becomes of a call; they needn't add up to anything */
    double answer, no_answer, busy, decline, fail, silent;
    struct od_choice fail_codes;    /* statuses of `fail` */
    struct od_distribution pdd_ms;  /* INVITE to ringing */
    struct od_distribution ring_ms; /* ringing to the decision */
    uint32_t ring_max_ms;           /* a phone nobody cancels gives up with 480 */
    double early_media;             /* probability of 183 with ringback audio, not 180 */
    struct od_choice talk;          /* hello, machine, babble, silence */
    struct od_choice digits;        /* digits pressed, or none */
    struct od_distribution digit_delay_ms;
    uint32_t digit_limit_ms;           /* pressed by then even if the caller never pauses */
    uint32_t digit_ms;                 /* how long a key is held */
    struct od_choice dtmf;             /* auto (events when offered, else tones), tones */
    struct od_distribution hangup_ms;  /* answer to the callee's BYE */
    uint32_t talk_max_ms;              /* off the hook this long: counted as left there, then BYE */
    uint32_t cps_limit, cps_window_ms; /* accepted INVITEs per window; 0: no limit */
    struct od_profile_drift cps_drift; /* of cps_limit */
    struct od_profile_auth auth;
    struct od_profile_broken broken;
    uint32_t retry_after_s;      /* in a 503 for either limit; 0: none */
    uint32_t max_calls;          /* calls at once; 0: no limit */
    double lose, lose_ack;       /* probability of not seeing a datagram, an ACK */
    double lose_sent, duplicate; /* of a datagram sent by us: lost, sent twice */
    uint32_t t1_ms, t2_ms;       /* RFC 3261 17.1.1.1 */
};

void od_profile_init(struct od_profile *);

/* Sets one key. 0, or -1 with the reason in `problem`, naming the key and what was expected. */
int od_profile_set(struct od_profile *, const char *key, const char *value,
                   char problem[OD_PROFILE_PROBLEM_BYTES]);

/*
 * Reads `key: value` lines; "#" begins a comment, values may be quoted. 0, or -1 with the reason in
 * `problem`, prefixed with path and line. A key given twice is an error.
 */
int od_profile_read(struct od_profile *, const char *path, char problem[OD_PROFILE_PROBLEM_BYTES]);

/* Whether every combination makes sense (some outcome must be possible). As od_profile_set(). */
int od_profile_check(const struct od_profile *, char problem[OD_PROFILE_PROBLEM_BYTES]);

/* cps_limit so many seconds after the first INVITE; 0: no limit. */
uint32_t od_profile_cps(const struct od_profile *, double seconds);

/* The status with which a number is refused so many seconds after the first INVITE; 0: it isn't. */
int od_profile_broken(const struct od_profile *, const char *number, double seconds);

/* How many letters must change to make one name of the other; SIZE_MAX: b is longer than 31. */
size_t od_profile_distance(const char *a, const char *b);

/* Lists every key with its default and meaning, for --help. */
void od_profile_help(FILE *);

#endif

/*
 * sim_knobs - what a simulated world is like: its size, its rates and which faults it has, each
 * drawn from the seed (a swarm: every fault is on in some worlds and off in others) and each
 * settable by name on the command line.
 */
#ifndef TESTS_SIM_SIM_KNOBS_H
#define TESTS_SIM_SIM_KNOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, what it is). "per mille" knobs say how often; 0 is off. */
#define SIM_KNOBS(X)                                                                               \
    X(calls, "contacts to dial")                                                                   \
    X(lanes, "lanes, 1..16")                                                                       \
    X(trunks, "trunks, 1..8")                                                                      \
    X(rotors, "rotors the lanes are spread over")                                                  \
    X(shape, "0 no rate, 1 even, 2 window, 3 bucket, 4 even and window")                           \
    X(cps, "calls per second and trunk")                                                           \
    X(trunk_cap, "a trunk's max_calls, 0 none")                                                    \
    X(lane_cap, "a lane's max_calls, 0 none")                                                      \
    X(lane_pace, "a lane's own rate in calls per 10 s, 0 none")                                    \
    X(rotor_pace, "INVITEs in 10 s of all lanes of one rotor; 0: any")                             \
    X(dialled_max, "the node's cap")                                                               \
    X(calls_max, "the node's memory")                                                              \
    X(budget, "turn budget")                                                                       \
    X(store_us, "the store's usual latency")                                                       \
    X(wake_us, "how late the host wakes up, at most")                                              \
    X(ring_ms, "how long a callee rings before answering, at most")                                \
    X(talk_ms, "how long a callee talks, at most")                                                 \
    X(answer, "callees that answer, per mille of those that ring")                                 \
    X(trickle_ms, "contacts arrive over so long, 0 all at once")                                   \
    X(prefixes, "trunks take only some numbers: 1 yes")                                            \
    X(tries, "INVITEs owed when trunks are at fault, 0 or 1: one")                                 \
    X(tries_ms, "and no more after so long")                                                       \
    X(patience_ms, "silence that is a trunk's fault, 0 none")                                      \
    X(bad_max, "faults in a row that take a trunk down, 0 none")                                   \
    X(ping_ms, "an OPTIONS so often, 0 none")                                                      \
    X(adaptive, "1: refusals lower a trunk's rate")                                                \
    X(hook, "lanes with a start hook, per mille")                                                  \
    X(retry, "attempts on a contact at most, 0 and 1: no rule")                                    \
    X(retry_s, "from an attempt to the next, at most")                                             \
    X(hours, "contacts with hours of their own, per mille")                                        \
    X(cap, "attempts on a number in any cap_s, 0 no cap")                                          \
    X(cap_s, "that window")                                                                        \
    X(breakers, "bit by axis: trunk, prefix, caller, campaign have a rule")                        \
    /* faults */                                                                                   \
    X(stall, "turns that come up to 2 s late, per mille")                                          \
    X(outage, "times the store goes away")                                                         \
    X(outage_ms, "for how long, at most")                                                          \
    X(takeover, "contacts another worker takes from us, per mille")                                \
    X(user_stop, "calls the user cancels or hangs up, per mille")                                  \
    X(deadline, "contacts with a deadline, per mille")                                             \
    X(toggle, "times a lane is closed and opened")                                                 \
    X(trunk_toggle, "times a trunk becomes unusable for a while")                                  \
    X(reconfig, "times a lane or trunk is set anew")                                               \
    X(drain, "1: the node is drained in the middle")                                               \
    X(suppress, "numbers that come onto the suppression list, per mille of contacts")              \
    X(wall_jump, "times the wall clock is set")                                                    \
    X(hook_fault, "hooks that refuse or never answer, per mille")                                  \
    X(reject, "callees that are refused, per mille")                                               \
    X(retry_after, "refusals by 503 with Retry-After, per mille of INVITEs")                       \
    X(dying, "times a trunk is dead for a while: unreachable, silent or refusing all")             \
    X(silent, "INVITEs nobody answers, per mille")                                                 \
    X(icmp, "INVITEs that fail at once, per mille")                                                \
    X(challenged, "INVITEs that must be sent again with credentials, per mille")                   \
    X(repeat, "2xx that are repeated, per mille")                                                  \
    X(cross, "CANCELs crossed by an answer, per mille")                                            \
    X(deaf, "CANCELs and BYEs nobody answers, per mille")                                          \
    X(agent_fault, "agents that break, per mille")                                                 \
    X(media_fault, "calls whose media fails, per mille")                                           \
    X(both_bye, "talks both sides end at once, per mille")                                         \
    X(hostile, "events that make no sense, per mille of calls")                                    \
    X(slow_send, "INVITEs that leave up to 30 ms after their order, per mille")                    \
    X(pause, "times the process stands still, some longer than its lease")                         \
    X(redial_s, "from an attempt that nobody knows the end of to the next, 0 never")               \
    X(spoil, "bit by kind: a prefix on a trunk, a caller number, a list are bad")                  \
    X(spoil_ms, "for so long")                                                                     \
    X(moved, "trunks' faults after which the trunk goes on with another server, per mille")        \
    X(bridge, "talks whose callee is handed to somebody else, per mille: orders cross their ends")

struct sim_knobs {
#define X(name, what) uint32_t name;
    SIM_KNOBS(X)
#undef X
};

/* The world of a seed. */
void sim_knobs_draw(struct sim_knobs *knobs, uint64_t seed);

/* A world where nothing goes wrong: every fault 0, one of each thing the caller doesn't change. */
void sim_knobs_quiet(struct sim_knobs *knobs);

/* Takes every fault out of a world that was drawn. */
void sim_knobs_no_faults(struct sim_knobs *knobs);

/* Reads "name=value,name=value" over what is there. False: unknown name or not a number. */
bool sim_knobs_parse(struct sim_knobs *knobs, const char *text);

/* Writes them in the form parse() reads. */
void sim_knobs_text(const struct sim_knobs *knobs, char *out, size_t size);

/* One line per knob, for --help. */
void sim_knobs_help(void);

#endif

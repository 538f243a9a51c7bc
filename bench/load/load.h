/*
 * load - `outdial load`: calls a SIP platform at a given pace and tells honestly how it did.
 * Arrivals are open-loop: a call is due when the plan says so, whatever the calls before it are
 * doing, and every duration is counted from that moment, so that a platform (or this process) which
 * stalls can't hide it (coordinated omission).
 *
 * Like the carrier it is a peer of its own: of the engine it knows nothing, with the carrier it
 * shares the reading of SIP, SDP and RTP.
 *
 * Words: plan = what the command line asks for; stage = one run at a pace; tally = what came of it.
 */
#ifndef OD_BENCH_LOAD_H
#define OD_BENCH_LOAD_H

/*
 * argv[0] is "load". Blocks until the plan is done or SIGINT; progress goes to stderr, the result
 * to stdout. Returns the process's exit code: 0, 1 an objective was missed or it could not run, 2
 * wrong usage.
 */
int od_load_main(int argc, char **argv);

#endif

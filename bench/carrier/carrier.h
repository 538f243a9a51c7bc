/*
 * carrier: the simulated carrier, the population of telephones that outdial is tested and shown
 * against. It is an independent peer: it shares no SIP, SDP or RTP code with the engine, so that a
 * mistake there is not made twice and cancelled out. It must never trust a byte it receives, never
 * grow without bound, and never call anybody: it only answers. The `outdial` command calls it for
 * its verb `carrier`; nothing else does.
 */
#ifndef OD_BENCH_CARRIER_H
#define OD_BENCH_CARRIER_H

/*
 * Runs the carrier until SIGTERM, SIGINT or its own end (--idle-exit). argv[0] is "carrier".
 * Blocks; prints the summary on stdout. Returns the process's exit code: 0 all invariants held, 1
 * one was broken or the carrier could not run, 2 wrong usage, 78 bad profile.
 */
int od_carrier_main(int argc, char **argv);

#endif

/*
 * summary: the report of a run, for a person or as one line of JSON, and the verdict on the
 * invariants that decides the exit code.
 */
#ifndef OD_BENCH_CARRIER_SUMMARY_H
#define OD_BENCH_CARRIER_SUMMARY_H

#include "bench/carrier/node.h"

#include <stdio.h>

/* Whether every answered call was acknowledged and hung up, RTP came from where it should, ... */
bool od_summary_good(const struct od_carrier_report *);
void od_summary_json(const struct od_carrier_report *, FILE *);
void od_summary_table(const struct od_carrier_report *, FILE *);

#endif

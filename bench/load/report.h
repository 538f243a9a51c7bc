/*
 * report - the result of a load as text, JSON, CSV (a line per second) and a page of HTML that
 * needs nothing else.
 */
#ifndef OD_BENCH_LOAD_REPORT_H
#define OD_BENCH_LOAD_REPORT_H

#include <stdio.h>

#include "bench/load/plan.h"
#include "bench/load/tally.h"

struct od_load_result {
    const struct od_load_plan *plan;
    const struct od_load_tally *tally;
    double cps; /* the stage's pace */
    bool interrupted;
    bool searched;               /* a knee was looked for: */
    double held_cps, missed_cps; /* the highest that held, the lowest that did not; 0: none */
};

void od_load_report_text(const struct od_load_result *, FILE *);
void od_load_report_json(const struct od_load_result *, FILE *);
void od_load_report_csv(const struct od_load_result *, FILE *);
void od_load_report_html(const struct od_load_result *, FILE *);

/* By the file's ending: .html, .json or .csv. False: it could not be written (told on stderr). */
bool od_load_report_file(const struct od_load_result *, const char *path);
bool od_load_report_known(const char *path);

/* Things about the run that make its figures doubtful, one after the other; NULL at the end. */
const char *od_load_report_warning(const struct od_load_result *, unsigned nth, char *text,
                                   size_t text_bytes);

#endif

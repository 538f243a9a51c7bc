/*
 * plan - what the command line of `outdial load` asks for, read and checked. Strings point into
 * argv.
 */
#ifndef OD_BENCH_LOAD_PLAN_H
#define OD_BENCH_LOAD_PLAN_H

#include "bench/carrier/carrier_addr.h"
#include "bench/load/arrivals.h"
#include "bench/load/objective.h"

enum { OD_LOAD_REPORTS_MAX = 4, OD_LOAD_HEADERS_MAX = 8, OD_LOAD_USER_BYTES = 64 };

/* TCP and TLS: by one connection. */
enum od_load_transport { OD_LOAD_UDP, OD_LOAD_TCP, OD_LOAD_TLS };

struct od_load_plan {
    const char *target_text;              /* as given */
    char user[OD_LOAD_USER_BYTES];        /* of the target's URI, "" when it has none */
    char host[256];                       /* of the target's URI: host[:port] */
    uint8_t transport;                    /* enum od_load_transport */
    char name[256];                       /* the host alone, without brackets */
    const char *ca_file;                  /* TLS: trusted besides the system's; "": none */
    struct od_carrier_addr target;        /* where it is sent to */
    struct od_carrier_addr local;         /* SIP; bound by the run */
    char advertise[OD_CARRIER_ADDR_TEXT]; /* host in Via, Contact and SDP; "": local's */
    struct od_arrivals_plan arrivals;
    uint32_t calls_max;                /* at once */
    uint64_t hold_ms_min, hold_ms_max; /* talk time: evenly between the two */
    uint64_t ring_ms_max;              /* CANCEL after so long without an answer */
    uint64_t numbers;                 /* distinct called users, counted up from the first; 1: one */
    const char *from;                 /* user of From */
    const char *auth_user, *password; /* NULL: none */
    const char *headers[OD_LOAD_HEADERS_MAX + 1]; /* extra lines of the INVITE, "Name: value" */
    bool rtp;
    uint16_t rtp_port_lowest, rtp_port_highest;
    struct od_objectives objectives;
    bool knee; /* search the pace that holds; arrivals.cps is the first */
    double knee_cps_most;
    const char *reports[OD_LOAD_REPORTS_MAX + 1]; /* files to write, NULL-terminated */
    bool json, quiet, help;
};

/* 0, or the exit code after a line on stderr. */
int od_load_plan_read(struct od_load_plan *, int argc, char **argv);
void od_load_plan_help(void);

#endif

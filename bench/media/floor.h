/*
 * floor - what the programs share that send a call's datagrams by a bare loop: clock, CPU time, an
 * address, and reading what has come. Header-only.
 */
#ifndef BENCH_MEDIA_FLOOR_H
#define BENCH_MEDIA_FLOOR_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { FLOOR_PHASES = 4, FLOOR_SLOT_NS = 5000000, FLOOR_BATCH = 8, FLOOR_DATAGRAM = 172 };

static inline uint64_t floor_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline double floor_cpu_s(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_utime.tv_sec + (double)r.ru_stime.tv_sec +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static inline struct sockaddr_in floor_loopback(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

#endif

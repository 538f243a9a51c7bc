/*
 * sip_gate - looks at each datagram before the library's parser does.
 *
 * The library's work grows with the square of a message's header lines and of some lists: one 64 kB
 * datagram of empty headers held the loop for 1 to 3 seconds (measured), and it answers a message
 * of another protocol version to whatever address the message names. Both are cheap to see in the
 * raw bytes. The gate sits in recvmsg(), which this module defines in the executable, where it
 * takes precedence over libc's for the libraries too; outside of up() and down(), and for anything
 * but a datagram, it is libc's.
 */
#ifndef PROTO_SIP_SIP_GATE_H
#define PROTO_SIP_SIP_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OD_SIP_DATAGRAM_MAX = 16384, /* longer than any carrier's message by a factor of four */
    OD_SIP_LINES_MAX = 200,      /* of the header */
    OD_SIP_LIST_ITEMS_MAX = 500, /* commas in the header */
};

void od_sip_gate_up(void); /* nests; this thread's datagrams are looked at */
void od_sip_gate_down(void);

/* True when the bytes may go to the parser. */
bool od_sip_gate_admits(const char *bytes, size_t count);

/* How many datagrams this thread turned away. */
uint64_t od_sip_gate_refused(void);

/* How many reads this thread made while the gate was up: tells a step of the library that found
 * something to read from one that did not. */
uint64_t od_sip_gate_reads(void);

#endif

/*
 * sip_getaddrinfo - keeps name resolution out of the SIP stack.
 *
 * Some answers of the stack go to a host name that a stranger wrote into a Via, through a blocking
 * getaddrinfo() on the loop's thread: one datagram stalls everything for as long as DNS likes. This
 * module defines getaddrinfo() in the executable, where it takes precedence over libc's for the
 * libraries too. Between off() and on() the calling thread gets answers for numeric addresses only;
 * all other threads and moments go to libc.
 */
#ifndef PROTO_SIP_SIP_GETADDRINFO_H
#define PROTO_SIP_SIP_GETADDRINFO_H

void od_sip_names_off(void); /* nests */
void od_sip_names_on(void);

#endif

/*
 * agent_url - where a stream agent may be: ws://, wss://, tcp://host:port or unix:///path. Pure; it
 * looks at the text alone, who connects judges names and addresses.
 */
#ifndef ENGINE_AGENT_AGENT_URL_H
#define ENGINE_AGENT_AGENT_URL_H

#include <stdbool.h>

enum od_agent_wire {
    OD_AGENT_WIRE_WS,
    OD_AGENT_WIRE_TCP,  /* bare messages, for formats that delimit themselves */
    OD_AGENT_WIRE_UNIX, /* the same; its path is up to 107 bytes (unix(7)) */
};

/* False: it is none; od_agent_url_forms says what one is. */
bool od_agent_url_read(const char *url, enum od_agent_wire *wire);
extern const char od_agent_url_forms[];

/* Whether an agent may be there: at a Unix socket only in that directory, itself and not in one
 * below it; unix_dir "": at none. Any other URL may. */
bool od_agent_place_ok(const char *url, const char *unix_dir);

#endif

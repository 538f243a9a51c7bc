/*
 * route - the table of paths and methods, and finding a request in it. The table is in route.c;
 * a row says all that the request's way through the API depends on.
 */
#ifndef ENGINE_API_ROUTE_H
#define ENGINE_API_ROUTE_H

#include "outdial/repo.h"

struct od_request;

enum od_scope {
    OD_SCOPE_OPEN, /* no key needed */
    OD_SCOPE_READ,
    OD_SCOPE_DIAL,  /* makes calls and campaigns, starts and stops them */
    OD_SCOPE_ADMIN, /* agents, keys */
};

enum od_body_kind {
    OD_TAKES_NOTHING,
    OD_TAKES_JSON,  /* gathered, read into request->body */
    OD_TAKES_AGENT, /* the same, of an agent document's size */
    OD_TAKES_PATCH, /* the same; a merge patch (RFC 7396) */
    OD_TAKES_MAYBE, /* a document or nothing */
    OD_TAKES_FORM,  /* application/x-www-form-urlencoded, gathered in request->text */
    OD_TAKES_ROWS,  /* streamed to engine/api/import.c */
    OD_TAKES_CALLS, /* streamed to engine/api/bulk.h */
};

typedef void (*od_route_fn)(struct od_request *q);

struct od_route {
    const char *method;
    const char *pattern; /* "{id}": a uid, "{name}": any one segment */
    enum od_scope scope;
    enum od_body_kind takes;
    od_route_fn run;
    const char *const *query; /* names of query parameters, NULL-terminated; NULL: none. "name*":
                                 may be given more than once */
};

enum { OD_ROUTE_IDS_MAX = 2 };

struct od_route_match {
    const struct od_route *route; /* NULL: none fits */
    bool path_known;              /* some method has this path */
    bool id_wrong;                /* none has, for what stands where an id has to be */
    char allow[64];               /* "GET, POST": the methods of the path, when it is known */
    struct od_uid ids[OD_ROUTE_IDS_MAX];
    char name[OD_NAME_MAX];
};

/* HEAD finds the GET row. A segment that can't be a uid makes the path unknown. */
void od_route_find(const char *method, const char *path, struct od_route_match *out);

/* The rows, for tests that walk the table. */
const struct od_route *od_routes(size_t *count);

#endif

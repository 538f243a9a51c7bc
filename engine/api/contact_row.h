/*
 * contact_row - what a row of an imported file means: a number to call and a context of named
 * values. Pure: a row goes in, a contact or the reason against it comes out.
 */
#ifndef ENGINE_API_CONTACT_ROW_H
#define ENGINE_API_CONTACT_ROW_H

#include "engine/api/csv.h"
#include "outdial/rules.h"

enum {
    OD_CONTACT_CONTEXT_MAX = 32 * 1024, /* bytes of a context as JSON */
    OD_CONTACT_WHY_MAX = 192,
    OD_COLUMNS_WHY_MAX = 512,
};

struct od_contact {
    char to[OD_ENDPOINT_MAX], from[OD_ENDPOINT_MAX]; /* from may be empty */
    int64_t not_before_ms, deadline_ms;              /* 0: none */
    char timezone[OD_ZONE_MAX];                      /* as given, not checked; may be empty */
    size_t context_bytes;                            /* written to the caller's memory */
    char why[OD_CONTACT_WHY_MAX];                    /* when it is refused */
    char value[64];                                  /* the number as it was given, maybe cut */
};

/* The columns of a CSV file, from its header. */
struct od_columns;

/*
 * number_column: name of the column with the numbers, NULL: the first of number, phone, to,
 * endpoint, phone_number, msisdn that is there (in any case). All other columns go into the
 * context; one named "timezone" is the callee's zone as well. OD_EINVAL and a line in why;
 * OD_ENOMEM.
 */
int od_columns_create(struct od_columns **out, const struct od_csv_row *header,
                      const char *number_column, char why[OD_COLUMNS_WHY_MAX]);
void od_columns_destroy(struct od_columns *columns); /* NULL is fine */

/* Both write the context to `context` (OD_CONTACT_CONTEXT_MAX bytes) and return false with
 * out->why when the row can't be used. */
bool od_contact_from_row(const struct od_columns *columns, const struct od_csv_row *row,
                         struct od_contact *out, char *context);
/* A line of NDJSON: {"number": ..., "context": {...}, "from", "not_before", "deadline",
 * "timezone"}; the number under any of the names above. Every other member goes into the context,
 * as it is, like another column of a CSV file. */
bool od_contact_from_json(const char *line, size_t bytes, struct od_contact *out, char *context);

#endif

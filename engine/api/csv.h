/*
 * csv - reads comma-separated values as they come from spreadsheets and exports (RFC 4180 and its
 * usual relatives), piece by piece, in bounded memory. Pure; how the bytes are cut into pieces
 * makes no difference to the rows. It knows nothing of contacts: engine/api/import.c gives rows a
 * meaning.
 *
 * What is read: rows ended by LF, CR LF or CR; fields set apart by comma, semicolon or tab (the one
 * most used in the first row); fields in double quotes with "" for a quote and line breaks inside;
 * a UTF-8 byte order mark. Rows with nothing in them are skipped. A quote inside an unquoted field
 * is taken as it is.
 *
 * Lifetime: a struct od_csv belongs to one file; rows point into it and die at the next call.
 */
#ifndef ENGINE_API_CSV_H
#define ENGINE_API_CSV_H

#include "outdial/repo.h"

enum {
    OD_CSV_FIELDS_MAX = 256,
    OD_CSV_ROW_BYTES_MAX = 32 * 1024, /* of one row as text, quotes not counted */
};

enum od_csv_step {
    OD_CSV_MORE, /* all bytes are used up */
    OD_CSV_ROW,  /* *row is complete */
    OD_CSV_BAD,  /* row->line and row->why; reading goes on after it */
    OD_CSV_END,  /* `last` was said and everything is read */
};

struct od_csv_row {
    uint64_t line; /* where the row starts, from 1 */
    const struct od_text *fields;
    size_t count;
    const char *why; /* BAD: static storage */
};

struct od_csv;

int od_csv_create(struct od_csv **out);  /* OD_ENOMEM */
void od_csv_destroy(struct od_csv *csv); /* NULL is fine */

/* Reads on from *data, which it advances, up to the next row. last: nothing follows these bytes. */
enum od_csv_step od_csv_next(struct od_csv *csv, const char **data, size_t *bytes, bool last,
                             struct od_csv_row *row);

#endif

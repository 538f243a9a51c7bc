/*
 * The CSV reader and what makes contacts of its rows: no input may crash them, and the same file in
 * one piece and in pieces (the first byte says of which size) must give the same rows.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/contact_row.h"
#include "engine/base/assert.h"
#include "engine/base/siphash.h"
#include "engine/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    uint64_t hash, rows;
    struct od_columns *columns;
};

static void mix(struct reading *r, const void *data, size_t bytes)
{
    uint8_t key[16] = {0};
    memcpy(key, &r->hash, sizeof r->hash);
    r->hash = od_siphash(key, data, bytes);
}

static void take_row(struct reading *r, enum od_csv_step step, const struct od_csv_row *row)
{
    static char context[OD_CONTACT_CONTEXT_MAX];
    struct od_contact contact;
    char why[OD_COLUMNS_WHY_MAX];
    mix(r, &row->line, sizeof row->line);
    if (step == OD_CSV_BAD) {
        mix(r, row->why, strlen(row->why));
        return;
    }
    OD_ASSERT(row->count >= 1 && row->count <= OD_CSV_FIELDS_MAX);
    for (size_t i = 0; i < row->count; i++) {
        OD_ASSERT(od_str_utf8(row->fields[i].at, row->fields[i].bytes));
        mix(r, row->fields[i].at, row->fields[i].bytes);
    }
    if (!r->rows++)
        od_columns_create(&r->columns, row, NULL, why);
    else if (r->columns && od_contact_from_row(r->columns, row, &contact, context))
        mix(r, context, contact.context_bytes);
}

static uint64_t read_file(const uint8_t *data, size_t size, size_t piece)
{
    struct reading r = {0};
    struct od_csv *csv;
    struct od_csv_row row;
    if (od_csv_create(&csv))
        return 0;
    size_t at = 0;
    enum od_csv_step step = OD_CSV_MORE;
    do {
        size_t left = size - at < piece ? size - at : piece;
        char *copy = malloc(left ? left : 1); /* exactly sized, for the sanitizer */
        if (left)
            memcpy(copy, data + at, left);
        const char *next = copy;
        at += left;
        do {
            step = od_csv_next(csv, &next, &left, at == size, &row);
            if (step == OD_CSV_ROW || step == OD_CSV_BAD)
                take_row(&r, step, &row);
        } while (step == OD_CSV_ROW || step == OD_CSV_BAD);
        OD_ASSERT(!left);
        free(copy);
    } while (step != OD_CSV_END);
    od_csv_destroy(csv);
    od_columns_destroy(r.columns);
    return r.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    size_t piece = 1 + data[0] % 64u;
    OD_ASSERT(read_file(data + 1, size - 1, SIZE_MAX) == read_file(data + 1, size - 1, piece));
    return 0;
}

/*
 * The first row decides the delimiter, so it is gathered raw up to its end, looked at, and only
 * then run through the same state machine as all others.
 *
 * A quote that is never closed swallows what follows. The damage is bounded by the longest row:
 * when that is reached the row is given up and reading goes on at the next line break.
 */
#include "engine/api/csv.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

enum state {
    ROW_START,
    FIELD_START,
    PLAIN,
    QUOTED,
    QUOTE_SEEN, /* in a quoted field after a quote: its end, or half of "" */
    SKIPPING,   /* the row is bad; up to its end */
};

/* The first row on its way to the decision. */
struct sniff {
    char *raw; /* NULL once the delimiter is known */
    size_t used;
    size_t fed; /* of raw, when the machine is reading it */
    bool done;  /* raw is complete */
    bool field_start, quoted;
    bool quoted_field; /* the present field started with a quote */
    unsigned counts[3];
};

struct od_csv {
    struct sniff sniff;
    char delimiter;
    enum state state;
    bool after_cr; /* the byte before was CR */
    bool any;      /* the row has something in it */
    bool ended;
    uint64_t line, row_line;
    const char *why;
    size_t field_at; /* where the present field starts in text */
    size_t count, used;
    struct od_text fields[OD_CSV_FIELDS_MAX];
    char text[OD_CSV_ROW_BYTES_MAX];
};

static const char delimiters[] = {',', ';', '\t'};

int od_csv_create(struct od_csv **out)
{
    struct od_csv *csv = calloc(1, sizeof *csv);
    if (!csv)
        return OD_ENOMEM;
    csv->sniff.raw = malloc(OD_CSV_ROW_BYTES_MAX);
    if (!csv->sniff.raw) {
        free(csv);
        return OD_ENOMEM;
    }
    csv->sniff.field_start = true;
    csv->delimiter = ',';
    csv->line = 1;
    *out = csv;
    return 0;
}

void od_csv_destroy(struct od_csv *csv)
{
    if (!csv)
        return;
    free(csv->sniff.raw);
    free(csv);
}

static void row_begin(struct od_csv *csv)
{
    csv->state = ROW_START;
    csv->any = false;
    csv->why = NULL;
    csv->count = csv->used = csv->field_at = 0;
}

static void row_bad(struct od_csv *csv, const char *why)
{
    csv->why = why;
    csv->any = true;
    csv->state = SKIPPING;
}

static void field_add(struct od_csv *csv, char c)
{
    if (csv->used == sizeof csv->text) {
        row_bad(csv, csv->state == QUOTED ? "too long; is a quote not closed?" : "too long");
        return;
    }
    csv->text[csv->used++] = c;
}

static void field_end(struct od_csv *csv)
{
    if (csv->count == OD_CSV_FIELDS_MAX) {
        row_bad(csv, "more than 256 columns");
        return;
    }
    struct od_text *field = &csv->fields[csv->count++];
    field->at = csv->text + csv->field_at;
    field->bytes = csv->used - csv->field_at;
    csv->field_at = csv->used;
    csv->state = FIELD_START;
}

/* The row is over. MORE: there was nothing in it. */
static enum od_csv_step row_end(struct od_csv *csv, struct od_csv_row *row)
{
    enum state state = csv->state;
    if (state == QUOTED)
        csv->why = "a quote is not closed";
    if (state != SKIPPING && state != QUOTED)
        field_end(csv);
    for (size_t i = 0; i < csv->count && !csv->why; i++)
        if (!od_str_utf8(csv->fields[i].at, csv->fields[i].bytes))
            csv->why = "not UTF-8: save the file as UTF-8";
    *row = (struct od_csv_row){.line = csv->row_line, .why = csv->why};
    bool any = csv->any;
    if (!csv->why) {
        row->fields = csv->fields;
        row->count = csv->count;
    }
    row_begin(csv);
    if (!any)
        return OD_CSV_MORE;
    return row->why ? OD_CSV_BAD : OD_CSV_ROW;
}

static void take_plain(struct od_csv *csv, char c)
{
    if (c == csv->delimiter) {
        field_end(csv);
        return;
    }
    if (c != ' ' && c != '\t')
        csv->any = true;
    csv->state = PLAIN;
    field_add(csv, c);
}

static void take_byte(struct od_csv *csv, char c)
{
    switch (csv->state) {
    case ROW_START:
    case FIELD_START:
        if (c == '"') {
            csv->any = true;
            csv->state = QUOTED;
        } else {
            take_plain(csv, c);
        }
        return;
    case PLAIN:
        take_plain(csv, c);
        return;
    case QUOTED:
        if (c == '"')
            csv->state = QUOTE_SEEN;
        else
            field_add(csv, c);
        return;
    case QUOTE_SEEN:
        if (c == '"') {
            csv->state = QUOTED;
            field_add(csv, c);
        } else if (c == csv->delimiter) {
            field_end(csv);
        } else if (c != ' ' && c != '\t') {
            row_bad(csv, "text after a closing quote");
        }
        return;
    case SKIPPING:
        return;
    }
}

/* One byte through the machine; MORE while the row goes on. */
static enum od_csv_step step(struct od_csv *csv, char c, struct od_csv_row *row)
{
    bool second_of_crlf = c == '\n' && csv->after_cr;
    csv->after_cr = c == '\r';
    if (second_of_crlf && csv->state == ROW_START)
        return OD_CSV_MORE;
    if (csv->state == ROW_START)
        csv->row_line = csv->line;
    bool breaks = c == '\n' || c == '\r';
    if (breaks && !second_of_crlf)
        csv->line++;
    if (breaks && csv->state != QUOTED)
        return row_end(csv, row);
    if (!c)
        row_bad(csv, "has a NUL byte");
    else
        take_byte(csv, c);
    return OD_CSV_MORE;
}

/* Gathers the first row that has something in it; true when it is complete. */
static bool sniff_byte(struct sniff *sniff, char c)
{
    if (sniff->used == OD_CSV_ROW_BYTES_MAX)
        return true;
    sniff->raw[sniff->used++] = c;
    if (sniff->used == 3 && memcmp(sniff->raw, "\xef\xbb\xbf", 3) == 0) {
        sniff->used = 0;
        sniff->field_start = true;
        return false;
    }
    if (c == '"') {
        sniff->quoted_field |= sniff->field_start;
        if (sniff->quoted_field) /* "" inside closes and opens again, which comes to the same */
            sniff->quoted = !sniff->quoted;
        sniff->field_start = false;
        return false;
    }
    const char *delimiter = memchr(delimiters, c, sizeof delimiters);
    sniff->field_start = !sniff->quoted && delimiter != NULL;
    if (sniff->field_start) {
        sniff->counts[delimiter - delimiters]++;
        sniff->quoted_field = false;
    }
    return !sniff->quoted && (c == '\n' || c == '\r');
}

static bool sniff_is_blank(const struct sniff *sniff)
{
    for (size_t i = 0; i < sniff->used; i++)
        if (!sniff->raw[i] || !strchr(" \t,;\r\n", sniff->raw[i]))
            return false;
    return true;
}

/* raw holds a whole row: the delimiter is known, unless the row was blank. */
static void sniff_decide(struct od_csv *csv)
{
    struct sniff *sniff = &csv->sniff;
    size_t best = 0;
    for (size_t i = 1; i < sizeof delimiters; i++)
        if (sniff->counts[i] > sniff->counts[best])
            best = i;
    csv->delimiter = delimiters[best];
    sniff->done = true;
    sniff->fed = 0;
}

/* Runs the gathered row through the machine. */
static enum od_csv_step sniff_feed(struct od_csv *csv, struct od_csv_row *row)
{
    struct sniff *sniff = &csv->sniff;
    if (sniff->used >= 2 &&
        (memcmp(sniff->raw, "\xff\xfe", 2) == 0 || memcmp(sniff->raw, "\xfe\xff", 2) == 0)) {
        csv->row_line = csv->line;
        row_bad(csv, "UTF-16: save the file as UTF-8");
    }
    enum od_csv_step result = OD_CSV_MORE;
    while (sniff->fed < sniff->used && result == OD_CSV_MORE)
        result = step(csv, sniff->raw[sniff->fed++], row);
    if (sniff->fed < sniff->used)
        return result;
    bool blank = sniff_is_blank(sniff);
    *sniff = (struct sniff){.raw = sniff->raw, .field_start = true};
    if (blank)
        return OD_CSV_MORE;
    free(sniff->raw);
    sniff->raw = NULL;
    return result;
}

static enum od_csv_step sniff_next(struct od_csv *csv, const char **data, size_t *bytes, bool last,
                                   struct od_csv_row *row)
{
    struct sniff *sniff = &csv->sniff;
    while (sniff->raw) {
        if (!sniff->done) {
            bool complete = false;
            while (*bytes && !complete) {
                complete = sniff_byte(sniff, **data);
                if (complete && sniff->used == OD_CSV_ROW_BYTES_MAX)
                    break; /* this byte did not fit: the machine takes it */
                (*data)++;
                (*bytes)--;
            }
            if (!complete && !last)
                return OD_CSV_MORE;
            if (!sniff->used) /* the end, and nothing gathered */
                return OD_CSV_MORE;
            sniff_decide(csv);
        }
        enum od_csv_step result = sniff_feed(csv, row);
        if (result != OD_CSV_MORE)
            return result;
    }
    return OD_CSV_MORE;
}

enum od_csv_step od_csv_next(struct od_csv *csv, const char **data, size_t *bytes, bool last,
                             struct od_csv_row *row)
{
    enum od_csv_step result = sniff_next(csv, data, bytes, last, row);
    if (result != OD_CSV_MORE)
        return result;
    while (*bytes && !csv->sniff.raw) {
        char c = *(*data)++;
        (*bytes)--;
        result = step(csv, c, row);
        if (result != OD_CSV_MORE)
            return result;
    }
    if (!last || *bytes)
        return OD_CSV_MORE;
    if (!csv->ended && csv->state != ROW_START) {
        csv->ended = true;
        result = row_end(csv, row);
        if (result != OD_CSV_MORE)
            return result;
    }
    csv->ended = true;
    return OD_CSV_END;
}

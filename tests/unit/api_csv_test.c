/*
 * Goal: the CSV reader gives the same rows whatever the pieces, reads what spreadsheets write, and
 * says line and reason of what it can't read. Method: a table of files; every file cut at every
 * byte; generated tables written with random quoting and read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/csv.h"
#include "engine/base/rng.h"

/* What was read, as text: fields as [..], "LINE:" before each row, "LINE!why" for a bad one. */
struct transcript {
    char *text;
    size_t used, size;
};

static void note(struct transcript *t, const char *text, size_t bytes)
{
    if (t->used + bytes + 1 > t->size) {
        t->size = (t->used + bytes + 1) * 2;
        t->text = realloc(t->text, t->size);
        assert_non_null(t->text);
    }
    memcpy(t->text + t->used, text, bytes);
    t->used += bytes;
    t->text[t->used] = 0;
}

static void note_row(struct transcript *t, enum od_csv_step step, const struct od_csv_row *row)
{
    char line[32];
    snprintf(line, sizeof line, "%llu%c", (unsigned long long)row->line,
             step == OD_CSV_BAD ? '!' : ':');
    note(t, line, strlen(line));
    if (step == OD_CSV_BAD)
        note(t, row->why, strlen(row->why));
    for (size_t i = 0; i < row->count; i++) {
        note(t, "[", 1);
        note(t, row->fields[i].at, row->fields[i].bytes);
        note(t, "]", 1);
    }
    note(t, "\n", 1);
}

/* Reads pieces that end at the given places; each piece is heap memory of exactly its size. */
static char *read_pieces(const char *file, size_t bytes, const size_t *ends, size_t count)
{
    struct transcript t = {0};
    struct od_csv *csv;
    struct od_csv_row row;
    size_t start = 0;
    note(&t, "", 0);
    assert_int_equal(od_csv_create(&csv), 0);
    for (size_t i = 0; i <= count; i++) {
        size_t end = i < count ? ends[i] : bytes, left = end - start;
        char *piece = malloc(left ? left : 1);
        memcpy(piece, file + start, left);
        const char *at = piece;
        enum od_csv_step step;
        while ((step = od_csv_next(csv, &at, &left, i == count, &row)) != OD_CSV_MORE &&
               step != OD_CSV_END)
            note_row(&t, step, &row);
        assert_int_equal(left, 0);
        assert_int_equal(step, i == count ? OD_CSV_END : OD_CSV_MORE);
        free(piece);
        start = end;
    }
    od_csv_destroy(csv);
    return t.text;
}

static const struct {
    const char *file, *rows;
} files[] = {
    {"", ""},
    {"\n\r\n\r", ""},
    {"a,b\n1,2\n", "1:[a][b]\n2:[1][2]\n"},
    {"a,b\r\n1,2\r\n", "1:[a][b]\n2:[1][2]\n"},
    {"a,b\r1,2\r", "1:[a][b]\n2:[1][2]\n"},
    {"a,b\n1,2", "1:[a][b]\n2:[1][2]\n"},
    {"\xef\xbb\xbf"
     "a,b\n1,2",
     "1:[a][b]\n2:[1][2]\n"},
    {"\xef\xbb\xbf"
     "\"a\",b\n1,2",
     "1:[a][b]\n2:[1][2]\n"},
    {"a;b\n1,5;2\n", "1:[a][b]\n2:[1,5][2]\n"},
    {"a\tb\n1,5\t2;3\n", "1:[a][b]\n2:[1,5][2;3]\n"},
    {"\"a;1\",\"b;2\",c\n1,2,3\n", "1:[a;1][b;2][c]\n2:[1][2][3]\n"},
    {"a\n1\n", "1:[a]\n2:[1]\n"},
    {"a,b\n\"x\"\"y\",\"1,2\"\n", "1:[a][b]\n2:[x\"y][1,2]\n"},
    {"a,b\n\"l1\nl2\",2\n3,4\n", "1:[a][b]\n2:[l1\nl2][2]\n4:[3][4]\n"},
    {"a,b\r\n\"l1\r\nl2\",2\r\n3,4\r\n", "1:[a][b]\n2:[l1\r\nl2][2]\n4:[3][4]\n"},
    {"a,b\n\n  \n,\n1,2\n", "1:[a][b]\n5:[1][2]\n"},
    {"\n\n;;\na;b\n1;2\n", "4:[a][b]\n5:[1][2]\n"},
    {"a,b\n\"\",\"\"\n", "1:[a][b]\n2:[][]\n"},
    {"a,b\n1,\n,2\n", "1:[a][b]\n2:[1][]\n3:[][2]\n"},
    {"a,b\n5\" pipe,it's\n", "1:[a][b]\n2:[5\" pipe][it's]\n"},
    {"a\"\"x,b\n1,2\n", "1:[a\"\"x][b]\n2:[1][2]\n"},
    {"a,b\n\"x\" ,2\n", "1:[a][b]\n2:[x][2]\n"},
    {"a,b\n\"x\"y,2\n3,4\n", "1:[a][b]\n2!text after a closing quote\n3:[3][4]\n"},
    {"a,b\n1,\"2\n3,4\n", "1:[a][b]\n2!a quote is not closed\n"},
    {"a,b\n\xff,2\n3,4\n", "1:[a][b]\n2!not UTF-8: save the file as UTF-8\n3:[3][4]\n"},
    {"a,b\n\xc3,\xa9\n", "1:[a][b]\n2!not UTF-8: save the file as UTF-8\n"},
    {"a,\xc3\xa9\n1,2\n", "1:[a][\xc3\xa9]\n2:[1][2]\n"},
    {"\xff\xfe"
     "a\n",
     "1!UTF-16: save the file as UTF-8\n"},
    {"\"a\n1,2\n", "1!a quote is not closed\n"},
    {"a;\"b\nc\"\n", "1:[a][b\nc]\n"},
    {"a,b,c;\"d\ne\",f\n", "1:[a][b][c;\"d]\n2:[e\"][f]\n"},
};

static void files_give_their_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *rows = read_pieces(files[i].file, strlen(files[i].file), NULL, 0);
        assert_string_equal(rows, files[i].rows);
        free(rows);
    }
}

static void a_nul_spoils_its_row_only(void **state)
{
    (void)state;
    static const char file[] = "a,b\n1\0,2\n3,4\n";
    char *rows = read_pieces(file, sizeof file - 1, NULL, 0);
    assert_string_equal(rows, "1:[a][b]\n2!has a NUL byte\n3:[3][4]\n");
    free(rows);
}

static void every_cut_gives_the_same_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t bytes = strlen(files[i].file), ends[64];
        assert_true(bytes < 64);
        for (size_t a = 0; a <= bytes; a++)
            for (size_t b = a; b <= bytes; b++) {
                char *rows = read_pieces(files[i].file, bytes, (size_t[]){a, b}, 2);
                assert_string_equal(rows, files[i].rows);
                free(rows);
            }
        for (size_t k = 0; k < bytes; k++)
            ends[k] = k + 1;
        char *rows = read_pieces(files[i].file, bytes, ends, bytes);
        assert_string_equal(rows, files[i].rows);
        free(rows);
    }
}

static void long_rows_are_given_up_and_the_rest_read(void **state)
{
    (void)state;
    size_t bytes = OD_CSV_ROW_BYTES_MAX * 2 + 64, ends[] = {5, 40000, 60000};
    char *file = malloc(bytes);
    memset(file, 'x', bytes);
    memcpy(file, "a,b\n\"", 5); /* the quote is never closed */
    memcpy(file + bytes - 9, "\n1,2\n3,4\n", 9);
    char *rows = read_pieces(file, bytes, ends, 3);
    assert_string_equal(rows, "1:[a][b]\n2!too long; is a quote not closed?\n3:[1][2]\n4:[3][4]\n");
    free(rows);
    /* the same as the first row, where the delimiter is still to be found */
    file[0] = '"';
    rows = read_pieces(file, bytes, ends, 3);
    assert_non_null(strstr(rows, "1!"));
    assert_non_null(strstr(rows, "[3][4]\n"));
    free(rows);
    free(file);
}

static void too_many_columns_are_a_bad_row(void **state)
{
    (void)state;
    char file[1024] = "a,b\n";
    memset(file + 4, ',', 300);
    strcpy(file + 304, "x\n1,2\n");
    char *rows = read_pieces(file, strlen(file), NULL, 0);
    assert_string_equal(rows, "1:[a][b]\n2!more than 256 columns\n3:[1][2]\n");
    free(rows);
}

/* Writes a field, quoted when it must be and sometimes when it need not. */
static void write_field(struct od_rng *rng, struct transcript *file, const char *text, size_t bytes,
                        char delimiter)
{
    bool quoted = od_rng_below(rng, 4) == 0;
    for (size_t i = 0; i < bytes; i++)
        quoted |= strchr("\"\r\n", text[i]) != NULL || text[i] == delimiter;
    if (!quoted) {
        note(file, text, bytes);
        return;
    }
    note(file, "\"", 1);
    for (size_t i = 0; i < bytes; i++)
        note(file, text[i] == '"' ? "\"\"" : &text[i], text[i] == '"' ? 2 : 1);
    note(file, "\"", 1);
}

static void generated_tables_come_back(void **state)
{
    (void)state;
    static const char alphabet[] = "ab \"'\n\r,;\t01";
    static const char *const breaks[] = {"\n", "\r\n", "\r"};
    struct od_rng rng = {20240611};
    for (unsigned round = 0; round < 2000; round++) {
        struct transcript file = {0}, want = {0};
        char delimiter = ",;\t"[od_rng_below(&rng, 3)];
        const char *newline = breaks[od_rng_below(&rng, 3)];
        size_t columns = 2 + od_rng_below(&rng, 4), rows = od_rng_below(&rng, 6);
        unsigned long long line = 1;
        for (size_t r = 0; r <= rows; r++) {
            char number[32];
            unsigned breaks_inside = 0;
            snprintf(number, sizeof number, "%llu:", line);
            note(&want, number, strlen(number));
            for (size_t c = 0; c < columns; c++) {
                char text[12];
                size_t n = od_rng_below(&rng, sizeof text);
                for (size_t i = 0; i < n; i++)
                    text[i] = alphabet[od_rng_below(&rng, sizeof alphabet - 1)];
                if (!r || !c) { /* the header is plain, and no row is empty */
                    text[0] = (char)('a' + c);
                    n = 1;
                }
                for (size_t i = 0; i < n; i++)
                    breaks_inside +=
                        text[i] == '\n' ? !(i && text[i - 1] == '\r') : text[i] == '\r';
                if (c)
                    note(&file, &delimiter, 1);
                write_field(&rng, &file, text, n, delimiter);
                note(&want, "[", 1);
                note(&want, text, n);
                note(&want, "]", 1);
            }
            note(&want, "\n", 1);
            if (r < rows || od_rng_below(&rng, 2))
                note(&file, newline, strlen(newline));
            line += 1 + breaks_inside;
        }
        size_t ends[3];
        for (size_t i = 0; i < 3; i++)
            ends[i] = od_rng_below(&rng, file.used + 1);
        for (size_t i = 1; i < 3; i++)
            if (ends[i] < ends[i - 1])
                ends[i] = ends[i - 1];
        char *got = read_pieces(file.text, file.used, ends, 3);
        if (strcmp(got, want.text) != 0)
            print_error("round %u, file:\n%s\n", round, file.text);
        assert_string_equal(got, want.text);
        free(got);
        free(file.text);
        free(want.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_give_their_rows),
        cmocka_unit_test(a_nul_spoils_its_row_only),
        cmocka_unit_test(every_cut_gives_the_same_rows),
        cmocka_unit_test(long_rows_are_given_up_and_the_rest_read),
        cmocka_unit_test(too_many_columns_are_a_bad_row),
        cmocka_unit_test(generated_tables_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

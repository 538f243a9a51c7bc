/*
 * Goal: WAV files of the known kinds are read, and no file whatsoever makes the reader look outside
 * its bytes. Method: a table of headers, good and hostile; every prefix and every changed byte of a
 * good file under the sanitizers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/media/g711.h"
#include "engine/media/wav.h"
#include "outdial/err.h"

struct file {
    uint8_t bytes[512];
    size_t count;
};

static void add(struct file *f, const void *bytes, size_t count)
{
    memcpy(f->bytes + f->count, bytes, count);
    f->count += count;
}

static void add_u32(struct file *f, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    add(f, b, 4);
}

static void add_u16(struct file *f, uint32_t v)
{
    uint8_t b[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
    add(f, b, 2);
}

static void begin(struct file *f)
{
    f->count = 0;
    add(f, "RIFF", 4);
    add_u32(f, 0);
    add(f, "WAVE", 4);
}

static void add_format(struct file *f, uint32_t tag, uint32_t channels, uint32_t rate,
                       uint32_t bits)
{
    add(f, "fmt ", 4);
    add_u32(f, 16);
    add_u16(f, tag);
    add_u16(f, channels);
    add_u32(f, rate);
    add_u32(f, rate * channels * bits / 8);
    add_u16(f, channels * bits / 8);
    add_u16(f, bits);
}

static void add_data(struct file *f, uint32_t claimed, size_t count)
{
    add(f, "data", 4);
    add_u32(f, claimed);
    for (size_t i = 0; i < count; i++)
        f->bytes[f->count++] = (uint8_t)i;
}

static void test_known_kinds_are_read(void **state)
{
    (void)state;
    static const struct {
        uint32_t tag, channels, rate, bits, data;
        size_t frames;
    } cases[] = {
        {OD_WAV_PCM, 1, 22050, 16, 40, 20}, {OD_WAV_PCM, 2, 44100, 16, 40, 10},
        {OD_WAV_ULAW, 1, 8000, 8, 40, 40},  {OD_WAV_ALAW, 1, 8000, 8, 41, 41},
        {OD_WAV_PCM, 3, 192000, 16, 40, 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file f;
        struct od_wav wav;
        begin(&f);
        add_format(&f, cases[i].tag, cases[i].channels, cases[i].rate, cases[i].bits);
        add_data(&f, cases[i].data, cases[i].data);
        assert_int_equal(od_wav_parse(f.bytes, f.count, &wav), 0);
        assert_int_equal(wav.format, cases[i].tag);
        assert_int_equal(wav.channels, cases[i].channels);
        assert_int_equal(wav.rate, cases[i].rate);
        assert_int_equal(wav.frames, cases[i].frames);
    }
}

static void test_samples_are_decoded_and_channels_averaged(void **state)
{
    (void)state;
    struct file f;
    struct od_wav wav;
    begin(&f);
    add_format(&f, OD_WAV_PCM, 2, 8000, 16);
    add(&f, "data", 4);
    add_u32(&f, 8);
    add_u16(&f, 1000);
    add_u16(&f, (uint16_t)-3000);
    add_u16(&f, 0x7fff);
    add_u16(&f, 0x7fff);
    assert_int_equal(od_wav_parse(f.bytes, f.count, &wav), 0);
    assert_int_equal(od_wav_sample(&wav, 0), -1000);
    assert_int_equal(od_wav_sample(&wav, 1), 0x7fff);
    begin(&f);
    add_format(&f, OD_WAV_ALAW, 1, 8000, 8);
    add_data(&f, 10, 10);
    assert_int_equal(od_wav_parse(f.bytes, f.count, &wav), 0);
    for (uint8_t i = 0; i < 10; i++)
        assert_int_equal(od_wav_sample(&wav, i), od_alaw_decode(i));
}

static void test_extensible_pipes_and_foreign_chunks_are_read(void **state)
{
    (void)state;
    struct file f;
    struct od_wav wav;
    begin(&f);
    add(&f, "LIST", 4);
    add_u32(&f, 3); /* odd: a byte of padding follows */
    add(&f, "abc\0", 4);
    add(&f, "fmt ", 4);
    add_u32(&f, 40);
    add_u16(&f, 0xfffe);
    add_u16(&f, 1);
    add_u32(&f, 16000);
    add_u32(&f, 32000);
    add_u16(&f, 2);
    add_u16(&f, 16);
    add_u16(&f, 22);
    add_u16(&f, 16);
    add_u32(&f, 4);
    add_u16(&f, OD_WAV_PCM);
    add(&f, "\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71", 14);
    add_data(&f, 0x7ffff000, 30); /* what a program writing to a pipe claims */
    assert_int_equal(od_wav_parse(f.bytes, f.count, &wav), 0);
    assert_int_equal(wav.frames, 15);
    assert_int_equal(wav.rate, 16000);
    begin(&f);
    add_format(&f, OD_WAV_PCM, 1, 8000, 16);
    add_data(&f, 0, 20); /* or this */
    assert_int_equal(od_wav_parse(f.bytes, f.count, &wav), 0);
    assert_int_equal(wav.frames, 10);
}

static void test_other_kinds_and_broken_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t tag, channels, rate, bits;
        int err;
    } cases[] = {
        {3, 1, 8000, 32, OD_EINVAL},           {OD_WAV_PCM, 1, 8000, 8, OD_EINVAL},
        {OD_WAV_PCM, 1, 8000, 24, OD_EINVAL},  {OD_WAV_PCM, 0, 8000, 16, OD_EPROTO},
        {OD_WAV_PCM, 33, 8000, 16, OD_EINVAL}, {OD_WAV_PCM, 1, 0, 16, OD_EINVAL},
        {OD_WAV_PCM, 1, 3999, 16, OD_EINVAL},  {OD_WAV_PCM, 1, 0xffffffff, 16, OD_EINVAL},
        {OD_WAV_ULAW, 1, 8000, 16, OD_EINVAL}, {0xffff, 0xffff, 8000, 16, OD_EINVAL},
    };
    struct file f;
    struct od_wav wav;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(&f);
        add_format(&f, cases[i].tag, cases[i].channels, cases[i].rate, cases[i].bits);
        add_data(&f, 4, 4);
        assert_int_equal(od_wav_parse(f.bytes, f.count, &wav), cases[i].err);
    }
    begin(&f);
    add_data(&f, 4, 4); /* samples of no known kind */
    assert_int_equal(od_wav_parse(f.bytes, f.count, &wav), OD_EPROTO);
    begin(&f);
    add_format(&f, OD_WAV_PCM, 1, 8000, 16);
    for (int i = 0; i < 40; i++) {
        add(&f, "junk", 4);
        add_u32(&f, i < 39 ? 0 : 0xffffffff);
    }
    assert_int_equal(od_wav_parse(f.bytes, f.count, &wav), OD_EPROTO);
    assert_int_equal(od_wav_parse((const uint8_t *)"RIFF", 4, &wav), OD_EPROTO);
    assert_int_equal(od_wav_parse((const uint8_t *)"OggS\0\0\0\0WAVE", 12, &wav), OD_EPROTO);
}

static void touch_all(const uint8_t *bytes, size_t count)
{
    uint8_t *exact = malloc(count ? count : 1); /* a read past the end is seen by the sanitizer */
    struct od_wav wav;
    assert_non_null(exact);
    memcpy(exact, bytes, count);
    if (!od_wav_parse(exact, count, &wav)) {
        int sum = 0;
        for (size_t i = 0; i < wav.frames; i++)
            sum |= od_wav_sample(&wav, i);
        assert_true(sum >= INT16_MIN && sum <= INT16_MAX);
        assert_true(wav.channels > 0 && wav.rate > 0);
    }
    free(exact);
}

static void test_every_cut_and_every_changed_byte(void **state)
{
    (void)state;
    struct file f;
    begin(&f);
    add_format(&f, OD_WAV_PCM, 2, 44100, 16);
    add_data(&f, 40, 40);
    for (size_t n = 0; n <= f.count; n++)
        touch_all(f.bytes, n);
    for (size_t at = 0; at < f.count; at++) {
        uint8_t kept = f.bytes[at];
        for (int v = 0; v < 256; v++) {
            f.bytes[at] = (uint8_t)v;
            touch_all(f.bytes, f.count);
        }
        f.bytes[at] = kept;
    }
}

static void test_a_written_header_is_read_again(void **state)
{
    (void)state;
    struct file f = {.count = OD_WAV_HEADER_BYTES};
    struct od_wav wav;
    od_wav_header(f.bytes, OD_WAV_ULAW, 8000, 100);
    f.count += 100;
    assert_int_equal(od_wav_parse(f.bytes, f.count, &wav), 0);
    assert_int_equal(wav.format, OD_WAV_ULAW);
    assert_int_equal(wav.rate, 8000);
    assert_int_equal(wav.frames, 100);
    assert_ptr_equal(wav.data, f.bytes + OD_WAV_HEADER_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_kinds_are_read),
        cmocka_unit_test(test_samples_are_decoded_and_channels_averaged),
        cmocka_unit_test(test_extensible_pipes_and_foreign_chunks_are_read),
        cmocka_unit_test(test_other_kinds_and_broken_files_are_refused),
        cmocka_unit_test(test_every_cut_and_every_changed_byte),
        cmocka_unit_test(test_a_written_header_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Goal: no datagram ends or stalls the process, and none that the filter should stop gets in.
 * Method: a live port with a call up gets the torture messages of RFC 4475 and RFC 5118, binary
 * junk, the largest datagrams, and thousands of mutations of those and of its own call's messages;
 * each must be dealt with at once, and afterwards the port answers and calls as before.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/sip/sip_getaddrinfo.h"
#include "tests/conform/sip_world.h"

enum { STALL_MS = 500, MUTATIONS = 60, OWN_MUTATIONS = 4000, MESSAGE_MAX = 65507 };

static struct world w;
static uint64_t random_state = 0x2545f4914f6cdd1du; /* the same run each time */

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static double real_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void send_checked(const char *what, const void *bytes, size_t count)
{
    double start = real_ms();
    world_send(&w, bytes, count);
    if (real_ms() - start > STALL_MS)
        fail_msg("%s stalled the loop for %.0f ms", what, real_ms() - start);
}

static void mutate(char *bytes, size_t *count)
{
    static const char *const words[] = {
        "\r\n",  ";tag=", "SIP/2.0", ":",      "99999999999999999999",
        "<sip:", "\"",    ">",       "%00",    "Via: ",
        "[::1",  ", ",    "\r\n ",   "branch", "Content-Length: -1"};
    unsigned edits = 1 + (unsigned)(next_random() % 5);
    for (unsigned e = 0; e<edits && * count> 1; e++) {
        size_t at = next_random() % *count;
        const char *word = words[next_random() % (sizeof words / sizeof *words)];
        size_t n = strlen(word);
        switch (next_random() % 6) {
        case 0:
            bytes[at] = (char)next_random();
            break;
        case 1:
            bytes[at] = (char)(bytes[at] ^ (1 << next_random() % 8));
            break;
        case 2:
            *count = at + 1;
            break;
        case 3:
            memmove(bytes + at, bytes + at + 1, *count - at - 1);
            --*count;
            break;
        case 4:
            if (at + n <= *count)
                memcpy(bytes + at, word, n);
            break;
        default:
            if (*count + n < MESSAGE_MAX) {
                memmove(bytes + at + n, bytes + at, *count - at);
                memcpy(bytes + at, word, n);
                *count += n;
            }
            break;
        }
    }
}

static void send_mutated(const char *what, const char *bytes, size_t count, unsigned times)
{
    static char work[MESSAGE_MAX + 1];
    for (unsigned i = 0; i < times; i++) {
        size_t n = count;
        memcpy(work, bytes, count);
        mutate(work, &n);
        send_checked(what, work, n);
    }
}

static size_t read_file(const char *path, char *out)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(out, 1, MESSAGE_MAX, f);
    fclose(f);
    return n;
}

static unsigned send_folder(const char *folder)
{
    static char bytes[MESSAGE_MAX];
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    unsigned files = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[512];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        size_t n = read_file(path, bytes);
        send_checked(entry->d_name, bytes, n);
        send_mutated(entry->d_name, bytes, n, MUTATIONS);
        files++;
    }
    closedir(dir);
    return files;
}

static const char options[] =
    "OPTIONS sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKalive%u\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:us@127.0.0.1>\r\nCall-ID: alive%u\r\nCSeq: 1 OPTIONS\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

static void check_alive(void)
{
    static unsigned turn;
    char text[512];
    turn++;
    snprintf(text, sizeof text, options, w.port, turn, turn);
    w.last[0] = '\0';
    world_send(&w, text, strlen(text));
    if (strncmp(w.last, "SIP/2.0 200 ", 12) != 0)
        fail_msg("no answer any more: %.60s", w.last);
}

static void call_up(void)
{
    world_open(&w, NULL);
    w.quiet = true;
    world_invite(&w);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    world_answer(&w, "200 OK", "a", NULL, world_sdp);
}

static void torture_messages(void **state)
{
    (void)state;
    call_up();
    assert_int_equal(send_folder("tests/conform/torture/rfc4475"), 49);
    check_alive();
    assert_int_equal(send_folder("tests/conform/torture/rfc5118"), 12);
    check_alive();
    world_until(&w, 100000);
    check_alive();
    world_close(&w);
}

static void binary_and_oversized(void **state)
{
    (void)state;
    static char big[MESSAGE_MAX];
    call_up();
    struct od_sip_stats before, after;
    od_sip_stats(w.sip, &before);
    static const unsigned char stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    w.last[0] = '\0';
    send_checked("STUN", stun, sizeof stun);
    assert_string_equal(w.last, ""); /* not answered */
    send_checked("empty", "", 0);
    send_checked("one byte", "I", 1);
    for (unsigned i = 0; i < 500; i++) {
        for (size_t b = 0; b < 400; b++)
            big[b] = (char)next_random();
        if (big[0] >= 'A' && (big[0] | 32) <= 'z')
            big[0] = (char)0xf8;
        send_checked("random", big, 1 + next_random() % 400);
    }
    od_sip_stats(w.sip, &after);
    /* the filter let only "I" in, and the gate that out */
    assert_int_equal(after.received, before.received);
    memset(big, 'A', sizeof big);
    send_checked("64 kB of A", big, sizeof big);
    int n = snprintf(big, sizeof big, "OPTIONS sip:x@y SIP/2.0\r\n");
    memset(big + n, 'h', sizeof big - (size_t)n);
    for (size_t at = (size_t)n; at + 6 < sizeof big; at += 6)
        memcpy(big + at, "h: x\r\n", 6);
    send_checked("10,000 headers", big, sizeof big);
    for (size_t at = (size_t)n; at + 6 < sizeof big; at += 6)
        memcpy(big + at, "v: ,\r\n", 6);
    send_checked("10,000 Vias", big, sizeof big);
    memcpy(big + n, "Via: ", 5);
    memset(big + n + 5, ',', sizeof big - (size_t)n - 5);
    send_checked("60,000 commas", big, sizeof big);
    memset(big + n, '(', sizeof big - (size_t)n);
    memcpy(big + n, "From: ", 6);
    send_checked("nested comments", big, sizeof big);
    memset(big + n, '<', sizeof big - (size_t)n);
    memcpy(big + n, "Contact: ", 9);
    send_checked("open brackets", big, sizeof big);
    check_alive();
    world_close(&w);
}

static void own_messages_mutated(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "SIP/2.0 180 Ringing\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=a\r\nCall-ID: %s\r\n"
        "CSeq: 1 INVITE\r\nContact: <sip:p@127.0.0.1:9>\r\nContent-Length: 0\r\n\r\n",
        "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=a\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\n"
        "Record-Route: <sip:127.0.0.1:9;lr>, <sip:x.invalid>\r\nContact: <sip:p@127.0.0.1:9>\r\n"
        "Content-Type: application/sdp\r\nContent-Length: 83\r\n\r\n"
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=audio 9 RTP/AVP 0\r\n",
        "SIP/2.0 486 Busy\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=b\r\nCall-ID: %s\r\n"
        "CSeq: 1 INVITE\r\nRetry-After: 9 (x);duration=3\r\nContent-Length: 0\r\n\r\n",
        "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=a\r\nCall-ID: %s\r\nCSeq: 2 BYE\r\n"
        "Content-Length: 0\r\n\r\n",
    };
    (void)state;
    call_up();
    for (unsigned f = 0; f < sizeof forms / sizeof *forms; f++) {
        char text[4096];
        snprintf(text, sizeof text, forms[f], world_header(w.invite, "Via"),
                 world_header(w.invite, "From"), world_header(w.invite, "To"),
                 world_header(w.invite, "Call-ID"));
        for (unsigned round = 0; round < 4; round++) {
            /* the call in all its states, and gone */
            send_mutated("answer", text, strlen(text), OWN_MUTATIONS / 16);
            od_sip_bye(w.sip, world_call);
            send_mutated("answer", text, strlen(text), OWN_MUTATIONS / 16);
            od_sip_drop(w.sip, world_call);
            send_mutated("answer", text, strlen(text), OWN_MUTATIONS / 16);
            world_until(&w, world_ms() + 70000);
            check_alive();
            assert_int_equal(world_invite(&w), 0);
            if (round & 1)
                world_answer(&w, "180 Ringing", "a", NULL, NULL);
            if (round & 2)
                world_answer(&w, "200 OK", "a", NULL, world_sdp);
        }
    }
    world_close(&w);
}

static void peer_requests_mutated(void **state)
{
    static const char *const methods[] = {"BYE", "INVITE", "UPDATE", "INFO", "ACK", "CANCEL"};
    (void)state;
    call_up();
    for (unsigned m = 0; m < sizeof methods / sizeof *methods; m++) {
        char text[4096];
        snprintf(text, sizeof text,
                 "%s sip:u@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKp;rport"
                 "\r\nMax-Forwards: 70\r\nFrom: %s;tag=a\r\nTo: %s\r\nCall-ID: %s\r\n"
                 "CSeq: %u %s\r\nContact: <sip:p@127.0.0.1:9>\r\nContent-Type: application/sdp\r\n"
                 "Content-Length: 86\r\n\r\nv=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
                 "c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 900 RTP/AVP 0\r\n",
                 methods[m], w.port, world_header(w.invite, "To"), world_header(w.invite, "From"),
                 world_names.call_id, 10 + m, methods[m]);
        send_mutated(methods[m], text, strlen(text), OWN_MUTATIONS / 8);
        world_until(&w, world_ms() + 3000);
        check_alive();
    }
    od_sip_drop(w.sip, world_call);
    world_until(&w, world_ms() + 100000);
    struct od_sip_stats stats;
    od_sip_stats(w.sip, &stats);
    assert_int_equal(stats.legs, 0);
    assert_int_equal(stats.lingering, 0);
    world_close(&w);
}

static int resolve(const char *host)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    int err = getaddrinfo(host, "5060", &hints, &found);
    if (!err)
        freeaddrinfo(found);
    return err;
}

/* The two messages that made the library look up a stranger's host name are among the torture
 * messages; this shows that it can't. */
static void no_name_is_resolved_for_the_library(void **state)
{
    (void)state;
    Dl_info info;
    void *seen_by_libraries = dlsym(RTLD_DEFAULT, "getaddrinfo");
    assert_true(dladdr(seen_by_libraries, &info));
    assert_null(strstr(info.dli_fname, "libc.so"));
    assert_int_equal(resolve("localhost"), 0);
    od_sip_names_off();
    int name = resolve("localhost"), v4 = resolve("127.0.0.1"), v6 = resolve("::1");
    int odd = resolve("127.0.0.1%eth0");
    od_sip_names_on();
    assert_int_equal(name, EAI_NONAME);
    assert_int_equal(v4, 0);
    assert_int_equal(v6, 0);
    assert_int_not_equal(odd, 0);
    assert_int_equal(resolve("localhost"), 0);
}

static void only_listed_sources_get_in(void **state)
{
    (void)state;
    struct od_sip_config config = {.listen = {"udp:127.0.0.1:0"}};
    for (unsigned i = 0; i < 63; i++)
        config.sources[i] = (struct od_addr){.family = i % 2 ? 4 : 6, .ip = {10, 0, 0, (uint8_t)i}};
    config.sources[63] = (struct od_addr){.family = 4, .ip = {127, 0, 0, 1}};
    world_open(&w, &config);
    w.quiet = true;
    check_alive();
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1); /* 127.0.0.2 */
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    struct od_sip_stats before, after;
    od_sip_stats(w.sip, &before);
    char text[512];
    snprintf(text, sizeof text, options, w.port, 1, 1);
    sendto(fd, text, strlen(text), 0, (struct sockaddr *)&w.ours, sizeof w.ours);
    world_settle(&w);
    od_sip_stats(w.sip, &after);
    assert_int_equal(after.received, before.received);
    close(fd);
    check_alive();
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torture_messages),
        cmocka_unit_test(binary_and_oversized),
        cmocka_unit_test(own_messages_mutated),
        cmocka_unit_test(peer_requests_mutated),
        cmocka_unit_test(no_name_is_resolved_for_the_library),
        cmocka_unit_test(only_listed_sources_get_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * floor_caller - what the kernel alone costs a caller: the seven datagrams of a call, canned, sent
 * and received one system call each behind epoll, with nothing done in between but finding which
 * call an answer belongs to. No caller that is a program can be cheaper by much.
 *
 * usage: floor_caller PORT CALLS RATE WINDOW    RATE 0: as fast as WINDOW calls in flight allow
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench/path/pace.h"

static struct {
    struct pace pace;
    int fd, timer_fd, epoll_fd;
    unsigned port, local_port;
} caller;

/* The call's number sits in every header an answer repeats; the tag is the callee's fixed one. */
static void send_request(const char *method, unsigned cseq, uint32_t call)
{
    static const char sdp[] = "v=0\r\no=o 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
                              "t=0 0\r\nm=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\n"
                              "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
                              "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    bool invite = cseq == 1 && method[0] == 'I';
    char text[2048];
    int n = snprintf(text, sizeof text,
                     "%s sip:+15550000001@127.0.0.1:%u SIP/2.0\r\n"
                     "Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK%c%u\r\nMax-Forwards: 70\r\n"
                     "From: <sip:+15551110000@127.0.0.1>;tag=f%u\r\n"
                     "To: <sip:+15550000001@127.0.0.1>%s\r\nCall-ID: %u@floor\r\nCSeq: %u %s\r\n"
                     "Contact: <sip:o@127.0.0.1:%u>\r\n%sContent-Length: %zu\r\n\r\n%s",
                     method, caller.port, caller.local_port, method[0], call, call,
                     invite ? "" : ";tag=callee1", call, cseq, method, caller.local_port,
                     invite ? "Content-Type: application/sdp\r\n" : "", invite ? sizeof sdp - 1 : 0,
                     invite ? sdp : "");
    while (send(caller.fd, text, (size_t)n, 0) < 0 && (errno == EAGAIN || errno == ENOBUFS))
        ;
}

static void take(const char *text, size_t bytes)
{
    const char *id = memmem(text, bytes, "Call-ID: ", 9);
    const char *cseq = memmem(text, bytes, "CSeq: ", 6);
    if (!id || !cseq || strncmp(text, "SIP/2.0 200", 11) != 0)
        return;
    uint32_t call = (uint32_t)strtoul(id + 9, NULL, 10);
    if (strncmp(cseq + 6, "1 I", 3) == 0) {
        send_request("ACK", 1, call);
        send_request("BYE", 2, call);
    } else {
        caller.pace.done++;
    }
}

static void start_due(void)
{
    for (uint32_t due = pace_due(&caller.pace, pace_now_ns()); due; due--)
        send_request("INVITE", 1, caller.pace.started++);
    uint64_t next_ns = pace_next_ns(&caller.pace);
    if (next_ns != UINT64_MAX) {
        struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(next_ns / 1000000000u),
                                               .tv_nsec = (long)(next_ns % 1000000000u)}};
        timerfd_settime(caller.timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof local;
    int buffer = 8 << 20;
    if (argc != 5 || pace_read(&caller.pace, argc, argv, 2)) {
        fprintf(stderr, "usage: floor_caller PORT CALLS RATE WINDOW\n");
        return 2;
    }
    caller.port = (unsigned)strtoul(argv[1], NULL, 10);
    caller.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setsockopt(caller.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    bind(caller.fd, (struct sockaddr *)&local, sizeof local);
    getsockname(caller.fd, (struct sockaddr *)&local, &bytes);
    caller.local_port = ntohs(local.sin_port);
    local.sin_port = htons((uint16_t)caller.port);
    if (connect(caller.fd, (struct sockaddr *)&local, sizeof local)) {
        perror("floor_caller: connect");
        return 1;
    }
    caller.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    caller.epoll_fd = epoll_create1(0);
    struct epoll_event on_socket = {.events = EPOLLIN, .data.fd = caller.fd};
    struct epoll_event on_timer = {.events = EPOLLIN, .data.fd = caller.timer_fd};
    epoll_ctl(caller.epoll_fd, EPOLL_CTL_ADD, caller.fd, &on_socket);
    epoll_ctl(caller.epoll_fd, EPOLL_CTL_ADD, caller.timer_fd, &on_timer);
    caller.pace.start_ns = pace_now_ns();
    start_due();
    while (caller.pace.done < caller.pace.calls) {
        struct epoll_event event;
        char text[4096];
        ssize_t n;
        if (epoll_wait(caller.epoll_fd, &event, 1, 2000) == 0) {
            caller.pace.failed = caller.pace.calls - caller.pace.done; /* lost datagrams */
            break;
        }
        if (event.data.fd == caller.fd)
            while ((n = recv(caller.fd, text, sizeof text, 0)) > 0)
                take(text, (size_t)n);
        start_due();
    }
    return pace_report(&caller.pace, "kernel floor");
}

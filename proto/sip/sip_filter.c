/*
 * sip_filter - builds and attaches the socket filter.
 *
 * On a UDP socket the program sees the datagram from its UDP header on; the IP header is reached
 * through SKF_NET_OFF. A load past the end drops the datagram, so an empty one falls out by itself.
 */
#include "proto/sip/sip_filter.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <sys/socket.h>

#include "outdial/err.h"

enum { UDP_HEADER_BYTES = 8, IPV4_SOURCE_AT = 12, IPV6_SOURCE_AT = 8 };
enum { STEPS_PER_SOURCE = 9, PROGRAM_MAX = OD_SIP_SOURCES_MAX * STEPS_PER_SOURCE + 16 };
#define LET_IN 0xffffffffu
#define DROP 0u

struct program {
    struct sock_filter step[PROGRAM_MAX];
    unsigned short length;
};

static void add(struct program *p, struct sock_filter step)
{
    p->step[p->length++] = step;
}

static uint32_t word(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void first_byte_is_letter(struct program *p)
{
    add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, UDP_HEADER_BYTES));
    add(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_OR | BPF_K, 0x20));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 'a', 1, 0));
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, DROP));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 'z', 0, 1));
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, DROP));
}

/* Lets the datagram in when its source is this one; otherwise falls through. */
static void source_is(struct program *p, const struct od_addr *source)
{
    unsigned words = source->family == 4 ? 1 : 4;
    unsigned at = source->family == 4 ? IPV4_SOURCE_AT : IPV6_SOURCE_AT;
    for (unsigned i = 0; i < words; i++) {
        uint8_t past = (uint8_t)(2 * (words - 1 - i) + 1);
        add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                            (uint32_t)SKF_NET_OFF + at + 4 * i));
        add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word(source->ip + 4 * i), 0,
                                            past));
    }
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, LET_IN));
}

static unsigned count_family(const struct od_addr *sources, size_t count, uint8_t family)
{
    unsigned n = 0;
    for (size_t i = 0; i < count; i++)
        n += sources[i].family == family;
    return n;
}

/* IPv4 and IPv6 keep their sources at different places, and an IPv6 socket can get both. */
static void source_is_listed(struct program *p, const struct od_addr *sources, size_t count)
{
    static const struct {
        uint8_t family;
        uint16_t ethertype;
    } kinds[] = {{4, ETH_P_IP}, {6, ETH_P_IPV6}};
    for (unsigned k = 0; k < 2; k++) {
        unsigned steps = count_family(sources, count, kinds[k].family) *
                         (kinds[k].family == 4 ? 3 : STEPS_PER_SOURCE);
        add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS,
                                            (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)));
        add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kinds[k].ethertype, 1, 0));
        add(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, steps));
        for (size_t i = 0; i < count; i++) {
            if (sources[i].family == kinds[k].family)
                source_is(p, &sources[i]);
        }
    }
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, DROP));
}

int od_sip_filter_attach(int fd, const struct od_addr *sources, size_t count)
{
    if (count > OD_SIP_SOURCES_MAX)
        return OD_EINVAL;
    struct program p = {.length = 0};
    first_byte_is_letter(&p);
    if (count)
        source_is_listed(&p, sources, count);
    else
        add(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, LET_IN));
    struct sock_fprog prog = {.len = p.length, .filter = p.step};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog) ? OD_EIO : 0;
}

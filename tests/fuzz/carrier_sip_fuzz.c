/*
 * Goal: no datagram makes the carrier's SIP and SDP readers read outside their buffers, and what
 * they hand out stays inside the message. Method: bytes are parsed as the node does, every accessor
 * is called on the result, an answer is composed, and the slices are checked against the buffer.
 */
#include "bench/carrier/sdp_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct od_text text, const char *bytes, size_t count)
{
    if (text.at && (text.at < bytes || text.bytes > count || text.at + text.bytes > bytes + count))
        abort();
}

static void read_uris(const struct od_sip_text *m)
{
    char number[OD_SIP_TEXT_NUMBER_BYTES];
    struct od_text rest = m->contact, element, uri, host;
    uint16_t port;
    if (m->uri.at && od_sip_text_number(m->uri, number) == 0 && !number[0])
        abort();
    while (od_sip_text_next_element(&rest, &element)) {
        if (od_sip_text_addr_uri(element, &uri))
            od_sip_text_uri_host(uri, &host, &port);
    }
}

static void answer(const struct od_sip_text *m, char *room, size_t bytes)
{
    struct od_sip_out out = {.at = room, .room = bytes};
    od_sip_text_echo(m, (struct od_sip_text_source){"192.0.2.1", 5060}, "tag", &out);
    od_sip_text_routes(m, "Record-Route", &out);
    struct od_sdp_text sdp;
    struct od_carrier_addr local;
    od_carrier_addr_host(&local, "127.0.0.1", 9, 4000);
    bool good = od_sdp_text_parse(&sdp, m->body);
    od_sdp_text_write(good ? &sdp : NULL, &local, 1, &out);
    if (out.used > bytes)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* exactly as long as the datagram, so that a byte read beyond it is caught */
    char *bytes = malloc(size ? size : 1);
    char *room = malloc(2048);
    struct od_sip_text m;
    if (!bytes || !room)
        abort();
    if (size)
        memcpy(bytes, data, size);
    if (od_sip_text_parse(&m, bytes, size) >= 0) {
        const struct od_text slices[] = {m.uri, m.call_id, m.from_tag, m.to_tag,
                                         m.via, m.branch,  m.contact,  m.body};
        for (size_t i = 0; i < sizeof slices / sizeof *slices; i++)
            check_inside(slices[i], bytes, size);
        read_uris(&m);
        answer(&m, room, 2048);
    }
    free(room);
    free(bytes);
    return 0;
}

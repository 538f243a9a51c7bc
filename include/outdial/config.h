/*
 * config - what the operator asked for, complete and checked: every value has its default filled
 * in, every reference (${ENV}, ${file:PATH}) is resolved, every text that means something is
 * parsed. Plain data; it knows no file format and has no behaviour. engine/host/options.h makes
 * one; the host reads it at start and on reload.
 *
 * Lifetime: owned by whoever loaded it, freed by od_config_destroy(). Nothing in it changes after
 * loading. Strings and arrays live as long as the config; strings are never NULL ("" when not
 * given).
 *
 * Glossary
 *   secret  a value that is never printed nor logged; marked at the field.
 */
#ifndef OUTDIAL_CONFIG_H
#define OUTDIAL_CONFIG_H

#include "outdial/engine.h"
#include "outdial/rules.h"
#include "outdial/types.h"
#include "outdial/voice.h"

enum { OD_CONFIG_LISTEN_MAX = 4, OD_CONFIG_CREDENTIAL_MAX = 128 };

enum od_config_log_level {
    OD_CONFIG_LOG_ERROR,
    OD_CONFIG_LOG_WARN,
    OD_CONFIG_LOG_INFO,
    OD_CONFIG_LOG_DEBUG,
};
enum od_config_log_format {
    OD_CONFIG_LOG_AUTO, /* readable on a terminal, JSON lines otherwise */
    OD_CONFIG_LOG_TEXT,
    OD_CONFIG_LOG_JSON,
};

enum od_config_transport { OD_CONFIG_UDP, OD_CONFIG_TCP, OD_CONFIG_TLS };

/* How a trunk's callees are heard to press keys, where they agree to RFC 4733. */
enum od_config_dtmf {
    OD_CONFIG_DTMF_RFC4733,
    OD_CONFIG_DTMF_BOTH /* in the sound, too, until the first event */
};

struct od_config_key {
    const char *key; /* secret; "sk_..." or what the operator chose, 16 characters or more */
    const char *org;
    const char *scopes; /* "*" or comma-separated words, as od_repo_port's key_put takes them */
};

struct od_config_trunk {
    const char *name;
    const char *server;             /* as written */
    const char *cps_limit;          /* as written, "" for not given; def.shapes has it */
    const char *host;               /* name or numeric address, no brackets */
    uint16_t port;                  /* 0: none was written */
    bool by_service;                /* none was: NAPTR and SRV are asked for a name */
    const char *domain;             /* of Request-URI, From and To; default: host */
    uint8_t transport;              /* enum od_config_transport */
    const char *from_user;          /* "": the call's caller number */
    const char *auth_user;          /* for challenges; "": none are answered. Default: from_user */
    const char *password;           /* secret; "": none */
    const char *display_name;       /* "": none */
    const char *cps_key;            /* trunks of one key share one rate; "": its own */
    bool early_media;               /* listen to SDP in 18x */
    bool registers;                 /* with SIP REGISTER, as from_user or else auth_user */
    uint8_t voices[OD_VOICE_COUNT]; /* offered codecs, enum od_voice, the best first */
    uint8_t voice_count;
    uint8_t srtp;            /* enum od_srtp_mode */
    uint8_t dtmf;            /* enum od_config_dtmf */
    struct od_trunk_def def; /* for od_engine_set_trunk(); `usable` is false: the host's to say */
};

/* An org with a cap on its calls at once. */
struct od_config_org {
    const char *name;
    uint32_t max_calls; /* 0: none */
};

/* A caller number to store at start, unless it is there. */
struct od_config_number {
    const char *number; /* E.164 */
    const char *trunk;  /* a trunk's name */
    const char *display_name;
    uint32_t max_calls; /* at once from this number; 0: no cap of its own */
};

/* An agent to create at start when the store has none of that name. */
struct od_config_agent {
    const char *name;
    const char *doc; /* JSON object, as the API takes it */
};

/* So many attempts on one number in any so many hours. */
struct od_config_cap {
    struct od_cap cap;
    const char *per_h; /* as written */
};

/* A rule of breakers. */
struct od_config_breaker {
    struct od_breaker_rule rule;
    const char *answered_min, *short_max, *failed_max; /* as written; "": not asked */
};

/* A certificate of ours for destinations of webhooks that ask for one. */
struct od_config_client_cert {
    const char *written;    /* as written */
    const char *host;       /* lower case; "*.example.net": every name below it */
    uint16_t port;          /* 0: any */
    const char *cert, *key; /* PEM files */
};

struct od_config {
    const char *data_dir;

    struct {
        const char *listen;                      /* "127.0.0.1:8080", "[::1]:0" or "unix:///path" */
        const char *tls_cert, *tls_key;          /* PEM files; "": no TLS */
        uint32_t rate_per_key, rate_per_address; /* requests a second; 0: no limit */
    } http;
    struct {
        const char *url;   /* secret (its password); "": a private redis-server under data_dir */
        uint32_t await_ms; /* after a failover, for who was at work: redis_store.h */
    } redis;
    struct {
        const char *dir;  /* "": data_dir/journal */
        bool fsync;       /* false: a power cut may cost what was last dialled */
        uint32_t size_mb; /* of all of it, about */
        uint32_t keep_ms; /* what has ended stays so long, for a Redis that forgets */
    } journal;
    struct {
        const char *listen[OD_CONFIG_LISTEN_MAX + 1]; /* "udp:0.0.0.0:5060"; NULL ends */
        const char *advertise;                        /* "": the bound address */
        const char *user_agent;                       /* "": none is sent */
        const char *ca_file;    /* of authorities trusted besides the system's; "": none */
        const char *nameserver; /* "192.0.2.1:53", asked where SIP servers are; "": the system's */
    } sip;
    struct {
        const char *ports; /* "20000-39999", as written */
        uint16_t port_min, port_max;
        const char *address;   /* to bind; "": any */
        const char *advertise; /* numeric address for SDP; "": sip.advertise, else the bound one */
    } rtp;
    struct {
        uint32_t calls_max;
        uint32_t contacts_leased_max;
        uint32_t drain_timeout_s; /* SIGTERM: calls under way may end in this time, then BYE */
    } limits;
    struct {
        uint32_t tries; /* INVITEs for a contact whose trunks are at fault */
        uint32_t within_ms;
    } failover;
    struct {
        const struct od_config_key *keys;
        size_t count;
    } auth;
    struct {
        const char *key; /* secret; seals what is stored of secrets; "": data_dir/secret.key */
    } secrets;
    const struct od_config_trunk *trunks;
    size_t trunk_count;
    const struct od_config_number *numbers;
    size_t number_count;
    const struct od_config_org *orgs;
    size_t org_count;
    const struct od_config_agent *agents;
    size_t agent_count;
    struct {                    /* of agents that name no endpoint of their own */
        const char *url;        /* may carry a password; "": none */
        const char *format;     /* a dialect's name (engine/agent/dialect.h) */
        const char *auth_token; /* secret; "": none */
        const char *bearer;     /* secret; "": none */
    } agent_default;
    struct {
        bool allow_private;   /* stream agents may be at loopback and private addresses */
        const char *ca_file;  /* "": the system's */
        const char *unix_dir; /* stream agents may be at Unix sockets in it; "": at none */
    } streams;
    struct {
        const char *legal; /* "08:00-21:00", "": none */
        struct od_hours daily;
    } hours; /* of the callees of campaigns, by their own clocks */
    const struct od_config_breaker *breakers;
    size_t breaker_count;
    const struct od_config_cap *caps;
    size_t cap_count;
    struct {
        bool allow_private; /* webhooks may go to loopback and private addresses */
        uint32_t timeout_ms;
        const char *signing_secret; /* secret; of inline webhooks, "new,old"; "": from the box */
        const char *allow;          /* "10.0.0.0/8, ...": networks allowed besides public ones */
        const char *ports;          /* "443, 8000-8999": the only ones allowed; "": the usual */
        const char *retry_s;        /* "5, 300, ...": between attempts of our own; "": usual */
        const char *ca_file;        /* of authorities trusted besides the system's; "": none */
        const struct od_config_client_cert *client_certs;
        size_t client_cert_count;
        const char *proxy_url;    /* secret (its password); "": none */
        const char *proxy_except; /* "example.net, 10.0.0.0/8, ...": reached without it */
        uint8_t proxy_looks_up;   /* bool: names are the proxy's to look up, and to judge */
    } webhooks;
    struct {
        bool dasha_running_status; /* Running where the vendor's guide says InProgress */
    } compat;
    struct {
        uint8_t level;  /* enum od_config_log_level */
        uint8_t format; /* enum od_config_log_format */
    } log;

    void *memory; /* private to engine/host/options.c */
};

#endif

/*
 * redis_job - the table of claimed calls.
 */
#include "proto/redis/redis_job.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "outdial/err.h"

int od_redis_jobs_init(struct od_redis_jobs *jobs, uint32_t max)
{
    memset(jobs, 0, sizeof *jobs);
    uint32_t buckets = 16;
    while (buckets < max)
        buckets *= 2;
    jobs->slots = calloc(max, sizeof *jobs->slots);
    jobs->buckets = calloc(buckets, sizeof *jobs->buckets);
    if (jobs->slots == NULL || jobs->buckets == NULL) {
        od_redis_jobs_deinit(jobs);
        return OD_ENOMEM;
    }
    jobs->max = max;
    jobs->mask = buckets - 1;
    for (uint32_t i = 0; i < max; i++) {
        jobs->slots[i].index = i;
        jobs->slots[i].chain = i + 1 < max ? i + 2 : 0;
    }
    jobs->free = 1;
    return 0;
}

static void release_texts(struct od_redis_job *job)
{
    free(job->texts);
    free(job->data);
    free(job->result);
    free(job->media);
    free(job->leg);
    free(job->ending);
}

void od_redis_jobs_deinit(struct od_redis_jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->max; i++)
        if ((jobs->slots[i].gen & 1) != 0)
            release_texts(&jobs->slots[i]);
    free(jobs->slots);
    free(jobs->buckets);
    memset(jobs, 0, sizeof *jobs);
}

/* The second half of a UUIDv7 is random. */
static uint32_t *bucket(const struct od_redis_jobs *jobs, const struct od_uid *uid)
{
    uint32_t hash;
    memcpy(&hash, uid->b + 12, sizeof hash);
    hash *= UINT32_C(0x9e3779b1);
    return &jobs->buckets[(hash ^ hash >> 16) & jobs->mask];
}

struct od_redis_job *od_redis_jobs_get(struct od_redis_jobs *jobs, const struct od_uid *uid)
{
    if (jobs->free == 0)
        return NULL;
    struct od_redis_job *job = &jobs->slots[jobs->free - 1];
    jobs->free = job->chain;
    uint32_t index = job->index, gen = job->gen;
    memset(job, 0, sizeof *job);
    job->index = index;
    job->gen =
        (gen & ~UINT32_C(1)) + 1; /* odd while alive, so an id of a free slot finds nothing */
    job->pub.uid = *uid;
    uint32_t *head = bucket(jobs, uid);
    job->chain = *head;
    *head = index + 1;
    jobs->used++;
    return job;
}

void od_redis_jobs_put(struct od_redis_jobs *jobs, struct od_redis_job *job)
{
    uint32_t *at = bucket(jobs, &job->pub.uid);
    while (*at != job->index + 1)
        at = &jobs->slots[*at - 1].chain;
    *at = job->chain;
    release_texts(job);
    job->texts = NULL;
    job->data = NULL;
    job->result = NULL;
    job->media = NULL;
    job->leg = NULL;
    job->ending = NULL;
    job->media_bytes = 0;
    job->gen++;
    job->chain = jobs->free;
    jobs->free = job->index + 1;
    jobs->used--;
}

void od_redis_job_thin(struct od_redis_job *job)
{
    static const struct od_text none = {"", 0};
    free(job->texts);
    free(job->data);
    free(job->result);
    free(job->media);
    job->texts = NULL;
    job->data = job->result = job->media = NULL;
    job->result_bytes = job->media_bytes = 0;
    job->pub.to = job->pub.from = job->pub.timezone = "";
    job->pub.context = job->pub.webhook_url = job->pub.extra = job->pub.overrides = none;
}

struct od_redis_job *od_redis_jobs_of(const struct od_redis_jobs *jobs, struct od_job_id id)
{
    if (id.index >= jobs->max || (id.gen & 1) == 0 || jobs->slots[id.index].gen != id.gen)
        return NULL;
    return &jobs->slots[id.index];
}

struct od_redis_job *od_redis_jobs_find(const struct od_redis_jobs *jobs, const struct od_uid *uid)
{
    for (uint32_t at = *bucket(jobs, uid); at != 0; at = jobs->slots[at - 1].chain)
        if (od_uid_equal(&jobs->slots[at - 1].pub.uid, uid))
            return &jobs->slots[at - 1];
    return NULL;
}

static char *copy(char **at, struct od_text text)
{
    char *out = *at;
    if (text.bytes > 0)
        memcpy(out, text.at, text.bytes);
    out[text.bytes] = '\0';
    *at += text.bytes + 1;
    return out;
}

int od_redis_job_fill(struct od_job *out, void **texts, const struct od_wire_call *record,
                      struct od_text hook)
{
    const struct od_wire_job *job = &record->job;
    struct od_text url = job->webhook_url.bytes > 0 ? job->webhook_url : hook;
    char *at = malloc(job->to.bytes + job->from.bytes + job->context.bytes + url.bytes +
                      job->extra.bytes + job->timezone.bytes + 6);
    if (at == NULL)
        return OD_ENOMEM;
    *texts = at;
    out->to = copy(&at, job->to);
    out->from = copy(&at, job->from);
    out->timezone = copy(&at, job->timezone);
    out->context = (struct od_text){copy(&at, job->context), job->context.bytes};
    out->webhook_url = (struct od_text){copy(&at, url), url.bytes};
    out->extra = (struct od_text){copy(&at, job->extra), job->extra.bytes};
    out->overrides = (struct od_text){"", 0};
    out->tries = record->state.tries;
    out->attempt =
        (uint16_t)(record->state.attempts < OD_WIRE_ATTEMPTS_MAX ? record->state.attempts + 1
                                                                 : OD_WIRE_ATTEMPTS_MAX);
    out->deadline_ms = job->deadline_ms;
    out->created_ms = job->created_ms;
    out->row = job->row;
    return 0;
}

/*
 * speech - see speech.h.
 *
 * An entry is one text in one voice, or one file. Its way: LOADING (a worker looks on the disk),
 * for a text not found there WAITING (for a child), SPEAKING (the child), CONVERTING (a worker
 * resamples and writes the disk), and READY. One that failed is told to those who wait and
 * forgotten, so that the next asker tries again.
 */
#include "engine/host/speech.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/host/log.h"
#include "engine/host/media_clock.h"
#include "engine/host/speech_disk.h"
#include "engine/host/speech_table.h"
#include "outdial/err.h"

enum {
    MEMORY_DEFAULT = 64 * 1024 * 1024,
    DISK_DEFAULT = 256 * 1024 * 1024,
    CHILDREN_DEFAULT = 4,
    TIMEOUT_MS_DEFAULT = 10000,
    FILE_BYTES_MAX = 64 * 1024 * 1024,
};

/* A file played again after this is read again, so that a replaced one is soon heard. */
static const uint64_t FILE_FRESH_NS = 10 * OD_NS_PER_S;

struct od_speech_request {
    struct od_list place;          /* in the entry's requests */
    struct od_speech_entry *entry; /* NULL: it is settled, the callback is about to fire */
    od_speech_fn fn;
    void *ctx;
};

struct od_speech {
    uv_loop_t *loop;
    char *data_dir;
    char program[256];
    uint64_t disk_max, disk_bytes;
    uint32_t children_max, timeout_ms;
    struct od_speech_table table;
    struct od_list urgent, patient; /* WAITING entries */
    struct od_speech_stats stats;
    struct od_speech_trim trim; /* the disk's first look */
    uint32_t busy;              /* works and children under way */
    bool closing, disk_warned, starting;
    uv_idle_t closer; /* lets close() end from the loop */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void close_if_idle(struct od_speech *speech);
static void start_children(struct od_speech *speech);

/* Tells everybody who waits; the entry is READY or freed afterwards. */
static void settle(struct od_speech_entry *entry)
{
    struct od_speech *speech = entry->speech;
    struct od_list waiting;
    struct od_list *node;
    od_list_init(&waiting);
    while ((node = od_list_first(&entry->requests)) != NULL) {
        od_list_remove(node);
        od_list_push(&waiting, node);
        OD_OWNER(node, struct od_speech_request, place)->entry = NULL;
    }
    /* Keeping may evict, callbacks may ask and forget: from there on only what is held here may be
     * looked at. */
    struct od_clip *clip = entry->err ? NULL : od_clip_hold(entry->clip);
    int err = entry->err;
    char why[OD_SPEECH_WHY_MAX];
    memcpy(why, entry->why, sizeof why);
    if (err) {
        speech->stats.failed++;
        od_speech_table_remove(&speech->table, entry);
    } else {
        entry->loaded_ns = od_media_now();
        od_speech_table_keep(&speech->table, entry);
    }
    while ((node = od_list_first(&waiting)) != NULL) {
        struct od_speech_request *request = OD_OWNER(node, struct od_speech_request, place);
        od_speech_fn fn = request->fn;
        void *ctx = request->ctx;
        od_list_remove(node);
        free(request);
        if (!speech->closing)
            fn(ctx, err, clip ? od_clip_hold(clip) : NULL, why);
    }
    od_clip_release(clip);
    start_children(speech);
}

static void fail(struct od_speech_entry *entry, int err, const char *why)
{
    entry->err = err;
    snprintf(entry->why, sizeof entry->why, "%s", why);
    settle(entry);
}

/* ---- from the disk ---- */

/* In a worker thread: nothing but the entry's hand-over fields may be touched. */
static void work_load(uv_work_t *work)
{
    struct od_speech_entry *entry = OD_OWNER(work, struct od_speech_entry, work);
    uint8_t *bytes = NULL;
    size_t count = 0;
    char why[OD_CLIP_WHY_MAX] = "";
    entry->err = od_clip_read_file(entry->path, FILE_BYTES_MAX, &bytes, &count);
    if (!entry->err)
        entry->err = od_clip_from_wav(bytes, count, false, &entry->clip, why);
    else
        snprintf(why, sizeof why, "%s", od_err_text(entry->err));
    free(bytes);
    if (entry->err)
        snprintf(entry->why, sizeof entry->why, "audio file %s: %s", entry->text, why);
}

static void on_loaded(uv_work_t *work, int status)
{
    struct od_speech_entry *entry = OD_OWNER(work, struct od_speech_entry, work);
    struct od_speech *speech = entry->speech;
    (void)status;
    speech->busy--;
    if (!entry->err && !entry->is_file)
        speech->stats.from_disk++;
    if (!entry->err || entry->is_file || speech->closing) {
        settle(entry);
    } else if (od_list_empty(&entry->requests)) {
        od_speech_table_remove(&speech->table, entry); /* forgotten meanwhile: it needn't be said */
    } else {
        entry->err = 0; /* not there, or damaged: it is said anew */
        entry->why[0] = '\0';
        entry->state = OD_SPEECH_WAITING;
        od_list_push(entry->urgent ? &speech->urgent : &speech->patient, &entry->place);
        speech->stats.queued++;
        start_children(speech);
    }
    close_if_idle(speech);
}

/* ---- from the synthesiser ---- */

static void work_convert(uv_work_t *work)
{
    struct od_speech_entry *entry = OD_OWNER(work, struct od_speech_entry, work);
    char why[OD_CLIP_WHY_MAX] = "";
    entry->err = od_clip_from_wav(entry->wav, entry->wav_bytes, true, &entry->clip, why);
    if (entry->err) {
        snprintf(entry->why, sizeof entry->why, "speech synthesis: its output is %s", why);
        return;
    }
    entry->stored_bytes = 0;
    /* Without the disk it is only said again after a restart. */
    if (entry->path && !od_clip_save(entry->clip, entry->path))
        entry->stored_bytes = entry->clip->bytes;
    else if (entry->path)
        snprintf(entry->why, sizeof entry->why, "%s", strerror(errno));
}

static void on_converted(uv_work_t *work, int status)
{
    struct od_speech_entry *entry = OD_OWNER(work, struct od_speech_entry, work);
    struct od_speech *speech = entry->speech;
    (void)status;
    speech->busy--;
    free(entry->wav);
    entry->wav = NULL;
    if (!entry->err) {
        speech->stats.synthesised++;
        speech->disk_bytes += entry->stored_bytes;
        if (entry->why[0] && !speech->disk_warned) {
            speech->disk_warned = true;
            od_log(OD_CONFIG_LOG_WARN, "speech", "can't keep speech in %s/speech: %s",
                   speech->data_dir, entry->why);
        }
    }
    settle(entry);
    close_if_idle(speech);
}

static void on_spoken(void *ctx, int err, const uint8_t *wav, size_t bytes, const char *why)
{
    struct od_speech_entry *entry = ctx;
    struct od_speech *speech = entry->speech;
    entry->synth = NULL;
    speech->stats.children--;
    speech->busy--;
    if (!err && !speech->closing) {
        entry->wav = malloc(bytes ? bytes : 1);
        if (entry->wav) {
            memcpy(entry->wav, wav, bytes);
            entry->wav_bytes = bytes;
            entry->state = OD_SPEECH_CONVERTING;
            if (speech->disk_bytes >= speech->disk_max) { /* until the next start's trim */
                free(entry->path);
                entry->path = NULL;
            }
            speech->busy++;
            uv_queue_work(speech->loop, &entry->work, work_convert, on_converted);
            start_children(speech);
            return;
        }
        err = OD_ENOMEM;
        why = "speech synthesis: no memory";
    }
    fail(entry, err ? err : OD_ECANCELED, why);
    close_if_idle(speech);
}

/* Runs from the loop only. What fails in it calls it again: the outer turn goes on for that. */
static void start_children(struct od_speech *speech)
{
    if (speech->starting)
        return;
    speech->starting = true;
    while (!speech->closing && speech->stats.children < speech->children_max) {
        struct od_list *node = od_list_first(&speech->urgent);
        if (!node)
            node = od_list_first(&speech->patient);
        if (!node)
            break;
        struct od_speech_entry *entry = OD_OWNER(node, struct od_speech_entry, place);
        od_list_remove(node);
        speech->stats.queued--;
        entry->state = OD_SPEECH_SPEAKING;
        int err = od_synth_start(&entry->synth, speech->loop,
                                 &(struct od_synth_job){.program = speech->program,
                                                        .voice = entry->voice,
                                                        .text = entry->text,
                                                        .bytes = entry->bytes,
                                                        .timeout_ms = speech->timeout_ms},
                                 on_spoken, entry);
        if (err) {
            char why[96];
            snprintf(why, sizeof why, "speech synthesis: %s", od_err_text(err));
            fail(entry, err, why);
            continue;
        }
        speech->stats.children++;
        speech->busy++;
    }
    speech->starting = false;
}

/* ---- asking ---- */

/* A file that may have been replaced since it was read counts as unknown. */
static struct od_speech_entry *find(struct od_speech *speech, const struct od_speech_ask *ask)
{
    struct od_speech_entry *entry = od_speech_table_find(&speech->table, ask);
    bool stale = entry && entry->is_file && entry->state == OD_SPEECH_READY &&
                 od_media_now() - entry->loaded_ns > FILE_FRESH_NS;
    if (stale)
        od_speech_table_remove(&speech->table, entry);
    return stale ? NULL : entry;
}

static struct od_speech_entry *load_entry(struct od_speech *speech, const struct od_speech_ask *ask)
{
    struct od_speech_entry *entry = od_speech_table_add(&speech->table, ask, speech->data_dir);
    if (!entry)
        return NULL;
    entry->speech = speech;
    speech->busy++;
    uv_queue_work(speech->loop, &entry->work, work_load, on_loaded);
    return entry;
}

int od_speech_ask(struct od_speech *speech, const struct od_speech_ask *ask, struct od_clip **clip,
                  struct od_speech_request **request)
{
    *clip = NULL;
    *request = NULL;
    if (ask->file && (ask->file[0] == '.' || ask->file[0] == '\0' || strchr(ask->file, '/')))
        return OD_EINVAL;
    struct od_speech_entry *entry = find(speech, ask);
    speech->stats.asked++;
    if (entry && entry->state == OD_SPEECH_READY) {
        speech->stats.from_memory++;
        *clip = od_clip_hold(entry->clip);
        return 0;
    }
    struct od_speech_request *made = calloc(1, sizeof *made);
    if (made && !entry)
        entry = load_entry(speech, ask);
    if (!made || !entry) {
        free(made);
        return OD_ENOMEM;
    }
    made->entry = entry;
    made->fn = ask->fn;
    made->ctx = ask->ctx;
    od_list_push(&entry->requests, &made->place);
    if (ask->urgent)
        od_speech_hurry(made);
    *request = made;
    return 0;
}

void od_speech_hurry(struct od_speech_request *request)
{
    struct od_speech_entry *entry = request->entry;
    if (!entry || entry->urgent)
        return;
    entry->urgent = true;
    if (entry->state == OD_SPEECH_WAITING) {
        od_list_remove(&entry->place);
        od_list_push(&entry->speech->urgent, &entry->place);
    }
}

void od_speech_forget(struct od_speech_request *request)
{
    struct od_speech_entry *entry = request->entry;
    od_list_remove(&request->place);
    free(request);
    /* Nobody waits for it and no work is done on it yet: it needn't be said. */
    if (entry && entry->state == OD_SPEECH_WAITING && od_list_empty(&entry->requests)) {
        entry->speech->stats.queued--;
        od_speech_table_remove(&entry->speech->table, entry);
    }
}

bool od_speech_able(const struct od_speech *speech, char *why, size_t why_bytes)
{
    char path[4096];
    const char *at = strchr(speech->program, '/') ? NULL : getenv("PATH");
    if (!at && !access(speech->program, X_OK))
        return true;
    while (at && *at) {
        size_t part = strcspn(at, ":");
        snprintf(path, sizeof path, "%.*s/%s", (int)part, at, speech->program);
        if (!access(path, X_OK))
            return true;
        at += part + (at[part] == ':');
    }
    snprintf(why, why_bytes, "speech synthesis: %s not found (install package %s)", speech->program,
             speech->program);
    return false;
}

void od_speech_stats(const struct od_speech *speech, struct od_speech_stats *out)
{
    *out = speech->stats;
    out->memory_bytes = speech->table.memory_bytes;
}

/* ---- life ---- */

static void work_trim(uv_work_t *work)
{
    struct od_speech *speech = work->data;
    od_speech_trim_run(&speech->trim);
}

static void on_trimmed(uv_work_t *work, int status)
{
    struct od_speech *speech = work->data;
    (void)status;
    speech->busy--;
    speech->disk_bytes += speech->trim.bytes;
    close_if_idle(speech);
}

static int make_folder(const char *data_dir, const char *name, char *why, size_t why_bytes)
{
    char path[OD_SPEECH_DIR_MAX + 20];
    snprintf(path, sizeof path, "%s%s%s", data_dir, name ? "/" : "", name ? name : "");
    if (!mkdir(path, 0700) || errno == EEXIST)
        return 0;
    snprintf(why, why_bytes, "%s: can't be made: %s", path, strerror(errno));
    return OD_EIO;
}

int od_speech_open(struct od_speech **out, const struct od_speech_config *config, char *why,
                   size_t why_bytes)
{
    *out = NULL;
    if (strlen(config->data_dir) > OD_SPEECH_DIR_MAX) {
        snprintf(why, why_bytes, "data_dir: longer than %d bytes", OD_SPEECH_DIR_MAX);
        return OD_EIO;
    }
    if (make_folder(config->data_dir, NULL, why, why_bytes) ||
        make_folder(config->data_dir, "speech", why, why_bytes) ||
        make_folder(config->data_dir, "audio", why, why_bytes))
        return OD_EIO;
    struct od_speech *speech = calloc(1, sizeof *speech);
    char *data_dir = strdup(config->data_dir);
    if (!speech || !data_dir) {
        free(speech);
        free(data_dir);
        snprintf(why, why_bytes, "no memory");
        return OD_ENOMEM;
    }
    speech->data_dir = data_dir;
    speech->loop = config->loop;
    snprintf(speech->program, sizeof speech->program, "%s",
             config->program ? config->program : "espeak-ng");
    speech->disk_max = config->disk_max ? config->disk_max : DISK_DEFAULT;
    speech->children_max = config->children_max ? config->children_max : CHILDREN_DEFAULT;
    speech->timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS_DEFAULT;
    od_speech_table_init(&speech->table, config->memory_max ? config->memory_max : MEMORY_DEFAULT);
    od_list_init(&speech->urgent);
    od_list_init(&speech->patient);
    uv_idle_init(speech->loop, &speech->closer);
    speech->closer.data = speech;
    snprintf(speech->trim.folder, sizeof speech->trim.folder, "%s/speech", data_dir);
    speech->trim.bytes_max = speech->disk_max;
    speech->trim.work.data = speech;
    speech->busy = 1;
    uv_queue_work(speech->loop, &speech->trim.work, work_trim, on_trimmed);
    *out = speech;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct od_speech *speech = handle->data;
    void (*fn)(void *ctx) = speech->closed;
    void *ctx = speech->closed_ctx;
    for (unsigned i = 0; i < OD_SPEECH_BUCKETS; i++) {
        while (speech->table.buckets[i]) {
            struct od_speech_entry *entry = speech->table.buckets[i];
            struct od_list *node;
            while ((node = od_list_first(&entry->requests)) != NULL) {
                od_list_remove(node);
                free(OD_OWNER(node, struct od_speech_request, place));
            }
            od_speech_table_remove(&speech->table, entry);
        }
    }
    free(speech->data_dir);
    free(speech);
    fn(ctx);
}

static void close_if_idle(struct od_speech *speech)
{
    if (speech->closing && !speech->busy && !uv_is_closing((uv_handle_t *)&speech->closer))
        uv_close((uv_handle_t *)&speech->closer, on_closed);
}

void od_speech_close(struct od_speech *speech, void (*fn)(void *ctx), void *ctx)
{
    speech->closing = true;
    speech->closed = fn;
    speech->closed_ctx = ctx;
    for (unsigned i = 0; i < OD_SPEECH_BUCKETS; i++) {
        for (struct od_speech_entry *entry = speech->table.buckets[i]; entry;
             entry = entry->chain) {
            if (entry->synth)
                od_synth_kill(entry->synth);
        }
    }
    close_if_idle(speech);
}

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

#include <openssl/evp.h>

#include "engine/base/list.h"
#include "engine/base/str.h"
#include "engine/host/log.h"
#include "engine/host/media_clock.h"
#include "engine/host/speech_disk.h"
#include "engine/host/synth.h"
#include "outdial/err.h"

enum {
    BUCKETS = 1024, /* a power of two */
    KEY_BYTES = 32,
    MEMORY_DEFAULT = 64 * 1024 * 1024,
    DISK_DEFAULT = 256 * 1024 * 1024,
    CHILDREN_DEFAULT = 4,
    TIMEOUT_MS_DEFAULT = 10000,
    FILE_BYTES_MAX = 64 * 1024 * 1024,
    WHY_MAX = 256,
    PATH_BYTES_MAX = 3000,
};

/* A file played again after this is read again, so that a replaced one is soon heard. */
static const uint64_t FILE_FRESH_NS = 10 * OD_NS_PER_S;

enum entry_state { ENTRY_LOADING, ENTRY_WAITING, ENTRY_SPEAKING, ENTRY_CONVERTING, ENTRY_READY };

struct entry {
    struct od_speech *speech;
    struct entry *chain;  /* in its bucket */
    struct od_list place; /* READY: in `recent`; WAITING: in `urgent` or `patient` */
    struct od_list requests;
    uint8_t key[KEY_BYTES];
    uint8_t state;
    bool urgent;
    bool is_file;
    char voice[33];
    char *text; /* or the file's name */
    size_t bytes;
    struct od_clip *clip;
    uint64_t loaded_ns;
    struct od_synth *synth;

    /* handed to the worker and back */
    uv_work_t work;
    uint8_t *wav;
    size_t wav_bytes;
    int err;
    uint64_t stored_bytes;
    char *path; /* NULL: not to be kept on disk */
    char why[WHY_MAX];
};

struct od_speech_request {
    struct od_list place; /* in the entry's requests */
    struct entry *entry;  /* NULL: it is settled, the callback is about to fire */
    od_speech_fn fn;
    void *ctx;
};

struct od_speech {
    uv_loop_t *loop;
    char *data_dir;
    char program[256];
    size_t memory_max;
    uint64_t disk_max, disk_bytes;
    uint32_t children_max, timeout_ms;
    struct entry *buckets[BUCKETS];
    struct od_list recent; /* READY entries, the one used longest ago first */
    struct od_list urgent, patient;
    struct od_speech_stats stats;
    struct od_speech_trim trim; /* the disk's first look */
    uint32_t busy;              /* works and children under way */
    bool closing, disk_warned;
    uv_idle_t closer; /* lets close() end from the loop */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- names ---- */

static void make_key(const struct od_speech_ask *ask, uint8_t key[KEY_BYTES])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned length = 0;
    const char *kind = ask->file ? "file" : "text";
    const char *voice = ask->file ? "" : ask->voice;
    memset(key, 0, KEY_BYTES);
    if (!md)
        return; /* then all entries share a chain and are told apart by their texts */
    EVP_DigestInit_ex(md, EVP_sha256(), NULL);
    EVP_DigestUpdate(md, kind, 5);
    EVP_DigestUpdate(md, voice, strlen(voice) + 1);
    EVP_DigestUpdate(md, ask->file ? ask->file : ask->text,
                     ask->file ? strlen(ask->file) : ask->bytes);
    EVP_DigestFinal_ex(md, key, &length);
    EVP_MD_CTX_free(md);
}

static struct entry **bucket_of(struct od_speech *speech, const uint8_t key[KEY_BYTES])
{
    return &speech->buckets[(key[0] | (unsigned)key[1] << 8) % BUCKETS];
}

static bool is_same(const struct entry *entry, const struct od_speech_ask *ask,
                    const uint8_t key[KEY_BYTES])
{
    const char *text = ask->file ? ask->file : ask->text;
    size_t bytes = ask->file ? strlen(ask->file) : ask->bytes;
    return !memcmp(entry->key, key, KEY_BYTES) && entry->is_file == (ask->file != NULL) &&
           entry->bytes == bytes && !memcmp(entry->text, text, bytes) &&
           (ask->file || !strcmp(entry->voice, ask->voice));
}

/* False: no memory. */
static bool set_path(struct entry *entry)
{
    char name[2 * KEY_BYTES + 1], path[PATH_BYTES_MAX];
    struct od_buf buf;
    if (entry->is_file) {
        snprintf(path, sizeof path, "%s/audio/%s", entry->speech->data_dir, entry->text);
    } else {
        od_buf_init(&buf, name, sizeof name);
        od_buf_hex(&buf, entry->key, KEY_BYTES);
        snprintf(path, sizeof path, "%s/speech/%s.wav", entry->speech->data_dir, name);
    }
    entry->path = strdup(path);
    return entry->path != NULL;
}

/* ---- the end of entries ---- */

static void free_entry(struct entry *entry)
{
    struct entry **at = bucket_of(entry->speech, entry->key);
    while (*at && *at != entry)
        at = &(*at)->chain;
    if (*at)
        *at = entry->chain;
    od_list_remove(&entry->place);
    if (entry->clip)
        entry->speech->stats.memory_bytes -= entry->clip->bytes;
    od_clip_release(entry->clip);
    free(entry->text);
    free(entry->path);
    free(entry->wav);
    free(entry);
}

/* Makes room in memory. Clips that calls still hold live on without their entry. */
static void evict(struct od_speech *speech)
{
    struct od_list *oldest;
    while (speech->stats.memory_bytes > speech->memory_max &&
           (oldest = od_list_first(&speech->recent)) != NULL)
        free_entry(OD_OWNER(oldest, struct entry, place));
}

static void close_if_idle(struct od_speech *speech);
static void start_children(struct od_speech *speech);

/* Tells everybody who waits; the entry is READY or freed afterwards. */
static void settle(struct entry *entry)
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
    if (entry->err) {
        speech->stats.failed++;
    } else {
        entry->state = ENTRY_READY;
        entry->loaded_ns = od_media_now();
        speech->stats.memory_bytes += entry->clip->bytes;
        od_list_push(&speech->recent, &entry->place);
    }
    /* Callbacks may ask and forget: nothing of `entry` may be looked at once they run but what is
     * held here. */
    struct od_clip *clip = entry->err ? NULL : od_clip_hold(entry->clip);
    int err = entry->err;
    char why[WHY_MAX];
    memcpy(why, entry->why, sizeof why);
    if (err)
        free_entry(entry);
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
    evict(speech);
    start_children(speech);
}

static void fail(struct entry *entry, int err, const char *why)
{
    entry->err = err;
    snprintf(entry->why, sizeof entry->why, "%s", why);
    settle(entry);
}

/* ---- from the disk ---- */

/* In a worker thread: nothing but the entry's hand-over fields may be touched. */
static void work_load(uv_work_t *work)
{
    struct entry *entry = OD_OWNER(work, struct entry, work);
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
    struct entry *entry = OD_OWNER(work, struct entry, work);
    struct od_speech *speech = entry->speech;
    (void)status;
    speech->busy--;
    if (!entry->err && !entry->is_file)
        speech->stats.from_disk++;
    if (!entry->err || entry->is_file || speech->closing) {
        settle(entry);
    } else if (od_list_empty(&entry->requests)) {
        free_entry(entry); /* forgotten meanwhile: it needn't be said */
    } else {
        entry->err = 0; /* not there, or damaged: it is said anew */
        entry->why[0] = '\0';
        entry->state = ENTRY_WAITING;
        od_list_push(entry->urgent ? &speech->urgent : &speech->patient, &entry->place);
        speech->stats.queued++;
        start_children(speech);
    }
    close_if_idle(speech);
}

/* ---- from the synthesiser ---- */

static void work_convert(uv_work_t *work)
{
    struct entry *entry = OD_OWNER(work, struct entry, work);
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
    struct entry *entry = OD_OWNER(work, struct entry, work);
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
    struct entry *entry = ctx;
    struct od_speech *speech = entry->speech;
    entry->synth = NULL;
    speech->stats.children--;
    speech->busy--;
    if (!err && !speech->closing) {
        entry->wav = malloc(bytes ? bytes : 1);
        if (entry->wav) {
            memcpy(entry->wav, wav, bytes);
            entry->wav_bytes = bytes;
            entry->state = ENTRY_CONVERTING;
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

static void start_children(struct od_speech *speech)
{
    while (!speech->closing && speech->stats.children < speech->children_max) {
        struct od_list *node = od_list_first(&speech->urgent);
        if (!node)
            node = od_list_first(&speech->patient);
        if (!node)
            return;
        struct entry *entry = OD_OWNER(node, struct entry, place);
        od_list_remove(node);
        speech->stats.queued--;
        entry->state = ENTRY_SPEAKING;
        int err = od_synth_start(&entry->synth, speech->loop,
                                 &(struct od_synth_job){.program = speech->program,
                                                        .voice = entry->voice,
                                                        .text = entry->text,
                                                        .bytes = entry->bytes,
                                                        .timeout_ms = speech->timeout_ms},
                                 on_spoken, entry);
        if (err) {
            /* Told from the loop like everything else: back to the queue, and no further now. */
            entry->state = ENTRY_WAITING;
            od_list_push_front(entry->urgent ? &speech->urgent : &speech->patient, node);
            speech->stats.queued++;
            return;
        }
        speech->stats.children++;
        speech->busy++;
    }
}

/* ---- asking ---- */

static struct entry *find(struct od_speech *speech, const struct od_speech_ask *ask,
                          const uint8_t key[KEY_BYTES])
{
    struct entry *entry = *bucket_of(speech, key);
    while (entry && !is_same(entry, ask, key))
        entry = entry->chain;
    bool stale = entry && entry->is_file && entry->state == ENTRY_READY &&
                 od_media_now() - entry->loaded_ns > FILE_FRESH_NS;
    if (stale) {
        free_entry(entry);
        return NULL;
    }
    return entry;
}

static struct entry *create_entry(struct od_speech *speech, const struct od_speech_ask *ask,
                                  const uint8_t key[KEY_BYTES])
{
    struct entry *entry = calloc(1, sizeof *entry);
    const char *text = ask->file ? ask->file : ask->text;
    if (!entry)
        return NULL;
    entry->bytes = ask->file ? strlen(ask->file) : ask->bytes;
    entry->text = malloc(entry->bytes + 1);
    if (!entry->text) {
        free(entry);
        return NULL;
    }
    memcpy(entry->text, text, entry->bytes);
    entry->text[entry->bytes] = '\0';
    entry->speech = speech;
    entry->is_file = ask->file != NULL;
    entry->urgent = ask->urgent;
    memcpy(entry->key, key, KEY_BYTES);
    if (!ask->file)
        od_str_copy(entry->voice, sizeof entry->voice, ask->voice, strlen(ask->voice));
    od_list_init(&entry->place);
    od_list_init(&entry->requests);
    if (!set_path(entry)) {
        free(entry->text);
        free(entry);
        return NULL;
    }
    struct entry **bucket = bucket_of(speech, key);
    entry->chain = *bucket;
    *bucket = entry;
    entry->state = ENTRY_LOADING;
    speech->busy++;
    uv_queue_work(speech->loop, &entry->work, work_load, on_loaded);
    return entry;
}

int od_speech_ask(struct od_speech *speech, const struct od_speech_ask *ask, struct od_clip **clip,
                  struct od_speech_request **request)
{
    uint8_t key[KEY_BYTES];
    *clip = NULL;
    *request = NULL;
    if (ask->file && (ask->file[0] == '.' || ask->file[0] == '\0' || strchr(ask->file, '/')))
        return OD_EINVAL;
    make_key(ask, key);
    struct entry *entry = find(speech, ask, key);
    speech->stats.asked++;
    if (entry && entry->state == ENTRY_READY) {
        speech->stats.from_memory++;
        od_list_remove(&entry->place);
        od_list_push(&speech->recent, &entry->place);
        *clip = od_clip_hold(entry->clip);
        return 0;
    }
    struct od_speech_request *made = calloc(1, sizeof *made);
    if (made && !entry)
        entry = create_entry(speech, ask, key);
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
    struct entry *entry = request->entry;
    if (!entry || entry->urgent)
        return;
    entry->urgent = true;
    if (entry->state == ENTRY_WAITING) {
        od_list_remove(&entry->place);
        od_list_push(&entry->speech->urgent, &entry->place);
    }
}

void od_speech_forget(struct od_speech_request *request)
{
    struct entry *entry = request->entry;
    od_list_remove(&request->place);
    free(request);
    /* Nobody waits for it and no work is done on it yet: it needn't be said. */
    if (entry && entry->state == ENTRY_WAITING && od_list_empty(&entry->requests)) {
        entry->speech->stats.queued--;
        free_entry(entry);
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
    char path[PATH_BYTES_MAX];
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
    if (strlen(config->data_dir) > PATH_BYTES_MAX - 256) {
        snprintf(why, why_bytes, "data_dir: longer than %d bytes", PATH_BYTES_MAX - 256);
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
    speech->memory_max = config->memory_max ? config->memory_max : MEMORY_DEFAULT;
    speech->disk_max = config->disk_max ? config->disk_max : DISK_DEFAULT;
    speech->children_max = config->children_max ? config->children_max : CHILDREN_DEFAULT;
    speech->timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS_DEFAULT;
    od_list_init(&speech->recent);
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
    for (unsigned i = 0; i < BUCKETS; i++) {
        while (speech->buckets[i]) {
            struct entry *entry = speech->buckets[i];
            struct od_list *node;
            while ((node = od_list_first(&entry->requests)) != NULL) {
                od_list_remove(node);
                free(OD_OWNER(node, struct od_speech_request, place));
            }
            free_entry(entry);
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
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct entry *entry = speech->buckets[i]; entry; entry = entry->chain) {
            if (entry->synth)
                od_synth_kill(entry->synth);
        }
    }
    close_if_idle(speech);
}

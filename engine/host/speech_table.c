/*
 * speech_table - see speech_table.h. The hash is SHA-256 over kind, voice and text: it also names
 * the file on disk, where a collision would put the wrong words into somebody's ear.
 */
#include "engine/host/speech_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "engine/base/str.h"

static void make_key(const struct od_speech_ask *ask, uint8_t key[OD_SPEECH_KEY_BYTES])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned length = 0;
    const char *kind = ask->file ? "file" : "text";
    const char *voice = ask->file ? "" : ask->voice;
    memset(key, 0, OD_SPEECH_KEY_BYTES);
    if (!md)
        return; /* no memory: the entry can't be made either */
    EVP_DigestInit_ex(md, EVP_sha256(), NULL);
    EVP_DigestUpdate(md, kind, 5);
    EVP_DigestUpdate(md, voice, strlen(voice) + 1);
    EVP_DigestUpdate(md, ask->file ? ask->file : ask->text,
                     ask->file ? strlen(ask->file) : ask->bytes);
    EVP_DigestFinal_ex(md, key, &length);
    EVP_MD_CTX_free(md);
}

static struct od_speech_entry **bucket_of(struct od_speech_table *table,
                                          const uint8_t key[OD_SPEECH_KEY_BYTES])
{
    return &table->buckets[(key[0] | (unsigned)key[1] << 8) % OD_SPEECH_BUCKETS];
}

static bool is_same(const struct od_speech_entry *entry, const struct od_speech_ask *ask,
                    const uint8_t key[OD_SPEECH_KEY_BYTES])
{
    const char *text = ask->file ? ask->file : ask->text;
    size_t bytes = ask->file ? strlen(ask->file) : ask->bytes;
    return !memcmp(entry->key, key, OD_SPEECH_KEY_BYTES) && entry->is_file == (ask->file != NULL) &&
           entry->bytes == bytes && !memcmp(entry->text, text, bytes) &&
           (ask->file || !strcmp(entry->voice, ask->voice));
}

void od_speech_table_init(struct od_speech_table *table, size_t memory_max)
{
    memset(table, 0, sizeof *table);
    od_list_init(&table->recent);
    table->memory_max = memory_max;
}

struct od_speech_entry *od_speech_table_find(struct od_speech_table *table,
                                             const struct od_speech_ask *ask)
{
    uint8_t key[OD_SPEECH_KEY_BYTES];
    make_key(ask, key);
    struct od_speech_entry *entry = *bucket_of(table, key);
    while (entry && !is_same(entry, ask, key))
        entry = entry->chain;
    if (entry && entry->state == OD_SPEECH_READY) {
        od_list_remove(&entry->place);
        od_list_push(&table->recent, &entry->place);
    }
    return entry;
}

static char *make_path(const struct od_speech_entry *entry, const char *data_dir)
{
    char name[2 * OD_SPEECH_KEY_BYTES + 1], path[OD_SPEECH_DIR_MAX + 500];
    struct od_buf buf;
    if (entry->is_file) {
        snprintf(path, sizeof path, "%s/audio/%s", data_dir, entry->text);
    } else {
        od_buf_init(&buf, name, sizeof name);
        od_buf_hex(&buf, entry->key, OD_SPEECH_KEY_BYTES);
        snprintf(path, sizeof path, "%s/speech/%s.wav", data_dir, name);
    }
    return strdup(path);
}

struct od_speech_entry *od_speech_table_add(struct od_speech_table *table,
                                            const struct od_speech_ask *ask, const char *data_dir)
{
    struct od_speech_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    const char *text = ask->file ? ask->file : ask->text;
    od_list_init(&entry->place);
    od_list_init(&entry->requests);
    make_key(ask, entry->key);
    entry->is_file = ask->file != NULL;
    entry->urgent = ask->urgent;
    entry->state = OD_SPEECH_LOADING;
    if (!ask->file)
        od_str_copy(entry->voice, sizeof entry->voice, ask->voice, strlen(ask->voice));
    entry->bytes = ask->file ? strlen(ask->file) : ask->bytes;
    entry->text = malloc(entry->bytes + 1);
    if (entry->text) {
        memcpy(entry->text, text, entry->bytes);
        entry->text[entry->bytes] = '\0';
        entry->path = make_path(entry, data_dir);
    }
    if (!entry->path) {
        od_speech_table_remove(table, entry);
        return NULL;
    }
    struct od_speech_entry **bucket = bucket_of(table, entry->key);
    entry->chain = *bucket;
    *bucket = entry;
    return entry;
}

void od_speech_table_keep(struct od_speech_table *table, struct od_speech_entry *entry)
{
    struct od_list *oldest;
    entry->state = OD_SPEECH_READY;
    table->memory_bytes += entry->clip->bytes;
    od_list_push(&table->recent, &entry->place);
    while (table->memory_bytes > table->memory_max &&
           (oldest = od_list_first(&table->recent)) != NULL)
        od_speech_table_remove(table, OD_OWNER(oldest, struct od_speech_entry, place));
}

void od_speech_table_remove(struct od_speech_table *table, struct od_speech_entry *entry)
{
    struct od_speech_entry **at = bucket_of(table, entry->key);
    while (*at && *at != entry)
        at = &(*at)->chain;
    if (*at)
        *at = entry->chain;
    od_list_remove(&entry->place);
    if (entry->state == OD_SPEECH_READY)
        table->memory_bytes -= entry->clip->bytes;
    od_clip_release(entry->clip);
    free(entry->text);
    free(entry->path);
    free(entry->wav);
    free(entry);
}

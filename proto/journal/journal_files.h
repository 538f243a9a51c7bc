/*
 * journal_files - the files of a journal: numbered segments in one folder, written at their end
 * only. Everything here blocks; called by the journal's thread (and by its opener before there is
 * one).
 *
 * A segment's first file is 0000000012-000.journal. After a write or a sync that failed nobody
 * knows what of it is on disk, so it is never tried again on the same file: what is not known to be
 * durable is written to the segment's next file, -001, which is read after it.
 */
#ifndef PROTO_JOURNAL_JOURNAL_FILES_H
#define PROTO_JOURNAL_JOURNAL_FILES_H

#include <stdbool.h>

#include "proto/journal/journal_book.h"

enum { OD_JOURNAL_PATH_MAX = 1024 };

struct od_journal_files {
    char dir[OD_JOURNAL_PATH_MAX - 64];
    bool sync;   /* fdatasync after writes */
    int lock_fd; /* of dir/lock */
    int fd;      /* of the file that is written; -1: none */
    uint32_t segment, file;
    bool kept; /* something in the file is durable, or may be */
};

/* Makes the folder and takes its lock. OD_EIO with the reason in `why`; OD_EBUSY: another process
 * has it. */
int od_journal_files_open(struct od_journal_files *files, const char *dir, bool sync, char *why,
                          size_t why_size);
void od_journal_files_close(struct od_journal_files *files);

/* The segments that are there: the least and the greatest number (0, 0: none) and their bytes. 0 or
 * an errno. */
int od_journal_files_range(const struct od_journal_files *files, uint32_t *least,
                           uint32_t *greatest, uint64_t *bytes);

/* Writes at the end of the segment, which is made when it is a new one. 0 or an errno; after an
 * error call od_journal_files_fail(). */
int od_journal_files_write(struct od_journal_files *files, uint32_t segment, const void *bytes,
                           size_t count);
int od_journal_files_sync(struct od_journal_files *files);

/* Gives the present file up: the next write makes the segment's next one. */
void od_journal_files_fail(struct od_journal_files *files);

/* Removes segments below the number. What can't be removed stays; it is tried again with the next
 * call. */
void od_journal_files_remove(const struct od_journal_files *files, uint32_t below);

/* Reads all segments, in their order. 0 or an errno. */
int od_journal_files_read(const struct od_journal_files *files, struct od_journal_book *book);

#endif

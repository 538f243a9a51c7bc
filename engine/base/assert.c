/*
 * assert - the end of a process that found a bug in itself. It writes with write(2) alone: whatever
 * broke may have broken the heap or stdio too.
 */
#include "engine/base/assert.h"

#include <stdlib.h>
#include <unistd.h>

#include "engine/base/str.h"

__attribute__((weak)) _Noreturn void od_assert_failed(const char *what, const char *file, int line)
{
    char memory[512];
    struct od_buf text;

    od_buf_init(&text, memory, sizeof memory);
    od_buf_str(&text, file);
    od_buf_char(&text, ':');
    od_buf_u64(&text, line > 0 ? (uint64_t)line : 0);
    od_buf_str(&text, ": assertion failed: ");
    od_buf_str(&text, what);
    od_buf_char(&text, '\n');
    if (write(STDERR_FILENO, memory, text.used) < 0)
        abort(); /* nowhere left to say it */
    abort();
}

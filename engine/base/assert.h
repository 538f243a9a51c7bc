/*
 * assert - OD_ASSERT(x) stops the process when x is false: a bug of ours, never a fact about the
 * world. It is on in every build. The condition must have no effect of its own.
 */
#ifndef ENGINE_BASE_ASSERT_H
#define ENGINE_BASE_ASSERT_H

/* Says "file:line: assertion failed: what" on stderr and aborts. Weak: a program may bring its own,
 * which must not return. */
_Noreturn void od_assert_failed(const char *what, const char *file, int line);

#define OD_ASSERT(x)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(x), 0))                                                             \
            od_assert_failed(#x, __FILE__, __LINE__);                                              \
    } while (0)

#endif

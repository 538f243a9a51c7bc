/*
 * metrics_page - lines of Prometheus' text format 0.0.4, written into the caller's memory. A line
 * that doesn't fit is left out whole.
 */
#ifndef ENGINE_API_METRICS_PAGE_H
#define ENGINE_API_METRICS_PAGE_H

#include <stddef.h>

struct od_metrics_page {
    char *text;
    size_t size, used;
};

void od_metrics_line(struct od_metrics_page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What comes before the lines of one name. */
void od_metrics_family(struct od_metrics_page *page, const char *name, const char *type,
                       const char *help);
/* A family of one line without labels. */
void od_metrics_single(struct od_metrics_page *page, const char *name, const char *type,
                       const char *help, unsigned long long value);
/* A label's value, cut to fit, with what the format escapes escaped. */
void od_metrics_label(char *out, size_t size, const char *text);

#endif

/*
 * media_metrics - the media's part of the metrics page, in Prometheus' text format.
 */
#ifndef ENGINE_HOST_MEDIA_METRICS_H
#define ENGINE_HOST_MEDIA_METRICS_H

#include "engine/host/talk.h"

/* Returns the bytes written. */
size_t od_media_metrics(const struct od_talk *talk, char *out, size_t size);

#endif

/*
 * download - a call's recording sent to a client, piece by piece as it takes them: the next piece
 * is read (off the loop, by the host) when little of the last ones is still unsent.
 *
 * Lifetime: a download lives as long as its request; it is in the set while it waits for the
 * client.
 */
#ifndef ENGINE_API_DOWNLOAD_H
#define ENGINE_API_DOWNLOAD_H

#include "engine/api/request.h"

/* Goes on with downloads whose client has caught up. */
void od_downloads_tick(struct od_api *api);

/* The request's exchange is closed. A request without a download is fine. */
void od_download_gone(struct od_request *q);

#endif

/*
 * path - one trunk of one lane, and its places on that trunk's queues. Paths are made and removed
 * when a lane is set; between, od_path_wish() keeps their places.
 */
#ifndef ENGINE_CORE_PATH_H
#define ENGINE_CORE_PATH_H

#include "engine/core/engine_state.h"

/* What a place in the engine's pool of groups must hold. */
size_t od_group_bytes(void);

/* Never fails: there are eight for each lane, and one for each call that may keep a removed one. */
struct od_path *od_path_create(struct od_engine *engine, struct od_lane *lane,
                               struct od_trunk *trunk);

/* Takes places on the trunk's queues, by the lane's priority, rotor and hook. */
void od_path_join(struct od_engine *engine, struct od_path *path);

/* Gives the places back, before the lane's priority, rotor or hook change. */
void od_path_leave(struct od_engine *engine, struct od_path *path);

/* What the path wishes for from now on, as far as its lane goes. */
void od_path_wish(struct od_engine *engine, struct od_path *path, bool claim, bool arm, bool send);

/* A call that holds a slot by this path and was not dialled; NULL: none. */
struct od_call *od_path_call(const struct od_path *path);

/* The path holds no call and has left its lane. */
void od_path_destroy(struct od_engine *engine, struct od_path *path);

#endif

/* path - see path.h. The groups of od_fair (one per trunk, rotor and queue) are made when the first
 * path needs one and go with the last. */
#include "engine/core/path.h"

#include "engine/base/assert.h"
#include "engine/core/trunk.h"

enum queue { QUEUE_CLAIM, QUEUE_CLAIM_HOOK, QUEUE_ARM };

struct od_group {
    struct od_fair_group fair;
    uint32_t paths; /* that use it */
    uint32_t index; /* in the engine's pool */
    uint64_t key;
};

static uint64_t mixed(uint64_t key)
{
    key = (key ^ (key >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
    return key ^ (key >> 32);
}

static struct od_group *group_of(struct od_fair_group *fair)
{
    return OD_OWNER(fair, struct od_group, fair);
}

static struct od_fair_group *group_get(struct od_engine *engine, struct od_trunk *trunk,
                                       uint32_t rotor, enum queue queue)
{
    struct od_fair *fairs[] = {&trunk->claim, &trunk->claim_hook, &trunk->arm};
    uint64_t key = (uint64_t)rotor << 32 | (uint64_t)trunk->index << 8 | queue;
    uint32_t place = 0, index, gen;
    struct od_group *group;

    while (od_index_find(&engine->groups_by_key, mixed(key), &place, &index)) {
        group = (struct od_group *)(void *)engine->groups.items + index;
        if (group->key == key) {
            group->paths++;
            return &group->fair;
        }
    }
    group = od_pool_get(&engine->groups, &index, &gen);
    OD_ASSERT(group);
    group->paths = 1;
    group->index = index;
    group->key = key;
    od_fair_group_init(&group->fair, fairs[queue], rotor);
    od_index_add(&engine->groups_by_key, mixed(key), index);
    return &group->fair;
}

static void group_put(struct od_engine *engine, struct od_fair_group *fair)
{
    struct od_group *group = group_of(fair);

    if (--group->paths)
        return;
    od_index_remove(&engine->groups_by_key, mixed(group->key), group->index);
    od_pool_put(&engine->groups, group);
}

size_t od_group_bytes(void)
{
    return sizeof(struct od_group);
}

struct od_path *od_path_create(struct od_engine *engine, struct od_lane *lane,
                               struct od_trunk *trunk)
{
    struct od_path *path = od_pool_get(&engine->paths, NULL, NULL);

    OD_ASSERT(path);
    *path = (struct od_path){.lane = lane, .trunk = trunk};
    od_list_init(&path->arming);
    od_list_init(&path->armed);
    od_list_init(&path->gone);
    return path;
}

void od_path_join(struct od_engine *engine, struct od_path *path)
{
    const struct od_lane_def *def = &path->lane->def;

    path->claim = (struct od_fair_item){
        .group =
            group_get(engine, path->trunk, def->rotor, def->hook ? QUEUE_CLAIM_HOOK : QUEUE_CLAIM),
        .priority = def->priority,
        .order = path->lane->index,
    };
    path->arm = path->claim;
    path->arm.group = group_get(engine, path->trunk, def->rotor, QUEUE_ARM);
}

static void offer(struct od_path *path, bool offers)
{
    struct od_list *node = offers ? od_list_first(&path->armed) : NULL;
    uint64_t order = node ? OD_OWNER(node, struct od_call, node)->arm_order : 0;

    if (path->send.in && (!node || order != path->send_order))
        od_heap_remove(&path->trunk->send, &path->send);
    path->send_order = order;
    if (node && !path->send.in)
        od_heap_add(&path->trunk->send, &path->send);
}

void od_path_leave(struct od_engine *engine, struct od_path *path)
{
    od_fair_set(&path->claim, false);
    od_fair_set(&path->arm, false);
    offer(path, false);
    group_put(engine, path->claim.group);
    group_put(engine, path->arm.group);
}

void od_path_wish(struct od_engine *engine, struct od_path *path, bool claim, bool arm, bool send)
{
    bool claimed = od_fair_wishing(&path->claim), armed = od_fair_wishing(&path->arm);
    bool sent = path->send.in;
    unsigned what = 0;

    if (claim != claimed)
        od_fair_set(&path->claim, claim);
    if (arm != armed)
        od_fair_set(&path->arm, arm);
    offer(path, send);
    if (claim && !claimed)
        what |= OD_TOUCH_CLAIM;
    if (arm && !armed)
        what |= OD_TOUCH_ARM;
    if (path->send.in && !sent)
        what |= OD_TOUCH_SEND;
    if (what)
        od_trunk_touch(engine, path->trunk, what);
}

struct od_call *od_path_call(const struct od_path *path)
{
    struct od_list *node = od_list_first(&path->arming);

    if (!node)
        node = od_list_first(&path->armed);
    return node ? OD_OWNER(node, struct od_call, node) : NULL;
}

void od_path_destroy(struct od_engine *engine, struct od_path *path)
{
    OD_ASSERT(!od_path_call(path) && !path->send.in);
    od_list_remove(&path->gone);
    od_pool_put(&engine->paths, path);
}

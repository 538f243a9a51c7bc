/*
 * Goal: the containers of engine/base keep their promises under any order of use. Method: seeded
 * random operations beside the plainest model there is (an array, scanned).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/heap.h"
#include "engine/base/index.h"
#include "engine/base/list.h"
#include "engine/base/pool.h"
#include "engine/base/ring.h"
#include "engine/base/rng.h"
#include "engine/base/timers.h"
#include "outdial/err.h"
#include "outdial/types.h"

struct thing {
    int number;
    struct od_list node;
};

static void a_list_keeps_its_order(void **state)
{
    struct od_list list;
    struct thing things[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    int order[4], count = 0;

    (void)state;
    od_list_init(&list);
    assert_null(od_list_first(&list));
    for (int i = 0; i < 4; i++)
        od_list_init(&things[i].node);
    od_list_push(&list, &things[1].node);
    od_list_push(&list, &things[2].node);
    od_list_push_front(&list, &things[0].node);
    od_list_push(&list, &things[3].node);
    od_list_remove(&things[2].node);
    od_list_remove(&things[2].node); /* a node on no list stays so */
    assert_true(od_list_empty(&things[2].node));
    for (struct od_list *at = od_list_first(&list); at; at = od_list_after(&list, at))
        order[count++] = OD_OWNER(at, struct thing, node)->number;
    assert_int_equal(count, 3);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 1);
    assert_int_equal(order[2], 3);
}

enum { POOL = 50 };

static void a_pool_finds_the_living_only(void **state)
{
    struct od_pool pool;
    struct od_rng rng = {1};
    struct {
        uint32_t index, gen;
        int *item;
    } alive[POOL], dead;
    int count = 0, next = 0;

    (void)state;
    assert_int_equal(od_pool_init(&pool, 0, 4), OD_EINVAL);
    assert_int_equal(od_pool_init(&pool, POOL, sizeof(int)), 0);
    memset(&dead, 0, sizeof dead);
    for (int round = 0; round < 20000; round++) {
        if (od_rng_below(&rng, 2)) {
            int *item = od_pool_get(&pool, &alive[count % POOL].index, &alive[count % POOL].gen);
            assert_int_equal(item != NULL, count < POOL);
            if (!item)
                continue;
            assert_int_not_equal(alive[count].gen, 0);
            *item = ++next;
            alive[count++].item = item;
        } else if (count) {
            int which = (int)od_rng_below(&rng, (uint64_t)count);
            dead.index = alive[which].index;
            dead.gen = alive[which].gen;
            od_pool_put(&pool, alive[which].item);
            alive[which] = alive[--count];
        }
        assert_int_equal(pool.used, count);
        assert_null(od_pool_at(&pool, dead.index, dead.gen));
        for (int i = 0; i < count; i++)
            assert_ptr_equal(od_pool_at(&pool, alive[i].index, alive[i].gen), alive[i].item);
    }
    assert_null(od_pool_at(&pool, 0, 0));
    assert_null(od_pool_at(&pool, UINT32_MAX, 1));
    od_pool_deinit(&pool);
}

enum { TIMERS = 64 };

static void timers_fire_by_time_then_start(void **state)
{
    struct od_timers timers;
    struct od_timer timer[TIMERS] = {{0}};
    struct {
        uint64_t at_ns, order;
    } model[TIMERS];
    struct od_rng rng = {2};
    uint64_t started = 0, now = 0;

    (void)state;
    assert_int_equal(od_timers_init(&timers, TIMERS), 0);
    for (int i = 0; i < TIMERS; i++)
        timer[i].queue = (uint16_t)(i % 4); /* 0: the heap's; not all fit their queue's order */
    assert_int_equal(od_timers_next(&timers), OD_NEVER);
    for (int round = 0; round < 50000; round++) {
        size_t i = od_rng_below(&rng, TIMERS);
        int first = -1;

        if (od_rng_below(&rng, 3)) {
            uint64_t at_ns = now + od_rng_below(&rng, 40);
            if (!od_timer_running(&timer[i]) || model[i].at_ns != at_ns)
                model[i].order = started++;
            model[i].at_ns = at_ns;
            od_timers_start(&timers, &timer[i], at_ns);
        } else {
            od_timers_set(&timers, &timer[i], OD_NEVER);
        }
        for (int k = 0; k < TIMERS; k++)
            if (od_timer_running(&timer[k]) &&
                (first < 0 || model[k].at_ns < model[first].at_ns ||
                 (model[k].at_ns == model[first].at_ns && model[k].order < model[first].order)))
                first = k;
        assert_int_equal(od_timers_next(&timers), first < 0 ? OD_NEVER : model[first].at_ns);
        now += od_rng_below(&rng, 2);
        if (first >= 0 && model[first].at_ns <= now)
            assert_ptr_equal(od_timers_fire(&timers, now), &timer[first]);
        else
            assert_null(od_timers_fire(&timers, now));
    }
    od_timers_deinit(&timers);
}

struct number {
    uint32_t key;
    struct od_heap_node node;
};

static bool smaller(const struct od_heap_node *a, const struct od_heap_node *b)
{
    return OD_OWNER(a, struct number, node)->key < OD_OWNER(b, struct number, node)->key;
}

enum { NUMBERS = 100 };

static void a_heap_gives_the_first(void **state)
{
    struct number numbers[NUMBERS] = {{0}};
    struct od_heap heap = {.before = smaller};
    struct od_rng rng = {3};

    (void)state;
    for (int round = 0; round < 50000; round++) {
        struct number *number = &numbers[od_rng_below(&rng, NUMBERS)];
        uint32_t least = UINT32_MAX;

        if (number->node.in) {
            od_heap_remove(&heap, &number->node);
        } else {
            number->key = (uint32_t)od_rng_below(&rng, 1000);
            od_heap_add(&heap, &number->node);
        }
        for (int i = 0; i < NUMBERS; i++)
            if (numbers[i].node.in && numbers[i].key < least)
                least = numbers[i].key;
        if (least == UINT32_MAX)
            assert_null(heap.top);
        else
            assert_int_equal(OD_OWNER(heap.top, struct number, node)->key, least);
    }
}

enum { VALUES = 200 };

/* Few hashes for many values, so that runs of cells meet and wrap. */
static void an_index_finds_what_was_added(void **state)
{
    struct od_index index;
    struct od_rng rng = {4};
    bool in[VALUES] = {false};
    uint64_t hash[VALUES];

    (void)state;
    assert_int_equal(od_index_init(&index, VALUES), 0);
    for (uint32_t i = 0; i < VALUES; i++)
        hash[i] = od_rng_below(&rng, 60) * 7 + (i & 1 ? UINT32_MAX - 200 : 0);
    for (int round = 0; round < 20000; round++) {
        uint32_t which = (uint32_t)od_rng_below(&rng, VALUES), place = 0, value;
        bool found = false;

        if (in[which])
            od_index_remove(&index, hash[which], which);
        else
            od_index_add(&index, hash[which], which);
        in[which] = !in[which];
        which = (uint32_t)od_rng_below(&rng, VALUES);
        while (od_index_find(&index, hash[which], &place, &value)) {
            assert_true(in[value]);
            assert_int_equal((uint32_t)hash[value], (uint32_t)hash[which]);
            found = found || value == which;
        }
        assert_int_equal(found, in[which]);
    }
    od_index_deinit(&index);
}

static void a_ring_is_first_in_first_out(void **state)
{
    struct od_ring ring;
    struct od_rng rng = {5};
    uint64_t in = 0, out = 0;

    (void)state;
    assert_int_equal(od_ring_init(&ring, 12, 8), OD_EINVAL);
    assert_int_equal(od_ring_init(&ring, 16, 8), 0);
    for (int round = 0; round < 20000; round++) {
        uint64_t *item = od_rng_below(&rng, 2) ? od_ring_room(&ring) : NULL;
        if (item) {
            *item = in++;
            od_ring_push(&ring);
        } else if (od_ring_first(&ring)) {
            item = od_ring_first(&ring);
            assert_int_equal(*item, out++);
            od_ring_pop(&ring);
        }
        assert_int_equal(od_ring_count(&ring), in - out);
        assert_int_equal(od_ring_room(&ring) == NULL, in - out == 16);
    }
    od_ring_deinit(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_keeps_its_order),
        cmocka_unit_test(a_pool_finds_the_living_only),
        cmocka_unit_test(timers_fire_by_time_then_start),
        cmocka_unit_test(a_heap_gives_the_first),
        cmocka_unit_test(an_index_finds_what_was_added),
        cmocka_unit_test(a_ring_is_first_in_first_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

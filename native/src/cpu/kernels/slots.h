/* slots.h: scratch memory for the bodies of one hy_parallel_for: a slot for each thread that may run at once. */
#ifndef HY_CPU_SLOTS_H
#define HY_CPU_SLOTS_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "backend.h"
#include "core/parallel.h"

typedef struct hy_slots {
    char *memory;
    int64_t bytes;  /* of one slot, a multiple of 64 */
    int count;
    atomic_bool busy[HY_MAX_THREADS];
} hy_slots;

/** Slots for `blocks` blocks of work, which still need count * bytes of memory. */
static inline void hy_slots_plan(hy_slots *slots, int64_t bytes, int64_t blocks)
{
    int64_t threads = hy_get_num_threads();
    slots->count = (int)(blocks < threads ? blocks : threads);
    slots->bytes = (bytes + 63) & ~(int64_t)63;
    for (int i = 0; i < slots->count; i++) atomic_init(&slots->busy[i], false);
}

/** Slots with memory of their own; end with hy_free(device, slots->memory). */
static inline hy_status hy_slots_alloc(hy_slots *slots, hy_device *device, int64_t bytes, int64_t blocks)
{
    hy_slots_plan(slots, bytes, blocks);
    return hy_alloc(device, slots->count * slots->bytes, (void **)&slots->memory);
}

/** There are as many slots as threads, so the wait ends when that number has just risen. */
static inline int hy_slots_take(hy_slots *slots)
{
    for (;; sched_yield())
        for (int i = 0; i < slots->count; i++)
            if (!atomic_exchange_explicit(&slots->busy[i], true, memory_order_acquire)) return i;
}

static inline void hy_slots_give(hy_slots *slots, int slot) { atomic_store_explicit(&slots->busy[slot], false, memory_order_release); }

#endif

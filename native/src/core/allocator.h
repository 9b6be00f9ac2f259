/* The caching allocator: freed blocks are kept and handed out again, so that a step of training asks nothing of the system. */
#ifndef HY_CORE_ALLOCATOR_H
#define HY_CORE_ALLOCATOR_H

#include <stdbool.h>

#include "backend.h"

typedef struct hy_allocator hy_allocator;

/** Reads of this many bytes past the end of a block stay within it. */
#define HY_SLACK 64

/** An allocator over `device`'s system_alloc and system_free; NULL when there is no memory for it. */
hy_allocator *hy_allocator_create(hy_device *device);

/** Returns everything to the system; no block may be live. A device's own allocator is never destroyed. */
void hy_allocator_destroy(hy_allocator *allocator);

/** These are hy_alloc, hy_free, hy_try_alloc, hy_try_free, hy_memory_get_stats, hy_memory_trim and hy_memory_set_limit of hybrid.h. */
hy_status hy_allocator_alloc(hy_allocator *allocator, int64_t bytes, void **data);
hy_status hy_allocator_free(hy_allocator *allocator, void *data);
bool hy_allocator_try_alloc(hy_allocator *allocator, int64_t bytes, void **data);
bool hy_allocator_try_free(hy_allocator *allocator, void *data);
void hy_allocator_get_stats(hy_allocator *allocator, hy_memory_stats *stats);
void hy_allocator_trim(hy_allocator *allocator);
void hy_allocator_set_limit(hy_allocator *allocator, int64_t bytes);

/** The blocks of a graph: what is allocated or freed while the pool is the current one, to be reused by nobody else until it is released. */
typedef struct hy_pool hy_pool;

hy_pool *hy_allocator_begin_pool(hy_allocator *allocator); /* NULL when there is no memory for it */
hy_pool *hy_allocator_pool(hy_allocator *allocator);       /* the current one, or NULL */
void hy_allocator_end_pool(hy_allocator *allocator);
void hy_allocator_release_pool(hy_allocator *allocator, hy_pool *pool); /* its blocks may be reused by everybody */

/** Forgets a stream that is about to be destroyed, and whose work the caller waits for. */
void hy_allocator_forget_stream(hy_allocator *allocator, hy_stream *stream);

#endif

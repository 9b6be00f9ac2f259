/*
 * Sizes are rounded up to classes, eight an octave, so that at most an eighth of a block is wasted. Each class has a list of free
 * blocks, the most recently freed first: it is the likeliest to be in the processor's cache. A request takes from its own class or
 * from the next larger up to twice its size (as MLX does), else from the system.
 *
 * What a block is lies in a record of its own, found by address in a hash table: the memory may be a GPU's, and an address that is
 * not a live block's is recognised without touching it.
 *
 * On a device with streams a block is free in the order of the stream that was current when it was freed: that stream reuses it at once,
 * another one waits for it first. While a graph is being recorded, blocks come from the graph's pool and go to it.
 */
#include "core/allocator.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/glibc.h"
#include "core/status.h"
#include "core/system.h"

#if defined(__SANITIZE_ADDRESS__)
#  include <sanitizer/asan_interface.h>
#else
#  define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#  define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

enum { SMALLEST = 64, STEPS_LOG2 = 3, STEPS = 1 << STEPS_LOG2, CLASSES = 58 * STEPS };

static const int64_t LARGEST = INT64_MAX / 4; /* beyond it, there is no class */

typedef struct block {
    void *data;
    int64_t size;              /* of its class; HY_SLACK bytes more belong to it */
    bool live;
    hy_stream *stream;         /* the current one when it was freed */
    struct hy_pool *pool;      /* whose it is; NULL for everybody's */
    struct block *chain;       /* next in the hash table's bucket */
    struct block *next_free;   /* next in the class's list */
} block;

/* Free blocks, a list a class. */
typedef struct block *free_lists[CLASSES];

struct hy_pool {
    free_lists free;
};

struct hy_allocator {
    pthread_mutex_t lock;
    hy_allocator *next;        /* in the list of all */
    hy_device *device;
    hy_memory_stats stats;
    free_lists free;
    hy_pool *pool;             /* of the graph that is being recorded */
    block **buckets;
    size_t bucket_count;       /* a power of two */
    size_t block_count;
};

/* The class of a size and the size of a class: 64, 72, 80, … 128, 144, 160, … each octave in STEPS steps. */
static int class_of(int64_t bytes)
{
    if (bytes <= SMALLEST) return 0;
    uint64_t last = (uint64_t)bytes - 1;
    int octave = 63 - __builtin_clzll(last);
    int step = (int)(last >> (octave - STEPS_LOG2)) & (STEPS - 1);
    return (octave - 6) * STEPS + step + 1;
}

static int64_t class_size(int class)
{
    return (int64_t)(STEPS + class % STEPS) << (6 - STEPS_LOG2 + class / STEPS);
}

static block **bucket_of(hy_allocator *a, const void *data)
{
    uint64_t hash = ((uint64_t)(uintptr_t)data >> 6) * 0x9E3779B97F4A7C15u; /* Knuth's multiplicative hashing */
    return &a->buckets[(hash >> 32) & (a->bucket_count - 1)];
}

static block *find(hy_allocator *a, const void *data)
{
    block *b = *bucket_of(a, data);
    while (b && b->data != data) b = b->chain;
    return b;
}

static void grow_table(hy_allocator *a)
{
    size_t old_count = a->bucket_count;
    block **old = a->buckets, **grown = calloc(2 * old_count, sizeof *grown);
    if (!grown) return; /* longer chains are slower, not wrong */
    a->buckets = grown;
    a->bucket_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++)
        for (block *b = old[i], *next; b; b = next) {
            next = b->chain;
            block **bucket = bucket_of(a, b->data);
            b->chain = *bucket;
            *bucket = b;
        }
    free(old);
}

static void insert(hy_allocator *a, block *b)
{
    if (a->block_count++ >= a->bucket_count) grow_table(a);
    block **bucket = bucket_of(a, b->data);
    b->chain = *bucket;
    *bucket = b;
}

static void remove_block(hy_allocator *a, block *b)
{
    block **link = bucket_of(a, b->data);
    while (*link != b) link = &(*link)->chain;
    *link = b->chain;
    a->block_count--;
}

/* Tells AddressSanitizer that the first `bytes` of a block and the slack behind them may be touched, and nothing else of it. */
static void expose(hy_allocator *a, block *b, int64_t bytes)
{
    if (a->device->info.kind != HY_CPU) return;
    ASAN_POISON_MEMORY_REGION(b->data, (size_t)(b->size + HY_SLACK));
    if (bytes) ASAN_UNPOISON_MEMORY_REGION(b->data, (size_t)(bytes + HY_SLACK));
}

static void trim(hy_allocator *a)
{
    for (int class = 0; class < CLASSES; class++)
        while (a->free[class]) {
            block *b = a->free[class];
            a->free[class] = b->next_free;
            a->stats.cached -= b->size;
            remove_block(a, b);
            expose(a, b, b->size);
            a->device->backend.system_free(a->device, b->data, b->size + HY_SLACK);
            free(b);
        }
}

static block *take_from(hy_allocator *a, block **free, int class)
{
    for (int i = class; i <= class + STEPS && i < CLASSES; i++) {
        block *b = free[i];
        if (!b) continue;
        free[i] = b->next_free;
        a->stats.cached -= b->size;
        if (b->stream != a->device->stream) a->device->backend.stream_join(a->device, b->stream);
        return b;
    }
    return NULL;
}

/* While a graph is recorded, nothing may be waited for: everybody's blocks are left alone, which may be another stream's. */
static block *take_cached(hy_allocator *a, int class)
{
    return take_from(a, a->pool ? a->pool->free : a->free, class);
}

static block *take_from_system(hy_allocator *a, int class)
{
    int64_t size = class_size(class);
    if (a->stats.limit && size > a->stats.limit - a->stats.live - a->stats.cached) return NULL;
    block *b = malloc(sizeof *b);
    if (!b) return NULL;
    if (a->device->backend.system_alloc(a->device, size + HY_SLACK, &b->data) != HY_OK) {
        free(b);
        return NULL;
    }
    b->size = size;
    b->stream = NULL;
    b->pool = NULL;
    insert(a, b);
    a->stats.system_allocations++;
    return b;
}

static hy_status out_of_memory(const hy_memory_stats *s, int64_t bytes)
{
    if (s->limit)
        return hy_fail(HY_OUT_OF_MEMORY, "Alloc: cannot supply %lld bytes: %lld are live and %lld cached, the limit is %lld", (long long)bytes,
                       (long long)s->live, (long long)s->cached, (long long)s->limit);
    return hy_fail(HY_OUT_OF_MEMORY, "Alloc: cannot supply %lld bytes: %lld are live and %lld cached, there is no limit but the machine's",
                   (long long)bytes, (long long)s->live, (long long)s->cached);
}

static void *hand_out(hy_allocator *a, block *b, int64_t bytes)
{
    b->live = true;
    b->pool = a->pool ? a->pool : b->pool;
    a->stats.allocations++;
    a->stats.live += b->size;
    if (a->stats.live > a->stats.live_peak) a->stats.live_peak = a->stats.live;
    expose(a, b, bytes);
    return b->data;
}

static void take_back(hy_allocator *a, block *b)
{
    int class = class_of(b->size);
    b->live = false;
    b->stream = a->device->stream;
    if (a->pool) b->pool = a->pool; /* recorded work may still name it */
    block **list = &(b->pool ? b->pool->free : a->free)[class];
    b->next_free = *list;
    *list = b;
    a->stats.live -= b->size;
    a->stats.cached += b->size;
    expose(a, b, 0);
}

hy_status hy_allocator_alloc(hy_allocator *a, int64_t bytes, void **data)
{
    if (bytes < 0) return hy_fail(HY_BAD_ARGUMENT, "Alloc: %lld bytes asked, expected 0 or more", (long long)bytes);
    if (bytes == 0) {
        *data = NULL;
        return HY_OK;
    }
    pthread_mutex_lock(&a->lock);
    block *b = NULL;
    if (bytes <= LARGEST) {
        int class = class_of(bytes);
        b = take_cached(a, class);
        if (!b) b = take_from_system(a, class);
        if (!b) {
            trim(a);
            b = take_from_system(a, class);
        }
    }
    if (b) *data = hand_out(a, b, bytes);
    hy_memory_stats stats = a->stats;
    pthread_mutex_unlock(&a->lock);
    return b ? HY_OK : out_of_memory(&stats, bytes);
}

bool hy_allocator_try_alloc(hy_allocator *a, int64_t bytes, void **data)
{
    if (bytes <= 0 || bytes > LARGEST || pthread_mutex_trylock(&a->lock) != 0) return false;
    block *b = take_cached(a, class_of(bytes));
    if (b) *data = hand_out(a, b, bytes);
    pthread_mutex_unlock(&a->lock);
    return b != NULL;
}

hy_status hy_allocator_free(hy_allocator *a, void *data)
{
    if (!data) return HY_OK;
    pthread_mutex_lock(&a->lock);
    block *b = find(a, data);
    bool known = b != NULL, live = known && b->live;
    if (live) take_back(a, b);
    pthread_mutex_unlock(&a->lock);
    if (live) return HY_OK;
    return hy_fail(HY_BAD_ARGUMENT, known ? "Free: the block at %p was freed already" : "Free: %p is no block of this device", data);
}

bool hy_allocator_try_free(hy_allocator *a, void *data)
{
    if (!data || pthread_mutex_trylock(&a->lock) != 0) return false;
    block *b = find(a, data);
    bool live = b && b->live;
    if (live) take_back(a, b);
    pthread_mutex_unlock(&a->lock);
    return live;
}

void hy_allocator_get_stats(hy_allocator *a, hy_memory_stats *stats)
{
    pthread_mutex_lock(&a->lock);
    *stats = a->stats;
    pthread_mutex_unlock(&a->lock);
}

void hy_allocator_trim(hy_allocator *a)
{
    pthread_mutex_lock(&a->lock);
    trim(a);
    pthread_mutex_unlock(&a->lock);
}

void hy_allocator_set_limit(hy_allocator *a, int64_t bytes)
{
    pthread_mutex_lock(&a->lock);
    a->stats.limit = bytes;
    if (bytes && a->stats.live + a->stats.cached > bytes) trim(a);
    pthread_mutex_unlock(&a->lock);
}

hy_pool *hy_allocator_begin_pool(hy_allocator *a)
{
    hy_pool *pool = calloc(1, sizeof *pool);
    pthread_mutex_lock(&a->lock);
    if (pool) a->pool = pool;
    pthread_mutex_unlock(&a->lock);
    return pool;
}

hy_pool *hy_allocator_pool(hy_allocator *a)
{
    pthread_mutex_lock(&a->lock);
    hy_pool *pool = a->pool;
    pthread_mutex_unlock(&a->lock);
    return pool;
}

void hy_allocator_end_pool(hy_allocator *a)
{
    pthread_mutex_lock(&a->lock);
    a->pool = NULL;
    pthread_mutex_unlock(&a->lock);
}

void hy_allocator_release_pool(hy_allocator *a, hy_pool *pool)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->bucket_count; i++)
        for (block *b = a->buckets[i]; b; b = b->chain)
            if (b->pool == pool) b->pool = NULL;
    for (int class = 0; class < CLASSES; class++)
        for (block *b = pool->free[class], *next; b; b = next) {
            next = b->next_free;
            b->next_free = a->free[class];
            a->free[class] = b;
        }
    pthread_mutex_unlock(&a->lock);
    free(pool);
}

void hy_allocator_forget_stream(hy_allocator *a, hy_stream *stream)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->bucket_count; i++)
        for (block *b = a->buckets[i]; b; b = b->chain)
            if (b->stream == stream) b->stream = a->device->stream;
    pthread_mutex_unlock(&a->lock);
}

/* Every allocator there is. A fork waits until all of them are at rest: the child has none of the threads that might hold a lock. */
static struct {
    pthread_mutex_t lock;
    hy_allocator *first;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void before_fork(void)
{
    pthread_mutex_lock(&all.lock);
    for (hy_allocator *a = all.first; a; a = a->next) pthread_mutex_lock(&a->lock);
}

static void after_fork(void)
{
    for (hy_allocator *a = all.first; a; a = a->next) pthread_mutex_unlock(&a->lock);
    pthread_mutex_unlock(&all.lock);
}

static void watch_forks(void) { hy_system_watch_forks(before_fork, after_fork, after_fork); }

hy_allocator *hy_allocator_create(hy_device *device)
{
    hy_allocator *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    a->bucket_count = 1024;
    a->buckets = calloc(a->bucket_count, sizeof *a->buckets);
    if (!a->buckets || pthread_mutex_init(&a->lock, NULL) != 0) {
        free(a->buckets);
        free(a);
        return NULL;
    }
    a->device = device;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&all.lock);
    a->next = all.first;
    all.first = a;
    pthread_mutex_unlock(&all.lock);
    return a;
}

void hy_allocator_destroy(hy_allocator *a)
{
    pthread_mutex_lock(&all.lock);
    hy_allocator **link = &all.first;
    while (*link != a) link = &(*link)->next;
    *link = a->next;
    pthread_mutex_unlock(&all.lock);
    trim(a);
    pthread_mutex_destroy(&a->lock);
    free(a->buckets);
    free(a);
}

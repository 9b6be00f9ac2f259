/*
 * One job runs at a time. Each thread has a share of its blocks, the same for the same job each time, so that data written by one job are
 * where the next looks for them; a thread that is done takes from the ends of the others' shares (Blumofe and Leiserson, 1999). A worker may only
 * touch the job after joining it through the gate, a word that holds the job's number, whether it is open, and how many workers are
 * inside. The caller opens the gate, works, closes it, and waits until those inside have left: a worker that wakes too late finds it
 * closed, so a short job never waits for a slow waker. A second caller, meanwhile, does its own work itself.
 */
#include "core/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "core/glibc.h"
#include "core/status.h"
#include "core/system.h"

#define GATE_COUNT UINT64_C(0x7fffffff)
#define GATE_OPEN UINT64_C(0x80000000)
#define GATE_NUMBER UINT64_C(0xffffffff00000000)

enum { SPIN_NANOSECONDS = 30000 };

/* The blocks that are left of a thread's share: the first in the lower half, the one behind the last in the upper. */
typedef struct share {
    _Alignas(64) atomic_uint_fast64_t left;
} share;

static struct {
    /* the job; written only by the caller that owns the pool while the gate is closed and empty */
    hy_parallel_body body;
    void *context;
    int64_t n, grain, blocks;
    int32_t shares;
    share share[HY_MAX_THREADS];
    _Alignas(64) atomic_uint_fast64_t gate;
    _Alignas(64) atomic_bool owned;  /* a caller runs a job or resizes the pool */
    atomic_bool stop;
    atomic_int sleepers;
    atomic_int wanted;               /* threads asked for, the caller's included */
    int32_t size;                    /* threads that the pool was last built for; the owner's */
    int32_t workers;                 /* of which these could be started besides the caller; the owner's */
    int64_t spin;                    /* nanoseconds to spin before sleeping; constant while workers run */
    pthread_t thread[HY_MAX_THREADS];
    pthread_mutex_t lock;
    pthread_cond_t work, done;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local bool inside; /* this thread runs a body: calls from it run inline */

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool has_job(uint64_t gate, uint64_t seen)
{
    return (gate & GATE_OPEN) && (gate & GATE_NUMBER) != seen;
}

static bool is_left(uint64_t gate, uint64_t unused)
{
    return (gate & GATE_COUNT) == 0;
}

/* Spins until the gate satisfies `ready`, but not for long; says whether it does. */
static bool spin_until(bool (*ready)(uint64_t, uint64_t), uint64_t seen)
{
    for (int64_t end = 0;;) {
        for (int i = 0; i < 16; i++) {
            if (ready(atomic_load_explicit(&pool.gate, memory_order_acquire), seen)) return true;
            pause_briefly();
        }
        int64_t t = now();
        if (end == 0) end = t + pool.spin;
        if (t >= end) return false;
    }
}

static void deal(int32_t shares)
{
    pool.shares = shares;
    for (int32_t i = 0; i < shares; i++) {
        uint64_t begin = (uint64_t)(pool.blocks * i / shares), end = (uint64_t)(pool.blocks * (i + 1) / shares);
        atomic_store_explicit(&pool.share[i].left, end << 32 | begin, memory_order_relaxed);
    }
}

/* Takes the first block of one's own share, or the last of another's; -1 when there is none left. */
static int64_t take(share *s, bool own)
{
    uint64_t left = atomic_load_explicit(&s->left, memory_order_relaxed);
    for (;;) {
        uint64_t first = left & UINT32_MAX, end = left >> 32;
        if (first == end) return -1;
        uint64_t rest = own ? left + 1 : left - (UINT64_C(1) << 32);
        if (atomic_compare_exchange_weak_explicit(&s->left, &left, rest, memory_order_relaxed, memory_order_relaxed))
            return (int64_t)(own ? first : end - 1);
    }
}

static void run_blocks(int32_t thread)
{
    inside = true;
    for (int32_t i = 0; i < pool.shares; i++) {
        share *s = &pool.share[(thread + i) % pool.shares];
        for (int64_t block; (block = take(s, i == 0)) >= 0;) {
            int64_t begin = block * pool.grain, rest = pool.n - begin;
            pool.body(pool.context, begin, rest < pool.grain ? pool.n : begin + pool.grain);
        }
    }
    inside = false;
}

/* Waits for a job that this worker has not seen, or the end. */
static void wait_for_job(uint64_t seen)
{
    if (spin_until(has_job, seen)) return;
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.sleepers, 1); /* before looking at the gate again: whoever opens it looks here afterwards */
    while (!has_job(atomic_load(&pool.gate), seen) && !atomic_load(&pool.stop)) pthread_cond_wait(&pool.work, &pool.lock);
    atomic_fetch_sub(&pool.sleepers, 1);
    pthread_mutex_unlock(&pool.lock);
}

static void *worker(void *thread)
{
    uint64_t seen = 0;
    while (!atomic_load(&pool.stop)) {
        wait_for_job(seen);
        uint64_t gate = atomic_load(&pool.gate);
        while (has_job(gate, seen) && !atomic_compare_exchange_weak(&pool.gate, &gate, gate + 1)) {}
        if (!has_job(gate, seen)) continue;
        seen = gate & GATE_NUMBER;
        run_blocks((int32_t)(intptr_t)thread);
        gate = atomic_fetch_sub(&pool.gate, 1);
        if (!(gate & GATE_OPEN) && (gate & GATE_COUNT) == 1) { /* the last to leave a closed gate */
            pthread_mutex_lock(&pool.lock);
            pthread_cond_signal(&pool.done);
            pthread_mutex_unlock(&pool.lock);
        }
    }
    return NULL;
}

static void stop_workers(void)
{
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.stop, true);
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    for (int32_t i = 0; i < pool.workers; i++) pthread_join(pool.thread[i], NULL);
    atomic_store(&pool.stop, false);
    pool.workers = 0;
}

/* Makes the pool the size that was asked for. Where the system grants fewer threads, those must do: results do not depend on it. */
static void resize(void)
{
    int32_t size = atomic_load(&pool.wanted);
    if (size == pool.size) return;
    stop_workers();
    pool.size = size;
    pool.spin = size <= hy_system_processors() ? SPIN_NANOSECONDS : 0;
    while (pool.workers < size - 1 &&
           hy_system_start_thread(&pool.thread[pool.workers], worker, (void *)(intptr_t)(pool.workers + 1)) == 0)
        pool.workers++;
}

/* A forked child has none of the workers, and a lock may have been held by a thread that it does not have. */
static void after_fork(void)
{
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.work, NULL);
    pthread_cond_init(&pool.done, NULL);
    atomic_store(&pool.gate, 0);
    atomic_store(&pool.stop, false);
    atomic_store(&pool.sleepers, 0);
    pool.size = pool.workers = 0;
    atomic_store(&pool.owned, false);
}

int32_t hy_threads_from_environment(void)
{
    const char *text = getenv("HYBRID_NUM_THREADS");
    if (!text || !*text) {
        int32_t count = hy_system_processors();
        return count < HY_MAX_THREADS ? count : HY_MAX_THREADS;
    }
    char *end;
    long count = strtol(text, &end, 10);
    return *end == 0 && count >= 1 && count <= HY_MAX_THREADS ? (int32_t)count : 0;
}

static void initialise(void)
{
    int32_t count = hy_threads_from_environment();
    atomic_store(&pool.wanted, count ? count : 1); /* hy_device_get refuses what is no number */
    hy_system_watch_forks(NULL, NULL, after_fork);
}

static void open_gate(void)
{
    uint64_t gate = atomic_load_explicit(&pool.gate, memory_order_relaxed);
    atomic_store(&pool.gate, ((gate & GATE_NUMBER) + (UINT64_C(1) << 32)) | GATE_OPEN);
    if (atomic_load(&pool.sleepers) == 0) return;
    pthread_mutex_lock(&pool.lock);
    if (pool.blocks > pool.workers) pthread_cond_broadcast(&pool.work);
    else
        for (int64_t i = 1; i < pool.blocks; i++) pthread_cond_signal(&pool.work);
    pthread_mutex_unlock(&pool.lock);
}

static void close_gate(void)
{
    if ((atomic_fetch_and(&pool.gate, ~GATE_OPEN) & GATE_COUNT) == 0 || spin_until(is_left, 0)) return;
    pthread_mutex_lock(&pool.lock);
    while (!is_left(atomic_load(&pool.gate), 0)) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

static void run_inline(int64_t n, int64_t grain, hy_parallel_body body, void *context)
{
    bool nested = inside;
    inside = true;
    for (int64_t begin = 0; begin < n; begin = n - begin > grain ? begin + grain : n) body(context, begin, n - begin > grain ? begin + grain : n);
    inside = nested;
}

void hy_parallel_for(int64_t n, int64_t grain, hy_parallel_body body, void *context)
{
    pthread_once(&once, initialise);
    if (grain < 1) grain = 1;
    bool alone = n <= grain || inside || atomic_load_explicit(&pool.wanted, memory_order_relaxed) == 1;
    alone = alone || n / grain >= INT32_MAX; /* more blocks than a share can count: hours of work in blocks worth a thread */
    if (alone || atomic_exchange(&pool.owned, true)) {
        run_inline(n, grain, body, context);
        return;
    }
    resize();
    pool.body = body;
    pool.context = context;
    pool.n = n;
    pool.grain = grain;
    pool.blocks = n / grain + (n % grain != 0);
    deal(pool.workers + 1);
    open_gate();
    run_blocks(0);
    close_gate();
    atomic_store(&pool.owned, false);
}

int32_t hy_get_num_threads(void)
{
    pthread_once(&once, initialise);
    return atomic_load(&pool.wanted);
}

hy_status hy_set_num_threads(int32_t count)
{
    pthread_once(&once, initialise);
    if (count < 1 || count > HY_MAX_THREADS)
        return hy_fail(HY_BAD_ARGUMENT, "SetNumThreads: %d threads asked, expected 1 to %d", count, HY_MAX_THREADS);
    atomic_store(&pool.wanted, count); /* the next job that wants the pool rebuilds it */
    return HY_OK;
}

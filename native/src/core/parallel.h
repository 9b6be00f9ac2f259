/* The thread pool. */
#ifndef HY_CORE_PARALLEL_H
#define HY_CORE_PARALLEL_H

#include <stdint.h>

typedef void (*hy_parallel_body)(void *context, int64_t begin, int64_t end);

/** Calls body(context, begin, end) over [0, n), cut into blocks of `grain` (the last may be shorter), by the pool's threads and the caller.
 *  The cut depends on n and grain alone, never on the number of threads, so a result that is combined block by block is the same for
 *  any number of threads. One block, one thread, or a call from inside a body: runs on the caller's thread, block by block. */
void hy_parallel_for(int64_t n, int64_t grain, hy_parallel_body body, void *context);

/** The most threads that the pool may have. */
#define HY_MAX_THREADS 256

/** How many threads HYBRID_NUM_THREADS asks for; the processors that this process may run on where it is not set; 0 when it is no
 *  number from 1 to HY_MAX_THREADS. */
int32_t hy_threads_from_environment(void);

#endif

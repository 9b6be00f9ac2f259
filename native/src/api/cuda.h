/* The CUDA backend's library, loaded when a CUDA device is first asked for. */
#ifndef HY_API_CUDA_H
#define HY_API_CUDA_H

#include "backend.h"

/** Finds a CUDA device; the message of a failure tells every file that was tried and what came of it. */
hy_status hy_cuda_device(int32_t index, hy_device **device);

/** How many CUDA devices there are; 0 where the library or the driver is missing. */
int32_t hy_cuda_device_count(void);

#endif

/* The CPU backend: its devices, one per ISA that this machine can run. */
#ifndef HY_CPU_CPU_H
#define HY_CPU_CPU_H

#include "backend.h"

/** The ISAs that this build has and this machine (CPU and OS) can run, slowest first, ended by NULL: "reference", "x86-64", "avx2", …
 *  "reference" is the naive loops alone. */
const char *const *hy_cpu_isas(void);

/** The CPU device that runs one of hy_cpu_isas; NULL for any other name. All of them share one allocator. */
hy_device *hy_cpu_device(const char *isa);

/** The CPU device that hy_device_get gives: the fastest ISA, or the one that HYBRID_ISA names. A name that cannot be had is
 *  HY_BAD_DEVICE with a message that lists those that can. */
hy_status hy_cpu_default_device(hy_device **device);

#endif

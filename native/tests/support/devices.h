// The devices that tests run on by name: an ISA of the CPU, or the emulated GPU.
#pragma once

#include <string>
#include <vector>

extern "C" {
#include "cpu/cpu.h"
}

namespace hybrid::testing {

inline const char *const emulated_gpu = "cuda-emulated";

/// What to compare with the reference.
inline std::vector<std::string> fast_isas()
{
    std::vector<std::string> names;
    for (const char *const *isa = hy_cpu_isas(); *isa; isa++)
        if (std::string(*isa) != "reference") names.push_back(*isa);
#ifdef HY_CUDA_EMULATED
    names.push_back(emulated_gpu);
#endif
    return names;
}

/// The emulated GPU number `index`, or NULL: hy_last_error() says why. cuda_test.cc has the core load it.
inline hy_device *emulated_device(int32_t index = 0)
{
    hy_device *device = nullptr;
    return hy_device_get(HY_CUDA, index, &device) == HY_OK ? device : nullptr;
}

inline hy_device *device_of(const std::string &name) { return name == emulated_gpu ? emulated_device() : hy_cpu_device(name.c_str()); }

} // namespace hybrid::testing

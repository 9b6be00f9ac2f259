// The devices that tests run on by name: an ISA of the CPU, or a GPU, which is an emulated one unless the environment names a real one's library.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

extern "C" {
#include "cpu/cpu.h"
}

namespace hybrid::testing {

inline const char *const emulated_gpu = "cuda-emulated";

/// The GPU to test: "cuda" where HYBRID_CUDA_LIBRARY names its library as the program starts, else the emulated one; "" for none.
inline const std::string &tested_gpu()
{
    static const std::string name = []() -> std::string {
        const char *library = getenv("HYBRID_CUDA_LIBRARY");
#ifdef HY_CUDA_EMULATED
        if (!library || !*library || std::string(library) == HY_CUDA_EMULATED) { // a test that starts the program anew has set it already
            setenv("HYBRID_CUDA_LIBRARY", HY_CUDA_EMULATED, 1);
            return emulated_gpu;
        }
#endif
        return library && *library ? "cuda" : "";
    }();
    return name;
}

inline bool gpu_is_emulated() { return tested_gpu() == emulated_gpu; }

/// What to compare with the reference.
inline std::vector<std::string> fast_isas()
{
    std::vector<std::string> names;
    for (const char *const *isa = hy_cpu_isas(); *isa; isa++)
        if (std::string(*isa) != "reference") names.push_back(*isa);
    if (!tested_gpu().empty()) names.push_back(tested_gpu());
    return names;
}

/// The tested GPU, or one beside it; NULL: hy_last_error() says why.
inline hy_device *gpu_device(int32_t index = 0)
{
    hy_device *device = nullptr;
    return !tested_gpu().empty() && hy_device_get(HY_CUDA, index, &device) == HY_OK ? device : nullptr;
}

inline hy_device *device_of(const std::string &name) { return name == tested_gpu() ? gpu_device() : hy_cpu_device(name.c_str()); }

} // namespace hybrid::testing

#include "cpu/cpu_features.h"

#include <stdio.h>
#include <string.h>

#ifdef __x86_64__
#  include <cpuid.h>

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool all(uint32_t value, uint32_t bits)
{
    return (value & bits) == bits;
}

/* Bit numbers: Intel's Software Developer's Manual, volume 2A, CPUID; the levels v3 and v4: the x86-64 psABI. */
void hy_cpu_detect(hy_cpu_features *features)
{
    memset(features, 0, sizeof *features);
    features->x86_64 = true;
    uint32_t a, b, c, d, c1 = 0, b7 = 0, c7 = 0, a71 = 0, c81 = 0;
    if (__get_cpuid(1, &a, &b, &c, &d)) c1 = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        b7 = b, c7 = c;
        if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) a71 = a;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) c81 = c;

    /* The processor may have registers that the system does not save at a switch of threads: XCR0 says which it does. */
    uint64_t xcr0 = all(c1, bit_OSXSAVE) ? read_xcr0() : 0;
    bool ymm = (xcr0 & 0x06) == 0x06, zmm = (xcr0 & 0xE6) == 0xE6;
    bool v2 = all(c1, bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT);
    features->avx2 = v2 && ymm && all(c1, bit_AVX | bit_FMA | bit_F16C | bit_MOVBE) && all(b7, bit_AVX2 | bit_BMI | bit_BMI2) && all(c81, bit_LZCNT);
#  ifdef HY_AVX512_LOWERED
    features->avx512 = features->avx2_vnni = features->avx512_vnni = features->avx512_bf16 = features->avx2;
    (void)zmm, (void)c7, (void)a71;
#  else
    features->avx512 = features->avx2 && zmm && all(b7, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL);
    features->avx2_vnni = features->avx2 && all(a71, bit_AVXVNNI);
    features->avx512_vnni = features->avx512 && all(c7, bit_AVX512VNNI);
    features->avx512_bf16 = features->avx512_vnni && all(a71, bit_AVX512BF16);
#  endif

    uint32_t brand[12] = {0};
    if (__get_cpuid_max(0x80000000, NULL) >= 0x80000004)
        for (uint32_t i = 0; i < 3; i++) __get_cpuid(0x80000002 + i, &brand[4 * i], &brand[4 * i + 1], &brand[4 * i + 2], &brand[4 * i + 3]);
    memcpy(features->name, brand, sizeof brand);
    if (!features->name[0]) snprintf(features->name, sizeof features->name, "x86-64 processor");
}
#else
void hy_cpu_detect(hy_cpu_features *features)
{
    memset(features, 0, sizeof *features);
#  ifdef __aarch64__
    features->neon = true; /* part of every ARMv8-A */
#  endif
    snprintf(features->name, sizeof features->name, "arm64 processor");
}
#endif

/* What this processor, and the system that runs it, can do. */
#ifndef HY_CPU_FEATURES_H
#define HY_CPU_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hy_cpu_features {
    bool x86_64;    /* the x86-64 baseline */
    bool avx2;      /* x86-64-v3: AVX2, FMA and what came with them, and the system saves the YMM registers */
    bool avx512;    /* x86-64-v4: AVX-512 F, BW, CD, DQ and VL, and the system saves ZMM and mask registers */
    bool avx2_vnni;    /* avx2 and AVX-VNNI: products of 8- and 16-bit integers, added up */
    bool avx512_vnni;  /* avx512 and AVX512-VNNI: the same */
    bool avx512_bf16;  /* avx512_vnni and AVX512-BF16: products of bfloat16 numbers, added up */
    bool neon;      /* arm64's vectors */
    char name[64];  /* the processor's own name */
} hy_cpu_features;

void hy_cpu_detect(hy_cpu_features *features);

#endif

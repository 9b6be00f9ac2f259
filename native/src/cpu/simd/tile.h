/* The register tile of the ISA that is being compiled, or of the one that it extends: HY_TILE_ROWS rows of A by HY_TILE_VECTORS vectors of HY_TILE_VECTOR bytes of B. */
#ifndef HY_CPU_SIMD_TILE_H
#define HY_CPU_SIMD_TILE_H

#if HY_ISA_avx512
#  include "cpu/simd/tile_avx512.h"
#elif HY_ISA_avx2
#  include "cpu/simd/tile_avx2.h"
#elif HY_ISA_neon
#  include "cpu/simd/tile_neon.h"
#else
#  include "cpu/simd/tile_x86_64.h"
#endif

/** Keeps a vector that several multiply-adds use in a register: GCC would load it again for each of them. */
#if defined(__x86_64__) && !HY_AVX512_LOWERED /* whose vectors take two registers */
#  define HY_KEEP(vector) __asm__("" : "+v"(vector))
#elif defined(__aarch64__)
#  define HY_KEEP(vector) __asm__("" : "+w"(vector))
#else
#  define HY_KEEP(vector) ((void)0)
#endif

#endif

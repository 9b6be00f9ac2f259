/* Names of what is compiled once per ISA: HY_ISA(hy_fill_reduce) is hy_fill_reduce_avx2 in the AVX2 build of a kernel file. */
#ifndef HY_CPU_ISA_H
#define HY_CPU_ISA_H

#define HY_ISA_PASTE2(name, isa) name##_##isa
#define HY_ISA_PASTE(name, isa) HY_ISA_PASTE2(name, isa)
#define HY_ISA(name) HY_ISA_PASTE(name, HY_ISA_NAME)

#endif

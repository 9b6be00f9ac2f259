/* The BLAS that serves plain matrix products where it measures faster: OpenBLAS, or none in this build. */
#ifndef HY_CPU_BLAS_H
#define HY_CPU_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/** "OpenBLAS 0.3.21", or "none". Static storage. */
const char *hy_blas_name(void);

/** Whether there is one. */
bool hy_blas_exists(void);

/** c = a · b + beta * c, all as BLAS's xGEMM takes them in row-major order: an operand is transposed when its columns, not its rows, are
 *  contiguous; ld is the other stride. May be called from any thread; one call computes at a time.
 *  @param dtype  HY_FLOAT32 or HY_FLOAT64
 */
void hy_blas_gemm(int32_t dtype, bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                  const void *b, int64_t ldb, bool add, void *c, int64_t ldc);

#endif

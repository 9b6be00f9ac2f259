#include "cpu/blas.h"

#include "hybrid/hybrid.h"

#ifdef HY_HAVE_OPENBLAS

#include <pthread.h>
#include <stdio.h>

/* From cblas.h, whose place differs between distributions. */
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };
void cblas_sgemm(int order, int a_transposed, int b_transposed, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
                 int ldb, float beta, float *c, int ldc);
void cblas_dgemm(int order, int a_transposed, int b_transposed, int m, int n, int k, double alpha, const double *a, int lda,
                 const double *b, int ldb, double beta, double *c, int ldc);
char *openblas_get_config(void);

static char name[64];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_name(void)
{
    char product[32] = "OpenBLAS", version[24] = "";
    sscanf(openblas_get_config(), "%31s %23s", product, version);
    snprintf(name, sizeof name, "%s %s", product, version);
}

const char *hy_blas_name(void)
{
    pthread_once(&once, read_name);
    return name;
}

bool hy_blas_exists(void) { return true; }

/* Built for a single thread, OpenBLAS 0.3.21 looks for a free work buffer and marks it as used with a plain test and store: two concurrent
 * calls can get the same one, so calls take turns. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

void hy_blas_gemm(int32_t dtype, bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                  const void *b, int64_t ldb, bool add, void *c, int64_t ldc)
{
    int ta = a_transposed ? TRANSPOSE : NO_TRANSPOSE, tb = b_transposed ? TRANSPOSE : NO_TRANSPOSE;
    pthread_mutex_lock(&turn);
    if (dtype == HY_FLOAT32)
        cblas_sgemm(ROW_MAJOR, ta, tb, (int)m, (int)n, (int)k, 1, a, (int)lda, b, (int)ldb, (float)add, c, (int)ldc);
    else
        cblas_dgemm(ROW_MAJOR, ta, tb, (int)m, (int)n, (int)k, 1, a, (int)lda, b, (int)ldb, add, c, (int)ldc);
    pthread_mutex_unlock(&turn);
}

#else

const char *hy_blas_name(void) { return "none"; }

bool hy_blas_exists(void) { return false; }

void hy_blas_gemm(int32_t dtype, bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                  const void *b, int64_t ldb, bool add, void *c, int64_t ldc)
{
}

#endif

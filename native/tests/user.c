/* A program in C that uses the library through hybrid.h alone, as any user's does: it loads, works on several threads, and says what is wrong.
 * It needs no C++ library, so it also runs where the other tests can't be built (musl), and it is what loads libhybrid.dll in the Windows build. */
#include <hybrid/hybrid.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, hy_last_error()), exit(1)))

static hy_device *device;

static hy_tensor tensor(int32_t ndim, const int64_t *shape)
{
    hy_tensor t = {.device = device, .dtype = HY_FLOAT32, .ndim = ndim};
    int64_t count = 1;
    for (int32_t axis = ndim; axis-- > 0;) {
        t.shape[axis] = shape[axis];
        t.strides[axis] = count;
        count *= shape[axis];
    }
    CHECK(hy_alloc(device, count * (int64_t)sizeof(float), &t.data) == HY_OK);
    for (int64_t i = 0; i < count; i++) ((float *)t.data)[i] = (float)((i * 37 + 11) % 101) / 50 - 1;
    return t;
}

#define TENSOR(...) tensor(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})

static float at(const hy_tensor *t, int64_t index)
{
    return ((const float *)t->data)[index];
}

/* The bits must not depend on the number of threads. */
static void same_for_any_threads(const hy_tensor *y, int64_t count, float **first)
{
    const size_t bytes = (size_t)count * sizeof(float);
    if (!*first) {
        CHECK((*first = malloc(bytes)) != NULL);
        memcpy(*first, y->data, bytes);
    }
    CHECK(memcmp(*first, y->data, bytes) == 0);
}

static void multiplies(void)
{
    enum { M = 150, K = 300, N = 200 };
    hy_tensor a = TENSOR(M, K), b = TENSOR(K, N), y = TENSOR(M, N);
    float *first = NULL;
    for (int32_t threads = 1; threads <= 4; threads++) {
        CHECK(hy_set_num_threads(threads) == HY_OK);
        CHECK(hy_matmul(device, &a, &b, NULL, HY_NO_ACTIVATION, &y) == HY_OK);
        same_for_any_threads(&y, M * N, &first);
    }
    for (int64_t i = 0; i < M; i++)
        for (int64_t j = 0; j < N; j++) {
            double sum = 0;
            for (int64_t k = 0; k < K; k++) sum += (double)at(&a, i * K + k) * at(&b, k * N + j);
            CHECK(fabs(sum - at(&y, i * N + j)) < 1e-3);
        }
    free(first);
}

static void convolves(void)
{
    enum { IMAGES = 4, IN = 8, OUT = 16, SIDE = 20, REACH = 3 };
    const hy_conv2d_params p = {.stride = {1, 1}, .padding = {1, 1}, .dilation = {1, 1}, .groups = 1, .activation = HY_NO_ACTIVATION};
    hy_tensor x = TENSOR(IMAGES, IN, SIDE, SIDE), w = TENSOR(OUT, IN, REACH, REACH), y = TENSOR(IMAGES, OUT, SIDE, SIDE);
    float *first = NULL;
    for (int32_t threads = 1; threads <= 4; threads++) {
        CHECK(hy_set_num_threads(threads) == HY_OK);
        CHECK(hy_conv2d(device, &p, &x, &w, NULL, &y) == HY_OK);
        same_for_any_threads(&y, IMAGES * OUT * SIDE * SIDE, &first);
    }
    for (int64_t place = 0; place < IMAGES * OUT * SIDE * SIDE; place++) {
        const int64_t j = place % SIDE, i = place / SIDE % SIDE, k = place / (SIDE * SIDE) % OUT, n = place / (OUT * SIDE * SIDE);
        double sum = 0;
        for (int64_t tap = 0; tap < IN * REACH * REACH; tap++) {
            const int64_t c = tap / (REACH * REACH), row = i + tap / REACH % REACH - 1, column = j + tap % REACH - 1;
            if (row < 0 || row >= SIDE || column < 0 || column >= SIDE) continue;
            sum += (double)at(&x, ((n * IN + c) * SIDE + row) * SIDE + column) * at(&w, k * IN * REACH * REACH + tap);
        }
        CHECK(fabs(sum - at(&y, place)) < 1e-3);
    }
    free(first);
}

static void says_what_is_wrong(void)
{
    hy_tensor a = TENSOR(2, 3), b = TENSOR(4, 5), y = TENSOR(2, 5);
    CHECK(hy_matmul(device, &a, &b, NULL, HY_NO_ACTIVATION, &y) == HY_BAD_SHAPE);
    CHECK(strstr(hy_last_error(), "[2, 3]") && strstr(hy_last_error(), "[4, 5]"));
    hy_device *none;
    CHECK(hy_device_get(HY_CUDA, 99, &none) == HY_BAD_DEVICE && strstr(hy_last_error(), "99"));
}

int main(void)
{
    CHECK(hy_abi_version() == HY_ABI_VERSION);
    CHECK(hy_device_get(HY_CPU, 0, &device) == HY_OK);
    multiplies();
    convolves();
    says_what_is_wrong();
    return 0;
}

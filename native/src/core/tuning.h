/* The tuning table: which way computes which convolution, or which matrix product, on this machine. The file and its format are in hybrid.h. */
#ifndef HY_CORE_TUNING_H
#define HY_CORE_TUNING_H

#include "backend.h"

typedef struct hy_tuning hy_tuning;

/** A device's table, which is read when it is first needed; NULL when there is no memory for it. Never freed. */
hy_tuning *hy_tuning_create(void);

/** "forward", "winograd4" and so on; NULL for no such pass or way. */
const char *hy_conv_pass_name(int32_t pass);
const char *hy_conv_way_name(int32_t way);

/** The way that the table names for a convolution's shape, HY_CONV_WAY_chosen for none. It served contiguous tensors, and need not serve others.
 *  @return HY_OK; HY_BAD_ARGUMENT when the file that the environment names is broken */
hy_status hy_tuning_find(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                         int32_t *way);

/** These are hy_tuning_path, hy_tuning_load, hy_tuning_save and hy_tuning_set of hybrid.h. */
const char *hy_tuning_default_path(hy_device *device);
hy_status hy_tuning_read(hy_device *device, const char *path);
hy_status hy_tuning_write(hy_device *device, const char *path);
hy_status hy_tuning_put(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                        int32_t way);

/** The ways to compute a matrix product on a GPU. */
enum { HY_PRODUCT_WAY_unknown, HY_PRODUCT_WAY_hybrid, HY_PRODUCT_WAY_cublas, HY_PRODUCT_WAY_COUNT };

/** What a product's speed depends on. */
typedef struct hy_product {
    int32_t dtype;
    int64_t batch, m, n, k;
    int32_t a_transposed, b_transposed, y_transposed; /* 1 where columns are contiguous, 0 where rows are */
    int32_t sums;                                     /* 1 where bias or activation follow the sums in a kernel of their own */
    int32_t tf32;
} hy_product;

/** The way that a GPU's table names for a product; HY_PRODUCT_WAY_unknown for none.
 *  @return HY_OK; HY_BAD_ARGUMENT when the file that the environment names is broken */
hy_status hy_tuning_find_product(hy_device *device, const hy_product *p, int32_t *way);

/** Puts the way into the table, and the table into its file. */
hy_status hy_tuning_remember_product(hy_device *device, const hy_product *p, int32_t way);

#endif

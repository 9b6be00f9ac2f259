/* The tuning table: which way computes which convolution on this machine. The file and its format are in hybrid.h. */
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

#endif

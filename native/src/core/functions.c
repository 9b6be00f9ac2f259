/* The bounds of functions.h. */
#define HY_DEFINE_BOUNDS
#include "core/functions.h"

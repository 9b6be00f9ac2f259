#include <gtest/gtest.h>

#include "hybrid/hybrid.h"

TEST(Smoke, HeaderCompilesAsCxx) { EXPECT_GT(HY_UNARY_COUNT, 20); }

// What single functions of the ABI refuse besides.
#include <cmath>

#include "api_arguments.h"

namespace {

TEST(Checks, Operations)
{
    for (auto [name, count] : {std::pair<const char *, int>{"hy_unary", HY_UNARY_COUNT}, {"hy_unary_backward", HY_UNARY_COUNT}, {"hy_binary", HY_BINARY_COUNT},
                               {"hy_binary_scalar", HY_BINARY_COUNT}, {"hy_binary_backward", HY_BINARY_COUNT}, {"hy_binary_scalar_backward", HY_BINARY_COUNT},
                               {"hy_compare", HY_COMPARE_COUNT}, {"hy_compare_scalar", HY_COMPARE_COUNT}, {"hy_reduce", 5}, {"hy_cross_entropy", 3}, {"hy_mse", 3}})
        for (int op : {-1, count, INT32_MAX, INT32_MIN}) Arguments(name).set([=](Scalars &s) { s.op = op; }).expect_refused(HY_BAD_ARGUMENT, std::to_string(op));
}

TEST(Checks, Axes)
{
    for (const char *name : {"hy_arg_reduce", "hy_softmax", "hy_softmax_backward", "hy_gather", "hy_scatter_add", "hy_index_select", "hy_index_add"})
        for (int axis : {-1, 2, INT32_MAX}) Arguments(name).set([=](Scalars &s) { s.axis = axis; }).expect_refused(HY_BAD_ARGUMENT, "axis " + std::to_string(axis));
    Arguments("hy_softmax").shape(0, {}).shape(1, {}).expect_refused(HY_BAD_ARGUMENT, "no axes");
}

TEST(Checks, RandomParameters)
{
    auto p = [](double value) { return [=](Scalars &s) { s.p = value; }; };
    Arguments("hy_random_uniform").set(p(9)).expect_refused(HY_BAD_ARGUMENT, "RandomUniform: ");
    Arguments("hy_random_uniform").set(p(NAN)).expect_refused(HY_BAD_ARGUMENT);
    Arguments("hy_random_uniform").set(p(-INFINITY)).expect_refused(HY_BAD_ARGUMENT);
    Arguments("hy_random_uniform").set(p(-1e39)).expect_refused(HY_BAD_ARGUMENT, "float32 holds");
    Arguments("hy_random_uniform").set(p(-1e39)).dtype(0, HY_FLOAT64).expect_ok();
    for (double wrong : {-1.0, (double)NAN}) Arguments("hy_random_normal").set(p(wrong)).expect_refused(HY_BAD_ARGUMENT, "std");
    for (double wrong : {-0.1, 1.1, (double)NAN}) Arguments("hy_random_bernoulli").set(p(wrong)).expect_refused(HY_BAD_ARGUMENT, "p is");
    auto span = [](int64_t low, int64_t high) { return [=](Scalars &s) { s.low = low, s.high = high; }; };
    Arguments("hy_random_integers").set(span(3, 3)).expect_refused(HY_BAD_ARGUMENT, "low is 3 and high is 3");
    Arguments("hy_random_integers").set(span(INT64_MIN, INT64_MAX)).expect_ok();
    Arguments("hy_random_integers").dtype(0, HY_UINT8).set(span(0, 256)).expect_ok();
    Arguments("hy_random_integers").dtype(0, HY_UINT8).set(span(0, 257)).expect_refused(HY_BAD_ARGUMENT, "uint8");
    Arguments("hy_random_integers").dtype(0, HY_UINT8).set(span(-1, 2)).expect_refused(HY_BAD_ARGUMENT, "uint8");
    Arguments("hy_random_integers").dtype(0, HY_INT32).set(span(0, INT64_C(1) << 32)).expect_refused(HY_BAD_ARGUMENT, "int32");
    Arguments("hy_random_integers").dtype(0, HY_FLOAT32).set(span(0, (1 << 24) + 2)).expect_refused(HY_BAD_ARGUMENT, "float32");
    Arguments("hy_random_integers").dtype(0, HY_BOOL).expect_refused(HY_BAD_DTYPE);
    Arguments("hy_random_uniform").dtype(0, HY_INT64).expect_refused(HY_BAD_DTYPE, "expected float32, float64, bfloat16 or float16");
    Arguments("hy_arange").dtype(0, HY_BOOL).expect_refused(HY_BAD_DTYPE, "expected float32, float64, int32, int64, uint8, bfloat16 or float16");
}

TEST(Checks, ElementwiseDtypesFollowTheRow)
{
    auto op = [](int value) { return [=](Scalars &s) { s.op = value; }; };
    Arguments("hy_unary").set(op(HY_UNARY_neg)).dtypes(HY_INT32).expect_ok();
    Arguments("hy_unary").set(op(HY_UNARY_exp)).dtypes(HY_INT32).expect_refused(HY_BAD_DTYPE, "Exp: input is int32");
    Arguments("hy_unary").set(op(HY_UNARY_leaky_relu)).dtypes(HY_INT64).expect_refused(HY_BAD_DTYPE, "LeakyRelu: ");
    Arguments("hy_unary").set(op(HY_UNARY_neg)).dtypes(HY_BOOL).expect_refused(HY_BAD_DTYPE, "Neg: ");
    Arguments("hy_binary").set(op(HY_BINARY_add)).dtypes(HY_UINT8).expect_ok();
    Arguments("hy_binary").set(op(HY_BINARY_div)).dtypes(HY_INT32).expect_refused(HY_BAD_DTYPE, "Div: ");
    Arguments("hy_binary_scalar").set(op(HY_BINARY_pow)).dtypes(HY_INT32).expect_refused(HY_BAD_DTYPE, "Pow: ");
    Arguments("hy_unary_backward").set(op(HY_UNARY_neg)).dtypes(HY_INT32).expect_refused(HY_BAD_DTYPE, "NegBackward: ");
    Arguments("hy_compare").dtype(0, HY_BOOL).dtype(1, HY_BOOL).expect_ok();
    Arguments("hy_compare").dtype(2, HY_FLOAT32).expect_refused(HY_BAD_DTYPE, "Eq: output is float32, expected bool");
    Arguments("hy_where").dtype(0, HY_UINT8).expect_refused(HY_BAD_DTYPE, "Where: condition is uint8, expected bool");
}

TEST(Checks, Broadcasting)
{
    Arguments("hy_binary").shape(0, {2, 3}).shape(1, {4}).expect_refused(HY_BAD_SHAPE, "Add: shapes [2, 3] and [4] do not broadcast: 3 against 4");
    Arguments("hy_binary").shape(2, {1, 2, 3}).expect_refused(HY_BAD_SHAPE, "Add: output has shape [1, 2, 3], expected [2, 3]");
    Arguments("hy_binary").shape(0, {}).shape(1, {0, 3}).shape(2, {0, 3}).expect_ok();
    Arguments("hy_binary").shape(0, {2, 3}).shape(1, {0, 3}).expect_refused(HY_BAD_SHAPE, "2 against 0");
    Arguments("hy_copy").shape(0, {1, 2, 3}).expect_refused(HY_BAD_SHAPE, "Copy: ");
    Arguments("hy_copy").shape(0, {}).expect_ok();
    Arguments("hy_copy").shape(0, {2}).expect_refused(HY_BAD_SHAPE, "does not broadcast to [2, 3]");
    Arguments("hy_binary_backward").shape(0, {2, 2}).expect_refused(HY_BAD_SHAPE, "MulBackward: ");
}

TEST(Checks, DerivativesNeedWhatTheyRead)
{
    auto op = [](int value, int operand = 0) { return [=](Scalars &s) { s.op = value, s.flag = operand; }; };
    Arguments("hy_unary_backward").set(op(HY_UNARY_relu)).without(0).expect_ok();
    Arguments("hy_unary_backward").set(op(HY_UNARY_relu)).without(1).expect_refused(HY_BAD_ARGUMENT, "ReluBackward: output is NULL");
    Arguments("hy_unary_backward").set(op(HY_UNARY_square)).without(1).expect_ok();
    Arguments("hy_unary_backward").set(op(HY_UNARY_square)).without(0).expect_refused(HY_BAD_ARGUMENT, "SquareBackward: input is NULL");
    Arguments("hy_unary_backward").set(op(HY_UNARY_neg)).without(0).without(1).expect_ok();
    Arguments("hy_binary_backward").set(op(HY_BINARY_add)).without(0).without(1).expect_ok();
    Arguments("hy_binary_backward").set(op(HY_BINARY_mul, 0)).without(1).expect_refused(HY_BAD_ARGUMENT, "MulBackward: second operand is NULL");
    Arguments("hy_binary_backward").set(op(HY_BINARY_mul, 1)).without(1).expect_ok();
    Arguments("hy_binary_backward").set(op(HY_BINARY_mul, 1)).without(0).expect_refused(HY_BAD_ARGUMENT, "first operand is NULL");
    Arguments("hy_binary_backward").set(op(HY_BINARY_div, 1)).without(0).expect_refused(HY_BAD_ARGUMENT);
    Arguments("hy_binary_backward").set(op(HY_BINARY_div, 0)).without(0).expect_ok();
    Arguments("hy_binary_backward").set(op(HY_BINARY_mul, 2)).expect_refused(HY_BAD_ARGUMENT, "operand is 2");
    Arguments("hy_binary_scalar_backward").set(op(HY_BINARY_mul)).without(0).expect_ok();
    Arguments("hy_binary_scalar_backward").set(op(HY_BINARY_pow)).without(0).expect_refused(HY_BAD_ARGUMENT, "PowBackward: input is NULL");
}

TEST(Checks, Reductions)
{
    auto op = [](int value) { return [=](Scalars &s) { s.op = value; }; };
    Arguments("hy_reduce").shape(1, {2}).expect_refused(HY_BAD_SHAPE, "Sum: output has shape [2]");
    Arguments("hy_reduce").shape(1, {1, 1}).expect_ok();
    Arguments("hy_reduce").dtype(0, HY_BOOL).dtype(1, HY_INT64).expect_ok();
    Arguments("hy_reduce").dtypes(HY_UINT8).expect_refused(HY_BAD_DTYPE, "Sum: output is uint8, expected int64");
    Arguments("hy_reduce").dtypes(HY_INT32).set(op(HY_REDUCE_mean)).expect_refused(HY_BAD_DTYPE, "Mean: ");
    Arguments("hy_reduce").dtypes(HY_BOOL).set(op(HY_REDUCE_prod)).expect_refused(HY_BAD_DTYPE, "Prod: ");
    Arguments("hy_reduce").dtypes(HY_BOOL).set(op(HY_REDUCE_max)).expect_ok();
    Arguments("hy_reduce").shape(0, {2, 0}).set(op(HY_REDUCE_max)).expect_refused(HY_BAD_SHAPE, "Max: ");
    Arguments("hy_reduce").shape(0, {0, 3}).shape(1, {0, 1}).set(op(HY_REDUCE_min)).expect_ok();
    Arguments("hy_arg_reduce").shape(0, {0, 2}).expect_refused(HY_BAD_SHAPE, "ArgMax: axis 0 has no element");
    Arguments("hy_arg_reduce").dtype(1, HY_INT32).expect_refused(HY_BAD_DTYPE, "expected int64");
}

TEST(Checks, MatMul)
{
    Arguments("hy_matmul").shape(0, {2, 5}).expect_refused(HY_BAD_SHAPE, "MatMul: the first operand has 5 columns, the second 3 rows ([2, 5] times [6, 3, 4])");
    Arguments("hy_matmul").shape(0, {3}).expect_refused(HY_BAD_SHAPE, "at least 2 axes");
    Arguments("hy_matmul").shape(0, {5, 2, 3}).expect_refused(HY_BAD_SHAPE, "do not broadcast");
    Arguments("hy_matmul").shape(2, {5}).expect_refused(HY_BAD_SHAPE, "bias has shape [5], expected [4]");
    Arguments("hy_matmul").shape(3, {6, 2, 4}).expect_refused(HY_BAD_SHAPE, "expected [5, 6, 2, 4]");
    auto activation = [](int32_t a) { return [=](Scalars &s) { s.activation = s.conv.activation = a; }; };
    for (const char *name : {"hy_matmul", "hy_conv2d"}) {
        Arguments(name).set(activation(HY_ACTIVATION(HY_UNARY_gelu))).expect_ok();
        Arguments(name).set(activation(-1)).expect_refused(HY_BAD_ARGUMENT, "activation is -1");
        Arguments(name).set(activation(HY_UNARY_COUNT + 1)).expect_refused(HY_BAD_ARGUMENT, "activation is ");
        Arguments(name).set(activation(HY_ACTIVATION(HY_UNARY_leaky_relu))).expect_refused(HY_BAD_ARGUMENT, "an operation with a parameter");
    }
}

TEST(Checks, Convolution)
{
    auto conv = [](hy_conv2d_params p) { return [=](Scalars &s) { s.conv = p; }; };
    Arguments("hy_conv2d").shape(0, {8, 3, 28, 28}).shape(1, {32, 1, 3, 3}).expect_refused(
        HY_BAD_SHAPE, "Conv2d: input has 3 channels, weight expects 1 (input [8, 3, 28, 28], weight [32, 1, 3, 3])");
    Arguments("hy_conv2d").set(conv({{2, 3}, {1, 2}, {1, 1}, 2})).shape(1, {6, 2, 3, 3}).shape(3, {2, 6, 3, 3}).expect_ok();
    Arguments("hy_conv2d").set(conv({{1, 1}, {0, 0}, {1, 1}, 3})).expect_refused(HY_BAD_SHAPE, "3 groups do not divide 4 input and 6 output channels");
    Arguments("hy_conv2d").shape(1, {6, 4, 6, 3}).expect_refused(HY_BAD_SHAPE, "larger than the padded input's height");
    Arguments("hy_conv2d").shape(1, {6, 4, 0, 3}).expect_refused(HY_BAD_SHAPE, "weight [6, 4, 0, 3] has no element");
    Arguments("hy_conv2d").shape(0, {4, 5, 6}).expect_refused(HY_BAD_SHAPE, "Conv2d: input has shape [4, 5, 6], expected 4 axes");
    Arguments("hy_conv2d").set(conv({{1, 1}, {0, 0}, {1, INT32_MAX}, 1})).expect_refused(HY_BAD_SHAPE, "width");
    for (const char *name : {"hy_conv2d", "hy_conv2d_input_grad", "hy_conv2d_weight_grad"}) {
        Arguments(name).set(conv({{1, 0}, {0, 0}, {1, 1}, 1})).expect_refused(HY_BAD_ARGUMENT, "stride is (1, 0)");
        Arguments(name).set(conv({{1, 1}, {-1, 0}, {1, 1}, 1})).expect_refused(HY_BAD_ARGUMENT, "padding is (-1, 0)");
        Arguments(name).set(conv({{1, 1}, {0, 0}, {1, 0}, 1})).expect_refused(HY_BAD_ARGUMENT, "dilation is (1, 0)");
        Arguments(name).set(conv({{1, 1}, {0, 0}, {1, 1}, 0})).expect_refused(HY_BAD_ARGUMENT, "groups is 0");
        Arguments(name).set(conv({{1, 1}, {INT32_MAX, 0}, {1, 1}, 1})).expect_refused(HY_BAD_SHAPE, "4294967297");
        Arguments(name).set(conv({{2, 1}, {0, 0}, {1, 1}, 1})).expect_refused(HY_BAD_SHAPE, "[2, 6, 2, 4]");
    }
}

TEST(Checks, PreparedConvolution)
{
    auto way = [](int32_t value) { return [=](Scalars &s) { s.conv.way = value; }; };
    int64_t prepares = 0; // any way but those of "reference", which reads the weight as it is
    int32_t told;
    Arguments large("hy_conv2d_prepared");
    large.shape(0, {1, 16, 20, 20}).shape(1, {8, 16, 3, 3}).shape(2, {20000}).shape(3, {8}).shape(4, {1, 8, 18, 18}).set(way(HY_CONV_WAY_chosen));
    ASSERT_EQ(hy_conv2d_prepare(large.device, &large.scalars.conv, &large[0], &large[1], &large[4], &told, &prepares, nullptr), HY_OK);
    for (const char *name : {"hy_conv2d_prepare", "hy_conv2d_prepared"}) {
        const size_t prepared = std::string(name) == "hy_conv2d_prepare" ? 3 : 2;
        Arguments(name).set(way(HY_CONV_WAY_packed)).expect_ok();
        Arguments(name).set(way(HY_CONV_WAY_dot)).expect_refused(HY_BAD_ARGUMENT, "the way 'dot' does not serve this forward");
        Arguments(name).set(way(HY_CONV_WAY_COUNT)).expect_refused(HY_BAD_ARGUMENT, "way is ");
        if (prepares == 0) continue;
        Arguments(name).set(way(HY_CONV_WAY_winograd2)).expect_ok();
        Arguments(name).set(way(HY_CONV_WAY_winograd2)).shape(prepared, {8}).expect_refused(HY_BAD_SHAPE, "Conv2d: prepared has shape [8], expected ");
    }
    if (prepares > 0) large.expect_refused(HY_BAD_ARGUMENT, "Conv2d: way is 'chosen', expected the one for which the weight was prepared");
}

TEST(Checks, Pooling)
{
    auto pool = [](hy_pool2d_params p) { return [=](Scalars &s) { s.pool = p; }; };
    for (const char *name : {"hy_max_pool2d", "hy_max_pool2d_backward", "hy_avg_pool2d", "hy_avg_pool2d_backward"}) {
        Arguments(name).set(pool({{0, 2}, {1, 1}, {0, 0}, {1, 1}, 0})).expect_refused(HY_BAD_ARGUMENT, "kernel is (0, 2)");
        Arguments(name).set(pool({{2, 2}, {0, 1}, {0, 0}, {1, 1}, 0})).expect_refused(HY_BAD_ARGUMENT, "stride is (0, 1)");
        Arguments(name).set(pool({{2, 2}, {1, 1}, {0, -1}, {1, 1}, 0})).expect_refused(HY_BAD_ARGUMENT, "padding is (0, -1)");
        Arguments(name).set(pool({{2, 2}, {1, 1}, {2, 0}, {1, 1}, 0})).expect_refused(HY_BAD_ARGUMENT, "padding is 2, expected at most 1");
        Arguments(name).set(pool({{2, 2}, {1, 1}, {0, 0}, {0, 1}, 0})).expect_refused(HY_BAD_ARGUMENT, "dilation");
        Arguments(name).set(pool({{9, 2}, {1, 1}, {0, 0}, {1, 1}, 0})).expect_refused(HY_BAD_SHAPE, "larger than the padded input's height");
        Arguments(name).set(pool({{2, 2}, {2, 1}, {0, 0}, {1, 1}, 0})).expect_refused(HY_BAD_SHAPE, "[2, 3, 2, 4]");
    }
    for (const char *name : {"hy_avg_pool2d", "hy_avg_pool2d_backward"})
        Arguments(name).set(pool({{2, 2}, {1, 1}, {0, 0}, {2, 1}, 0})).expect_refused(HY_BAD_ARGUMENT, "dilation is (2, 1), expected 1");
    // Offsets -1 and 2 of a window: before and behind an input of two.
    Arguments("hy_max_pool2d").set(pool({{2, 2}, {1, 1}, {1, 0}, {3, 1}, 0})).shape(0, {2, 3, 2, 5}).expect_refused(HY_BAD_SHAPE, "altogether");
    Arguments("hy_max_pool2d").set(pool({{2, 2}, {1, 1}, {1, 0}, {3, 1}, 0})).shape(0, {2, 3, 3, 5}).shape(1, {2, 3, 2, 4}).shape(2, {2, 3, 2, 4}).expect_ok();
    Arguments("hy_avg_pool2d").set(pool({{2, 2}, {1, 1}, {1, 1}, {1, 1}, 0})).shape(0, {2, 3, 0, 5}).expect_refused(HY_BAD_SHAPE, "altogether");
    Arguments huge("hy_max_pool2d");
    huge.shape(0, {1, 1, 4, 5}).shape(1, {1, 1, 1, 1}).shape(2, {1, 1, 1, 1}).set(pool({{2, 2}, {1 << 20, 1 << 20}, {0, 0}, {1, 1}, 0}));
    huge[0].shape[2] = huge[0].shape[3] = 1 << 16;
    huge[0].strides[2] = huge[0].strides[3] = 0;
    huge.expect_refused(HY_BAD_SHAPE, "int32");
}

TEST(Checks, BatchNorm)
{
    auto p = [](double eps, double momentum) { return [=](Scalars &s) { s.p = eps, s.q = momentum; }; };
    for (double eps : {-1e-9, (double)NAN}) Arguments("hy_batch_norm").set(p(eps, 0.1)).expect_refused(HY_BAD_ARGUMENT, "BatchNorm: eps");
    for (double momentum : {-0.1, 1.1, (double)NAN}) Arguments("hy_batch_norm").set(p(1e-5, momentum)).expect_refused(HY_BAD_ARGUMENT, "momentum");
    Arguments one("hy_batch_norm");
    one.shape(0, {1, 3, 1}).shape(5, {1, 3, 1}).expect_refused(HY_BAD_SHAPE, "BatchNorm: 1 values a channel, expected at least 2");
    Arguments("hy_batch_norm").shape(0, {3}).expect_refused(HY_BAD_SHAPE, "expected [N, C, ...]");
}

TEST(Checks, Losses)
{
    for (double smoothing : {-0.1, 1.5, (double)NAN})
        Arguments("hy_cross_entropy").set([=](Scalars &s) { s.p = smoothing; }).expect_refused(HY_BAD_ARGUMENT, "CrossEntropy: label smoothing");
    Arguments("hy_cross_entropy").shape(1, {3}).expect_refused(HY_BAD_SHAPE, "labels have shape [3], expected one a row of the logits [2, 3]");
    Arguments("hy_cross_entropy").shape(0, {2, 0}).shape(3, {2, 0}).expect_refused(HY_BAD_SHAPE, "no class");
    Arguments("hy_cross_entropy").dtype(1, HY_INT32).expect_refused(HY_BAD_DTYPE, "labels is int32, expected int64");
    Arguments("hy_cross_entropy").set([](Scalars &s) { s.op = HY_REDUCTION_mean; }).expect_refused(HY_BAD_SHAPE, "loss has shape [2], expected []");
    Arguments("hy_mse").set([](Scalars &s) { s.op = HY_REDUCTION_sum; }).expect_refused(HY_BAD_SHAPE, "MseLoss: loss has shape [2, 3], expected []");
    Arguments("hy_mse").set([](Scalars &s) { s.op = HY_REDUCTION_sum; }).shape(2, {}).expect_ok();
}

TEST(Checks, IndexShapes)
{
    Arguments("hy_gather").shape(1, {4, 2}).shape(2, {4, 2}).expect_ok();
    Arguments("hy_gather").shape(1, {4, 4}).shape(2, {4, 4}).expect_refused(HY_BAD_SHAPE, "Gather: index has shape [4, 4]");
    Arguments("hy_scatter_add").dtype(0, HY_UINT8).dtype(2, HY_UINT8).expect_refused(HY_BAD_DTYPE, "ScatterAdd: ");
    Arguments("hy_index_add").dtype(0, HY_BOOL).dtype(2, HY_BOOL).expect_refused(HY_BAD_DTYPE, "IndexAdd: ");
    Arguments("hy_index_select").shape(1, {2, 2}).expect_refused(HY_BAD_SHAPE, "index has shape [2, 2], expected 1 axis");
    Arguments("hy_one_hot").shape(1, {2, 3}).expect_refused(HY_BAD_SHAPE, "OneHot: ");
    Arguments("hy_one_hot").shape(1, {2, 4, 4}).expect_refused(HY_BAD_SHAPE, "OneHot: ");
}

TEST(Checks, Optimisers)
{
    Arguments("hy_sgd_step").without(2).expect_refused(HY_BAD_ARGUMENT, "SgdStep: momentum is 0.9, but the buffer is NULL");
    Arguments("hy_sgd_step").without(2).set([](Scalars &s) { s.sgd.momentum = 0; }).expect_ok();
    for (const char *name : {"hy_sgd_step", "hy_adam_step"}) {
        Arguments(name).set([](Scalars &s) { s.low = -1; }).expect_refused(HY_BAD_ARGUMENT, "count is -1");
        Arguments none(name);
        for (size_t i = 0; i < none.operands.size(); i++) none.without(i);
        none.expect_refused(HY_BAD_ARGUMENT, "parameter is NULL");
        none.set([](Scalars &s) { s.low = 0, s.sgd.momentum = 0; }).expect_ok();
    }
    static const double schedule[3] = {0.1, 0.1, 0.1};
    Arguments("hy_sgd_step").set([](Scalars &s) { s.sgd.schedule = schedule; }).expect_refused(HY_UNSUPPORTED, "SgdStep: a schedule is given");
    Arguments("hy_adam_step").set([](Scalars &s) { s.adam.schedule = schedule; }).expect_refused(HY_UNSUPPORTED, "AdamStep: a schedule is given");
    Arguments("hy_adam_step").set([](Scalars &s) { s.adam.step = 0; }).expect_refused(HY_BAD_ARGUMENT, "AdamStep: step is 0, expected 1 or more");
    for (double beta : {-0.1, 1.1, (double)NAN}) {
        Arguments("hy_adam_step").set([=](Scalars &s) { s.adam.beta1 = beta; }).expect_refused(HY_BAD_ARGUMENT, "beta1");
        Arguments("hy_adam_step").set([=](Scalars &s) { s.adam.beta2 = beta; }).expect_refused(HY_BAD_ARGUMENT, "beta2");
    }
}

} // namespace

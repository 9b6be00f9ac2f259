// Every function of the ABI that takes tensors, with arguments that are right; tests spoil one thing each.
#ifndef HY_TESTS_API_ARGUMENTS_H
#define HY_TESTS_API_ARGUMENTS_H

#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "hybrid/hybrid.h"
extern "C" {
#include "core/tensor.h"
}

struct Operand {
    std::vector<int64_t> shape;
    int32_t dtype = HY_FLOAT32;
    enum Kind { IN, OUT, OPTIONAL_IN, OPTIONAL_OUT, INOUT } kind = IN;
    bool is_output() const { return kind != IN && kind != OPTIONAL_IN; }
    bool is_optional() const { return kind == OPTIONAL_IN || kind == OPTIONAL_OUT; }
};

inline constexpr auto IN = Operand::IN, OUT = Operand::OUT, OPTIONAL_IN = Operand::OPTIONAL_IN, OPTIONAL_OUT = Operand::OPTIONAL_OUT, INOUT = Operand::INOUT;

/// Everything that a call takes besides its tensors; a function reads what it has.
struct Scalars {
    int32_t op = 0, axis = 0, flag = 0, activation = HY_NO_ACTIVATION;
    double p = 0.5, q = 0.5;
    int64_t low = 0, high = 10;
    hy_conv2d_params conv{{1, 1}, {0, 0}, {1, 1}, 1};
    hy_pool2d_params pool{{2, 2}, {1, 1}, {0, 0}, {1, 1}, 0};
    hy_sgd_params sgd{0.1, 0.9, 0, 0, 0, 0};
    hy_adam_params adam{0.1, 0.9, 0.999, 1e-8, 0, 0, 1};
    bool has_params = true;
};

using Tensors = const hy_tensor *const *;

struct Function {
    const char *name;
    std::vector<Operand> operands;
    std::function<hy_status(hy_device *, const Scalars &, Tensors)> call;
    Scalars scalars{};
};

inline Scalars with(std::function<void(Scalars &)> change)
{
    Scalars s;
    change(s);
    return s;
}

inline hy_status prepare(hy_device *device, const hy_tensor *b, const hy_tensor *prepared)
{
    int64_t elements;
    return hy_matmul_prepare(device, b, &elements, prepared);
}

inline hy_status prepare_convolution(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                                     const hy_tensor *prepared)
{
    int32_t way;
    int64_t elements;
    return hy_conv2d_prepare(device, p, x, w, y, &way, &elements, prepared);
}

// The way is named, where there are ways: the types of 16 bits have none of their own.
inline hy_status convolve_prepared(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *prepared,
                                   const hy_tensor *bias, const hy_tensor *y)
{
    if (!p || !x || (x->dtype != HY_BFLOAT16 && x->dtype != HY_FLOAT16)) return hy_conv2d_prepared(device, p, x, w, prepared, bias, y);
    hy_conv2d_params named = *p;
    named.way = HY_CONV_WAY_chosen;
    return hy_conv2d_prepared(device, &named, x, w, prepared, bias, y);
}

inline hy_status ask_for_ways(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y)
{
    int64_t serving;
    int32_t chosen;
    return hy_conv2d_ways(device, HY_CONV_PASS_forward, p, x, w, y, &serving, &chosen);
}

#define CALL(...) [](hy_device *d, const Scalars &s, Tensors t) { (void)s; return __VA_ARGS__; }
#define PARAMS(field) (s.has_params ? &s.field : nullptr)

inline const std::vector<Function> functions = {
    {"hy_fill", {{{2, 3}, HY_FLOAT32, OUT}}, CALL(hy_fill(d, s.p, t[0]))},
    {"hy_arange", {{{2, 3}, HY_INT32, OUT}}, CALL(hy_arange(d, 0, 1, t[0]))},
    {"hy_random_uniform", {{{2, 3}, HY_FLOAT32, OUT}}, CALL(hy_random_uniform(d, 1, 0, s.p - 1, s.q, t[0]))},
    {"hy_random_normal", {{{2, 3}, HY_FLOAT32, OUT}}, CALL(hy_random_normal(d, 1, 0, 0, s.p, t[0]))},
    {"hy_random_integers", {{{2, 3}, HY_INT64, OUT}}, CALL(hy_random_integers(d, 1, 0, s.low, s.high, t[0]))},
    {"hy_random_bernoulli", {{{2, 3}, HY_BOOL, OUT}}, CALL(hy_random_bernoulli(d, 1, 0, s.p, t[0]))},
    {"hy_unary", {{{2, 3}}, {{2, 3}, HY_FLOAT32, OUT}}, CALL(hy_unary(d, s.op, s.p, t[0], t[1])), with([](auto &s) { s.op = HY_UNARY_leaky_relu; })},
    {"hy_unary_backward",
     {{{2, 3}, HY_FLOAT32, OPTIONAL_IN}, {{2, 3}, HY_FLOAT32, IN}, {{2, 3}}, {{2, 3}, HY_FLOAT32, OUT}},
     CALL(hy_unary_backward(d, s.op, s.p, t[0], t[1], t[2], t[3])),
     with([](auto &s) { s.op = HY_UNARY_relu; })},
    {"hy_binary", {{{2, 1}}, {{3}}, {{2, 3}, HY_FLOAT32, OUT}}, CALL(hy_binary(d, s.op, t[0], t[1], t[2]))},
    {"hy_binary_scalar", {{{2, 3}}, {{2, 3}, HY_FLOAT32, OUT}}, CALL(hy_binary_scalar(d, s.op, t[0], s.p, s.flag, t[1]))},
    {"hy_binary_backward",
     {{{2, 1}, HY_FLOAT32, OPTIONAL_IN}, {{3}}, {{2, 3}}, {{2, 3}, HY_FLOAT32, OUT}},
     CALL(hy_binary_backward(d, s.op, s.flag, t[0], t[1], t[2], t[3])),
     with([](auto &s) { s.op = HY_BINARY_mul; })},
    {"hy_binary_scalar_backward",
     {{{2, 3}, HY_FLOAT32, OPTIONAL_IN}, {{2, 3}}, {{2, 3}, HY_FLOAT32, OUT}},
     CALL(hy_binary_scalar_backward(d, s.op, t[0], s.p, s.flag, t[1], t[2])),
     with([](auto &s) { s.op = HY_BINARY_mul; })},
    {"hy_compare", {{{2, 1}}, {{3}}, {{2, 3}, HY_BOOL, OUT}}, CALL(hy_compare(d, s.op, t[0], t[1], t[2]))},
    {"hy_compare_scalar", {{{2, 3}}, {{2, 3}, HY_BOOL, OUT}}, CALL(hy_compare_scalar(d, s.op, t[0], s.p, t[1]))},
    {"hy_where", {{{2, 1}, HY_BOOL}, {{3}}, {{}}, {{2, 3}, HY_FLOAT32, OUT}}, CALL(hy_where(d, t[0], t[1], t[2], t[3]))},
    {"hy_copy", {{{3}, HY_INT32}, {{2, 3}, HY_FLOAT64, OUT}}, CALL(hy_copy(d, t[0], t[1]))},
    {"hy_reduce", {{{2, 3}}, {{2, 1}, HY_FLOAT32, OUT}}, CALL(hy_reduce(d, s.op, t[0], t[1]))},
    {"hy_arg_reduce", {{{3, 2}}, {{1, 2}, HY_INT64, OUT}}, CALL(hy_arg_reduce(d, 1, t[0], s.axis, t[1]))},
    {"hy_softmax", {{{2, 3}}, {{2, 3}, HY_FLOAT32, OUT}}, CALL(hy_softmax(d, t[0], s.axis, s.flag, t[1]))},
    {"hy_softmax_backward", {{{2, 3}}, {{2, 3}}, {{2, 3}, HY_FLOAT32, OUT}}, CALL(hy_softmax_backward(d, t[0], t[1], s.axis, s.flag, t[2]))},
    {"hy_matmul",
     {{{5, 1, 2, 3}}, {{6, 3, 4}}, {{4}, HY_FLOAT32, OPTIONAL_IN}, {{5, 6, 2, 4}, HY_FLOAT32, OUT}},
     CALL(hy_matmul(d, t[0], t[1], t[2], s.activation, t[3]))},
    {"hy_quantize_weight", {{{5, 3, 2}}, {{5, 3, 2}, HY_INT8, OUT}, {{5}, HY_FLOAT32, OUT}}, CALL(hy_quantize_weight(d, t[0], t[1], t[2]))},
    {"hy_pack_int8", {{{18, 9}, HY_INT8}, {{2, 5, 16, 2}, HY_INT8, OUT}}, CALL(hy_pack_int8(d, t[0], t[1]))},
    {"hy_quantized_linear",
     {{{3, 7}}, {{2, 4, 16, 2}, HY_INT8}, {{18}}, {{18}, HY_FLOAT32, OPTIONAL_IN}, {{3, 18}, HY_FLOAT32, OUT}},
     CALL(hy_quantized_linear(d, t[0], t[1], t[2], t[3], s.activation, t[4]))},
    {"hy_quantized_conv2d",
     {{{2, 3, 6, 5}}, {{1, 9, 16, 2}, HY_INT8}, {{4}}, {{4}, HY_FLOAT32, OPTIONAL_IN}, {{2, 4, 5, 3}, HY_FLOAT32, OUT}},
     CALL(hy_quantized_conv2d(d, PARAMS(conv), 2, 3, t[0], t[1], t[2], t[3], t[4]))},
    {"hy_matmul_prepare", {{{5, 4}}, {{160}, HY_FLOAT32, OPTIONAL_OUT}}, CALL(prepare(d, t[0], t[1]))},
    {"hy_matmul_prepared",
     {{{2, 5}}, {{5, 4}}, {{160}}, {{4}, HY_FLOAT32, OPTIONAL_IN}, {{2, 4}, HY_FLOAT32, OUT}},
     CALL(hy_matmul_prepared(d, t[0], t[1], t[2], t[3], s.activation, t[4]))},
    {"hy_conv2d",
     {{{2, 4, 5, 6}}, {{6, 4, 3, 3}}, {{6}, HY_FLOAT32, OPTIONAL_IN}, {{2, 6, 3, 4}, HY_FLOAT32, OUT}},
     CALL(hy_conv2d(d, PARAMS(conv), t[0], t[1], t[2], t[3]))},
    {"hy_conv2d_prepare",
     {{{2, 4, 5, 6}}, {{6, 4, 3, 3}}, {{2, 6, 3, 4}}, {{2000}, HY_FLOAT32, OPTIONAL_OUT}},
     CALL(prepare_convolution(d, PARAMS(conv), t[0], t[1], t[2], t[3]))},
    {"hy_conv2d_prepared",
     {{{2, 4, 5, 6}}, {{6, 4, 3, 3}}, {{2000}}, {{6}, HY_FLOAT32, OPTIONAL_IN}, {{2, 6, 3, 4}, HY_FLOAT32, OUT}},
     CALL(convolve_prepared(d, PARAMS(conv), t[0], t[1], t[2], t[3], t[4])),
     with([](auto &s) { s.conv.way = HY_CONV_WAY_packed; })},
    {"hy_conv2d_input_grad",
     {{{2, 6, 3, 4}}, {{6, 4, 3, 3}}, {{2, 4, 5, 6}, HY_FLOAT32, OUT}},
     CALL(hy_conv2d_input_grad(d, PARAMS(conv), t[0], t[1], t[2]))},
    {"hy_conv2d_weight_grad",
     {{{2, 4, 5, 6}}, {{2, 6, 3, 4}}, {{6, 4, 3, 3}, HY_FLOAT32, OUT}, {{6}, HY_FLOAT32, OPTIONAL_OUT}},
     CALL(hy_conv2d_weight_grad(d, PARAMS(conv), t[0], t[1], t[2], t[3]))},
    {"hy_conv2d_ways", {{{2, 4, 5, 6}}, {{6, 4, 3, 3}}, {{2, 6, 3, 4}}}, CALL(ask_for_ways(d, PARAMS(conv), t[0], t[1], t[2]))},
    {"hy_tuning_set",
     {{{2, 4, 5, 6}}, {{6, 4, 3, 3}}, {{2, 6, 3, 4}}},
     CALL(hy_tuning_set(d, HY_CONV_PASS_forward, PARAMS(conv), t[0], t[1], t[2], HY_CONV_WAY_chosen))},
    {"hy_max_pool2d",
     {{{2, 3, 4, 5}}, {{2, 3, 3, 4}, HY_FLOAT32, OUT}, {{2, 3, 3, 4}, HY_INT32, OPTIONAL_OUT}},
     CALL(hy_max_pool2d(d, PARAMS(pool), t[0], t[1], t[2]))},
    {"hy_max_pool2d_backward",
     {{{2, 3, 3, 4}}, {{2, 3, 3, 4}, HY_INT32}, {{2, 3, 4, 5}, HY_FLOAT32, OUT}},
     CALL(hy_max_pool2d_backward(d, PARAMS(pool), t[0], t[1], t[2]))},
    {"hy_avg_pool2d", {{{2, 3, 4, 5}}, {{2, 3, 3, 4}, HY_FLOAT32, OUT}}, CALL(hy_avg_pool2d(d, PARAMS(pool), t[0], t[1]))},
    {"hy_avg_pool2d_backward", {{{2, 3, 3, 4}}, {{2, 3, 4, 5}, HY_FLOAT32, OUT}}, CALL(hy_avg_pool2d_backward(d, PARAMS(pool), t[0], t[1]))},
    {"hy_batch_norm",
     {{{2, 3, 4}},
      {{3}, HY_FLOAT32, OPTIONAL_IN},
      {{3}, HY_FLOAT32, OPTIONAL_IN},
      {{3}, HY_FLOAT32, OPTIONAL_OUT},
      {{3}, HY_FLOAT32, OPTIONAL_OUT},
      {{2, 3, 4}, HY_FLOAT32, OUT},
      {{3}, HY_FLOAT32, OUT},
      {{3}, HY_FLOAT32, OUT}},
     CALL(hy_batch_norm(d, s.p, s.q, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]))},
    {"hy_batch_norm_backward",
     {{{2, 3, 4}},
      {{2, 3, 4}},
      {{3}, HY_FLOAT32, OPTIONAL_IN},
      {{3}},
      {{3}},
      {{2, 3, 4}, HY_FLOAT32, OPTIONAL_OUT},
      {{3}, HY_FLOAT32, OPTIONAL_OUT},
      {{3}, HY_FLOAT32, OPTIONAL_OUT}},
     CALL(hy_batch_norm_backward(d, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]))},
    {"hy_cross_entropy",
     {{{2, 3}}, {{2}, HY_INT64}, {{2}, HY_FLOAT32, OUT}, {{2, 3}, HY_FLOAT32, OPTIONAL_OUT}},
     CALL(hy_cross_entropy(d, s.op, -100, s.p, t[0], t[1], t[2], t[3]))},
    {"hy_mse",
     {{{2, 3}}, {{2, 3}}, {{2, 3}, HY_FLOAT32, OUT}, {{2, 3}, HY_FLOAT32, OPTIONAL_OUT}},
     CALL(hy_mse(d, s.op, t[0], t[1], t[2], t[3]))},
    {"hy_gather", {{{2, 3}, HY_BOOL}, {{4, 3}, HY_INT64}, {{4, 3}, HY_BOOL, OUT}}, CALL(hy_gather(d, t[0], s.axis, t[1], t[2]))},
    {"hy_scatter_add", {{{4, 3}}, {{4, 3}, HY_INT64}, {{2, 3}, HY_FLOAT32, INOUT}}, CALL(hy_scatter_add(d, t[0], s.axis, t[1], t[2]))},
    {"hy_index_select", {{{2, 3}}, {{4}, HY_INT64}, {{4, 3}, HY_FLOAT32, OUT}}, CALL(hy_index_select(d, t[0], s.axis, t[1], t[2]))},
    {"hy_index_add", {{{4, 3}}, {{4}, HY_INT64}, {{2, 3}, HY_FLOAT32, INOUT}}, CALL(hy_index_add(d, t[0], s.axis, t[1], t[2]))},
    {"hy_one_hot", {{{2, 3}, HY_INT64}, {{2, 3, 4}, HY_UINT8, OUT}}, CALL(hy_one_hot(d, t[0], t[1]))},
    {"hy_sgd_step",
     {{{2, 3}, HY_FLOAT32, INOUT}, {{2, 3}}, {{2, 3}, HY_FLOAT32, INOUT}},
     CALL(hy_sgd_step(d, PARAMS(sgd), s.low, t[0], t[1], t[2])),
     with([](auto &s) { s.low = 1; })},
    {"hy_adam_step",
     {{{2, 3}, HY_FLOAT32, INOUT}, {{2, 3}}, {{2, 3}, HY_FLOAT32, INOUT}, {{2, 3}, HY_FLOAT32, INOUT}},
     CALL(hy_adam_step(d, PARAMS(adam), s.low, t[0], t[1], t[2], t[3])),
     with([](auto &s) { s.low = 1; })},
};

/// A function's arguments, to be spoiled before the call. Inputs are zeros; outputs hold a pattern that a refused call must leave.
class Arguments {
public:
    explicit Arguments(const std::string &name) : Arguments(find(name)) {}

    explicit Arguments(const Function &f) : function(f), scalars(f.scalars), operands(f.operands), tensors(f.operands.size()), present(f.operands.size(), true)
    {
        EXPECT_EQ(hy_device_get(HY_CPU, 0, &device), HY_OK) << hy_last_error();
        for (size_t i = 0; i < operands.size(); i++) rebuild(i);
    }

    static const Function &find(const std::string &name)
    {
        for (const Function &f : functions)
            if (name == f.name) return f;
        throw std::invalid_argument(name);
    }

    Arguments &shape(size_t i, std::vector<int64_t> shape)
    {
        operands[i].shape = std::move(shape);
        return rebuild(i);
    }

    Arguments &dtype(size_t i, int32_t dtype)
    {
        operands[i].dtype = dtype;
        return rebuild(i);
    }

    Arguments &dtypes(int32_t dtype)
    {
        for (size_t i = 0; i < operands.size(); i++) this->dtype(i, dtype);
        return *this;
    }

    Arguments &without(size_t i)
    {
        present[i] = false;
        return *this;
    }

    Arguments &set(std::function<void(Scalars &)> change)
    {
        change(scalars);
        return *this;
    }

    hy_tensor &operator[](size_t i) { return tensors[i]; }

    hy_status call()
    {
        std::vector<const hy_tensor *> pointers;
        for (size_t i = 0; i < tensors.size(); i++) pointers.push_back(present[i] ? &tensors[i] : nullptr);
        return function.call(device, scalars, pointers.data());
    }

    void expect_ok() { EXPECT_EQ(call(), HY_OK) << function.name << ": " << hy_last_error(); }

    /// Fails unless the call is refused with the status, and a message that holds the part, and has written nothing.
    void expect_refused(hy_status status, const std::string &part = "")
    {
        EXPECT_EQ(hy_set_num_threads(0), HY_BAD_ARGUMENT); // leaves another message
        const std::string before = hy_last_error();
        EXPECT_EQ(call(), status) << function.name << ": " << hy_last_error();
        const std::string message = hy_last_error();
        EXPECT_NE(message, before) << function.name;
        EXPECT_NE(message.find(": "), std::string::npos) << message;
        EXPECT_NE(message.find(part), std::string::npos) << "'" << message << "' does not say '" << part << "'";
        for (size_t i = 0; i < operands.size(); i++)
            for (unsigned char byte : memory[i]) ASSERT_EQ(byte, fill(i)) << function.name << " wrote into operand " << i;
    }

    hy_device *device = nullptr;
    const Function &function;
    Scalars scalars;
    std::vector<Operand> operands;
    std::vector<hy_tensor> tensors;
    std::vector<bool> present;

private:
    unsigned char fill(size_t i) const { return operands[i].kind == OUT || operands[i].kind == OPTIONAL_OUT ? 0xA5 : 0; }

    Arguments &rebuild(size_t i)
    {
        hy_tensor &t = tensors[i];
        t = {};
        t.device = device;
        t.dtype = operands[i].dtype;
        t.ndim = (int32_t)operands[i].shape.size();
        std::copy(operands[i].shape.begin(), operands[i].shape.end(), t.shape);
        memory.resize(operands.size());
        memory[i].assign((size_t)(hy_numel(&t) * hy_dtype_size(t.dtype)) + 64, fill(i));
        t = hy_contiguous_like(&t, memory[i].data());
        return *this;
    }

    std::vector<std::vector<unsigned char>> memory; // new aligns to 16 bytes
};

#endif

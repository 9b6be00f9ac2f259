using Hybrid.Bindings;

namespace Hybrid.Tests;

/// <summary>The tables and derivatives that ElementwiseOps has from ops.def.</summary>
public unsafe class OperationTableTests
{
    [Test]
    public void AnOperationsPlaceIsItsEnumeratorsValue()
    {
        Assert.That(ElementwiseOps.UnaryOps.Select(row => row.Op), Is.EqualTo(Enum.GetValues<HyUnaryOp>()));
        Assert.That(ElementwiseOps.BinaryOps.Select(row => row.Op), Is.EqualTo(Enum.GetValues<HyBinaryOp>()));
        Assert.That(ElementwiseOps.CompareOps.Select(row => row.Op), Is.EqualTo(Enum.GetValues<HyCompareOp>()));
    }

    [Test]
    public void TheTranslatedDerivativeIsTheKernels([Values] HyUnaryOp op)
    {
        var row = ElementwiseOps.UnaryOps[(int)op];
        var x = Tensor.Linspace(row.Low, row.High, 41, DType.Float64);
        var g = Tensor.Linspace(-1, 2, 41, DType.Float64);
        var y = ElementwiseOps.Unary(row.Op, x, row.Default);
        var kernel = Tensor.Zeros([41], DType.Float64);
        fixed (HyTensor* px = x, py = y, pg = g, pd = kernel)
        {
            Native.UnaryBackward(px->Device, row.Op, row.Default, px, py, pg, pd);
        }
        AssertClose(ElementwiseOps.UnaryDerivative(row.Op, g, x, y, row.Default), kernel);
    }

    [Test]
    public void TheTranslatedDerivativesOfTwoOperandsAreTheKernels([Values] HyBinaryOp op, [Values(0, 1)] int operand)
    {
        var row = ElementwiseOps.BinaryOps[(int)op];
        var a = Tensor.Linspace(row.LowA, row.HighA, 41, DType.Float64);
        var b = Tensor.Linspace(row.HighB, row.LowB, 41, DType.Float64);
        var g = Tensor.Linspace(-1, 2, 41, DType.Float64);
        var kernel = Tensor.Zeros([41], DType.Float64);
        fixed (HyTensor* pa = a, pb = b, pg = g, pd = kernel)
        {
            Native.BinaryBackward(pa->Device, row.Op, operand, pa, pb, pg, pd);
        }
        AssertClose(ElementwiseOps.BinaryDerivative(row.Op, operand, g, a, b), kernel);
    }

    static void AssertClose(Tensor translated, Tensor kernel) =>
        Assert.That(translated.ToArray<double>(), Is.EqualTo(kernel.ToArray<double>()).Within(1e-13).And.Some.Not.NaN);
}

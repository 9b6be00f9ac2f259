"""PyTorch's side of native/tests/bench/cuda_bench.cc: the same workloads under the same names, one line each, name and microseconds."""
import torch
from torch.nn import functional as F

device = torch.device("cuda")


def time_of(n, call):
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(n):
        call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def measure(name, call):
    """The best of five runs of about 50 ms."""
    time_of(2, call)
    n = int(min(max(50 / time_of(1, call), 1), 2000))
    print(f"{name}\t{min(time_of(n, call) / n for _ in range(5)) * 1000:.2f}", flush=True)


def normal(*shape, dtype=torch.float32):
    return torch.randn(*shape, device=device, dtype=dtype)


def products():
    for name, dtype, tf32 in [("float32", torch.float32, False), ("tf32", torch.float32, True), ("bfloat16", torch.bfloat16, False),
                              ("float16", torch.float16, False)]:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        for n in [1024, 2048, 4096, 8192]:
            a, b, c = (normal(n, n, dtype=dtype) for _ in range(3))
            measure(f"matmul {name} {n}", lambda: torch.mm(a, b, out=c))
        for inputs, size, outputs, k in [(64, 56, 64, 3), (128, 28, 128, 3), (256, 14, 256, 3), (512, 7, 512, 3), (256, 56, 64, 1), (512, 28, 128, 1),
                                         (1024, 14, 256, 1)]:
            x, w, y = normal(32, inputs, size, size, dtype=dtype), normal(outputs, inputs, k, k, dtype=dtype), normal(32, outputs, size, size, dtype=dtype)
            work = f"conv {name} {inputs}-{outputs} {size} {k}x{k}"
            gradient = lambda of_x, of_w: torch.ops.aten.convolution_backward(y, x, w, None, [1, 1], [k // 2] * 2, [1, 1], False, [0, 0], 1, [of_x, of_w, False])
            measure(f"{work} forward", lambda: F.conv2d(x, w, padding=k // 2))
            measure(f"{work} input gradient", lambda: gradient(True, False))
            measure(f"{work} weight gradient", lambda: gradient(False, True))


def bandwidth():
    a, b, c = normal(1 << 26), normal(1 << 26), normal(1 << 26)
    rows = normal(65536, 1024)
    measure("copy 64M", lambda: c.copy_(a))
    measure("add 64M", lambda: torch.add(a, b, out=c))
    measure("relu 64M", lambda: torch.relu(a))
    measure("exp 64M", lambda: torch.exp(a, out=c))
    measure("sum 64M", lambda: torch.sum(a))
    measure("softmax 65536x1024", lambda: torch.softmax(rows, 1))


def layers():
    x, dy, weight, bias = normal(128, 64, 56, 56), normal(128, 64, 56, 56), normal(64), normal(64)
    _, mean, rstd = torch.native_batch_norm(x, weight, bias, None, None, True, 0.1, 1e-5)
    measure("batch norm 128x64x56x56", lambda: torch.native_batch_norm(x, weight, bias, None, None, True, 0.1, 1e-5))
    measure("batch norm gradient 128x64x56x56",
            lambda: torch.ops.aten.native_batch_norm_backward(dy, x, weight, None, None, mean, rstd, True, 1e-5, [True, True, True]))
    pooled, index = F.max_pool2d(x, 2, return_indices=True)
    measure("max pool 2x2 128x64x56x56", lambda: F.max_pool2d(x, 2, return_indices=True))
    measure("max pool gradient 2x2 128x64x56x56",
            lambda: torch.ops.aten.max_pool2d_with_indices_backward(pooled, x, [2, 2], [2, 2], [0, 0], [1, 1], False, index))
    measure("average pool 2x2 128x64x56x56", lambda: F.avg_pool2d(x, 2))
    logits, labels = normal(16384, 1000).requires_grad_(), torch.randint(0, 1000, (16384,), device=device)
    measure("cross-entropy 16384x1000", lambda: torch.autograd.grad(F.cross_entropy(logits, labels), logits))
    table, tokens, picked = normal(1000, 768), torch.randint(0, 1000, (16384,), device=device), normal(16384, 768)
    measure("index_select 16384 of 1000x768", lambda: torch.index_select(table, 0, tokens))
    measure("index_add 16384 to 1000x768", lambda: table.index_add_(0, tokens, picked))


with torch.no_grad():
    bandwidth()
with torch.enable_grad():
    layers()
with torch.no_grad():
    products()

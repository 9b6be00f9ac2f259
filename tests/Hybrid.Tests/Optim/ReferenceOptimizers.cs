namespace Hybrid.Tests;

/// <summary>Optimisers written from their papers and PyTorch's documentation, one number at a time in double precision.</summary>
internal static class ReferenceOptimizers
{
    internal sealed class Sgd(int count, double lr, double momentum = 0, double dampening = 0, double decay = 0, bool nesterov = false)
    {
        private readonly double[] buffer = new double[count];
        private bool started;

        public void Step(double[] w, double[] gradient)
        {
            for (var i = 0; i < w.Length; i++)
            {
                var g = gradient[i] + decay * w[i];
                if (momentum != 0)
                {
                    buffer[i] = started ? momentum * buffer[i] + (1 - dampening) * g : g;
                    g = nesterov ? g + momentum * buffer[i] : buffer[i];
                }
                w[i] -= lr * g;
            }
            started = true;
        }
    }

    internal sealed class Adam(int count, double lr, double beta1, double beta2, double eps, double decay, bool decoupled)
    {
        private readonly double[] m = new double[count];
        private readonly double[] v = new double[count];
        private int t;

        public void Step(double[] w, double[] gradient)
        {
            t++;
            for (var i = 0; i < w.Length; i++)
            {
                var g = gradient[i];
                if (decoupled)
                {
                    w[i] -= lr * decay * w[i];
                }
                else
                {
                    g += decay * w[i];
                }
                m[i] = beta1 * m[i] + (1 - beta1) * g;
                v[i] = beta2 * v[i] + (1 - beta2) * g * g;
                var unbiasedM = m[i] / (1 - Math.Pow(beta1, t));
                var unbiasedV = v[i] / (1 - Math.Pow(beta2, t));
                w[i] -= lr * unbiasedM / (Math.Sqrt(unbiasedV) + eps);
            }
        }
    }
}

using Hybrid.Bindings;

namespace Hybrid.Optim;

// A step that is recorded into a graph: its learning rate and its number lie in the device's memory, and are written anew before each replay.
public abstract partial class Optimizer
{
    /// <summary>Where the device finds this step's numbers; null unless it is being recorded.</summary>
    private protected unsafe double* ScheduleAddress { get; private set; }

    /// <summary>The numbers that the core's step reads from the device's memory.</summary>
    /// <param name="numbers">Receives them: the learning rate, then what else the optimiser's step takes from there; at most 3.</param>
    /// <param name="group">The parameters' group.</param>
    /// <param name="step">Number of the step, from 1.</param>
    private protected virtual void FillSchedule(Span<double> numbers, ParamGroup group, long step) => numbers[0] = group.LearningRate;

    private unsafe void Record(DeviceGraph graph, ReadOnlySpan<Tensor> parameters, ReadOnlySpan<Tensor> gradients, ParamGroup group,
        ReadOnlySpan<OptimizerState> states)
    {
        var schedule = new Schedule(this, group, [.. states], graph.Device);
        graph.Add(schedule, schedule.Memory);
        fixed (HyTensor* p = schedule.Memory)
        {
            ScheduleAddress = (double*)p->Data;
        }
        try
        {
            Update(parameters, gradients, group, states, states[0].Steps + 1);
        }
        finally
        {
            ScheduleAddress = null;
        }
    }

    private sealed class Schedule : DeviceGraph.IReplayed
    {
        private readonly Optimizer optimizer;
        private readonly ParamGroup group;
        private readonly OptimizerState[] states;

        internal Schedule(Optimizer optimizer, ParamGroup group, OptimizerState[] states, Device device)
        {
            (this.optimizer, this.group, this.states) = (optimizer, group, states);
            using var suspended = TensorScope.Suspend();
            Memory = Tensor.Empty([3], DType.Float64, device);
        }

        internal Tensor Memory { get; }

        public void BeforeReplay()
        {
            foreach (var state in states)
            {
                state.Steps++;
            }
            Span<double> numbers = [0, 0, 0];
            optimizer.FillSchedule(numbers, group, states[0].Steps);
            DeviceGraph.Send<double>(Memory, numbers);
        }
    }
}

/** What `sweep --help` says after the flags. */
export const SWEEP_HELP = `
Words are a sweep file (\`cellrun schema sweep\`); or one config or several, and values for their keys:
  cellrun sweep configs/sweeps/mnist-lstm.yaml
  cellrun sweep configs/mnist-lstm.yaml optimizer.learning_rate=1e-3,1e-2 model.hidden_size=64,128
  cellrun sweep configs/variants --seeds 0,1,2
  cellrun sweep configs/mnist-lstm.yaml 'optimizer.learning_rate=log_uniform(1e-4,1e-1)' --method tpe --trials 30
Flags win over what a sweep file says. Without a file the method is grid, and the objective the config's
\`checkpoint.metric\`. All points are checked before the first starts.
Threads of a trial are --threads / --parallel; where --parallel is not given, one trial at a time has them all.
A sweep that was stopped or killed goes on with \`cellrun sweep resume SWEEP\`, and ends with the same result.
The best trial is the one with the best value among those that were trained for the most epochs.
Exit code: 0 where a trial has a value of the objective; 1 where a failed trial stopped the sweep, or no trial has a
value, or the disk is full; 4 where all diverged; 130 where it was stopped and can be resumed.
`;

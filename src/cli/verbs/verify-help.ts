/** What `verify gradients --help` and `verify backends --help` say after the flags. */

export const GRADIENTS_HELP = `
The kernels compute the config's first training batch at its initial parameters, in the shards and on the
threads of a run; a few of its sequences count in the loss. For every parameter tensor two things are compared:
  kernels      their gradient with that of the same graph in float64, ||a - b|| / ||b|| over the whole tensor:
               at most 1e-4, the loss likewise
  differences  the float64 gradient with the slope of the float64 loss along a random direction of all
               elements of the tensor, by central differences extrapolated to step zero: at most 1e-6
Kernels beyond tolerance blame the compiler or the backend, differences the differentiation. Errors are parts of
the tensor's own gradient, but of no less than 1e-20 (kernels) and 1e-3 (differences) of the whole gradient: what
vanishes over a long sequence can't be told from nothing, and is marked as small.
Without --rows up to four sequences count, fewer where they are long or the model is large: two and about a
minute for configs/mnist-lstm.yaml, one and some minutes for 784 steps.
Exit 1 where an error is beyond tolerance. The proof is written to <output>/verify/.
`;

export const BACKENDS_HELP = `
Every backend makes the same first optimizer steps: the config's own batches, parameters and optimizer. After
each step all pairs of backends are compared, and the first tensor beyond tolerance ends it:
  loss, gradient_norm  the relative difference: at most 1e-5 and 1e-4 at the first step, 1e-3 later
  parameters           ||a - b|| of a tensor, relative to the way that it has gone since the first step:
                       at most 1e-3
Backends round differently, and training may amplify that from step to step: what grows slowly is the config's
own sensitivity, what is there at once is an error.
Without --backends: cpu, webasm, and webgpu where there is a hardware adapter; a software adapter runs only when
named. The cpu backend is slow, six seconds a step for configs/mnist-lstm.yaml; fewer --steps or
--set training.batch_size=N bound it.
Exit 1 where two backends part. The proof is written to <output>/verify/.
`;

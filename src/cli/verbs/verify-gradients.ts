/** `verify gradients CONFIG`: checks that the compiled gradient is the derivative of the loss. */
import { shapeText } from '../../math/graph/shape.js';
import { counted } from '../../util/words.js';
import type { GradientsProof, TensorProof } from '../../verify/gradients.js';
import { backend, seed } from '../options.js';
import { count, defineVerb } from '../verb.js';
import { printProof, proofOptions } from './proof.js';

export const verb = defineVerb({
  arguments: '<config>',
  options: {
    ...proofOptions,
    backend,
    rows: count('<n>', 'sequences of the first batch to use (default: up to 4)'),
    seed: seed.default(0),
  },
  help: `
The kernels compute the gradient of the config's first training batch at its initial parameters, in
the shards and threads of a run. Only a few sequences count in the loss. Two comparisons are made
for every parameter tensor:
  kernels      their gradient with the gradient of the same graph in float64:
               ||a - b|| / ||b|| <= 1e-4, as for the loss
  differences  the float64 gradient with the slope of the float64 loss along a random direction
               (central differences, extrapolated to step zero): relative error <= 1e-6
An error of the kernels is a bug of the compiler or the backend, an error of the differences one of
the differentiation. Errors are relative to the tensor's own gradient, or to 1e-20 (kernels) or 1e-3
(differences) of the whole gradient if that is larger. Gradients that vanish over a long sequence
are marked as small.

Without --rows, up to four sequences are used, fewer if they are long or the model is large.
configs/mnist-lstm.yaml uses two and takes about a minute.

Exit codes: 0 all errors are within tolerance, 1 one is not.`,
  async action([config], options, { io }) {
    const { verifyGradients } = await import('../../verify/gradients.js');
    return printProof(
      {
        prove: (started, note) => verifyGradients({ ...options, config, started, note }),
        text,
        holds: proof => proof.holds,
      },
      options,
      io,
    );
  },
});

function text(proof: GradientsProof): string {
  const { rows, batch_size, backend, sequence_length, tensors, tolerances, loss } = proof;
  const lines = [
    `${backend}: ${rows.length} of ${counted(batch_size, 'sequence')} of the first batch, ${counted(sequence_length, 'step')} each`,
    '',
    ...table(proof),
    '',
    `kernels: relative error of the compiled gradient against float64 (tolerance ${small(tolerances.kernels)})`,
    `differences: relative error of the float64 gradient against finite differences of the loss (tolerance ${small(tolerances.differences)})`,
  ];
  if (tensors.some(({ resolved }) => !resolved))
    lines.push('small: the gradient is too small for finite differences to distinguish it from zero');
  const wrong = tensors.filter(({ holds }) => !holds).map(({ name }) => name);
  if (!(loss.kernel_error <= tolerances.kernels)) wrong.unshift('loss');
  lines.push(
    '',
    proof.holds ? 'All gradients are within tolerance.' : `NOT within tolerance: ${wrong.join(', ')}.`,
  );
  return `${lines.join('\n')}\n`;
}

function table({ tensors, loss }: GradientsProof): string[] {
  const rows = tensors.map(tensor => [
    tensor.name,
    shapeText(tensor.shape),
    small(tensor.gradient_norm),
    small(tensor.kernel_error),
    differences(tensor),
    tensor.holds ? '' : 'WRONG',
  ]);
  const head = ['tensor', 'shape', '|gradient|', 'kernels', 'differences', ''];
  const first = ['loss', '', '', small(loss.kernel_error), '', ''];
  const width = Math.max(...tensors.map(({ name }) => name.length)) + 2;
  return [head, first, ...rows].map(([name, shape, norm, kernels, difference, mark]) =>
    `${name.padEnd(width)}${shape.padEnd(12)}${norm.padStart(10)}${kernels.padStart(10)}${difference.padStart(13)}  ${mark}`.trimEnd(),
  );
}

function differences({ resolved, holds, difference_error }: TensorProof): string {
  return resolved || !holds ? small(difference_error) : 'small';
}

function small(value: number): string {
  return value.toExponential(1);
}

/** `verify gradients CONFIG`: whether the gradient that the kernels of a config compute is the derivative of its loss. */

import { shapeText } from '../../graph/shape.js';
import type { ExitCode } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import { type GradientsProof, type TensorProof, verifyGradients } from '../../verify/gradients.js';
import type { VerifyGradientsOptions } from '../options.js';
import type { Io } from '../terminal/io.js';
import { printProof } from './proof.js';

export function verifyGradientsOf(
  config: string,
  options: VerifyGradientsOptions,
  io: Io,
): Promise<ExitCode> {
  return printProof(
    {
      prove: (started, note) => verifyGradients({ ...options, config, started, note }),
      text,
      holds: proof => proof.holds,
    },
    options,
    io,
  );
}

function text(proof: GradientsProof): string {
  const { rows, batch_size, backend, sequence_length, tensors, tolerances, loss } = proof;
  const lines = [
    `${backend}: ${rows.length} of the first batch's ${counted(batch_size, 'sequence')} of ${counted(sequence_length, 'step')}`,
    '',
    ...table(proof),
    '',
    `kernels: error of the compiled gradient from float64, over the whole tensor (tolerance ${small(tolerances.kernels)})`,
    `differences: error of the float64 gradient from differences of the loss along a random direction (tolerance ${small(tolerances.differences)})`,
  ];
  if (tensors.some(({ resolved }) => !resolved))
    lines.push('small: the gradient is too small a part of the whole for differences to tell it from zero');
  const wrong = tensors.filter(({ holds }) => !holds).map(({ name }) => name);
  if (!(loss.kernel_error <= tolerances.kernels)) wrong.unshift('loss');
  lines.push('', proof.holds ? 'Every gradient holds.' : `NOT within tolerance: ${wrong.join(', ')}.`);
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

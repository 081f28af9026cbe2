/** `verify backends CONFIG`: checks that the backends of this machine train a config alike. */

import { BACKENDS } from '../../engine/backend-names.js';
import { counted } from '../../util/words.js';
import type { ApartAt, BackendsProof } from '../../verify/backends.js';
import { count, defineVerb, parsed } from '../verb.js';
import { printProof, proofOptions } from './proof.js';

export const verb = defineVerb({
  arguments: '<config>',
  options: {
    ...proofOptions,
    backends: parsed(
      '<names>',
      'backends, separated by commas (default: cpu, webasm, and webgpu on a hardware adapter)',
      `two or more of ${BACKENDS.join(', ')}, separated by commas`,
      names => {
        const found = names.split(',').map(word => BACKENDS.find(name => name === word.trim()));
        const known = [...new Set(found.filter(name => name !== undefined))];
        return found.includes(undefined) || known.length < 2 ? undefined : known;
      },
    ),
    steps: count('<n>', 'optimizer steps on each backend').default(20),
  },
  help: `
Every backend makes the same first optimizer steps, with the config's own batches, parameters and
optimizer. All pairs of backends are compared after each step; the first tensor beyond tolerance
ends the comparison:
  loss, gradient_norm  relative difference <= 1e-5 (loss) and 1e-4 (norm) at the first step, 1e-3 later
  parameters           ||a - b|| of a tensor, relative to its change since the first step, <= 1e-3
Backends round differently, and training can amplify rounding errors: a difference that grows slowly
comes from the config, a sudden one is a bug.

A software WebGPU adapter is only used if named. The cpu backend is slow (six seconds per step of
configs/mnist-lstm.yaml): use fewer --steps or --set training.batch_size=N.

Exit codes: 0 the backends agree, 1 they differ.`,
  async action([config], options, { io }) {
    const { verifyBackends } = await import('../../verify/backends.js');
    return printProof(
      {
        prove: (started, note) => verifyBackends({ ...options, config, started, note }),
        text,
        holds: proof => proof.holds,
      },
      options,
      io,
    );
  },
});

function text(proof: BackendsProof): string {
  const lines = [...table(proof.tensors), ''];
  const names = proof.backends.map(({ name }) => name).join(', ');
  const { first_beyond: first, steps } = proof;
  if (first === null) {
    lines.push(`${names} agree within tolerance in all ${counted(steps.length, 'step')}.`);
  } else {
    const { tensor, step, difference, tolerance, backends } = first;
    lines.push(
      `${backends.join(' and ')} differ from step ${step} on: ${tensor} by ${small(difference)} > ${small(tolerance)}${history(proof, step)}.`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function table(tensors: readonly ApartAt[]): string[] {
  const rows = tensors.map(({ tensor, difference, tolerance, step, backends }) => [
    tensor,
    small(difference),
    small(tolerance),
    `${step}`,
    backends.join(' and '),
  ]);
  const width = Math.max(...tensors.map(({ tensor }) => tensor.length)) + 2;
  return [['tensor', 'difference', 'tolerance', 'step', 'backends'], ...rows].map(
    ([name, difference, tolerance, step, backends]) =>
      `${name.padEnd(width)}${difference.padStart(10)}${tolerance.padStart(11)}${step.padStart(6)}  ${backends}`,
  );
}

/** Earlier differences: amplified rounding errors grow step by step, a bug appears suddenly. */
function history({ steps }: BackendsProof, step: number): string {
  const before = steps[step - 2];
  if (before === undefined) return '';
  return ` (largest difference one step before: ${small(before.largest.difference)}; at step 1: ${small(steps[0].largest.difference)})`;
}

function small(value: number): string {
  return value.toExponential(1);
}

/** `verify backends CONFIG`: whether a config trains alike on the backends of this machine. */
import type { ExitCode } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import { type ApartAt, type BackendsProof, verifyBackends } from '../../verify/backends.js';
import type { VerifyBackendsOptions } from '../options.js';
import type { Io } from '../terminal/io.js';
import { printProof } from './proof.js';

export function verifyBackendsOf(config: string, options: VerifyBackendsOptions, io: Io): Promise<ExitCode> {
  return printProof(
    {
      prove: (started, note) => verifyBackends({ ...options, config, started, note }),
      text,
      holds: proof => proof.holds,
    },
    options,
    io,
  );
}

function text(proof: BackendsProof): string {
  const lines = [...table(proof.tensors), ''];
  const names = proof.backends.map(({ name }) => name).join(', ');
  const { first_beyond: first, steps } = proof;
  if (first === null) {
    lines.push(`${names}: the same within tolerance in all of ${counted(steps.length, 'step')}.`);
  } else {
    const { tensor, step, difference, tolerance, backends } = first;
    lines.push(
      `${backends.join(' and ')} part at step ${step}: ${tensor} is ${small(difference)} apart, more than ${small(tolerance)}${history(proof, step)}.`,
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
  return [['tensor', 'apart', 'tolerance', 'step', 'backends'], ...rows].map(
    ([name, apart, tolerance, step, backends]) =>
      `${name.padEnd(width)}${apart.padStart(9)}${tolerance.padStart(11)}${step.padStart(6)}  ${backends}`,
  );
}

/** Rounding that training amplifies grows from step to step; an error is there at once. */
function history({ steps }: BackendsProof, step: number): string {
  const before = steps[step - 2];
  if (before === undefined) return '';
  return ` (at most ${small(before.largest.difference)} the step before, ${small(steps[0].largest.difference)} at the first)`;
}

function small(value: number): string {
  return value.toExponential(1);
}

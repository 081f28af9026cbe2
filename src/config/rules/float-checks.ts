/**
 * Numbers that kernels compute with are float32: what is 0 or 1 there, though the config says
 * another number, would do nothing.
 */
import type { Diagnostic } from '../../util/errors.js';
import type { PartialExperiment } from '../experiment.js';
import type { Locator } from '../yaml/locator.js';

/** Below it, numbers of float32 lose digits, and GPUs may take them for 0. */
const MIN_NORMAL = 2 ** -126;

type Path = readonly (string | number)[];

export function checkFloats(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { optimizer, training, model, loss } = experiment;
  // a schedule's numbers make a rate, in float64; what that is in float32 depends on the step
  const { schedule: _, ...steps } = optimizer ?? {};
  const numbers = [
    ...numbersIn(steps, ['optimizer']),
    ...numbersIn(training?.gradient_clip_norm, ['training', 'gradient_clip_norm']),
    ...numbersIn(training?.average, ['training', 'average']),
    ...numbersIn(model, ['model']),
    ...numbersIn(loss, ['loss']),
  ];
  return numbers.flatMap(([path, value]) => {
    const becomes = inFloat32(value);
    if (becomes === undefined) return [];
    const message = `this is ${becomes} in float32, in which it is computed with`;
    const expected =
      becomes === 0
        ? `0, or at least ${MIN_NORMAL.toPrecision(3)} in size`
        : `at most ${1 - 2 ** -24}, which float32 can tell from 1`;
    return [locator.atValue(path, 'config/float32', message, { expected, got: String(value) })];
  });
}

/** The 0 or 1 that a number is taken for; undefined where it is none of them, or is one itself. */
function inFloat32(value: number): 0 | 1 | undefined {
  if (value !== 0 && Math.abs(value) < MIN_NORMAL) return 0;
  return value !== 1 && Math.fround(value) === 1 ? 1 : undefined;
}

/** Every number in `value`, whose path is `at`. */
function numbersIn(value: unknown, at: Path): (readonly [Path, number])[] {
  if (typeof value === 'number') return [[at, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) =>
    numbersIn(one, [...at, Array.isArray(value) ? Number(key) : key]),
  );
}

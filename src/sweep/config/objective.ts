/** What a sweep seeks: what it states, or by default what its configs judge checkpoints by. */
import type { Locator } from '../../config/yaml/locator.js';
import type { Diagnostic } from '../../util/errors.js';
import type { Objective } from '../plan.js';
import { COMMAND_LINE, type LoadedBase } from './bases.js';
import type { SweepSettings } from './settings.js';
import type { Unknown } from './shape.js';

interface Sought {
  /** Undefined if it is not known. */
  readonly objective: Objective | undefined;
  readonly problems: readonly Diagnostic[];
}

/**
 * The objective that the sweep states, else `checkpoint.metric` of its configs, which has a default
 * of its own. Configs that differ in it are a problem.
 */
export function objectiveOf(
  { objective }: SweepSettings,
  bases: readonly LoadedBase[],
  locator: Locator,
  unknown: Unknown,
): Sought {
  if (objective !== undefined || unknown.keys.has('objective')) return { objective, problems: [] };
  const declared = bases.flatMap(({ source }) => source.judge().experiment.checkpoint ?? []);
  const [first] = declared;
  if (first === undefined) return { objective: undefined, problems: [] };
  if (declared.every(({ metric }) => metric === first.metric)) {
    const goal = first.mode === 'max' ? 'maximize' : 'minimize';
    return { objective: { metric: first.metric, goal }, problems: [] };
  }
  const at = locator.atKey(
    ['variants'],
    'sweep/objective',
    'the configs differ in `checkpoint.metric`, so the sweep needs an objective',
  );
  const expected =
    at.file === COMMAND_LINE
      ? '`--objective METRIC:min` or `METRIC:max`, such as validation.accuracy:max'
      : '`objective`, such as { metric: validation.accuracy, goal: maximize }';
  return { objective: undefined, problems: [{ ...at, expected }] };
}

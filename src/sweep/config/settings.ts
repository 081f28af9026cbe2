/** The type of a sweep file that is valid against the schema, with constant defaults filled in. */
import { fillSweepDefaults } from '../../config/merge/defaults.js';
import { type MapNode, toPlain } from '../../config/yaml/tree.js';
import type { Method, Objective, Pruner, SweepPlan } from '../plan.js';
import type { Value } from '../space.js';

/** A parameter as written. */
export type GivenParameter =
  | readonly Value[]
  | {
      readonly kind: 'choice';
      readonly values: readonly Value[];
      readonly when?: GivenCondition;
    }
  | {
      readonly kind: 'paired';
      readonly values: readonly (readonly Value[])[];
      readonly when?: GivenCondition;
    }
  | {
      readonly kind: 'uniform' | 'log_uniform' | 'log_int';
      readonly low: number;
      readonly high: number;
      readonly when?: GivenCondition;
    }
  | {
      readonly kind: 'int';
      readonly low: number;
      readonly high: number;
      readonly step: number;
      readonly when?: GivenCondition;
    };

/** One parameter's name with a value of it, or a list of values. */
export type GivenCondition = Readonly<Record<string, Value>>;

export interface SweepSettings
  extends Pick<SweepPlan, 'name' | 'seed' | 'parallel' | 'retries' | 'on_trial_error'> {
  readonly base?: string;
  readonly variants?: readonly string[];
  readonly parameters: Readonly<Record<string, GivenParameter>>;
  readonly exclude: readonly Readonly<Record<string, Value>>[];
  readonly method: Method;
  readonly seeds?: readonly number[];
  readonly objective?: Objective;
  readonly pruner: Pruner;
  readonly budget: {
    readonly trials?: number;
    readonly time?: number | string;
    readonly target?: number;
  };
  readonly trial_timeout?: number | string;
}

/** @param tree valid against the schema */
export function settingsOf(tree: MapNode): SweepSettings {
  const plain = toPlain(tree) as { readonly method: unknown; readonly pruner?: unknown };
  const { method, pruner = 'none' } = plain;
  return fillSweepDefaults({
    ...plain,
    method: asMapping(method),
    pruner: asMapping(pruner),
  }) as SweepSettings;
}

/** A word is short for the mapping with only this kind. */
function asMapping(given: unknown): unknown {
  return typeof given === 'string' ? { kind: given } : given;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a number or of a duration such as `10m`; null if undefined. */
export function secondsOf(time: number | string | undefined): number | null {
  if (time === undefined) return null;
  if (typeof time === 'number') return time;
  return Number(time.slice(0, -1)) * SECONDS[time.slice(-1)];
}

/** What differs between two resolved configs, key by key. */

import type { LoadedExperiment } from '../load.js';
import { type ExplainedValue, explainValues } from '../wording/explain.js';

/** A key whose values differ; the side that does not have the key is absent. */
export interface ConfigDifference {
  /** Key path such as `optimizer.betas`. */
  readonly key: string;
  readonly a?: Omit<ExplainedValue, 'key'>;
  readonly b?: Omit<ExplainedValue, 'key'>;
}

/** Compares values, not texts: `1e-2` is `0.01`, a default is what is filled in. Sorted by key. */
export function configDifferences(a: LoadedExperiment, b: LoadedExperiment): readonly ConfigDifference[] {
  const [inA, inB] = [valuesByKey(a), valuesByKey(b)];
  const keys = [...new Set([...inA.keys(), ...inB.keys()])].sort(byKeyPath);
  return keys
    .map((key): ConfigDifference => {
      const [before, after] = [valueIn(inA, inB, key), valueIn(inB, inA, key)];
      return { key, ...(before && { a: before }), ...(after && { b: after }) };
    })
    .filter(difference => JSON.stringify(difference.a?.value) !== JSON.stringify(difference.b?.value));
}

type Values = ReadonlyMap<string, ExplainedValue>;

function valuesByKey(loaded: LoadedExperiment): Values {
  return new Map(explainValues(loaded).map(explained => [explained.key, explained]));
}

/** An empty list beside one with items is no value of its own: its items are what differs. */
function valueIn(own: Values, other: Values, key: string): ConfigDifference['a'] {
  const found = own.get(key);
  if (found === undefined) return undefined;
  const isEmpty = Array.isArray(found.value) && found.value.length === 0;
  if (isEmpty && [...other.keys()].some(longer => longer.startsWith(`${key}.`))) return undefined;
  return { value: found.value, origin: found.origin };
}

/** Items of lists in their order, `gates.10` after `gates.9`. */
function byKeyPath(a: string, b: string): number {
  const [left, right] = [a.split('.'), b.split('.')];
  const at = left.findIndex((step, i) => step !== right[i]);
  if (at < 0) return left.length - right.length;
  const [x, y] = [left[at], right[at] ?? ''];
  return Number(x) - Number(y) || (x < y ? -1 : 1);
}

/** The order in which parameters get their values: each after the one that its condition names, else as they are written. */
import type { LocatedParameter } from './parameters.js';

export interface Ordered {
  readonly parameters: readonly LocatedParameter[];
  /** Those whose conditions lead back to themselves, or to one that does. */
  readonly circular: readonly LocatedParameter[];
}

/** A condition on a name that no parameter has counts as none; that is complained about elsewhere. */
export function inOrder(parameters: readonly LocatedParameter[]): Ordered {
  const names = new Set(parameters.map(({ name }) => name));
  const placed = new Map<string, LocatedParameter>();
  let left = parameters;
  for (;;) {
    // the first that can go keeps the file's order as far as conditions allow
    const next = left.find(
      ({ condition }) => condition === undefined || !names.has(condition.name) || placed.has(condition.name),
    );
    if (next === undefined) return { parameters: [...placed.values()], circular: left };
    placed.set(next.name, next);
    left = left.filter(parameter => parameter !== next);
  }
}

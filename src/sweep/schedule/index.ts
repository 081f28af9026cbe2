import { named, type TypeOf, union } from '../../util/schema.js';
import { asha, hyperband } from './asha.js';
import { median } from './median.js';
import { none, type PrunerKind } from './pruner.js';

export const pruners = { none, median, asha, hyperband };

export const prunerSettings = union(
  'kind',
  Object.entries(pruners).map(([kind, { settings }]) =>
    named(kind === 'none' ? 'no_pruner' : kind, settings),
  ),
  {},
);

/** Pruners count epochs. A rung is an epoch after which a trial is judged. */
export type Pruner = TypeOf<typeof prunerSettings>;

export function prunerOf({ kind }: Pruner): PrunerKind {
  return pruners[kind] as PrunerKind;
}

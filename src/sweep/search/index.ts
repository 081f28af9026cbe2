import { named, type TypeOf, union } from '../../util/schema.js';
import type { Sampler, SearchMethod } from './grid.js';
import { grid, random } from './grid.js';
import { sobol } from './sobol.js';
import type { Space } from './space.js';
import { tpe } from './tpe.js';

const methods = { grid, random, sobol, tpe };

export const method = union(
  'kind',
  Object.entries(methods).map(([kind, { settings }]) => named(kind, settings)),
  {},
);

export type Method = TypeOf<typeof method>;

export function methodOf({ kind }: Method): SearchMethod {
  return methods[kind] as SearchMethod;
}

export function blindTrials(method: Method): number {
  return methodOf(method).blindTrials?.(method) ?? Number.POSITIVE_INFINITY;
}

/** Creates the sampler of a sweep with seed `seed`. A grid must have no real parameter. */
export function createSampler(space: Space, method: Method, seed: number): Sampler {
  return methodOf(method).create(space, method, seed);
}

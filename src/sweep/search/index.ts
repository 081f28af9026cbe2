/** The search methods by name. */
import { grid } from './grid.js';
import type { Sampler, SearchMethod } from './method.js';
import { random } from './random.js';
import { sobol } from './sobol.js';
import type { Space } from './space.js';
import { type TpeSettings, tpe } from './tpe.js';

export type Method = { readonly kind: 'grid' | 'random' | 'sobol' } | TpeSettings;

const methods: { readonly [K in Method['kind']]: SearchMethod<Extract<Method, { kind: K }>> } = {
  grid,
  random,
  sobol,
  tpe,
};

/** The facts about a method; the table's type guarantees that they accept its settings. */
export function methodOf<M extends Method>({ kind }: M): SearchMethod<M> {
  return methods[kind] as SearchMethod<M>;
}

/** Number of first trials that are chosen without results. */
export function blindTrials(method: Method): number {
  return methodOf(method).blindTrials?.(method) ?? Number.POSITIVE_INFINITY;
}

/**
 * Creates the sampler of a sweep with seed `seed`. A grid must have been checked with
 * `continuousParameters`.
 * @throws UserError (exit 2) if the method cannot search the space
 */
export function createSampler(space: Space, method: Method, seed: number): Sampler {
  return methodOf(method).create(space, method, seed);
}

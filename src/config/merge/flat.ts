/** Configs as lists of values by their key paths. */
import { isRecord } from '../schema/walk.js';

/**
 * Every value in `value` by its key path, such as `gates.0.min`, in the order given; a list of plain values, such as `betas`, counts as
 * one. `path` is where `value` itself stands.
 */
export function flatValues(value: unknown, path: readonly string[] = []): [key: string, value: unknown][] {
  const inner = isRecord(value) ? Object.entries(value) : Array.isArray(value) ? [...value.entries()] : [];
  const isDeep = isRecord(value) || inner.some(([, item]) => typeof item === 'object');
  if (isDeep) return inner.flatMap(([key, item]) => flatValues(item, [...path, String(key)]));
  return [[path.join('.'), value]];
}

import { isRecord } from './schema/walk.js';

/**
 * Lists all values in `value` with their key paths, such as `gates.0.min`, in order. A list of
 * plain values, such as `betas`, counts as one value.
 * @param path of `value` itself
 */
export function flatValues(value: unknown, path: readonly string[] = []): [key: string, value: unknown][] {
  const inner = isRecord(value) ? Object.entries(value) : Array.isArray(value) ? [...value.entries()] : [];
  const isDeep = isRecord(value) || inner.some(([, item]) => typeof item === 'object');
  if (isDeep) return inner.flatMap(([key, item]) => flatValues(item, [...path, String(key)]));
  return [[path.join('.'), value]];
}

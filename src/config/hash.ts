/** Configs with the same hash lead to the same weights and metrics on the same data. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { Recent } from '../util/recent.js';
import type { Experiment } from './experiment.js';
import { changesResults, onResume } from './key-facts.js';
import { flatValues, mapPaths } from './schema/walk.js';

/**
 * SHA-256 (hex) of all keys that change results (`key-facts.ts`). Paths are hashed relative to the
 * config's directory, so that a checkout elsewhere has the same hash.
 * @param folder directory of the config; absolute
 * @param weights digest of the file `model.init_from`, which is hashed instead of its path
 */
export function hashExperiment(experiment: Experiment, folder: string, weights?: string) {
  const portable = mapPaths(experiment, path => relative(folder, path).split(sep).join('/'));
  const decisive = flatValues(portable)
    .filter(([key]) => changesResults(key, experiment))
    .map(([key, value]) => [key, key === INIT_FROM ? (weights ?? value) : value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  // without what may change freely when a run resumes
  const ofSteps = decisive.filter(([key]) => onResume(key, UNKNOWN, experiment) !== 'safe');
  const digest = (values: typeof decisive) =>
    createHash('sha256').update(JSON.stringify(values)).digest('hex');
  return { hash: digest(decisive), stepHash: digest(ofSteps) };
}

const UNKNOWN = { from: undefined, to: undefined };

const INIT_FROM = 'model.init_from';

const digests = new Recent<string>(20);

/** Undefined if it cannot be read, which is reported when the file is used. */
export function fileDigest(path: string): string | undefined {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    return digests.get(JSON.stringify([path, ino, size, mtimeMs, ctimeMs]), () => readDigest(path));
  } catch {
    return undefined;
  }
}

function readDigest(path: string): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'r');
  try {
    const chunk = Buffer.allocUnsafe(1 << 20);
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk))
      hash.update(chunk.subarray(0, read));
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}

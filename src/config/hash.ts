/** Configs with the same hash lead to the same weights and metrics on the same data. */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
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
  return { hash: sha256(JSON.stringify(decisive)), stepHash: sha256(JSON.stringify(ofSteps)) };
}

const UNKNOWN = { from: undefined, to: undefined };

const INIT_FROM = 'model.init_from';

const digests = new Recent<string>(20);

/** Undefined if it cannot be read, which is reported when the file is used. */
export function fileDigest(path: string): string | undefined {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    return digests.get(JSON.stringify([path, ino, size, mtimeMs, ctimeMs]), () => sha256(readFileSync(path)));
  } catch {
    return undefined;
  }
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

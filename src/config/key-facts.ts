/**
 * Which results each key of a config changes, whether it may change when a run resumes, and the
 * hash of all that change results.
 */

import { createHash, fs, join, relative, sep } from '../host/index.js';
import { Recent } from '../util/recent.js';
import {
  type Effect,
  type FactsContext,
  factsByKey,
  type KeyFacts,
  type OnResume,
  type ValueChange,
} from '../util/schema.js';
import { type Experiment, experiment } from './schema/experiment.js';
import { flatValues, isPathKey, mapPaths } from './schema/schema.js';

let all: ReturnType<typeof factsByKey> | undefined;
const known = new Map<string, readonly KeyFacts[]>();

const UNTIL = / until step \d+$/;

/** True for a key of `earlierValues`: a value that a resume changed. */
export function isEarlier(key: string): boolean {
  return UNTIL.test(key);
}

/** The facts of a key such as `gates.0.min`; those of all keys below it for `gates`. */
function factsOf(key: string): readonly KeyFacts[] {
  const plain = key.replace(UNTIL, '').replace(/\.\d+(?=\.|$)/g, '');
  const earlier = known.get(plain);
  if (earlier) return earlier;
  all ??= factsByKey(experiment);
  const exact = all.filter(([path]) => path === plain);
  const found = exact.length > 0 ? exact : all.filter(([path]) => path.startsWith(`${plain}.`));
  const facts = found.map(([, keyFacts]) => keyFacts);
  known.set(plain, facts);
  return facts;
}

/**
 * The effects in `config` of a key such as `gates.0.min`, or of an earlier value such as
 * `optimizer.learning_rate until step 36`. Empty if it does not change results.
 * @param config resolved; may be of another version
 */
export function effectsOf(key: string, config: object): readonly Effect[] {
  const facts = factsOf(key);
  if (facts.length === 0) return ['unknown'];
  const found = facts.flatMap(({ effects }) =>
    typeof effects === 'function' ? effects(config as FactsContext) : effects,
  );
  return [...new Set(found)];
}

/** Which checkpoint is the best changes no result, unless the run ends with it (`final`). */
export function changesResults(key: string, config: object): boolean {
  return effectsOf(key, config).some(effect => effect !== 'selection');
}

/** Whether a key may change in this way when a run resumes with `config`. */
export function onResume(key: string, change: ValueChange, config: object): OnResume {
  const changesSteps = effectsOf(key, config).some(
    effect => !['length', 'evaluations', 'selection', 'final'].includes(effect),
  );
  const usual = changesSteps ? 'unsafe' : 'safe';
  const asked = factsOf(key).map(({ resume }) => {
    return (typeof resume === 'function' ? resume(change, config as FactsContext) : resume) ?? usual;
  });
  const rank = (effect: OnResume) =>
    typeof effect === 'object' && 'never' in effect ? 0 : effect === 'safe' ? 2 : 1;
  return asked.sort((a, b) => rank(a) - rank(b))[0] ?? 'unsafe';
}

/** The path of a file that determines results, whose digest the manifest contains. */
export function isInputPath(key: string): boolean {
  return isPathKey(key.split('.')) && effectsOf(key, {}).length > 0;
}

/**
 * SHA-256 (hex) of all keys that change results (`key-facts.ts`). Paths are hashed relative to the
 * config's directory, so that a checkout elsewhere has the same hash.
 * @param folder directory of the config; absolute
 * @param weights digest of the weights of `model.init_from`, which is hashed instead of their path
 */
export function hashExperiment(experiment: Experiment, folder: string, weights?: string) {
  const portable = mapPaths(experiment, path => relative(folder, path).split(sep).join('/'));
  const decisive = flatValues(portable)
    .filter(([key]) => changesResults(key, experiment))
    .map(([key, value]) => [key, isWeightsPath(key) ? (weights ?? value) : value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  // without what may change freely when a run resumes
  const ofSteps = decisive.filter(([key]) => onResume(key, UNKNOWN, experiment) !== 'safe');
  return {
    hash: sha256(JSON.stringify(decisive)),
    /** Of everything that affects a training step; stored in checkpoints. */
    stepHash: sha256(JSON.stringify(ofSteps)),
  } as const;
}

const UNKNOWN = { from: undefined, to: undefined };

export function isWeightsPath(key: string): boolean {
  return key === 'model.init_from' || key === 'model.init_from.path';
}

const digests = new Recent<string>(20);

/**
 * SHA-256 (hex) of a file; of a run, of its summary, which has the digests of what it contains.
 * Undefined if it cannot be read, which is reported when the file is used.
 */
export function fileDigest(path: string): string | undefined {
  try {
    const stat = fs.statSync(path);
    if (stat.isDirectory()) return fileDigest(join(path, 'summary.json'));
    const { ino, size, mtimeMs, ctimeMs } = stat;
    return digests.get(JSON.stringify([path, ino, size, mtimeMs, ctimeMs]), () =>
      sha256(fs.readFileSync(path)),
    );
  } catch {
    return undefined;
  }
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Which results each key of a config changes, and whether it may change when a run resumes. */
import {
  type Effect,
  type FactsContext,
  factsByKey,
  type KeyFacts,
  type OnResume,
  type ValueChange,
} from '../util/schema.js';
import { experiment } from './schema/experiment.js';
import { experimentSchema, schemaAt } from './schema/walk.js';

let known: ReadonlyMap<string, readonly KeyFacts[]> | undefined;

function knownKeys(): ReadonlyMap<string, readonly KeyFacts[]> {
  if (known !== undefined) return known;
  const found = new Map<string, KeyFacts[]>();
  for (const [path, facts] of factsByKey(experiment)) found.set(path, [...(found.get(path) ?? []), facts]);
  known = found;
  return found;
}

const UNTIL = / until step \d+$/;

/** True for a key of `earlierValues`: a value that a resume changed. */
export function isEarlier(key: string): boolean {
  return UNTIL.test(key);
}

/** The facts of a key such as `gates.0.min`; those of all keys below it for `gates`. */
function factsOf(key: string): readonly KeyFacts[] {
  const plain = key.replace(UNTIL, '').replace(/\.\d+(?=\.|$)/g, '');
  const own = knownKeys().get(plain);
  if (own !== undefined) return own;
  return [...knownKeys()].flatMap(([one, facts]) => (one.startsWith(`${plain}.`) ? facts : []));
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

/** The choice of the best checkpoint changes no result: it names one of the checkpoints. */
export function changesResults(key: string, config: object): boolean {
  return effectsOf(key, config).some(effect => effect !== 'selection');
}

/** True if a key changes the steps of training, beyond their number. */
export function changesSteps(key: string, config: object): boolean {
  return effectsOf(key, config).some(effect => !['length', 'evaluations', 'selection'].includes(effect));
}

/** Whether a key may change in this way when a run resumes with `config`. */
export function onResume(key: string, change: ValueChange, config: object): OnResume {
  const isSafe = !changesSteps(key, config);
  const asked = factsOf(key).map(
    ({ resume }) =>
      (typeof resume === 'function' ? resume(change, config as FactsContext) : resume) ??
      (isSafe ? 'safe' : 'unsafe'),
  );
  const rank = (one: OnResume) => (typeof one === 'object' && 'never' in one ? 0 : one === 'safe' ? 2 : 1);
  return asked.sort((a, b) => rank(a) - rank(b))[0] ?? 'unsafe';
}

/** The path of a file that determines results, whose digest the manifest contains. */
export function isInputPath(key: string): boolean {
  const isPath = schemaAt(key.split('.'), undefined, experimentSchema())?.['x-path'] === true;
  return isPath && effectsOf(key, {}).length > 0;
}

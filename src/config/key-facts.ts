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
import { schemaAt } from './schema/walk.js';

let known: ReturnType<typeof factsByKey> | undefined;

const UNTIL = / until step \d+$/;

/** True for a key of `earlierValues`: a value that a resume changed. */
export function isEarlier(key: string): boolean {
  return UNTIL.test(key);
}

/** The facts of a key such as `gates.0.min`; those of all keys below it for `gates`. */
function factsOf(key: string): readonly KeyFacts[] {
  known ??= factsByKey(experiment);
  const plain = key.replace(UNTIL, '').replace(/\.\d+(?=\.|$)/g, '');
  const own = known.filter(([path]) => path === plain);
  const found = own.length > 0 ? own : known.filter(([path]) => path.startsWith(`${plain}.`));
  return found.map(([, facts]) => facts);
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
function changesSteps(key: string, config: object): boolean {
  return effectsOf(key, config).some(effect => !['length', 'evaluations', 'selection'].includes(effect));
}

/** Whether a key may change in this way when a run resumes with `config`. */
export function onResume(key: string, change: ValueChange, config: object): OnResume {
  const usual = changesSteps(key, config) ? 'unsafe' : 'safe';
  const asked = factsOf(key).map(({ resume }) => {
    return (typeof resume === 'function' ? resume(change, config as FactsContext) : resume) ?? usual;
  });
  const rank = (one: OnResume) => (typeof one === 'object' && 'never' in one ? 0 : one === 'safe' ? 2 : 1);
  return asked.sort((a, b) => rank(a) - rank(b))[0] ?? 'unsafe';
}

/** The path of a file that determines results, whose digest the manifest contains. */
export function isInputPath(key: string): boolean {
  const isPath = schemaAt(key.split('.'), undefined)?.['x-path'] === true;
  return isPath && effectsOf(key, {}).length > 0;
}

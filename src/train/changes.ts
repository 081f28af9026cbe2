/** What changed since a run started: safe changes, and those that a user must allow by name. */
import { configDifferences } from '../config/explain.js';
import type { LoadedExperiment } from '../config/index.js';
import { onResume } from '../config/key-facts.js';
import type { Json } from '../run/json.js';
import type { Manifest, ManifestChange } from '../run/manifest.js';
import { type Diagnostic, usageError } from '../util/errors.js';
import type { OnResume } from '../util/schema.js';

export type Change = Pick<ManifestChange, 'key' | 'from' | 'to'>;

const LOG_EVERY = 'training.log_every';
const WIDTH = 'width';

const MACHINE = ['backend', 'arithmetic', 'version', 'gpu.js'] as const;

/** `unsafe`: alters results; recorded in the manifest if the user allows it by name. */
export type ChangeKind = 'safe' | 'unsafe' | 'impossible';

export function kindOf(change: Change, loaded: LoadedExperiment): ChangeKind {
  const fact = resumeFact(change, loaded);
  if (typeof fact === 'string') return fact;
  return 'never' in fact ? 'impossible' : 'unsafe';
}

function resumeFact(change: Change, { experiment }: LoadedExperiment): OnResume {
  const { key } = change;
  if (key === WIDTH) return 'safe';
  return MACHINE.some(one => one === key) ? 'unsafe' : onResume(key, change, experiment);
}

/** Keys whose values differ between two configs; null for an absent value. */
export function configChanges(before: LoadedExperiment, after: LoadedExperiment): Change[] {
  const changes = configDifferences(before, after).map(({ key, a, b }) => ({
    key,
    from: (a?.value ?? null) as Json,
    to: (b?.value ?? null) as Json,
  }));
  // a run whose config does not set log_every keeps its original interval
  return changes.filter(({ key, to }) => key !== LOG_EVERY || to !== null);
}

/** Changes of the vector width of webasm, which does not affect results but is recorded. */
export function widthChanges({ backend, changes = [] }: Manifest, now: Manifest['backend']): Change[] {
  const from = changes.findLast(({ key }) => key === WIDTH)?.to ?? backend.width ?? null;
  const to = now.width ?? null;
  return from === null || to === null || from === to ? [] : [{ key: WIDTH, from, to }];
}

/** Changes of backend, arithmetic and versions, which also affect the exact bytes of results. */
export function machineChanges(then: Manifest, now: Pick<Manifest, 'backend' | 'versions'>): Change[] {
  const facts = ({ backend, versions }: typeof now): Partial<Record<(typeof MACHINE)[number], Json>> => ({
    backend: backend.name,
    // only comparable within one backend
    ...(backend.name === then.backend.name && { arithmetic: backend.arithmetic }),
    version: versions.cellrun,
    'gpu.js': versions['gpu.js'],
  });
  const [before, after] = [facts(then), facts(now)];
  return MACHINE.flatMap(key => {
    const [from, to] = [before[key], after[key]];
    return from === undefined || to === undefined || from === to ? [] : [{ key, from, to }];
  });
}

/** Refuses changes that are impossible, with all others, which is known without the data. */
export function refuseImpossible(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): void {
  if (changes.some(change => kindOf(change, loaded) === 'impossible'))
    throw usageError(...describeChanges(changes, allowed, loaded));
}

/** Also refuses keys in `allowed` that have not changed: these are probably typos. */
export function checkAllowed(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): void {
  const isRefused = (change: Change) => kindOf(change, loaded) === 'unsafe' && !covers(allowed, change.key);
  const refused = changes.some(isRefused) ? describeChanges(changes, allowed, loaded) : [];
  const idle = allowed.filter(one => !changes.some(({ key }) => covers([one], key)));
  const expected =
    changes.length > 0 ? `one of ${changes.map(change => change.key).join(', ')}` : 'no change to allow';
  const problems = [
    ...refused,
    ...idle.map(key => ({
      code: 'resume/not-changed',
      message: `${key} has not changed`,
      file: '--allow-change',
      expected,
      got: key,
    })),
  ];
  if (problems.length > 0) throw usageError(...problems);
}

function covers(keys: readonly string[], key: string): boolean {
  return keys.some(one => key === one || key.startsWith(`${one}.`));
}

/** Describes each change with its classification, refused changes first. */
export function describeChanges(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): Diagnostic[] {
  const order: readonly ChangeKind[] = ['impossible', 'unsafe', 'safe'];
  const rank = (change: Change) => order.indexOf(kindOf(change, loaded));
  const sorted = changes.toSorted((a, b) => rank(a) - rank(b));
  // if one change is impossible, allowing the others is no use
  const isHopeless = sorted.length > 0 && rank(sorted[0]) === 0;
  const { locator } = loaded;
  return sorted.map(change => {
    const { key } = change;
    const allow = isHopeless ? 'a new run' : `--allow-change ${key} to resume with the change`;
    const was = JSON.stringify(change.from);
    const fact = resumeFact(change, loaded);
    const why = typeof fact === 'object' ? `: ${Object.values(fact)[0]}` : '';
    const [code, message, instead] =
      typeof fact === 'object' && 'never' in fact
        ? ['resume/impossible', `cannot change after a run has started${why}`, 'a new run']
        : fact === 'safe'
          ? ['resume/safe', `may change (was ${was}): results up to the previous end stay the same`]
          : covers(allowed, key)
            ? ['resume/allowed', `is allowed to change (was ${was}); results will differ${why}`]
            : ['resume/changed', `differs from the start of the run, so results would differ${why}`, allow];
    const more = {
      ...(instead !== undefined && { expected: `${was}, or ${instead}` }),
      got: JSON.stringify(change.to),
    };
    const path = key.split('.');
    const text = `\`${key}\` ${message}`;
    return locator.isGiven(path) ? locator.atValue(path, code, text, more) : { code, message: text, ...more };
  });
}

/** For example `training.num_epochs: 2 -> 4`. */
export function inWords({ key, from, to }: Change): string {
  return `${key}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
}

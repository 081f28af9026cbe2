/**
 * Classifies what changed since a run started: safe changes, and those that a user must allow by
 * name.
 */

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

/** Keys of `machineChanges`. */
const MACHINE = ['backend', 'arithmetic', 'version', 'gpu.js'] as const;

/** `unsafe`: alters results; recorded in the manifest if the user allows it by name. */
export type ChangeKind = 'safe' | 'unsafe' | 'impossible';

/** @param loaded the new config */
export function kindOf(change: Change, loaded: LoadedExperiment): ChangeKind {
  const found = resumeFact(change, loaded);
  if (typeof found === 'string') return found;
  return 'never' in found ? 'impossible' : 'unsafe';
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

/**
 * @throws UserError (exit 2) if a change is impossible, or alters results and is not in `allowed`,
 *   or if a key in `allowed` has not changed (it is probably a typo)
 */
export function checkAllowed(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): void {
  const isRefused = (change: Change) =>
    kindOf(change, loaded) === 'impossible' ||
    (kindOf(change, loaded) === 'unsafe' && !covers(allowed, change.key));
  const refused = changes.some(isRefused) ? describeChanges(changes, allowed, loaded) : [];
  const idle = allowed.filter(one => !changes.some(({ key }) => covers([one], key)));
  const problems = [...refused, ...idle.map(key => nothingChanged(key, changes))];
  if (problems.length > 0) throw usageError(...problems);
}

/**
 * @throws UserError (exit 2) listing all changes if one of them is impossible, which is known
 *   without reading the data
 */
export function refuseImpossible(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): void {
  if (changes.some(change => kindOf(change, loaded) === 'impossible'))
    throw usageError(...describeChanges(changes, allowed, loaded));
}

/** Describes each change with its classification, refused changes first. */
export function describeChanges(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): Diagnostic[] {
  const order: readonly ChangeKind[] = ['impossible', 'unsafe', 'safe'];
  // if one change is impossible, allowing the others is no use
  const instead = changes.some(change => kindOf(change, loaded) === 'impossible') ? 'a new run' : undefined;
  return changes
    .toSorted((a, b) => order.indexOf(kindOf(a, loaded)) - order.indexOf(kindOf(b, loaded)))
    .map(change => described(change, { allowed, instead }, loaded));
}

interface Allowing {
  readonly allowed: readonly string[];
  /** Suggested instead if allowing cannot help. */
  readonly instead: string | undefined;
}

function described(change: Change, allowing: Allowing, loaded: LoadedExperiment): Diagnostic {
  const { locator } = loaded;
  const { key, to } = change;
  const { code, message, expected } = classified(change, allowing, loaded);
  const more = { ...(expected !== undefined && { expected }), got: JSON.stringify(to) };
  const path = key.split('.');
  return locator.isGiven(path) ? locator.atValue(path, code, message, more) : { code, message, ...more };
}

function classified(
  change: Change,
  { allowed, instead }: Allowing,
  loaded: LoadedExperiment,
): Pick<Diagnostic, 'code' | 'message' | 'expected'> {
  const { key } = change;
  const was = JSON.stringify(change.from);
  const fact = resumeFact(change, loaded);
  if (typeof fact === 'object' && 'never' in fact)
    return {
      code: 'resume/impossible',
      message: `\`${key}\` cannot change after a run has started: ${fact.never}`,
      expected: `${was}, or a new run`,
    };
  if (fact === 'safe')
    return {
      code: 'resume/safe',
      message: `\`${key}\` may change (was ${was}): results up to the previous end stay the same`,
    };
  const why = typeof fact === 'object' ? `: ${fact.unsafe}` : '';
  if (covers(allowed, key))
    return {
      code: 'resume/allowed',
      message: `\`${key}\` is allowed to change (was ${was}); results will differ${why}`,
    };
  return {
    code: 'resume/changed',
    message: `\`${key}\` differs from the start of the run, so results would differ${why}`,
    expected: `${was}, or ${instead ?? `--allow-change ${key} to resume with the change`}`,
  };
}

function covers(keys: readonly string[], key: string): boolean {
  return keys.some(one => key === one || key.startsWith(`${one}.`));
}

function nothingChanged(key: string, changes: readonly Change[]): Diagnostic {
  return {
    code: 'resume/not-changed',
    message: `${key} has not changed`,
    file: '--allow-change',
    expected:
      changes.length > 0 ? `one of ${changes.map(change => change.key).join(', ')}` : 'no change to allow',
    got: key,
  };
}

/** For example `training.num_epochs: 2 -> 4`. */
export function inWords({ key, from, to }: Change): string {
  return `${key}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
}

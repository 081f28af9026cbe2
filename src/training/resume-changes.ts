/** What is no longer as it was when a run began: what may change freely, and what a user must allow by name. */
import { configDifferences } from '../config/diff.js';
import type { LoadedExperiment } from '../config/index.js';
import { type Diagnostic, usageError } from '../errors.js';
import type { Json } from '../experiment/json.js';
import type { Manifest, ManifestChange } from '../experiment/manifest.js';

export type Change = Pick<ManifestChange, 'key' | 'from' | 'to'>;

/** Keys, whole or as the beginning of longer ones, that name, watch, judge or prolong a run, and alter no result up to its old end. */
const SAFE = [
  'description',
  'checkpoint',
  'gates',
  'training.log_every',
  'training.num_epochs',
  'training.max_steps',
  'training.max_skipped_batches',
  'training.eval_batch_size',
];

export function configChanges(before: LoadedExperiment, after: LoadedExperiment): Change[] {
  return configDifferences(before, after).map(({ key, a, b }) => ({
    key,
    from: (a?.value ?? null) as Json,
    to: (b?.value ?? null) as Json,
  }));
}

/** What else decides the bytes of a result. */
export function machineChanges(then: Manifest, now: Pick<Manifest, 'backend' | 'versions'>): Change[] {
  const facts = ({ backend, versions }: typeof now): Record<string, Json> => ({
    backend: backend.name,
    // another backend has another one, or none
    ...(backend.name === then.backend.name && { arithmetic: backend.arithmetic }),
    version: versions.cellrun,
    'gpu.js': versions['gpu.js'],
  });
  const [before, after] = [facts(then), facts(now)];
  return Object.keys(after)
    .filter(key => key in before && before[key] !== after[key])
    .map(key => ({ key, from: before[key], to: after[key] }));
}

/**
 * Throws exit 2 with every change that alters results and is not among `allowed`, and with every key of `allowed` that nothing
 * changed: it is mistyped, or the change is.
 */
export function checkAllowed(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): void {
  const refused = changes.filter(({ key }) => !covers(SAFE, key) && !covers(allowed, key));
  const idle = allowed.filter(one => !changes.some(({ key }) => covers([one], key)));
  const problems = [
    ...refused.map(change => refusal(change, loaded)),
    ...idle.map(key => nothingChanged(key, changes)),
  ];
  if (problems.length > 0) throw usageError(...problems);
}

function covers(keys: readonly string[], key: string): boolean {
  return keys.some(one => key === one || key.startsWith(`${one}.`));
}

function refusal({ key, from, to }: Change, { locator }: LoadedExperiment): Diagnostic {
  const message = `\`${key}\` is not what the run began with, and it alters the results`;
  const more = {
    expected: `${JSON.stringify(from)}, or --allow-change ${key} to go on with what is given`,
    got: JSON.stringify(to),
  };
  const path = key.split('.');
  return locator.isGiven(path)
    ? locator.atValue(path, 'resume/changed', message, more)
    : { code: 'resume/changed', message, ...more };
}

function nothingChanged(key: string, changes: readonly Change[]): Diagnostic {
  return {
    code: 'resume/not-changed',
    message: `--allow-change ${key}: nothing of that name has changed`,
    file: '--allow-change',
    expected:
      changes.length > 0 ? `one of ${changes.map(change => change.key).join(', ')}` : 'no change to allow',
    got: key,
  };
}

/** Such as `training.num_epochs: 2 -> 4`. */
export function inWords({ key, from, to }: Change): string {
  return `${key}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
}

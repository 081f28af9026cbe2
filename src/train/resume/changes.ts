/**
 * Classifies what changed since a run started: safe changes, and those that a user must allow by
 * name.
 */

import { dependsOnLength, type LoadedExperiment } from '../../config/index.js';
import { configDifferences } from '../../config/wording/explain.js';
import type { Json } from '../../run/json.js';
import type { Manifest, ManifestChange } from '../../run/manifest.js';
import { type Diagnostic, usageError } from '../../util/errors.js';

export type Change = Pick<ManifestChange, 'key' | 'from' | 'to'>;

export const LOG_EVERY = 'training.log_every';

const WIDTH = 'width';

/**
 * Keys, or prefixes of keys, that can change freely: they name, monitor, judge or extend a run, and
 * alter no result up to its previous end.
 */
const SAFE = [
  'description',
  'checkpoint',
  'gates',
  LOG_EVERY,
  'dataset.memory',
  'training.metrics',
  'training.num_epochs',
  'training.max_steps',
  'training.evaluate_every',
  'training.early_stopping.patience',
  'training.early_stopping.min_delta',
  'training.max_skipped_batches',
  'training.eval_batch_size',
  WIDTH,
];

/** Keys, or prefixes of keys, that set how long a run trains. */
const LENGTH = ['training.num_epochs', 'training.max_steps'];

/**
 * Keys, or prefixes of keys, that cannot change after a run has started, with the reason. The first
 * match wins.
 */
const IMPOSSIBLE: Readonly<Record<string, string>> = {
  name: 'the run directory is named after it',
  seed: 'the weights were initialized and the batches ordered with the first seed',
  'model.init_from': 'initial weights are read only at the start of a run',
  'dataset.validation': 'its best checkpoint was selected on this validation split',
  'dataset.validation_arrays': 'its best checkpoint was selected on this validation split',
  'dataset.normalize': 'its weights were trained on data with this scaling',
  'dataset.level': 'its weights were trained with this vocabulary',
  'dataset.sequence_length': 'its batches have this length',
  'dataset.min_count': 'its weights were trained with this vocabulary',
  model: 'its checkpoints belong to this model',
  loss: 'its model was built for this loss',
  'optimizer.kind': 'its checkpoints have no state for another optimizer',
};

/** `unsafe`: alters results; recorded in the manifest if the user allows it by name. */
export type ChangeKind = 'safe' | 'unsafe' | 'impossible';

/** @param loaded the new config */
export function kindOf(change: Change, loaded: LoadedExperiment): ChangeKind {
  if (covers(SAFE, change.key)) return changesRates(change, loaded) ? 'unsafe' : 'safe';
  return reasonAgainst(change) === undefined ? 'unsafe' : 'impossible';
}

/**
 * True if the change alters learning rates: the schedule depends on the planned training length.
 */
function changesRates({ key }: Change, { experiment }: LoadedExperiment): boolean {
  return covers(LENGTH, key) && dependsOnLength(experiment.optimizer.schedule);
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
  const facts = ({ backend, versions }: typeof now): Record<string, Json> => ({
    backend: backend.name,
    // only comparable within one backend
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
  if (changes.some(isImpossible)) throw usageError(...describeChanges(changes, allowed, loaded));
}

const isImpossible = (change: Change): boolean => reasonAgainst(change) !== undefined;

/** Describes each change with its classification, refused changes first. */
export function describeChanges(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): Diagnostic[] {
  const order: readonly ChangeKind[] = ['impossible', 'unsafe', 'safe'];
  // if one change is impossible, allowing the others is no use
  const instead = changes.some(isImpossible) ? 'a new run' : undefined;
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
  const why = changesRates(change, loaded)
    ? `: the learning rates of \`optimizer.schedule\` depend on the planned length`
    : '';
  switch (kindOf(change, loaded)) {
    case 'impossible':
      return {
        code: 'resume/impossible',
        message: `\`${key}\` cannot change after a run has started: ${reasonAgainst(change)}`,
        expected: `${was}, or a new run`,
      };
    case 'safe':
      return {
        code: 'resume/safe',
        message: `\`${key}\` may change (was ${was}): results up to the previous end stay the same`,
      };
    case 'unsafe':
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
}

/** The reason why the change is impossible; undefined if it is possible. */
function reasonAgainst({ key, from, to }: Change): string | undefined {
  if (key === 'optimizer.momentum' && from === 0 && to !== null) return 'its checkpoints have no momentum';
  if (['optimizer.amsgrad', 'optimizer.centered'].includes(key) && to === true)
    return 'its checkpoints have no state for it';
  if (key.startsWith('training.average') && from === null) return 'its checkpoints have no averaged weights';
  const [, reason] = Object.entries(IMPOSSIBLE).find(([one]) => covers([one], key)) ?? [];
  return reason;
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

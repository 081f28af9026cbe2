/**
 * Whether a checkpoint is of the run in whose folder it lies. A checkpoint has no run's name in it,
 * since equal runs have equal bytes; it has the hash of what decides a training step (config, seed,
 * data), and the metrics of the run so far, which the run's log has as well.
 */
import { basename } from 'node:path';
import { type Diagnostic, damagedError } from '../../util/errors.js';
import type { JsonObject } from '../files/json.js';
import { LOG_LOST } from '../log/log-history.js';
import type { Manifest } from '../manifest.js';
import type { SplitMetrics, Summary } from '../summary.js';
import type { CheckpointEntry } from './folder.js';

/** What a checkpoint says of itself, without its tensors. */
export type SavedCheckpoint = CheckpointEntry & { readonly metadata: JsonObject };

/** The name by which a resume is allowed to go on from another run's checkpoint. */
export const FOREIGN = 'step_hash';

/**
 * Hashes that checkpoints of the run may have; undefined where an older version wrote the manifest
 * and it does not say.
 * @param current that of the run's config, where it was computed; manifests of older versions do
 * not have it
 */
export function ownStepHashes(
  { step_hash, earlier_step_hashes = [], changes = [] }: Manifest,
  current = step_hash,
): ReadonlySet<string> | undefined {
  if (current === undefined) return undefined;
  // what earlier configs had was not recorded then
  if (step_hash === undefined && changes.length > 0) return undefined;
  return new Set([current, ...earlier_step_hashes]);
}

/**
 * The hash that makes `checkpoint` another run's; undefined where it is the run's own, as far as
 * that can be told.
 */
export function foreignStepHash(
  { metadata }: Pick<SavedCheckpoint, 'metadata'>,
  own: ReadonlySet<string> | undefined,
): string | undefined {
  const { step_hash: found } = metadata;
  return own === undefined || typeof found !== 'string' || own.has(found) ? undefined : found;
}

/**
 * @throws UserError (exit 5) with both identities for each of `checkpoints` that is another run's
 *   and not among `allowed`
 */
export function refuseForeign(
  checkpoints: readonly Pick<SavedCheckpoint, 'path' | 'metadata'>[],
  own: ReadonlySet<string> | undefined,
  more = '',
): void {
  const problems = checkpoints.flatMap((checkpoint): Diagnostic[] => {
    const found = foreignStepHash(checkpoint, own);
    if (found === undefined) return [];
    return [
      {
        code: 'checkpoint/foreign',
        message: 'this checkpoint is from another run with a different config, seed or data',
        file: checkpoint.path,
        expected: `step_hash ${[...(own ?? [])].join(' or ')}${more}`,
        got: `step_hash ${found}`,
      },
    ];
  });
  if (problems.length > 0) throw damagedError(...problems);
}

interface Logged {
  /** The last of each split up to the checkpoint. */
  readonly evals: Map<string, LoggedEvent>;
  epoch?: LoggedEvent;
  /** The last of its step's evaluation and saving. */
  last?: LoggedEvent;
}

/** An event of a log, by whomever it was written. */
interface LoggedEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

/**
 * Holds what checkpoints say they measured to the log of their run; what it keeps does not grow
 * with the log.
 */
export class CheckpointProof {
  /**
   * Whether no record is missing between those that are there: of lost ones, the last evaluation
   * may be one.
   */
  private isWhole = true;
  private count = 0;
  private readonly logged: readonly (readonly [SavedCheckpoint, Logged])[];

  constructor(checkpoints: readonly SavedCheckpoint[]) {
    this.logged = checkpoints.map(one => [one, { evals: new Map() }]);
  }

  /** Called with each event of the log, in its order. */
  add(event: LoggedEvent): void {
    const { step, split, seq } = event;
    if (seq !== this.count || (event.event === 'warning' && event.code === LOG_LOST)) this.isWhole = false;
    this.count += 1;
    if (typeof step !== 'number') return;
    for (const [checkpoint, logged] of this.logged) {
      if (step > checkpoint.step) continue;
      const isAt = step === checkpoint.step;
      const counts = !isAt || wasEvaluated(checkpoint);
      if (event.event === 'eval' && typeof split === 'string' && counts) logged.evals.set(split, event);
      if (event.event === 'train.epoch' && counts) logged.epoch = event;
      if (isAt && (event.event === 'eval' || event.event === 'checkpoint.saved')) logged.last = event;
    }
  }

  /**
   * What the log says otherwise, a sentence for each checkpoint; what it no longer has contradicts
   * nothing.
   */
  contradictions(): { readonly path: string; readonly message: string }[] {
    return this.logged.flatMap(([checkpoint, logged]) => {
      const message = contradiction(checkpoint, logged, this.isWhole);
      return message === undefined ? [] : [{ path: checkpoint.path, message }];
    });
  }
}

function wasEvaluated({ metadata }: SavedCheckpoint): boolean {
  return (metadata.epoch as { evaluated?: unknown } | undefined)?.evaluated === true;
}

function contradiction(
  checkpoint: SavedCheckpoint,
  { evals, epoch, last }: Logged,
  isWhole: boolean,
): string | undefined {
  const { metadata, metric, step } = checkpoint;
  const metrics = (metadata.metrics ?? {}) as Readonly<Record<string, JsonObject | undefined>>;
  const ends = (metadata.epoch as { ended?: unknown } | undefined)?.ended === true;
  const isEpochs = epoch?.step === step && ends && wasEvaluated(checkpoint);
  const told = [
    ...['validation', 'test'].map(split => [split, evals.get(split)] as const),
    ['train', isEpochs ? epoch : undefined] as const,
  ];
  for (const [split, event] of told)
    for (const [name, value] of Object.entries(metrics[split] ?? {})) {
      const isOwn = event?.step === step || (isWhole && last?.event === 'checkpoint.saved');
      if (!isOwn) continue;
      const inLog = event?.[name];
      if (inLog === undefined || inLog === value) continue;
      return `it has ${split}.${name} ${value}, but the log has ${inLog} at step ${event?.step}`;
    }
  if (last?.event !== 'checkpoint.saved' || last.metric !== metric.name || last.value === metric.value)
    return undefined;
  return `it has ${metric.name} ${metric.value}, but the log has ${last.value}`;
}

/**
 * What the summary of a run says otherwise than the checkpoint whose weights are the run's at its
 * end, a sentence; undefined if they agree.
 */
export function otherMetric({ path, metadata }: SavedCheckpoint, { metrics }: Summary): string | undefined {
  const saved = (metadata.metrics ?? {}) as Readonly<Record<string, JsonObject | undefined>>;
  for (const split of ['train', 'validation', 'test'] as const) {
    const told: SplitMetrics = metrics[split] ?? {};
    for (const [name, value] of Object.entries(saved[split] ?? {})) {
      const inSummary = told[name];
      if (typeof value === 'number' && inSummary !== undefined && inSummary !== value)
        return `${split}.${name} is ${inSummary} in its summary and ${value} in its checkpoint ${basename(path)}`;
    }
  }
  return undefined;
}

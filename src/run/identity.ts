/**
 * Checks that a checkpoint belongs to the run whose folder contains it. A checkpoint has no run
 * name, so that equal runs have byte-identical ones. It has the hash of everything that determines
 * a training step (config, seed, data), and the metrics of the run so far, which the run's log also
 * has.
 */
import { basename } from 'node:path';
import { type Diagnostic, damagedError } from '../util/errors.js';
import type { CheckpointEntry } from './checkpoint-files.js';
import type { JsonObject } from './json.js';
import { LOG_LOST } from './log.js';
import type { Manifest } from './manifest.js';
import type { SplitMetrics, Summary } from './summary.js';

/** A checkpoint's entry and metadata, without its tensors. */
export type SavedCheckpoint = CheckpointEntry & { readonly metadata: JsonObject };

/** The key to pass to --allow-change to resume from another run's checkpoint. */
export const FOREIGN = 'step_hash';

/**
 * Hashes that checkpoints of the run may have; undefined if unknown, in manifests of older
 * versions.
 * @param current step hash of the run's config, for manifests of older versions, which lack it
 */
export function ownStepHashes(
  { step_hash, earlier_step_hashes = [], changes = [] }: Manifest,
  current = step_hash,
): ReadonlySet<string> | undefined {
  if (current === undefined) return undefined;
  // those versions did not record the hashes of earlier configs
  if (step_hash === undefined && changes.length > 0) return undefined;
  return new Set([current, ...earlier_step_hashes]);
}

/**
 * The step hash of `checkpoint` if it belongs to another run; undefined if it is the run's own, or
 * if this is unknown.
 */
export function foreignStepHash(
  { metadata }: Pick<SavedCheckpoint, 'metadata'>,
  own: ReadonlySet<string> | undefined,
): string | undefined {
  const { step_hash: found } = metadata;
  return own === undefined || typeof found !== 'string' || own.has(found) ? undefined : found;
}

/**
 * @throws UserError (exit 5) if one of `checkpoints` is another run's, with both hashes
 * @param more appended to the expected hash in the message
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
  /** The last evaluation of each split up to the checkpoint. */
  readonly evals: Map<string, LoggedEvent>;
  epoch?: LoggedEvent;
  /** The last `eval` or `checkpoint.saved` of its step. */
  last?: LoggedEvent;
}

/** An event of a log, which may have been edited. */
interface LoggedEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

/**
 * Compares the metrics in checkpoints with the log of their run. Its memory does not grow with the
 * log.
 */
export class CheckpointProof {
  /** False if records are missing within the log: the last evaluation may be one of them. */
  private isWhole = true;
  private count = 0;
  private readonly logged: readonly (readonly [SavedCheckpoint, Logged])[];

  constructor(checkpoints: readonly SavedCheckpoint[]) {
    this.logged = checkpoints.map(one => [one, { evals: new Map() }]);
  }

  /** Adds the next event of the log. */
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
   * Contradictions of the log, one sentence per checkpoint. Records missing from the log contradict
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
 * A sentence about a metric that differs between the summary of a run and its final checkpoint;
 * undefined if they agree.
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

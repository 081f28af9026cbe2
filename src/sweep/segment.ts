/** The segments of trials: how a launcher runs one, and what its run directory tells. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunDirectory } from '../run/directory.js';
import { metricValue } from '../run/gates.js';
import { isAtEnd } from '../run/integrity.js';
import { IN_USE, LOCK_LOST } from '../run/lock.js';
import { readEvents } from '../run/log.js';
import { INPUT_CHANGED } from '../run/manifest.js';
import { Run } from '../run/run.js';
import type { Summary } from '../run/summary.js';
import { caught, EXIT, UserError } from '../util/errors.js';
import { FULL_DISK_REASONS } from '../util/system-errors.js';
import type { Objective, SweepPlan } from './schedule/plan.js';
import type { JournalRecord, Segment } from './schedule/records.js';

/** One process to run: `cellrun run …` or `cellrun resume …`, paused after `to` epochs. */
export interface Task extends Segment {
  /** Unique within the sweep and stable over restarts: `t0007-s0-e3`. */
  readonly id: string;
  /** From 1. */
  readonly attempt: number;
  /** Directory of the run, absolute; it need not exist. */
  readonly directory: string;
  /** Arguments after the program's name. Running them again does not repeat completed work. */
  readonly args: readonly string[];
  readonly threads: number;
  readonly timeout: number | null;
}

export interface TaskEnd {
  /** Null if a signal ended the process, or if its machine was lost. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** The last lines of stderr for a message; may be empty. */
  readonly stderr: string;
  /** True if a queue lost the task before its end was known. */
  readonly wasForgotten?: true;
}

export interface RunningTask {
  /** Identifies the process for people and for a later `sweep resume`: a process id or job id. */
  readonly process: string;
  /** Rejects only if the launcher itself fails, not if the process does. */
  readonly end: Promise<TaskEnd>;
  stop(): Promise<void>;
}

export interface Launcher {
  readonly name: 'local' | 'slurm' | 'bullmq';
  start(task: Task): Promise<RunningTask>;
  /** Adopts a task that an earlier process of this sweep started; undefined if it is gone. */
  find(task: Task, process: string): Promise<RunningTask | undefined>;
  close(): Promise<void>;
}

/** Asks every `ms` milliseconds for the end of a task; never settles once it is closed. */
export async function polled(
  ask: () => Promise<TaskEnd | undefined>,
  ms: number,
  isClosed: () => boolean,
): Promise<TaskEnd> {
  for (; !isClosed(); await sleep(ms)) {
    const end = await ask();
    if (end !== undefined) return end;
  }
  return new Promise(() => {});
}

/** What tells whether a segment has ended, and with which value. */
type Ending = Pick<SweepPlan, 'objective' | 'epochs'>;

export type SegmentResult = Omit<
  Extract<JournalRecord, { event: 'segment.end' }>,
  'event' | 'time' | 'attempt'
>;

/** Undefined if the segment still has to be trained. */
export function finishedSegment(
  segment: Segment,
  directory: string,
  plan: Ending,
): SegmentResult | undefined {
  const summary = runSummary(directory);
  // its process may have been killed between the summary and the last record of the log
  if (!summary || !isAtEnd(RunDirectory.at(directory))) return undefined;
  const { status, epochs, exit_code, train_s, message = null } = summary;
  const end = { exit_code, epochs: Math.min(epochs, segment.to), train_s };
  if (status === 'diverged' && epochs < segment.to)
    return { ...segment, status: 'diverged', value: null, ...end, message };
  const value = valueAtEnd(segment, summary, directory, plan);
  if (value === undefined) return undefined;
  return { ...segment, status: 'done', value: Number.isFinite(value) ? value : null, ...end, message: null };
}

/**
 * The value of the metric: NaN if it has none, undefined if the run has not reached the segment's
 * end. A run stopped during an evaluation has all steps but not the result, which the next process
 * measures; also during the final one: a run that has ended its training still has to be completed.
 * A run that `training.max_steps` ends is finished without all epochs.
 */
function valueAtEnd(
  segment: Segment,
  { status, epochs, evaluated, metrics, stopped_early }: Summary,
  directory: string,
  { objective, epochs: all }: Ending,
): number | undefined {
  const { to } = segment;
  const endsTraining = to === all || stopped_early !== undefined;
  if (status === 'interrupted' && epochs <= to && endsTraining) return undefined;
  const endedHere = status === 'completed' ? epochs <= to : status === 'interrupted' && epochs === to;
  if (endedHere && (evaluated || status === 'completed'))
    return metricValue(metrics, objective.metric) ?? Number.NaN;
  const wentFurther = epochs > to || (epochs === to && status !== 'failed');
  return wentFurther ? loggedValue(segment, directory, objective) : undefined;
}

/** For a run that has continued since, if the journal lost the segment's end. */
function loggedValue({ to }: Segment, directory: string, objective: Objective): number | undefined {
  const at = (metric: string) =>
    epochValues({ objective: { ...objective, metric } }, directory).find(({ epoch }) => epoch === to);
  // a loss of training is logged before the evaluation that ends the epoch
  if (at('validation.loss') === undefined && at('test.loss') === undefined) return undefined;
  return at(objective.metric)?.value ?? Number.NaN;
}

export function failureSentence(
  { exitCode, signal, timedOut, stderr }: TaskEnd,
  timeout: number | null,
): string {
  // later output is about the stop
  if (timedOut) return `no end within ${timeout} s`;
  // the sweep resumes its trials itself
  const lines = stderr.split('\n').filter(line => line.trim() !== '' && !/^Resume with: /.test(line));
  // indented lines explain the one above
  const last = lines.findLast(line => !/^\s/.test(line)) ?? lines.at(-1) ?? '';
  const how =
    signal !== null
      ? `killed by ${signal}`
      : exitCode === null
        ? 'its process has ended'
        : `exit code ${exitCode}`;
  return last === '' ? how : `${how}: ${last.trim()}`;
}

/** Whether the disk was full, which would affect every other trial too. */
export function isOutOfSpace({ exitCode, stderr }: TaskEnd): boolean {
  const isRefusal = exitCode === EXIT.unexpected || exitCode === EXIT.usage;
  return isRefusal && FULL_DISK_REASONS.some(reason => stderr.includes(reason));
}

/** Whether an input of the run has changed. Once it is put back, the run can be resumed. */
export function foundChange({ exitCode, stderr }: TaskEnd): boolean {
  return exitCode === EXIT.damaged && stderr.includes(INPUT_CHANGED);
}

/** Whether another process held or took the run, which says nothing about the trial. */
export function foundInUse({ exitCode, stderr }: TaskEnd): boolean {
  if (exitCode === EXIT.usage) return stderr.includes(IN_USE);
  return exitCode === EXIT.unexpected && stderr.includes(LOCK_LOST);
}

export function trainedSteps(directory: string): number {
  return runSummary(directory)?.steps ?? 0;
}

/** Undefined if there is none. */
export function runSummary(directory: string): Summary | undefined {
  if (!existsSync(directory)) return undefined;
  try {
    return Run.open(directory).summary;
  } catch {
    // a directory that is not one yet, or a damaged summary: the next process of the segment
    // handles it
    return undefined;
  }
}

/**
 * The objective after each epoch, null if it is not finite, from the log of a run; empty without a
 * readable log.
 */
export function epochValues({ objective }: Pick<SweepPlan, 'objective'>, directory: string) {
  const [split, name] = objective.metric.split('.');
  const event = split === 'train' ? 'train.epoch' : 'eval';
  const byEpoch = new Map<number, { readonly epoch: number; readonly value: number | null }>();
  const events = caught(() => readEvents(join(directory, 'log.jsonl')));
  for (const record of events instanceof UserError ? [] : events) {
    const { epoch } = record;
    if (record.event !== event || typeof epoch !== 'number') continue;
    if (event === 'eval' && record.split !== split) continue;
    const value = record[name];
    // an epoch may have evaluations before the one that ends it
    byEpoch.set(epoch, { epoch, value: typeof value === 'number' ? value : null });
  }
  return [...byEpoch.values()];
}

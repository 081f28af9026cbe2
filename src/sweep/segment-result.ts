/**
 * What became of a segment: read from its run directory, whatever process or machine trained it.
 */
import { existsSync } from 'node:fs';
import { NO_SPACE } from '../experiment/files/refusals.js';
import { metricValue } from '../experiment/judging/gates.js';
import { LEASE_LOST, LOCK_LOST } from '../experiment/locks/ownership.js';
import { IN_USE } from '../experiment/locks/run-lock.js';
import { RunDirectory } from '../experiment/run-directory.js';
import type { Summary } from '../experiment/summary.js';
import { EXIT } from '../util/errors.js';
import type { TaskEnd } from './launcher.js';
import type { Objective } from './plan.js';
import type { Outcome, Segment } from './records.js';
import { epochValues } from './results/history.js';

export interface SegmentResult {
  readonly outcome: Outcome;
  readonly exitCode: number | null;
  readonly message: string | null;
  /**
   * Whole epochs up to here: fewer than the segment's if it diverged or ended early; null without a
   * summary.
   */
  readonly epochs: number | null;
  readonly trainSeconds: number | null;
}

/**
 * The result of a segment that is through, by what its run directory says; undefined where it is
 * still to be trained.
 */
export function finishedSegment(
  segment: Segment,
  directory: string,
  objective: Objective,
): SegmentResult | undefined {
  const summary = summaryOf(directory);
  if (!summary) return undefined;
  const { status, epochs, exit_code: exitCode, train_s: trainSeconds } = summary;
  if (status === 'diverged' && epochs < segment.to) {
    const outcome: Outcome = { ...segment, status: 'diverged', value: null };
    return { outcome, exitCode, message: summary.message ?? null, epochs, trainSeconds };
  }
  const value = valueAtEnd(segment, summary, directory, objective);
  if (value === undefined) return undefined;
  const outcome: Outcome = { ...segment, status: 'done', value: Number.isFinite(value) ? value : null };
  // early stopping and `training.max_steps` end a run before the segment does
  return { outcome, exitCode, message: null, epochs: Math.min(epochs, segment.to), trainSeconds };
}

/**
 * NaN where the metric has no value; undefined where the run is not there yet. One that was stopped
 * while it evaluated has all steps of the epoch and not its result, which the next process
 * measures. One that `training.max_steps` ends is through without all epochs.
 */
function valueAtEnd(
  segment: Segment,
  { status, epochs, evaluated, metrics }: Summary,
  directory: string,
  objective: Objective,
): number | undefined {
  const { to } = segment;
  const isAtEnd = status === 'completed' ? epochs <= to : status === 'interrupted' && epochs === to;
  if (isAtEnd && (evaluated || status === 'completed'))
    return metricValue(metrics, objective.metric) ?? Number.NaN;
  const wentFurther = epochs > to || (epochs === to && status !== 'failed');
  return wentFurther ? loggedValue(segment, directory, objective) : undefined;
}

/**
 * Of a run that has gone further since, which happens where the journal lost the segment's end: its
 * log still has the value.
 */
function loggedValue({ to }: Segment, directory: string, objective: Objective): number | undefined {
  const at = (metric: string) =>
    epochValues({ objective: { ...objective, metric } }, directory).find(({ epoch }) => epoch === to);
  // a loss of training is logged before the evaluation that ends the epoch
  if (at('validation.loss') === undefined && at('test.loss') === undefined) return undefined;
  return at(objective.metric)?.value ?? Number.NaN;
}

/** The result of a segment that is given up. */
export function failedSegment(segment: Segment, end: TaskEnd, message: string): SegmentResult {
  return {
    outcome: { ...segment, status: 'failed', value: null },
    exitCode: end.exitCode,
    message,
    epochs: null,
    trainSeconds: null,
  };
}

/** Why a process that left no result ended, one line. */
export function failureSentence(
  { exitCode, signal, timedOut, stderr }: TaskEnd,
  timeout: number | null,
): string {
  // what it says after that is about its being stopped
  if (timedOut) return `it did not end within ${timeout} s`;
  // how to go on with a trial is the sweep's to know
  const lines = stderr.split('\n').filter(line => line.trim() !== '' && !/^Go on with: /.test(line));
  // lines that are indented explain the one above
  const last = lines.findLast(line => !/^\s/.test(line)) ?? lines.at(-1) ?? '';
  const how =
    signal !== null
      ? `it was ended by ${signal}`
      : exitCode === null
        ? 'its process is gone'
        : `it ended with exit code ${exitCode}`;
  return last === '' ? how : `${how}: ${last.trim()}`;
}

/**
 * Whether the machine, and nothing of the trial's own, kept it from going on: no place to write to.
 * Every other trial would end like it.
 */
export function isOutOfSpace({ exitCode, stderr }: TaskEnd): boolean {
  const isRefusal = exitCode === EXIT.unexpected || exitCode === EXIT.usage;
  return isRefusal && NO_SPACE.some(reason => stderr.includes(reason));
}

/** Whether another process held the run, or took it: says nothing about the trial. */
export function foundInUse({ exitCode, stderr }: TaskEnd): boolean {
  if (exitCode === EXIT.usage) return stderr.includes(IN_USE);
  return exitCode === EXIT.unexpected && [LOCK_LOST, LEASE_LOST].some(text => stderr.includes(text));
}

/** Whether another try could end otherwise: not where config or command line are wrong. */
export function isWorthRetrying({ exitCode }: TaskEnd): boolean {
  return exitCode !== EXIT.usage;
}

/** Optimizer steps that a run's last process left; 0 where there is none. */
export function trainedSteps(directory: string): number {
  return summaryOf(directory)?.steps ?? 0;
}

/**
 * Whether a run was paused after so many epochs and has their results, rather than stopped on its
 * way there.
 */
export function isPausedAt(directory: string, epochs: number): boolean {
  const summary = summaryOf(directory);
  return summary?.status === 'interrupted' && summary.epochs === epochs && summary.evaluated === true;
}

function summaryOf(directory: string): Summary | undefined {
  if (!existsSync(directory)) return undefined;
  try {
    return RunDirectory.open(directory).readSummary();
  } catch {
    // a directory that is not one yet, or a damaged summary: the next process of the segment sees
    // to it
    return undefined;
  }
}

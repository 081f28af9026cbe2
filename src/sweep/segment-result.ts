/** What became of a segment: read from its run directory, whatever process or machine trained it. */
import { existsSync } from 'node:fs';
import { EXIT } from '../errors.js';
import { metricValue } from '../experiment/gates.js';
import { RunDirectory } from '../experiment/run-directory.js';
import type { Summary } from '../experiment/summary.js';
import type { TaskEnd } from './launcher.js';
import type { Objective } from './plan.js';
import type { Outcome, Segment } from './records.js';

export interface SegmentResult {
  readonly outcome: Outcome;
  readonly exitCode: number | null;
  readonly message: string | null;
  readonly trainSeconds: number | null;
}

/** The result of a segment that is through, by what its run directory says; undefined where it is still to be trained. */
export function finishedSegment(
  segment: Segment,
  directory: string,
  objective: Objective,
): SegmentResult | undefined {
  const summary = summaryOf(directory);
  if (!summary) return undefined;
  const { status, epochs, metrics, exit_code: exitCode, train_s: trainSeconds } = summary;
  if (status === 'diverged') {
    const outcome: Outcome = { ...segment, status: 'diverged', value: null };
    return { outcome, exitCode, message: summary.message ?? null, trainSeconds };
  }
  if (epochs < segment.to || (status !== 'completed' && status !== 'interrupted')) return undefined;
  const value = metricValue(metrics, objective.metric);
  const outcome: Outcome = {
    ...segment,
    status: 'done',
    value: Number.isFinite(value) ? (value as number) : null,
  };
  return { outcome, exitCode, message: null, trainSeconds };
}

/** The result of a segment that is given up. */
export function failedSegment(segment: Segment, end: TaskEnd, message: string): SegmentResult {
  return {
    outcome: { ...segment, status: 'failed', value: null },
    exitCode: end.exitCode,
    message,
    trainSeconds: null,
  };
}

/** Why a process that left no result ended, one line. */
export function failureSentence(
  { exitCode, signal, timedOut, stderr }: TaskEnd,
  timeout: number | null,
): string {
  const last = stderr.split('\n').findLast(line => line.trim() !== '') ?? '';
  const how = timedOut
    ? `it did not end within ${timeout} s`
    : signal !== null
      ? `it was ended by ${signal}`
      : exitCode === null
        ? 'its process is gone'
        : `it ended with exit code ${exitCode}`;
  return last === '' ? how : `${how}: ${last.trim()}`;
}

/** Whether another try could end otherwise: not where config or command line are wrong. */
export function isWorthRetrying({ exitCode }: TaskEnd): boolean {
  return exitCode !== EXIT.usage;
}

/** Optimizer steps that a run's last process left; 0 where there is none. */
export function trainedSteps(directory: string): number {
  return summaryOf(directory)?.steps ?? 0;
}

function summaryOf(directory: string): Summary | undefined {
  if (!existsSync(directory)) return undefined;
  try {
    return RunDirectory.open(directory).readSummary();
  } catch {
    // a directory that is not one yet, or a damaged summary: the next process of the segment sees to it
    return undefined;
  }
}

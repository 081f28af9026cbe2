/**
 * Repeats a finished sweep's decisions with another pruner, from recorded values alone.
 *
 * It can repeat every decision whose values were recorded at the epochs where the other pruner
 * judges. It cannot know values at epochs that a trial was not trained for, or was not measured at.
 * It lists these trials in `unknown`, and ignores them from there on; the decisions then hold only
 * under this assumption (`isExact` is false). The points are those of the sweep, in their order:
 * TPE might have chosen others from other results, and there are no further points if the pruner
 * leaves time for more. A time budget has no effect.
 */
import type { Pruner, SweepPlan } from '../plan.js';
import {
  type Decision,
  type JournalRecord,
  type Outcome,
  outcomesOf,
  type Segment,
  type SegmentStatus,
} from '../records.js';
import type { Sampler } from '../search/sampler.js';
import type { Point } from '../space.js';
import { Scheduler } from './scheduler.js';

export interface EpochValue {
  readonly epoch: number;
  /** The objective's metric; null if it is not finite. */
  readonly value: number | null;
}

export interface WhatIfParts {
  readonly plan: SweepPlan;
  readonly pruner: Pruner;
  readonly costPerEpoch: (point: Point) => number;
  /** Further values of a trial's run, such as the evaluations in its log; in any order. */
  readonly history?: (trial: number, seed: number) => readonly EpochValue[];
}

type Best = Extract<Decision, { event: 'sweep.decided' }>['best'];

export interface WhatIf {
  readonly decisions: readonly Decision[];
  /**
   * Epochs over all seeds that the sweep trained, and that it would have trained with the other
   * pruner. A trial with unknown values counts up to its first unknown rung. Without a pruner this
   * is a lower bound; with a pruner it is no bound, since its values could have stopped other
   * trials.
   */
  readonly epochs: { readonly recorded: number; readonly whatIf: number; readonly saved: number };
  /** The winners: as recorded (null if undecided), and with the other pruner. */
  readonly best: { readonly recorded: Best; readonly whatIf: Best };
  /** Trials that would have been trained beyond their recorded values, and to which epoch. */
  readonly unknown: readonly { readonly trial: number; readonly from: number; readonly to: number }[];
  /** Whether nothing is unknown: the sweep would have run exactly like this. */
  readonly isExact: boolean;
}

export function whatIf(parts: WhatIfParts, records: readonly JournalRecord[]): WhatIf {
  const { plan, pruner, costPerEpoch } = parts;
  const outcomes = outcomesOf(records);
  const recordings = new Recordings(outcomes, parts.history);
  // to the scheduler, an ignored trial has failed; that must not stop the sweep
  const other: SweepPlan = { ...plan, pruner, on_trial_error: 'continue' };
  const scheduler = new Scheduler(other, recordedPoints(records), costPerEpoch);
  const decisions: Decision[] = [];
  const unknown = new Map<number, WhatIf['unknown'][number]>();
  const trained: Segment[] = [];
  do {
    decisions.push(...scheduler.advance());
    for (const segment of scheduler.ready()) {
      const outcome = recordings.outcome(segment);
      const { trial, from, to } = segment;
      // it would be trained, whatever its result
      trained.push(segment);
      if (!outcome) unknown.set(trial, { trial, from, to });
      scheduler.report(outcome ?? { ...segment, status: 'failed', value: null });
    }
  } while (!scheduler.finished);
  // exclude segments that started early but were never decided
  const chosen = decisions.filter(({ event }) => event === 'trial.chosen').length;
  const [recorded, replayed] = [epochsOf(outcomes), epochsOf(trained.filter(({ trial }) => trial < chosen))];
  const beyond = [...unknown.values()].filter(({ trial }) => trial < chosen);
  return {
    decisions,
    epochs: { recorded, whatIf: replayed, saved: recorded - replayed },
    best: { recorded: decidedBest(records), whatIf: decidedBest(decisions) },
    unknown: beyond,
    isExact: beyond.length === 0,
  };
}

/** The recorded results by trial and seed. */
class Recordings {
  private readonly values = new Map<string, Map<number, number | null>>();
  /** Where and how training ended early. */
  private readonly ends = new Map<string, { readonly to: number; readonly status: SegmentStatus }>();

  constructor(
    outcomes: readonly Outcome[],
    private readonly history: WhatIfParts['history'],
  ) {
    for (const { trial, seed, to, status, value } of outcomes) {
      if (status === 'done') this.valuesOf(trial, seed).set(to, value);
      else this.ends.set(runKey(trial, seed), { to, status });
    }
  }

  /** Undefined if the segment was not recorded. */
  outcome(segment: Segment): Outcome | undefined {
    const { trial, seed, to } = segment;
    const value = this.valuesOf(trial, seed).get(to);
    if (value !== undefined) return { ...segment, status: 'done', value };
    const end = this.ends.get(runKey(trial, seed));
    return end && end.to <= to ? { ...segment, status: end.status, value: null } : undefined;
  }

  private valuesOf(trial: number, seed: number): Map<number, number | null> {
    const key = runKey(trial, seed);
    let values = this.values.get(key);
    if (!values) {
      values = new Map(this.history?.(trial, seed).map(({ epoch, value }) => [epoch, value]));
      this.values.set(key, values);
    }
    return values;
  }
}

function runKey(trial: number, seed: number): string {
  return `${trial}/${seed}`;
}

/** Returns the journal's points by trial. */
function recordedPoints(records: readonly JournalRecord[]): Sampler {
  const points = new Map<number, Point>();
  for (const record of records) if (record.event === 'trial.chosen') points.set(record.trial, record.point);
  return { suggest: trial => points.get(trial) };
}

function epochsOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { from, to }) => sum + to - from, 0);
}

function decidedBest(records: readonly JournalRecord[]): Best {
  return records.find(record => record.event === 'sweep.decided')?.best ?? null;
}

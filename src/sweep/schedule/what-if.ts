/**
 * Decides a finished sweep again with another pruner, from recorded values alone.
 *
 * Decidable: every decision that rests on values the records hold, at the epochs where the other
 * pruner looks. Not decidable, and told as such: what a trial would have been after epochs that it
 * was never trained for, or that nobody measured; such a trial is named in `unknown`, takes no
 * further part and counts at no later rung, so what follows holds only under that assumption
 * (`isExact` is false). The points are those that the sweep chose, in its order: which others TPE
 * would have chosen had it seen other results is not decidable, and a pruner that leaves time for
 * more points than the sweep had gets no more. A budget of time does not apply, for nothing takes
 * time here.
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
  /** The objective's metric as it was measured; null where it is not finite. */
  readonly value: number | null;
}

export interface WhatIfParts {
  readonly plan: SweepPlan;
  readonly pruner: Pruner;
  readonly costPerEpoch: (point: Point) => number;
  /**
   * Values of a trial's run beyond those of the journal, such as the evaluations in its log; in any
   * order.
   */
  readonly history?: (trial: number, seed: number) => readonly EpochValue[];
}

type Best = Extract<Decision, { event: 'sweep.decided' }>['best'];

export interface WhatIf {
  readonly decisions: readonly Decision[];
  /**
   * Epochs of all seeds together that the sweep trained, and that it would have with the other
   * pruner. Where something is unknown, such a trial counts up to the first rung that nobody knows:
   * without a pruner that is the least it can be; with one, its values could have kept others from
   * going on, so that it is neither the least nor the most.
   */
  readonly epochs: { readonly recorded: number; readonly whatIf: number; readonly saved: number };
  /**
   * The winners: what the journal says (null where it isn't decided), and with the other pruner.
   */
  readonly best: { readonly recorded: Best; readonly whatIf: Best };
  /** Trials that would have been trained further than the records reach, and to which epoch. */
  readonly unknown: readonly { readonly trial: number; readonly from: number; readonly to: number }[];
  /**
   * Whether nothing is unknown: with that pruner and these points, the sweep would have been this
   * one.
   */
  readonly isExact: boolean;
}

export function whatIf(parts: WhatIfParts, records: readonly JournalRecord[]): WhatIf {
  const { plan, pruner, costPerEpoch } = parts;
  const outcomes = outcomesOf(records);
  const recordings = new Recordings(outcomes, parts.history);
  // a trial that takes no further part has failed, to the scheduler; the sweep did not stop for it
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
      // it would be trained, whatever came of it
      trained.push(segment);
      if (!outcome) unknown.set(trial, { trial, from, to });
      scheduler.report(outcome ?? { ...segment, status: 'failed', value: null });
    }
  } while (!scheduler.finished);
  // what was answered ahead of a decision that was never made was not trained
  const chosen = decisions.filter(({ event }) => event === 'trial.chosen').length;
  const [recorded, trainedAnew] = [
    epochsOf(outcomes),
    epochsOf(trained.filter(({ trial }) => trial < chosen)),
  ];
  const beyond = [...unknown.values()].filter(({ trial }) => trial < chosen);
  return {
    decisions,
    epochs: { recorded, whatIf: trainedAnew, saved: recorded - trainedAnew },
    best: { recorded: decidedBest(records), whatIf: decidedBest(decisions) },
    unknown: beyond,
    isExact: beyond.length === 0,
  };
}

/** What the records say of each trial and seed. */
class Recordings {
  private readonly values = new Map<string, Map<number, number | null>>();
  /** Where training ended for good, and how. */
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

  /** Undefined where the records do not reach. */
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

/** Gives out the points of the journal, in the order of the trials. */
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

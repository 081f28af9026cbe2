/** Judges runs of one config against a baseline, and lists what changed since. */

import type { Baseline } from '../../run/baseline.js';
import type { Verdict } from '../../run/events.js';
import { judgeGate } from '../../run/gates.js';
import { usageError } from '../../util/errors.js';
import { judgeNoise, type SeedValue } from '../noise.js';
import { type Deciding, type Moved, movedBetween, movedWords, otherTask, sorted } from './deciding.js';
import { seedValues } from './groups.js';
import { notJudgeable, type ReviewedRun } from './run-facts.js';

export interface Limits {
  readonly max_drop?: number;
  readonly max_regress?: number;
}

export interface MetricVerdict {
  readonly metric: string;
  readonly verdict: Verdict;
  readonly reason: string;
  readonly value: number | null;
  readonly reference: number;
  readonly spread: number | null;
  readonly count: number;
  /** The worst value that passes; absent if unknown. */
  readonly limit?: number;
  /**
   * Probability of a value this bad or worse if nothing changed; absent if noise was not tested.
   */
  readonly p?: number;
}

export interface Comparison {
  readonly file: string;
  readonly moved: readonly Moved[];
  readonly not_pinned: readonly 'data'[];
  readonly metrics: readonly MetricVerdict[];
}

/**
 * Judges runs against a baseline.
 * @param file of the baseline, for messages
 * @param judged metrics that a gate of the runs' config already compares with a baseline
 */
export function compareWith(
  file: string,
  baseline: Baseline,
  runs: readonly ReviewedRun[],
  limits: Limits,
  judged: ReadonlySet<string>,
): Comparison {
  const quality = Object.keys(baseline.metrics).filter(
    metric => metric.startsWith('test.') && !judged.has(metric),
  );
  if (quality.length === 0 && judged.size === 0) {
    const expected = 'a metric of the test split, such as test.loss';
    throw usageError({
      code: 'review/baseline',
      message: 'this baseline has no quality metric',
      file,
      expected,
    });
  }
  const why = notJudgeable(runs);
  const other = otherTaskThan(baseline, runs);
  return {
    file,
    moved: movedSince(baseline, runs),
    not_pinned: baseline.datasets.length === 0 ? ['data'] : [],
    metrics: quality.map(metric => {
      const { mean: reference, spread, count } = baseline.metrics[metric];
      const verdict =
        why !== undefined
          ? ({ verdict: 'inconclusive', value: null, reason: why } as const)
          : other === undefined
            ? judgeMetric(metric, baseline, runs, limits)
            : ({ verdict: 'inconclusive', value: meanOf(metric, runs) ?? null, reason: other } as const);
      return { metric, ...verdict, reference, spread, count };
    }),
  };
}

function judgeMetric(
  metric: string,
  baseline: Baseline,
  runs: readonly ReviewedRun[],
  limits: Limits,
): Pick<MetricVerdict, 'verdict' | 'reason' | 'value' | 'limit' | 'p'> {
  if (limits.max_drop === undefined && limits.max_regress === undefined)
    return judgeNoise(metric, seedsOf(metric, baseline, runs), baseline.metrics[metric]);
  const mean = meanOf(metric, runs);
  const { mean: reference } = baseline.metrics[metric];
  const gate = { metric, over: 'last', baseline: '', reference, origin: '', ...limits } as const;
  const { verdict, value, limit, reason } = judgeGate(gate, mean);
  const allowed =
    limits.max_drop === undefined ? `--max-regress ${limits.max_regress}` : `--max-drop ${limits.max_drop}`;
  return {
    verdict,
    value,
    reason: reason ?? `${verdict === 'passed' ? 'within' : 'beyond'} ${allowed}`,
    ...(limit !== undefined && { limit }),
  };
}

function meanOf(metric: string, runs: readonly ReviewedRun[]): number | undefined {
  const values = [...seedValues(runs, run => run.last(metric)).values()];
  if (values.includes(undefined)) return undefined;
  return (values as number[]).reduce((sum, value) => sum + value, 0) / values.length;
}

function otherTaskThan(baseline: Baseline, runs: readonly ReviewedRun[]): string | undefined {
  const pinned = pinnedOf(baseline);
  const moved = runs.flatMap(({ deciding }) => (deciding === undefined ? [] : otherTask(pinned, deciding)));
  if (moved.length === 0) return undefined;
  return `measured on another task: ${[...new Set(moved.map(movedWords))].join('; ')}`;
}

function seedsOf(metric: string, baseline: Baseline, runs: readonly ReviewedRun[]): SeedValue[] {
  return runs.map(run => {
    const seed = run.facts.seed ?? 0;
    const pinned = isRepetition(run, baseline) ? baseline.metrics[metric].by_seed[seed] : undefined;
    return { seed, value: run.last(metric), pinned };
  });
}

/** Then its results must be identical to those of the pinned run. */
function isRepetition({ facts, deciding }: ReviewedRun, baseline: Baseline): boolean {
  if (deciding === undefined || facts.git?.dirty === true || baseline.git.some(({ dirty }) => dirty))
    return false;
  const revisions = baseline.git.map(({ revision }) => revision);
  const isSameCode =
    facts.git === null
      ? revisions.length === 0
      : revisions.length === 1 && revisions[0] === facts.git.revision;
  return (
    isSameCode &&
    facts.config_hash !== null &&
    baseline.config_hash_by_seed[String(facts.seed)] === facts.config_hash &&
    movedBetween(pinnedOf(baseline), deciding).length === 0
  );
}

function pinnedOf({ config, datasets, versions, backend }: Baseline): Deciding {
  const { name, executor, arithmetic, adapter } = backend;
  return {
    config,
    datasets,
    versions: sorted(versions),
    backend: { name, executor, arithmetic, adapter } as Deciding['backend'],
  };
}

function movedSince(baseline: Baseline, runs: readonly ReviewedRun[]): Moved[] {
  const pinned = pinnedOf(baseline);
  const found = new Map<string, Moved>();
  for (const { facts, deciding } of runs) {
    const moved = [
      ...(deciding === undefined ? [] : movedBetween(pinned, deciding)),
      ...movedRevision(baseline, facts.git),
    ];
    for (const one of moved) found.set(JSON.stringify(one), one);
  }
  return [...found.values()];
}

function movedRevision({ git }: Baseline, now: ReviewedRun['facts']['git']): Moved[] {
  const words = (state: typeof now): string | null =>
    state === null ? null : `${state.revision}${state.dirty ? ' with changes' : ''}`;
  const before = git.map(words);
  if (before.includes(words(now)) || (now === null && git.length === 0)) return [];
  return [{ what: 'code', key: 'git', from: before.join(', ') || null, to: words(now) }];
}

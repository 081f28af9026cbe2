/** `sweep … --dry-run`: the points that a sweep will try, how large their models are and how long it will take. */

import type { SweepModels } from '../../library/sweep-models.js';
import type { LoadedSweep } from '../../sweep/config/index.js';
import { formatTable, type Table } from '../../sweep/results/index.js';
import { createPruning } from '../../sweep/schedule/pruners.js';
import { gridSize, pointsAtMost } from '../../sweep/search/grid.js';
import { createSampler } from '../../sweep/search/index.js';
import type { Point } from '../../sweep/space.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { BackendOptions } from '../options.js';
import type { Io } from '../terminal/io.js';
import { formatDuration } from '../terminal/progress.js';
import { estimate, type PointEstimate } from './estimate.js';
import { secondsToStart } from './start.js';

/** Points that are listed where the sweep has no number of its own. */
const LISTED = 20;

export interface DryRunOptions extends BackendOptions {
  readonly json: boolean;
  /** Arguments `key.path=value` for every config. */
  readonly set: readonly string[];
}

/** @param options.threads of one trial */
export async function dryRun(
  { plan }: LoadedSweep,
  models: SweepModels,
  options: DryRunOptions,
  io: Io,
): Promise<ExitCode> {
  const points = chosenPoints(plan);
  const pruning = createPruning(plan);
  const program = await secondsToStart({ ...options, config: plan.bases[0].file });
  const processesOf = (trial: number): number => pruning.rungs(trial).length;
  const estimated = await estimate(models, points, options, { program, processesOf });
  const { points: estimates, probes, models: distinct, start } = estimated;
  const trials = trialsOf(plan);
  const mean = estimates.reduce((sum, { seconds }) => sum + seconds, 0) / Math.max(1, estimates.length);
  const total =
    trials === null ? null : (mean * trials * plan.seeds.length) / Math.min(plan.parallel, trials);
  const table = pointTable(estimates);
  if (options.json) {
    const answer = {
      version: 1,
      name: plan.name,
      trials,
      seeds: plan.seeds,
      seconds: total,
      start_seconds: start,
      probes,
      models: distinct,
      points: estimates,
    };
    io.out(`${JSON.stringify(answer)}\n`);
    return EXIT.done;
  }
  io.out(formatTable(table, 'text', Math.max(80, io.columns ?? 120)));
  io.out(
    sentences(plan, estimates.length, {
      trials,
      total,
      probes,
      distinct,
      start,
      processes: Math.max(1, ...points.map((_, trial) => processesOf(trial))),
    }),
  );
  return EXIT.done;
}

/** A grid's points; the first that another method chooses, which for TPE are only those before the first result. */
function chosenPoints(plan: LoadedSweep['plan']): readonly Point[] {
  const sampler = createSampler(plan.space, plan.method, plan.seed);
  const most = plan.budget.trials ?? (plan.method.kind === 'grid' ? Number.POSITIVE_INFINITY : LISTED);
  const startup = plan.method.kind === 'tpe' ? plan.method.n_startup_trials : most;
  const points: Point[] = [];
  while (points.length < Math.min(most, startup)) {
    const point = sampler.suggest(points.length, [], points);
    if (point === undefined) break;
    points.push(point);
  }
  return points;
}

/** Null where only time or a target ends the sweep. No method tries a point twice. */
function trialsOf({ budget, space }: LoadedSweep['plan']): number | null {
  const size = Number.isFinite(pointsAtMost(space)) ? gridSize(space) : null;
  const limits = [size, budget.trials].filter(limit => limit !== null);
  return limits.length === 0 ? null : Math.min(...limits);
}

function pointTable(estimates: readonly PointEstimate[]): Table {
  const names = [...new Set(estimates.flatMap(({ point }) => Object.keys(point)))];
  return {
    columns: [
      { name: 'trial' },
      ...names.map(name => ({ name, show: (value: number) => String(Number(value.toPrecision(6))) })),
      { name: 'parameters', show: value => value.toLocaleString('en') },
      { name: 'time', show: value => `~${formatDuration(value)}` },
    ],
    rows: estimates.map(({ point, parameters, seconds }, trial) => [
      trial,
      ...names.map(name => {
        const value = point[name];
        if (value === undefined) return null;
        return typeof value === 'number' || typeof value === 'string' ? value : JSON.stringify(value);
      }),
      parameters,
      Number(seconds.toFixed(2)),
    ]),
  };
}

interface Totals {
  readonly trials: number | null;
  readonly total: number | null;
  readonly probes: number;
  readonly distinct: number;
  readonly start: number;
  /** Of one trial with one seed, at most. */
  readonly processes: number;
}

function sentences(
  { pruner, seeds, parallel, epochs, budget, method }: LoadedSweep['plan'],
  listed: number,
  { trials, total, probes, distinct, start, processes }: Totals,
): string {
  const lines: string[] = [''];
  const rest = trials === null || trials > listed;
  if (rest) {
    const of = trials === null ? '' : `of ${trials} `;
    const why =
      method.kind === 'tpe'
        ? 'what tpe tries after them depends on results'
        : 'more follow until the time is over';
    lines.push(`Only the first ${listed} ${of}trials are listed: ${why}.`);
  }
  const each = `${counted(epochs, 'epoch')}${seeds.length > 1 ? ` with ${seeds.length} seeds` : ''}`;
  if (total !== null && trials !== null) {
    const pruned = pruner.kind === 'none' ? '' : `, at most: the pruner ${pruner.kind} ends some sooner`;
    lines.push(
      `About ${formatDuration(total)} for ${counted(trials, 'trial')} of ${each}, ${parallel} at a time${pruned}.`,
    );
  }
  if (budget.seconds !== null) lines.push(`It begins no trial after ${formatDuration(budget.seconds)}.`);
  const scaled = distinct > probes ? `, the others scaled by their FLOPs` : '';
  lines.push(
    `Estimated from some real steps of ${probes} of ${distinct} ${distinct === 1 ? 'model' : 'models'}${scaled}.`,
  );
  const more =
    processes === 1
      ? ''
      : `; a trial has up to ${processes}${seeds.length === 1 ? '' : ' with each seed'}, one at each rung`;
  lines.push(
    `The times include the start of each trial's process, about ${start.toFixed(1)} s as tried here${more}.`,
  );
  return lines.map(line => `${line}\n`).join('');
}

/** `sweep … --dry-run`: lists the points of a sweep with their model sizes and estimated times. */
import type { SweepModels } from '../../library/sweep-models.js';
import type { LoadedSweep } from '../../sweep/config/index.js';
import { formatTable, type Table } from '../../sweep/results/index.js';
import { createPruning } from '../../sweep/schedule/pruners.js';
import { gridSize, pointsAtMost } from '../../sweep/search/grid.js';
import { createSampler } from '../../sweep/search/index.js';
import type { Point } from '../../sweep/space.js';
import type { BackendOptions } from '../../train/run/session.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { Io } from '../terminal/io.js';
import { formatDuration } from '../terminal/progress.js';
import { estimate, type PointEstimate, secondsToStart } from './estimate.js';
import { widthOf } from './trials.js';

/** Number of points to list if the sweep has no maximum number of trials. */
const LISTED = 20;

interface DryRunOptions extends BackendOptions {
  readonly json: boolean;
  /** `key.path=value`, for every config. */
  readonly set: readonly string[];
}

/** @param options.threads threads of one trial */
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
    io.data(`${JSON.stringify(answer)}\n`);
    return EXIT.done;
  }
  io.out(formatTable(table, 'text', widthOf(io)));
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

/**
 * The points of a grid, or the first points of another method. For TPE, only those chosen without
 * results.
 */
function chosenPoints(plan: LoadedSweep['plan']): readonly Point[] {
  const sampler = createSampler(plan.space, plan.method, plan.seed);
  const max = plan.budget.trials ?? (plan.method.kind === 'grid' ? Number.POSITIVE_INFINITY : LISTED);
  const startup = plan.method.kind === 'tpe' ? plan.method.n_startup_trials : max;
  const points: Point[] = [];
  while (points.length < Math.min(max, startup)) {
    const point = sampler.suggest(points.length, [], points);
    if (point === undefined) break;
    points.push(point);
  }
  return points;
}

/** Maximum number of trials; null if only time or a target ends the sweep. */
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
  /** Maximum number of processes for one trial with one seed. */
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
      method.kind === 'tpe' ? 'later points of tpe depend on results' : 'more follow until the time is up';
    lines.push(`Only the first ${listed} ${of}trials are listed: ${why}.`);
  }
  const each = `${counted(epochs, 'epoch')}${seeds.length > 1 ? ` with ${seeds.length} seeds` : ''}`;
  if (total !== null && trials !== null) {
    const pruned = pruner.kind === 'none' ? '' : `, or less: ${pruner.kind} stops some early`;
    lines.push(
      `About ${formatDuration(total)} for ${counted(trials, 'trial')} of ${each}, ${parallel} at a time${pruned}.`,
    );
  }
  if (budget.seconds !== null) lines.push(`No trial starts after ${formatDuration(budget.seconds)}.`);
  const scaled = distinct > probes ? `, others scaled by FLOPs` : '';
  lines.push(
    `Estimated from a few training steps of ${probes} of ${distinct} ${distinct === 1 ? 'model' : 'models'}${scaled}.`,
  );
  const more =
    processes === 1
      ? ''
      : `; a trial has up to ${processes}${seeds.length === 1 ? '' : ' per seed'}, one per rung`;
  lines.push(`Times include starting each trial's process, about ${start.toFixed(1)} s here${more}.`);
  return lines.map(line => `${line}\n`).join('');
}

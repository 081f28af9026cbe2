/** `sweep … --dry-run`: lists the points of a sweep with the sizes of their models. */
import type { SweepModels } from '../../library/sweep-models.js';
import type { LoadedSweep } from '../../sweep/config/index.js';
import { formatTable, type Table } from '../../sweep/index.js';
import { gridSize, pointsAtMost } from '../../sweep/search/grid.js';
import { blindTrials, createSampler, methodOf } from '../../sweep/search/index.js';
import type { Point } from '../../sweep/search/space.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { Io } from '../terminal/io.js';
import { formatDuration } from '../terminal/progress.js';
import { widthOf } from './trials.js';

/** Number of points to list if the sweep has no maximum number of trials. */
const LISTED = 20;

interface ListedPoint {
  readonly point: Point;
  readonly parameters: number;
}

export async function dryRun(
  { plan }: LoadedSweep,
  models: SweepModels,
  json: boolean,
  io: Io,
): Promise<ExitCode> {
  const points: ListedPoint[] = [];
  for (const point of chosenPoints(plan))
    points.push({ point, parameters: await models.parametersAt(point) });
  const trials = trialsOf(plan);
  if (json)
    io.data(`${JSON.stringify({ version: 1, name: plan.name, trials, seeds: plan.seeds, points })}\n`);
  else {
    io.out(formatTable(pointTable(points), 'text', widthOf(io)));
    io.out(sentences(plan, points.length, trials));
  }
  return EXIT.done;
}

/**
 * The points of a grid, or the first points of another method, as far as they are chosen without
 * results.
 */
function chosenPoints(plan: LoadedSweep['plan']): readonly Point[] {
  const sampler = createSampler(plan.space, plan.method, plan.seed);
  const all = methodOf(plan.method).isExhaustive ? Number.POSITIVE_INFINITY : LISTED;
  const max = Math.min(plan.budget.trials ?? all, blindTrials(plan.method));
  const points: Point[] = [];
  while (points.length < max) {
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

function pointTable(points: readonly ListedPoint[]): Table {
  const names = [...new Set(points.flatMap(({ point }) => Object.keys(point)))];
  return {
    columns: [
      { name: 'trial' },
      ...names.map(name => ({ name, show: (value: number) => String(Number(value.toPrecision(6))) })),
      { name: 'parameters', show: value => value.toLocaleString('en') },
    ],
    rows: points.map(({ point, parameters }, trial) => [
      trial,
      ...names.map(name => {
        const value = point[name];
        if (value === undefined) return null;
        return typeof value === 'number' || typeof value === 'string' ? value : JSON.stringify(value);
      }),
      parameters,
    ]),
  };
}

function sentences(
  { pruner, seeds, parallel, epochs, budget, method }: LoadedSweep['plan'],
  listed: number,
  trials: number | null,
): string {
  const lines: string[] = [''];
  if (trials === null || trials > listed) {
    const of = trials === null ? '' : `of ${trials} `;
    const why =
      listed === blindTrials(method)
        ? `later points of ${method.kind} depend on results`
        : 'more follow until the time is up';
    lines.push(`Only the first ${listed} ${of}trials are listed: ${why}.`);
  }
  const each = `${counted(epochs, 'epoch')}${seeds.length > 1 ? ` with ${seeds.length} seeds` : ''}`;
  if (trials !== null) {
    const pruned = pruner.kind === 'none' ? '' : `, or less: ${pruner.kind} stops some early`;
    lines.push(`${counted(trials, 'trial')} of ${each}, ${parallel} at a time${pruned}.`);
  }
  if (budget.seconds !== null) lines.push(`No trial starts after ${formatDuration(budget.seconds)}.`);
  return lines.map(line => `${line}\n`).join('');
}

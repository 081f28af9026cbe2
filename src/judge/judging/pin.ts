/** Writes a baseline: `review RUN… --pin FILE`. */

import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { metricsOfKind } from '../../config/metrics.js';
import { PERFORMANCE } from '../../math/metrics/index.js';
import { type Baseline, readBaseline, summarizeSeeds } from '../../run/baseline.js';
import { writeAtomic } from '../../run/files.js';
import { makeFolder } from '../../run/folders.js';
import { type Diagnostic, EXIT, UserError, usageError } from '../../util/errors.js';
import { atNamedPlace } from '../../util/system-errors.js';
import { type Deciding, movedBetween, movedWords, sorted } from '../deciding.js';
import { notCompleted, type ReviewedRun } from './run-facts.js';

export function pin(file: string, runs: readonly ReviewedRun[]): Baseline {
  refuseForeign(file);
  const baseline = baselineOf(runs);
  makeFolder(dirname(file), file, 'its folder');
  atNamedPlace(() => writeAtomic(file, [`${JSON.stringify(baseline, null, 2)}\n`]));
  return baseline;
}

/** Only a valid baseline is overwritten. A damaged one is refused, since it may be another file. */
function refuseForeign(file: string): void {
  if (!existsSync(file)) return;
  try {
    readBaseline(file);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw usageError({
      code: 'review/pin',
      message: 'this file is not a baseline and is not overwritten',
      file,
      expected: 'a baseline, or a file that does not exist yet',
    });
  }
}

export function baselineOf(given: readonly ReviewedRun[]): Baseline {
  const runs = [...given].sort(
    (a, b) => (a.facts.seed ?? 0) - (b.facts.seed ?? 0) || (a.facts.directory < b.facts.directory ? -1 : 1),
  );
  const problems = runs.flatMap(run => incomplete(run));
  if (problems.length > 0) throw new UserError(EXIT.usage, problems);
  const [first] = runs;
  // complete runs have a manifest
  const deciding = first.deciding as Deciding;
  const others = runs.slice(1).flatMap((run, i) => [...different(deciding, run), ...sameSeed(runs[i], run)]);
  if (others.length > 0) throw new UserError(EXIT.usage, others);
  return {
    version: 1,
    name: first.facts.name,
    metrics: measured(runs),
    config_hash_by_seed: bySeed(runs, ({ facts }) => facts.config_hash as string),
    config: deciding.config,
    datasets: deciding.datasets,
    versions: deciding.versions,
    backend: { ...deciding.backend, threads: threadsOf(runs) },
    git: revisionsOf(runs),
  };
}

function refusal({ facts }: ReviewedRun, message: string): Diagnostic {
  return { code: 'review/pin', message, file: facts.directory };
}

function incomplete(run: ReviewedRun): Diagnostic[] {
  const why = notCompleted(run) ?? (run.deciding === undefined ? 'the run has no manifest' : undefined);
  if (why !== undefined) return [refusal(run, `${why}, and only completed runs are pinned`)];
  const unfit = quality(run).filter(metric => !Number.isFinite(run.last(metric)));
  const doubt = unfit.length > 0 ? undefined : run.doubt;
  return [
    ...unfit.map(metric => {
      const found = run.last(metric) === undefined ? 'was not measured' : `is ${run.last(metric)}`;
      return refusal(run, `${metric} ${found}, and only finite values are pinned`);
    }),
    ...(doubt ? [refusal(run, `${doubt.reason}, and only runs whose files agree are pinned`)] : []),
  ];
}

/**
 * The metrics that every run with this loss reports, and all others that were measured on the
 * validation and test splits.
 */
function quality({ deciding, facts }: ReviewedRun): readonly string[] {
  const { validation = {}, test = {} } = facts.metrics ?? {};
  const measured = Object.entries({ validation, test }).flatMap(([split, metrics]) =>
    Object.keys(metrics).map(metric => `${split}.${metric}`),
  );
  // a config may list other metrics than the default of its loss
  const hasOwn = Object.keys(test).some(metric => metric !== 'loss');
  const always = metricsOfKind(deciding?.config['loss.kind']).filter(
    metric => !hasOwn || metric.endsWith('.loss'),
  );
  return [...new Set([...always, ...measured])];
}

function different(before: Deciding, run: ReviewedRun): Diagnostic[] {
  const moved = movedBetween(before, run.deciding as Deciding);
  return moved.map(one =>
    refusal(run, `${movedWords(one)}: runs of a baseline may differ only in their seed`),
  );
}

function sameSeed(before: ReviewedRun, run: ReviewedRun): Diagnostic[] {
  const { seed } = run.facts;
  if (before.facts.seed !== seed) return [];
  return [refusal(run, `seed ${seed} is also that of ${before.facts.directory}; pin one of them`)];
}

function measured(runs: readonly ReviewedRun[]): Baseline['metrics'] {
  const names = [...quality(runs[0]), ...PERFORMANCE];
  // some machines and versions do not measure all of them
  const known = names.filter(metric => runs.every(run => Number.isFinite(run.last(metric))));
  const entries = known.map(
    metric => [metric, summarizeSeeds(bySeed(runs, run => run.last(metric) as number))] as const,
  );
  return sorted(Object.fromEntries(entries));
}

function bySeed<T>(runs: readonly ReviewedRun[], measure: (run: ReviewedRun) => T): Record<string, T> {
  return Object.fromEntries(runs.map(run => [String(run.facts.seed), measure(run)]));
}

function threadsOf(runs: readonly ReviewedRun[]): (number | null)[] {
  const threads = new Set(runs.map(({ facts }) => facts.backend?.threads ?? null));
  return [...threads].sort((a, b) => (a ?? 0) - (b ?? 0));
}

function revisionsOf(runs: readonly ReviewedRun[]): Baseline['git'] {
  const texts = runs.flatMap(({ facts: { git } }) =>
    git === null ? [] : [JSON.stringify({ revision: git.revision, dirty: git.dirty })],
  );
  return [...new Set(texts)].sort().map(text => JSON.parse(text) as Baseline['git'][number]);
}

/** Searches with our TPE on the problems, and the recorded ones of Optuna. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Observation, Sampler } from '../../src/sweep/search/grid.js';
import { createSampler } from '../../src/sweep/search/index.js';
import type { Point } from '../../src/sweep/search/space.js';
import { packageRoot } from '../../src/util/root.js';
import { EPOCHS, type LstmTable } from './lstm-problem.js';
import { type Problem, problems } from './problems.js';

export interface Checked {
  readonly point: Point;
  readonly value: number;
}

/** What optuna_reference.py writes. */
export interface OptunaRecord {
  readonly versions: Readonly<Record<string, string>>;
  readonly problems: Readonly<
    Record<
      string,
      {
        readonly budget: number;
        /** The best value of the search with seed 0, 1, …. */
        readonly best: readonly number[];
        readonly checks: readonly Checked[];
        /** Trainings that the table had; only for `lstm-table`. */
        readonly rows?: number;
      }
    >
  >;
  readonly values: {
    readonly main_effects: {
      readonly trials: readonly Checked[];
      readonly shares: Readonly<Record<string, number>>;
    };
    readonly normal_mass: readonly (readonly [a: number, b: number, mass: number])[];
    readonly sobol: readonly (readonly number[])[];
  };
}

/** As in optuna_reference.py, which leaves Optuna its defaults. */
export const TPE = { kind: 'tpe', n_startup_trials: 10, n_ei_candidates: 24 } as const;

const fixture = (path: string) => join(packageRoot, 'test/fixtures', path);

export function readRecord(): OptunaRecord {
  return JSON.parse(readFileSync(fixture('search/optuna.json'), 'utf8')) as OptunaRecord;
}

/** The problems that Optuna's values are recorded for. */
export function recordedProblems(record: OptunaRecord): readonly Problem[] {
  const file = fixture('schedule/lstm-table.json');
  const table = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as LstmTable) : undefined;
  const known = record.problems['lstm-table'];
  // what was recorded on part of the table is compared on the same part
  const part =
    table && known?.rows ? { ...table, trainings: table.trainings.slice(0, known.rows) } : undefined;
  return problems(part, EPOCHS).filter(({ name }) => record.problems[name] !== undefined);
}

export function search(problem: Problem, sampler: Sampler, trials: number): readonly Observation[] {
  const observations: Observation[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const point = sampler.suggest(trial, observations, []);
    if (!point) break;
    observations.push({ trial, point, epochs: 1, state: 'complete', value: problem.value(point) });
  }
  return observations;
}

/** The difference between the best value found and the optimum. */
export function regretOf(problem: Problem, seed: number): number {
  const observations = search(problem, createSampler(problem.space, TPE, seed), problem.budget);
  return Math.min(...observations.map(({ value }) => value as number)) - problem.optimum;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

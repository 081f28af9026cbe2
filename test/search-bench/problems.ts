/**
 * The functions on which search methods are compared, as in optuna_reference.py; all are minimised.
 */
import type { Distribution, Point, Space, Value } from '../../src/sweep/search/space.js';
import type { LstmTable, TableRow } from './lstm-problem.js';

export interface Problem {
  readonly name: string;
  readonly space: Space;
  /** Points tried in one search. */
  readonly budget: number;
  readonly optimum: number;
  value(point: Point): number;
}

const uniform = (low: number, high: number): Distribution => ({ kind: 'uniform', low, high });
const logUniform = (low: number, high: number): Distribution => ({ kind: 'log_uniform', low, high });
const choice = (...values: Value[]): Distribution => ({ kind: 'choice', values });

type Definition = readonly [name: string, distribution: Distribution, condition?: [string, ...Value[]]];

function spaceOf(...definitions: readonly Definition[]): Space {
  const parameters = definitions.map(([name, distribution, condition]) => ({
    keys: [name],
    name,
    distribution,
    ...(condition && { condition: { name: condition[0], values: condition.slice(1) } }),
  }));
  return { parameters, exclude: [] };
}

const number = (point: Point, name: string) => point[name] as number;

/** Dixon and Szegö (1978). */
const branin: Problem = {
  name: 'branin',
  space: spaceOf(['x', uniform(-5, 10)], ['y', uniform(0, 15)]),
  budget: 60,
  optimum: 0.397887,
  value(point) {
    const [x, y] = [number(point, 'x'), number(point, 'y')];
    const [b, c, s] = [5.1 / (4 * Math.PI ** 2), 5 / Math.PI, 1 / (8 * Math.PI)];
    return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - s) * Math.cos(x) + 10;
  },
};

const ALPHA = [1, 1.2, 3, 3.2];
const A = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
];
const P = [
  [1312, 1696, 5569, 124, 8283, 5886],
  [2329, 4135, 8307, 3736, 1004, 9991],
  [2348, 1451, 3522, 2883, 3047, 6650],
  [4047, 8828, 8732, 5743, 1091, 381],
];

/** Hartman (1973), as in Dixon and Szegö (1978). */
const hartmann6: Problem = {
  name: 'hartmann6',
  space: spaceOf(...[0, 1, 2, 3, 4, 5].map((i): Definition => [`x${i}`, uniform(0, 1)])),
  budget: 120,
  optimum: -3.32237,
  value(point) {
    const squares = (k: number) =>
      A[k].reduce((total, a, i) => total + a * (number(point, `x${i}`) - P[k][i] * 1e-4) ** 2, 0);
    return -ALPHA.reduce((total, alpha, k) => total + alpha * Math.exp(-squares(k)), 0);
  },
};

/** Parameters that exist only with one optimizer, and one that needs two layers. */
const conditional: Problem = {
  name: 'conditional',
  space: spaceOf(
    ['optimizer', choice('sgd', 'adam', 'rmsprop')],
    ['layers', { kind: 'int', low: 1, high: 4, step: 1 }],
    ['dropout', uniform(0, 0.7), ['layers', 2, 3, 4]],
    ['sgd.rate', logUniform(1e-4, 1), ['optimizer', 'sgd']],
    ['sgd.momentum', uniform(0, 0.99), ['optimizer', 'sgd']],
    ['adam.rate', logUniform(1e-5, 1e-1), ['optimizer', 'adam']],
    ['adam.beta2', uniform(0.9, 0.9999), ['optimizer', 'adam']],
    ['rmsprop.rate', logUniform(1e-5, 1e-1), ['optimizer', 'rmsprop']],
  ),
  budget: 100,
  optimum: 0,
  value(point) {
    const layers = number(point, 'layers');
    const value = optimizerLoss(point, layers);
    if (layers === 1) return value + 0.15;
    const [extra, best] = [
      [0, 0.2],
      [0.02, 0.35],
      [0.08, 0.5],
    ][layers - 2];
    return value + extra + 1.5 * (number(point, 'dropout') - best) ** 2;
  },
};

function optimizerLoss(point: Point, layers: number): number {
  const rate = Math.log10(number(point, `${point.optimizer}.rate`));
  if (point.optimizer === 'sgd')
    return 0.1 + 0.3 * (rate + 1.5) ** 2 + 2 * (number(point, 'sgd.momentum') - 0.9) ** 2;
  if (point.optimizer === 'rmsprop') return 0.2 + 0.4 * (rate + 3) ** 2;
  return 0.4 * (rate + 2.7 + 0.15 * (layers - 2)) ** 2 + 50 * (number(point, 'adam.beta2') - 0.98) ** 2;
}

const CELLS: Readonly<Record<string, number>> = { lstm: 0, gru: 0.05, rnn: 0.4 };
const SCHEDULES: Readonly<Record<string, number>> = { none: 0.1, step: 0.06, cosine: 0, linear: 0.03 };

/** Real, whole and named parameters that depend on each other. */
const mixed: Problem = {
  name: 'mixed',
  space: spaceOf(
    ['rate', logUniform(1e-5, 1)],
    ['hidden', { kind: 'log_int', low: 8, high: 512, step: 1 }],
    ['layers', { kind: 'int', low: 1, high: 6, step: 1 }],
    ['batch', { kind: 'int', low: 16, high: 256, step: 16 }],
    ['cell', choice(...Object.keys(CELLS))],
    ['schedule', choice(...Object.keys(SCHEDULES))],
    ['dropout', uniform(0, 0.8)],
  ),
  budget: 100,
  optimum: 0,
  value(point) {
    const layers = number(point, 'layers');
    const rate = Math.log10(number(point, 'rate')) + 2.3 - 0.3 * Math.log2(number(point, 'batch') / 64);
    const hidden = Math.log2(number(point, 'hidden')) - 7;
    return (
      0.5 * rate ** 2 +
      0.1 * hidden ** 2 +
      0.03 * (layers - 2) ** 2 +
      CELLS[point.cell as string] +
      SCHEDULES[point.schedule as string] +
      2 * (number(point, 'dropout') - 0.1 * layers) ** 2
    );
  },
};

/**
 * The recorded trainings as a function on their whole space: the error after the last epoch of the
 * nearest training. Choices must agree, so that a training with them exists; whole and real numbers
 * are compared on a logarithmic axis where theirs is one.
 */
function lstmTable(table: LstmTable, epochs: number): Problem {
  const errors = table.trainings.map(({ accuracy }) =>
    accuracy.length === epochs ? 1 - accuracy[epochs - 1] : 1,
  );
  return {
    name: 'lstm-table',
    space: table.space,
    budget: 60,
    optimum: Math.min(...errors),
    value(point) {
      const distances = table.trainings.map(row => distance(table.space, row, point));
      return errors[distances.indexOf(Math.min(...distances))];
    },
  };
}

function distance({ parameters }: Space, row: TableRow, point: Point): number {
  let total = 0;
  for (const { name, distribution } of parameters) {
    const [a, b] = [row.point[name], point[name]];
    if (distribution.kind === 'choice') {
      if (a !== b) return Number.POSITIVE_INFINITY;
    } else if (b !== undefined) total += fraction(distribution, a as number, b as number) ** 2;
  }
  return total;
}

function fraction(distribution: Exclude<Distribution, { kind: 'choice' }>, a: number, b: number): number {
  const scale = distribution.kind.startsWith('log') ? Math.log : (x: number) => x;
  return (scale(a) - scale(b)) / (scale(distribution.high) - scale(distribution.low));
}

/**
 * The problems of the figure that is to be reached; the last one only where its trainings are
 * recorded.
 */
export function problems(table: LstmTable | undefined, epochs: number): readonly Problem[] {
  return [branin, hartmann6, conditional, mixed, ...(table ? [lstmTable(table, epochs)] : [])];
}

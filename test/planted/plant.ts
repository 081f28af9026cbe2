/** What a planted error is. */

/** The test files that may catch a plant: test/NAME.test.ts. */
export type TestName =
  | 'baselines'
  | 'cells'
  | 'config'
  | 'config-checks'
  | 'dashboard-requests'
  | 'data-jsonl'
  | 'data-scaling'
  | 'data-tables'
  | 'data-text'
  | 'data-validation'
  | 'engine'
  | 'equal-sequences'
  | 'experiment'
  | 'forecast'
  | 'fuzz'
  | 'gates'
  | 'integrity'
  | 'invariants'
  | 'key-effects'
  | 'launchers-bullmq'
  | 'linked'
  | 'lint'
  | 'locks'
  | 'losses'
  | 'mathematics'
  | 'metrics'
  | 'miscompilation'
  | 'models'
  | 'notes'
  | 'ops'
  | 'outputs'
  | 'predict'
  | 'reference'
  | 'report-page'
  | 'review'
  | 'review-files'
  | 'review-sweeps'
  | 'run-edges'
  | 'schedules'
  | 'sequence-ids'
  | 'sessions'
  | 'simd'
  | 'sweep-journal'
  | 'sweep-verbs'
  | 'trainer'
  | 'validation';

export interface Plant {
  /** Compiled file below the build folder, without its ending. */
  readonly file: string;
  /** Text that stands in it exactly once, and what is put in its place. */
  readonly find: string;
  readonly replace: string;
  /** What is wrong then. */
  readonly why: string;
  /** Run in this order until one fails. */
  readonly tests: readonly TestName[];
}

type Row = readonly [find: string, replace: string, why: string, ...tests: TestName[]];

/** Plants by file: one row, or several. */
export function plantsOf(table: Readonly<Record<string, Row | readonly Row[]>>): readonly Plant[] {
  const isOne = (rows: Row | readonly Row[]): rows is Row => typeof rows[0] === 'string';
  return Object.entries(table).flatMap(([file, rows]) =>
    (isOne(rows) ? [rows] : rows).map(([find, replace, why, ...tests]) => ({
      file,
      find,
      replace,
      why,
      tests,
    })),
  );
}

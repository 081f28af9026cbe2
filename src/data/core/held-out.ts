/** What a config says of its splits: which sequences are held out for them, and how. */

/** What `test` or `validation` holds out: one of `fraction`, `count`, `is` and `fold`. */
export interface HeldOutConfig {
  readonly fraction?: number;
  readonly count?: number;
  /** Number of the fold, from 1; 0: none is held out. */
  readonly fold?: number;
  /** Number of folds. Default: one for each group, or for each sequence. */
  readonly of?: number;
  /** Default: `stratified` if possible, else `random`. */
  readonly select?: 'random' | 'stratified' | 'last';
  /** All sequences with the same value of this column, or of all of them, are in one split. */
  readonly group?: GroupColumns;
  /** Column of `is`; default: `group`. */
  readonly column?: string;
  readonly is?: Value | readonly Value[];
}

export type Value = string | number | boolean;

/** The column, or columns, whose values say which group something belongs to. */
export type GroupColumns = string | readonly string[];

/**
 * The name of a group with these values, or of the columns of groups. Groups have different names:
 * a `/` in one of several values is written `\/`, and backslashes before it or at the end twice.
 */
export function joinedGroup(parts: GroupColumns): string {
  const all = [parts].flat();
  if (all.length === 1) return all[0];
  const escaped = (_: string, run: string, end: string) => run + run + (end && '\\/');
  return all.map(part => part.replace(/(?<!\\)(\\*)(\/|$)/g, escaped)).join('/');
}

/** Config keys that define the test split of dataset kinds with files. */
export interface TestPartConfig {
  readonly test_path?: string;
  readonly test_fraction?: number;
  readonly test?: HeldOutConfig;
}

/** Config keys shared by all dataset kinds. */
export interface TrainingPartConfig {
  readonly validation?: HeldOutConfig;
  /** Use only the first N training sequences, after validation sequences were held out. */
  readonly limit?: number;
}

/** The columns that `test` and `validation` name, each once, with the first key that names it. */
export function splitColumns(config: TestPartConfig & TrainingPartConfig) {
  const named = (['test', 'validation'] as const).flatMap(split =>
    (['group', 'column'] as const).flatMap(key =>
      [config[split]?.[key] ?? []].flat().map(name => ({ name, keyPath: ['dataset', split, key] })),
    ),
  );
  return [...new Map(named.toReversed().map(column => [column.name, column])).values()].toReversed();
}

/** What `group` names, each once. */
export function groupedBy({
  test,
  validation,
}: TestPartConfig & TrainingPartConfig): readonly GroupColumns[] {
  const named = [test?.group, validation?.group].filter(columns => columns !== undefined);
  return [...new Map(named.map(columns => [joinedGroup(columns), columns])).values()];
}

/** True if a random draw decides which sequences are held out. */
export function hasRandomSplit({
  test_fraction,
  test,
  validation,
}: TestPartConfig & TrainingPartConfig): boolean {
  const isDrawn = (part: HeldOutConfig | undefined): boolean =>
    part !== undefined && isHeldOut(part) && part.is === undefined && part.select !== 'last';
  return test_fraction !== undefined || isDrawn(test) || isDrawn(validation);
}

/** False if the sequences have a file of their own, and only `group` is given. */
export function isHeldOut({ fraction, count, is, fold }: HeldOutConfig): boolean {
  return [fraction, count, is, fold].some(value => value !== undefined);
}

/** Returns `round(count * fraction)`, limited to 1..count-1. `count` must be at least 2. */
export function heldCount(count: number, fraction: number): number {
  return Math.min(count - 1, Math.max(1, Math.round(count * fraction)));
}

/**
 * Number of training sequences that remain of `total`; undefined if none remain, or if the data
 * decide.
 */
export function trainingCount(
  total: number,
  { validation, limit = total }: TrainingPartConfig,
): number | undefined {
  if (validation !== undefined && splitColumns({ validation }).length > 0) return undefined;
  const left = total - (validation === undefined ? 0 : requestedCount(validation, total));
  return left > 0 ? Math.min(limit, left) : undefined;
}

export function requestedCount({ fraction = 0, count }: HeldOutConfig, total: number): number {
  return count ?? heldCount(total, fraction);
}

/** Groups rows, and summarizes each group. */
import type { CommonConfig } from '../../document.js';
import { differingKeys, distinguishingKeys } from './config-keys.js';
import { configValue, numberIn, type RunLine } from './line.js';

export interface Group<Row> {
  readonly key: string;
  /** Such as `0.01`, or `gru · 0.01` for several values. */
  readonly label: string;
  readonly rows: readonly Row[];
}

/**
 * @param by `experiment`, `state`, `tag`, `config` or a config key. `config` means everything
 *   except the seed, so that a group is one setting with its seeds. A run with several tags is in
 *   the group of their combination, so that each run counts once.
 */
export function groupRows<Row extends RunLine>(
  rows: readonly Row[],
  by: string,
  common: CommonConfig,
): readonly Group<Row>[] {
  const read = partsOf(rows, by, common);
  const groups = new Map<string, { parts: readonly string[]; rows: Row[] }>();
  for (const row of rows) {
    const { key, parts } = read(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { parts, rows: [row] });
    else group.rows.push(row);
  }
  return [...groups]
    .sort(([, a], [, b]) => compareParts(a.parts, b.parts))
    .map(([key, { parts, rows: members }]) => ({ key, label: parts.join(' · '), rows: members }));
}

interface Place {
  /** Equal for rows of one group. */
  readonly key: string;
  /** The value to show and sort by. */
  readonly parts: readonly string[];
}

function partsOf(rows: readonly RunLine[], by: string, common: CommonConfig): (row: RunLine) => Place {
  if (by === 'config') return settingOf(rows, common);
  const read = readerOf(by, common);
  return row => {
    const parts = read(row);
    return { key: JSON.stringify(parts), parts };
  };
}

function readerOf(by: string, common: CommonConfig): (row: RunLine) => readonly string[] {
  switch (by) {
    case 'experiment':
      return row => [row.name];
    case 'state':
      return row => [row.state];
    case 'tag':
      return row => (row.tags.length === 0 ? ['no tags'] : row.tags);
    default:
      return row => [configValue(row, common, by) ?? 'not set'];
  }
}

/** See `distinguishingKeys`; other columns show the rest. */
const LABEL_PARTS = { few: 3, max: 4 };

/** Groups by everything except the seeds, and shows what distinguishes the groups. */
function settingOf(rows: readonly RunLine[], common: CommonConfig): (row: RunLine) => Place {
  const isNoSeed = (key: string) => !key.endsWith('.seed');
  const keys = differingKeys(rows, common).filter(isNoSeed);
  const shown = distinguishingKeys(rows, common, LABEL_PARTS).filter(isNoSeed);
  return row => ({
    key: JSON.stringify([row.name, ...keys.map(key => configValue(row, common, key) ?? null)]),
    parts: [row.name, ...shown.flatMap(key => configValue(row, common, key) ?? [])],
  });
}

/** Numbers by value, before texts. */
function compareParts(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [numberIn(a[i]), numberIn(b[i])];
    if (x !== undefined && y !== undefined && x !== y) return x - y;
    if ((x === undefined) !== (y === undefined)) return x === undefined ? 1 : -1;
    if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return a.length - b.length;
}

export interface Summary {
  readonly count: number;
  readonly mean: number;
  /** The sample standard deviation; null for a single value. */
  readonly spread: number | null;
}

/** The mean of the finite values; undefined if there are none. */
export function summarize(values: readonly unknown[]): Summary | undefined {
  const finite = values.filter(
    (value): value is number => typeof value === 'number' && Number.isFinite(value),
  );
  if (finite.length === 0) return undefined;
  const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
  if (finite.length === 1) return { count: 1, mean, spread: null };
  const squares = finite.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count: finite.length, mean, spread: Math.sqrt(squares / (finite.length - 1)) };
}

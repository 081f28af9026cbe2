/** The fields of a run that the list needs; the dashboard's lists have more states. */
import type { CommonConfig, RunRow } from '../../document.js';

export type RunLine = Omit<RunRow, 'state'> & { readonly state: string };

/** The value of a config key, common or not; undefined if the run has none. */
export function configValue(row: RunLine, common: CommonConfig, key: string): string | undefined {
  if (row.config === null) return undefined;
  return row.config[key] ?? common[key];
}

/** The number that a text represents, as in configs; undefined for other texts. */
export function numberIn(text: string): number | undefined {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

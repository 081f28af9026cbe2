/** What the list needs of a run; the dashboard's lists have states of their own. */
import type { CommonConfig, RunRow } from '../../document.js';

export type RunLine = Omit<RunRow, 'state'> & { readonly state: string };

/** The value of a config key, whether all runs have it or not; undefined if the run does not. */
export function configValue(row: RunLine, common: CommonConfig, key: string): string | undefined {
  if (row.config === null) return undefined;
  return row.config[key] ?? common[key];
}

/** A number if the text is one, as configs write them; undefined for any other text. */
export function numberIn(text: string): number | undefined {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

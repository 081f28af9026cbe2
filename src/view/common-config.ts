/** Extracts the values that the configs of many runs have in common. */
import type { CommonConfig, RunRow } from './document.js';

type WithConfig = Pick<RunRow, 'config'>;

/**
 * Moves the common values of all read configs out of the rows.
 * @param rows with their whole configs
 */
export function withoutCommon<Row extends WithConfig>(
  rows: readonly Row[],
): { readonly common_config: CommonConfig; readonly rows: readonly Row[] } {
  const common_config = commonConfig(rows.flatMap(({ config }) => (config === null ? [] : [config])));
  return {
    common_config,
    rows: rows.map(row => ({ ...row, config: row.config && restOf(row.config, common_config) })),
  };
}

/** The entries that all configs share. */
export function commonConfig(configs: readonly CommonConfig[]): CommonConfig {
  const [first = {}, ...others] = configs;
  // compares only the remaining entries, which soon are few
  let left = Object.entries(first);
  for (const config of others) left = left.filter(([key, value]) => config[key] === value);
  return Object.fromEntries(left);
}

/** The entries of `config` that are not in `common`. */
export function restOf(config: CommonConfig, common: CommonConfig): CommonConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !(key in common)));
}

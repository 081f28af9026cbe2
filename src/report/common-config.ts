/** Configs of many runs, of which what they all say is told once. */
import type { CommonConfig, RunRow } from './document.js';

type WithConfig = Pick<RunRow, 'config'>;

/**
 * Takes what all read configs have in common out of the rows. @param rows with their whole configs
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

/** The entries that are in every one of the configs. */
export function commonConfig(configs: readonly CommonConfig[]): CommonConfig {
  const [first = {}, ...others] = configs;
  // each time only what is left is compared, which soon is little
  let left = Object.entries(first);
  for (const config of others) left = left.filter(([key, value]) => config[key] === value);
  return Object.fromEntries(left);
}

/** The entries of `config` besides those of `common`. */
export function restOf(config: CommonConfig, common: CommonConfig): CommonConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !(key in common)));
}

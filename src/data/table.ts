/** The dataset kinds. Adding one: a file here, a line in the table, a branch in the schema, a test. */

import { type CsvConfig, openCsv } from './csv.js';
import type { Dataset } from './dataset.js';
import { type IdxConfig, openIdx } from './idx.js';
import { type MnistConfig, openMnist } from './mnist.js';
import { type NpzConfig, openNpz } from './npz.js';
import { openSynthetic, type SyntheticConfig } from './synthetic.js';

export type DatasetConfig = MnistConfig | IdxConfig | NpzConfig | CsvConfig | SyntheticConfig;

export interface DatasetContext {
  /** The experiment's seed, for what is generated or drawn. */
  readonly seed: number;
}

type Opener<C> = (config: C, context: DatasetContext) => Promise<Dataset>;

type DatasetTable = { readonly [K in DatasetConfig['kind']]: Opener<Extract<DatasetConfig, { kind: K }>> };

export const datasets: DatasetTable = {
  mnist: openMnist,
  idx: openIdx,
  npz: (config, { seed }) => openNpz(config, seed),
  csv: (config, { seed }) => openCsv(config, seed),
  synthetic: async (config, { seed }) => openSynthetic(config, seed),
};

/**
 * Opens the dataset that `config` describes. Paths are taken as they are; relative ones from the working directory.
 * @throws UserError exit 2 where the config asks for what is not there, exit 5 where data are damaged.
 */
export function openDataset(config: DatasetConfig, context: DatasetContext): Promise<Dataset> {
  return openerOf(config)(config, context);
}

/** The table's entry for a config's kind: that both belong together is what the table's type says. */
function openerOf<C extends DatasetConfig>(config: C): Opener<C> {
  return datasets[config.kind] as Opener<C>;
}

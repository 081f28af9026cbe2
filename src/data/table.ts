/**
 * The dataset kinds. Adding one: a file here, a line in the table, a branch in the schema, a test.
 */

import { trainingColumns } from './column-statistics.js';
import { type CsvConfig, csv } from './csv/csv.js';
import type { Dataset } from './dataset.js';
import { type ForecastConfig, forecast } from './forecast/forecast.js';
import type { DatasetContext, DatasetFacts, DatasetKind } from './kind.js';
import type { DataRecord, SequenceReader } from './new-sequences.js';
import { type NpyConfig, npy } from './numpy/npy.js';
import { type NpzConfig, npz } from './numpy/npz.js';
import { type IdxConfig, idx } from './pictures/idx.js';
import { type MnistConfig, mnist } from './pictures/mnist.js';
import { fitScaling, type NormalizeConfig, scaledDataset } from './scaling.js';
import { type SyntheticConfig, synthetic } from './synthetic.js';
import { type JsonlConfig, jsonl } from './text/jsonl.js';
import { type TextConfig, text } from './text/text.js';
import { withVocabulary } from './text/vocabulary.js';
import { dividedTraining, trainingCount } from './training-part.js';

export type DatasetConfig =
  | MnistConfig
  | IdxConfig
  | NpzConfig
  | NpyConfig
  | CsvConfig
  | JsonlConfig
  | TextConfig
  | ForecastConfig
  | SyntheticConfig;

type DatasetTable = {
  readonly [K in DatasetConfig['kind']]: DatasetKind<Extract<DatasetConfig, { kind: K }>>;
};

export const datasets: DatasetTable = { mnist, idx, npz, npy, csv, jsonl, text, forecast, synthetic };

/**
 * Opens the dataset that `config` describes. Paths are taken as they are; relative ones from the
 * working directory.
 * @throws UserError (exit 2) if the config asks for what is not there, (exit 5) if data are
 *   damaged.
 */
export async function openDataset(config: DatasetConfig, context: DatasetContext): Promise<Dataset> {
  const whole = await kindOf(config).open(config, context);
  // generated data that have a seed of their own stay the same for every seed of the experiment
  const seed = (config.kind === 'synthetic' ? config.seed : undefined) ?? context.seed;
  const divided = kindOf(config).dividesItself ? whole : dividedTraining(whole, config, seed);
  const spelled = spelledOut(divided, config, context);
  return config.kind === 'npz' || config.kind === 'npy' || config.kind === 'csv' || config.kind === 'jsonl'
    ? normalized(spelled, config.normalize, context)
    : spelled;
}

/** Symbols that are codes of texts get the numbers of a vocabulary. */
function spelledOut(
  { symbolTexts, ...dataset }: Dataset,
  config: DatasetConfig,
  { vocabulary }: DatasetContext,
): Dataset {
  return symbolTexts
    ? withVocabulary(dataset, symbolTexts, 'min_count' in config ? config : {}, vocabulary)
    : dataset;
}

/** Numbers of which the columns of data that are not normalized are judged. */
const MAX_JUDGED = 2 ** 22;

function normalized(
  dataset: Dataset,
  method: NormalizeConfig['normalize'],
  { scaling: given, hasLabelTargets = false }: DatasetContext,
): Dataset {
  if (method === 'none') return dataset;
  const columns = trainingColumns(dataset, {
    ...(method === undefined && { maxNumbers: MAX_JUDGED }),
    hasLabelTargets,
  });
  if (method === undefined) return { ...dataset, columns };
  return { ...scaledDataset(dataset, given ?? fitScaling(method, columns)), columns };
}

/** What the config alone says of its data. */
export function datasetFacts(config: DatasetConfig): DatasetFacts {
  const facts = kindOf(config).facts(config);
  const { trainCount: total } = facts;
  return total === undefined ? facts : { ...facts, trainCount: trainingCount(total, config) };
}

/** What reads sequences to predict for a run of `config` that remembers `data`. */
export function newSequences(config: DatasetConfig, data: DataRecord): SequenceReader {
  return kindOf(config).newSequences(config, data);
}

/**
 * The table's entry for a config's kind: that both belong together is what the table's type says.
 */
function kindOf<C extends DatasetConfig>(config: C): DatasetKind<C> {
  return datasets[config.kind] as DatasetKind<C>;
}

/**
 * The dataset kinds and what they open. To add one: a file in this folder, a line here, a test.
 */

import { usageError } from '../util/errors.js';
import { idx, mnist } from './arrays/images.js';
import { npy, npz } from './arrays/numpy.js';
import { audio } from './audio/readers.js';
import type {
  Dataset,
  DatasetContext,
  DatasetReaders,
  NewSequencesOptions,
  SequenceReader,
} from './core/dataset.js';
import { groupedBy } from './core/held-out.js';
import { prepared } from './core/preparation.js';
import type { DataRecord } from './core/record.js';
import { dividedTraining, withoutTargets } from './core/selection.js';
import { withVocabulary } from './core/vocabulary.js';
import { csv } from './csv/readers.js';
import { forecast } from './forecast/readers.js';
import { jsonl } from './jsonl/readers.js';
import { type ConfigOf, type DatasetConfig, kindOf, ownSeed } from './kinds.js';
import { fileBytes, type InputSource } from './reading/byte-sources.js';
import { ofTableFormats } from './reading/facts.js';
import { distinctFiles, inputFiles } from './reading/files.js';
import { synthetic } from './synthetic/readers.js';
import { text } from './text/readers.js';

export * from './batches.js';
export { MARKERS } from './core/cells.js';
export * from './core/dataset.js';
export { JoinedDoubts } from './core/doubts.js';
export { UNKNOWN_TARGET } from './core/labels.js';
export { featuresOf } from './core/preparation.js';
export * from './core/record.js';
export * from './core/recorded-files.js';
export { inDataUnits } from './core/scaling.js';
export * from './core/targets.js';
export { decodeText, encodeText, UNKNOWN } from './core/vocabulary.js';
export { rawSamples } from './formats/wav.js';
export type { DatasetConfig } from './kinds.js';
export {
  type ByteSource,
  fileBytes,
  type InputSource,
  rawBytes,
  STDIN_NAME,
  streamBytes,
} from './reading/byte-sources.js';
export { digestOf } from './reading/files.js';
export * from './summary.js';

const readers: { readonly [K in keyof ConfigOf]: DatasetReaders<ConfigOf[K]> } = {
  ...{ mnist, idx, npz, npy, jsonl, text, forecast, audio, synthetic },
  ...ofTableFormats(csv),
};

/**
 * Opens the dataset that `config` describes. Relative paths are resolved against the working
 * directory.
 */
export async function openDataset(config: DatasetConfig, given: DatasetContext): Promise<Dataset> {
  const seed = ownSeed(config) ?? given.seed;
  const context = { ...given, seed };
  const whole = await readersOf(config).open(config, context);
  const { dividesItself, settings } = kindOf(config);
  const groups = groupedBy(config);
  const grouped = groups.length > 0 ? { ...whole, groupedBy: groups } : whole;
  const all = dividesItself ? whole : dividedTraining(grouped, config, seed);
  const divided = context.leavesOut ? withoutTargets(all, context.leavesOut) : all;
  const { symbolTexts, ...rest } = divided;
  const counted = 'min_count' in config ? config : {};
  const spelled = symbolTexts ? withVocabulary(rest, symbolTexts, counted, context) : divided;
  // series are prepared already, except for what is static in them
  const isPrepared = dividesItself && spelled.columnSettings === undefined;
  if (isPrepared || !('normalize' in settings.keys)) return spelled;
  return prepared(spelled, 'normalize' in config ? config.normalize : undefined, context);
}

/** Returns a reader of sequences to predict for a run with `config` and the data record `data`. */
export function newSequences(
  config: DatasetConfig,
  data: DataRecord,
  options?: NewSequencesOptions,
): SequenceReader {
  return readersOf(config).newSequences(config, data, options);
}

/**
 * Returns the files of `paths` to predict for a run with `config`, or to evaluate if they have
 * targets: folders and patterns are expanded like those of the dataset.
 */
export async function newSequenceFiles(
  config: DatasetConfig,
  paths: readonly string[],
  hasTargets = false,
): Promise<readonly InputSource[]> {
  const { fileNames, depthOf } = kindOf(config);
  const [most, allowed] = hasTargets
    ? [MAX_ARRAY_FILES, 'an archive, or the files of x, y and lengths']
    : [1, 'one file'];
  if (!fileNames && paths.length > most) {
    throw usageError('data/several-files', `an input of \`dataset.kind: ${config.kind}\` is ${allowed}`, {
      file: paths[most],
    });
  }
  const files = fileNames
    ? await distinctFiles(await inputFiles(paths, fileNames, depthOf?.(config)))
    : paths;
  // a wrong name is an error before any prediction
  const first = await fileBytes(files[0]);
  return files.map((name, i) => ({ name, open: async () => (i === 0 ? first : fileBytes(name)) }));
}

/** Files of the arrays x, y and lengths. */
const MAX_ARRAY_FILES = 3;

/** What reads the data of `config`; the table's type guarantees that they match. */
export function readersOf<C extends DatasetConfig>(config: C): DatasetReaders<C> {
  return readers[config.kind] as unknown as DatasetReaders<C>;
}

/** Datasets: their interface, opening them, and forming batches. */
export { type BatchOptions, BatchOrder, type BatchOrderState } from './batches.js';
export {
  type DataScaling,
  type Dataset,
  IGNORED,
  inputWidth,
  type NaiveForecast,
  type Scaling,
  type SequenceInput,
  type Split,
  type SplitName,
  type Targets,
  type Vocabulary,
} from './core/dataset.js';
export type { DatasetContext } from './core/pipeline.js';
export {
  type DataRecord,
  isRejected,
  type NewSequence,
  type NewSequencesOptions,
  type ReadSequence,
  type SequenceReader,
} from './core/pipeline.js';
export { inDataUnits, newSplit, scaleStep } from './core/scaling.js';
export { eachChunk } from './core/values.js';
export { type ByteSource, type InputSource, streamBytes } from './reading/byte-sources.js';
export {
  type ColumnSummary,
  type DataSummary,
  type Example,
  type Histogram,
  type SplitSummary,
  summarize,
} from './summary.js';
export { type DatasetConfig, newSequenceFiles, newSequences, openDataset } from './table.js';
export { decodeText, encodeText, symbolReader, UNKNOWN, UnknownSymbol } from './vocabulary.js';

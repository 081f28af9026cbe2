/** Datasets: their interface, opening them, and forming batches. */
export { type BatchOptions, BatchOrder, type BatchOrderState, sequentialBatches } from './batches.js';
export {
  type Column,
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
} from './dataset.js';
export type { DatasetContext } from './kind.js';
export {
  type ByteSource,
  type DataRecord,
  type InputSource,
  isRejected,
  type NewSequence,
  type NewSequencesOptions,
  newSplit,
  type ReadSequence,
  type RejectedSequence,
  type SequenceReader,
} from './new-sequences.js';
export { streamBytes } from './reading/byte-sources.js';
export { fitScaling, inDataUnits, isConstant } from './scaling.js';
export {
  type ColumnSummary,
  type DataSummary,
  type Example,
  type Histogram,
  type SplitSummary,
  summarize,
} from './summary.js';
export { type DatasetConfig, newSequenceFiles, newSequences, openDataset } from './table.js';
export { decodeText, encodeText, symbolReader, UNKNOWN, UnknownSymbol } from './text/vocabulary.js';
export { eachChunk, inMemory, type Values } from './values.js';

/**
 * Dataset kind `text`, for language models. Each split is one stream of symbols; the target of a
 * step is the next symbol.
 *
 * A stream of M + 1 symbols has M targets. With carried state, the stream is split into B rows of R
 * = ceil(M / B) targets, one for each row of a batch, and each row into sequences of T steps:
 *
 *     sequence k B + b, step s:  input w[p], target w[p + 1],  p = b R + k T + s
 *
 * so that row b of a batch continues row b of the previous batch. Steps beyond the end of a row are
 * ignored; every symbol except the first is the target of exactly one step. Without carried state,
 * B is 1. PyTorch's `word_language_model` has the same rows, but drops the symbols that do not fill
 * them, and the target of the last step of each row.
 */

import { damagedErrors } from '../../util/errors.js';
import {
  type Dataset,
  type DatasetContext,
  type DatasetReaders,
  SPLITS,
  type Split,
  type SplitName,
  splitFiles,
} from '../core/dataset.js';
import { type HeldOutConfig, heldCount } from '../core/held-out.js';
import { configError } from '../core/problems.js';
import { mapSplits, type SequenceStore, storedSplit, TextCodes } from '../core/store.js';
import { symbolsByCode, UNKNOWN, vocabularyFor } from '../core/vocabulary.js';
import { TrainingFile } from '../reading/byte-sources.js';
import { inputFiles, MAX_TEXT_BYTES, staysOnDisk } from '../reading/files.js';
import type { TextConfig } from './facts.js';
import {
  codesIn,
  countSymbols,
  cutOf,
  type Layout,
  PieceReader,
  readStream,
  type SymbolRange,
  type SymbolStream,
  textSequences,
} from './streams.js';

export const text: DatasetReaders<TextConfig> = { open, newSequences: textSequences };

async function open(config: TextConfig, { streams: rows = 1, ...context }: DatasetContext): Promise<Dataset> {
  const { level, sequence_length: steps } = config;
  const codes = new TextCodes();
  const { path, validation_path, test_path } = config;
  const files = await Promise.all(
    [path, validation_path ?? [], test_path ?? []].map(paths => inputFiles(paths)),
  );
  const isOnDisk = await staysOnDisk(files.flat(), config, MAX_TEXT_BYTES);
  const reader = new PieceReader(level, codes);
  const read = async (of: readonly string[]): Promise<SourceStream> => {
    const sources = of.map(name => new TrainingFile(name, isOnDisk));
    const stream = await readStream(sources, reader);
    if (stream.length > 0) return { ...stream, sources };
    throw damagedErrors(of.map(file => ({ code: 'data/text-empty', message: 'the file is empty', file })));
  };
  const streams = {
    train: await read(files[0]),
    validation: validation_path === undefined ? undefined : await read(files[1]),
    test: test_path === undefined ? undefined : await read(files[2]),
  };
  const parts = partsOf(config, streams);
  const layout = { steps, rows };
  for (const name of SPLITS) {
    const { [name]: part } = parts;
    if (part) checkSize(lengthOf(part.range), name, layout);
  }
  const texts = { level, texts: codes.texts };
  const countsOf = ({ stream, range }: Part): Float64Array => countSymbols(stream, range, codes.size);
  const trained = countsOf(parts.train);
  const vocabulary = vocabularyFor(texts, () => trained, config, context);
  const symbols = symbolsByCode(texts, vocabulary);
  const count = vocabulary.symbols.length;
  const form = { numClasses: count, isInMemory: !isOnDisk, texts: vocabulary.symbols };
  const unknownFraction = (part: Part): number => {
    const counts = part === parts.train ? trained : countsOf(part);
    const unknown = counts.reduce((sum, n, code) => sum + (symbols[code] === UNKNOWN ? n : 0), 0);
    return unknown / lengthOf(part.range);
  };
  return {
    input: { kind: 'symbol', count },
    sequenceLength: steps,
    ...mapSplits(parts, part => streamSplit(part, symbols, layout, form)),
    digests: splitFiles({
      train: streams.train.sources,
      validation: streams.validation?.sources,
      test: streams.test?.sources,
    }),
    classLabels: vocabulary.symbols,
    vocabulary,
    unknownFractions: mapSplits(parts, unknownFraction),
  };
}

interface Part {
  readonly stream: SymbolStream;
  readonly range: SymbolRange;
}

function lengthOf({ from, to }: SymbolRange): number {
  return to - from;
}

interface SourceStream extends SymbolStream {
  readonly sources: readonly TrainingFile[];
}

interface Streams {
  readonly train: SymbolStream;
  readonly validation: SymbolStream | undefined;
  readonly test: SymbolStream | undefined;
}

/** Splits the training stream: training symbols first, then validation, then test. */
function partsOf(
  { sequence_length: steps, test_fraction, test: given, validation, limit }: TextConfig,
  streams: Streams,
) {
  const { train, test } = streams;
  const whole = (stream: SymbolStream): Part => ({ stream, range: { from: 0, to: stream.length } });
  const startOf = ({ count, fraction = 0 }: HeldOutConfig, length: number): number => {
    if (count !== undefined) return Math.max(0, length - count * steps - 1);
    return length < 2 ? length : length - heldCount(length, fraction);
  };
  const testStart = test ? train.length : startOf(given ?? { fraction: test_fraction ?? 0 }, train.length);
  const trainEnd = validation === undefined ? testStart : startOf(validation, testStart);
  const to = limit === undefined ? trainEnd : Math.min(trainEnd, limit * steps + 1);
  const last: Part | undefined = validation && { stream: train, range: { from: trainEnd, to: testStart } };
  return {
    train: { stream: train, range: { from: 0, to } },
    validation: streams.validation ? whole(streams.validation) : last,
    test: test ? whole(test) : { stream: train, range: { from: testStart, to: train.length } },
  };
}

function checkSize(length: number, name: SplitName, { rows }: Layout): void {
  if (length > rows) return;
  throw configError({
    code: 'data/text-too-short',
    keyPath: ['dataset'],
    message: `the ${name === 'train' ? 'training' : name} split has too little text`,
    expected:
      rows === 1
        ? 'at least two symbols'
        : `more symbols than the ${rows} rows of a batch: each row reads one part of the text`,
    got: `${length} symbol${length === 1 ? '' : 's'}`,
  });
}

/**
 * Splits a part into sequences; see the top of this file.
 * @param symbols by the codes of the stream
 */
function streamSplit(
  { stream, range }: Part,
  symbols: Int32Array,
  layout: Layout,
  {
    numClasses,
    isInMemory,
    texts,
  }: { readonly numClasses: number; readonly isInMemory: boolean; readonly texts: readonly string[] },
): Split {
  const { steps } = layout;
  const { count, inputsOf } = cutOf(lengthOf(range) - 1, layout);
  /** The symbols of a sequence with its last target; perhaps none. */
  const symbolsOf = (index: number): SymbolRange => {
    const { from, to } = inputsOf(index);
    return { from: range.from + from, to: range.from + (to > from ? to + 1 : to) };
  };
  const store: SequenceStore = {
    ...{ count, steps, inputSize: 1, isInMemory },
    places: index => stream.places(symbolsOf(index)),
    decode(index, parts, features, classes) {
      const codes = stream.decode(symbolsOf(index), parts);
      features.fill(0);
      for (let step = 0; step + 1 < codes.length; step++) {
        features[step] = symbols[codes[step]];
        if (classes) classes[step] = symbols[codes[step + 1]];
      }
    },
  };
  const realSteps = (index: number): number => lengthOf(inputsOf(index));
  const textsIn = ({ from, to }: SymbolRange): string[] =>
    Array.from(
      codesIn(stream, { from: range.from + from, to: range.from + to }),
      code => texts[symbols[code]],
    );
  return {
    ...storedSplit(store, { numClasses }),
    realSteps,
    symbols: index => textsIn(inputsOf(index)),
  };
}

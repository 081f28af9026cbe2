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
import { TextCodes } from '../columns.js';
import { type Dataset, IGNORED, type Split, type SplitName, type TextLevel } from '../dataset.js';
import { checkUtf8, LinePieces, markLength } from '../formats/utf8.js';
import type { DatasetContext, DatasetKind } from '../kind.js';
import type { DataRecord, ReadSequence, SequenceReader } from '../new-sequences.js';
import { configError } from '../problems.js';
import { readContent, type SourceFile } from '../reading/files.js';
import { inputFiles } from '../reading/input-files.js';
import { MAX_TEXT_BYTES } from '../reading/limits.js';
import { shareOf, type TestPartConfig } from '../selection.js';
import type { ValidationConfig } from '../training-part.js';
import {
  fitVocabulary,
  LINE_BREAK,
  LINE_END,
  symbolNumbers,
  symbolsByCode,
  symbolsOf,
  UNKNOWN,
  type VocabularyConfig,
} from './vocabulary.js';

export interface TextConfig extends VocabularyConfig, Omit<TestPartConfig, 'path'> {
  readonly kind: 'text';
  /** Several files, folders and patterns are concatenated to one text. */
  readonly path: string | readonly string[];
  readonly validation_path?: string;
  readonly level: TextLevel;
  /** T. */
  readonly sequence_length: number;
  /** Holds out the end of the training stream, as a fraction or a number of sequences. */
  readonly validation?: Omit<ValidationConfig, 'select'>;
  /** Uses only the first N sequences of the training stream, after validation was held out. */
  readonly limit?: number;
}

export const text: DatasetKind<TextConfig> = {
  open,
  facts: () => ({ inputKind: 'symbol', targetKind: 'class', perStep: true }),
  testDigests: 1,
  dividesItself: true,
  newSequences,
};

/** Reads sequences to predict: each line is a separate text. */
function newSequences({ level }: TextConfig, { vocabulary }: DataRecord): SequenceReader {
  const numbers = vocabulary && symbolNumbers(vocabulary);
  return {
    hasIds: false,
    hasTimes: false,
    async *read({ name, chunks }) {
      let done: ReadSequence[] = [];
      const lines = new LinePieces(name, level !== 'byte', ({ bytes, number }) => {
        if (bytes.length === 0) return;
        const values = Float32Array.from(symbolsOf(bytes, level), symbol => numbers?.get(symbol) ?? UNKNOWN);
        const place = { file: name, line: number };
        if (values.length > 0) done.push({ length: values.length, values, place });
      });
      for await (const chunk of chunks) {
        lines.push(chunk);
        yield done;
        done = [];
      }
      lines.end();
      yield done;
    },
  };
}

interface Layout {
  /** T. */
  readonly steps: number;
  /** B. */
  readonly rows: number;
}

/**
 * @throws UserError (exit 2) if a file is missing or a split has too few symbols
 * @throws UserError (exit 5) if a file is not UTF-8 (unless its symbols are bytes)
 */
async function open(
  config: TextConfig,
  { streams = 1, vocabulary: given }: DatasetContext,
): Promise<Dataset> {
  const { level, sequence_length: steps } = config;
  const codes = new TextCodes();
  const read = async (paths: string | readonly string[] | undefined): Promise<Stream | undefined> =>
    paths === undefined ? undefined : readStream(paths, level, codes);
  const files = {
    train: await readStream(config.path, level, codes),
    validation: await read(config.validation_path),
    test: await read(config.test_path),
  };
  const parts = partsOf(config, files);
  const texts = { level, texts: codes.texts };
  const counts = new Float64Array(codes.texts.length);
  for (const code of parts.train) counts[code]++;
  const vocabulary = given ?? fitVocabulary(texts, counts, config);
  const symbols = symbolsByCode(texts, vocabulary);
  const count = vocabulary.symbols.length;
  const layout = { steps, rows: streams };
  const unknownShares: Partial<Record<SplitName, number>> = {};
  const split = (name: SplitName, part: Uint32Array): Split => {
    checkSize(part, name, layout);
    unknownShares[name] = part.filter(code => symbols[code] === UNKNOWN).length / part.length;
    return streamSplit(
      part.map(code => symbols[code]),
      layout,
      count,
    );
  };
  const sources = files.test ? [files.train, files.validation, files.test] : [files.validation, files.train];
  return {
    input: { kind: 'symbol', count },
    sequenceLength: steps,
    train: split('train', parts.train),
    ...(parts.validation && { validation: split('validation', parts.validation) }),
    test: split('test', parts.test),
    digests: sources.flatMap(stream => stream?.sources.map(({ name, sha256 }) => ({ name, sha256 })) ?? []),
    classLabels: vocabulary.symbols,
    vocabulary,
    unknownShares,
  };
}

/** The symbols of several files, concatenated, as codes of their texts. */
interface Stream {
  readonly sources: readonly SourceFile[];
  readonly codes: Uint32Array;
}

async function readStream(
  paths: string | readonly string[],
  level: TextLevel,
  codes: TextCodes,
): Promise<Stream> {
  const sources: SourceFile[] = [];
  const parts: Uint32Array[] = [];
  for (const path of await inputFiles(paths)) {
    const source = await readContent(path, MAX_TEXT_BYTES);
    sources.push({ ...source, bytes: Buffer.alloc(0) });
    parts.push(fileCodes(source, level, codes));
  }
  const all = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return { sources, codes: all };
}

function fileCodes({ bytes, name }: SourceFile, level: TextLevel, codes: TextCodes): Uint32Array {
  if (level === 'byte') return Uint32Array.from(symbolsOf(bytes, level), symbol => codes.code(symbol));
  checkUtf8(bytes, name);
  const content = bytes.toString('utf8', markLength(bytes));
  if (level === 'character') {
    const found = new Uint32Array(content.length);
    let length = 0;
    for (const character of symbolsOf(content, level)) found[length++] = codes.code(character);
    return found.slice(0, length);
  }
  const found: number[] = [];
  for (const line of linesOf(content)) {
    for (const word of symbolsOf(line, level)) found.push(codes.code(word));
    found.push(codes.code(LINE_END));
  }
  return Uint32Array.from(found);
}

/** Splits into lines as Python does: text after the last line end is a line if it is not empty. */
function linesOf(content: string): string[] {
  const lines = content.split(LINE_BREAK);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

interface Parts {
  readonly train: Uint32Array;
  readonly validation?: Uint32Array | undefined;
  readonly test: Uint32Array;
}

/** Splits the training stream: training symbols first, then validation, then test. */
function partsOf(
  { sequence_length: steps, test_path, test_fraction, validation, limit }: TextConfig,
  files: {
    readonly train: Stream;
    readonly validation: Stream | undefined;
    readonly test: Stream | undefined;
  },
): Parts {
  if ((test_path === undefined) === (test_fraction === undefined)) {
    throw configError({
      code: 'data/test-split',
      keyPath: ['dataset'],
      message: 'the test split is not defined',
      expected: 'either dataset.test_path or dataset.test_fraction',
    });
  }
  const cut = (all: Uint32Array, held: number): readonly [Uint32Array, Uint32Array] => {
    const at = Math.max(0, all.length - held);
    return [all.subarray(0, at), all.subarray(at)];
  };
  const shared = (all: Uint32Array, fraction: number): number =>
    all.length < 2 ? 0 : shareOf(all.length, fraction);
  const all = files.train.codes;
  const [rest, test] = files.test ? [all, files.test.codes] : cut(all, shared(all, test_fraction ?? 0));
  const [train, last] =
    validation === undefined
      ? [rest, undefined]
      : cut(
          rest,
          validation.count === undefined
            ? shared(rest, validation.fraction ?? 0)
            : validation.count * steps + 1,
        );
  return {
    train: limit === undefined ? train : train.subarray(0, limit * steps + 1),
    validation: files.validation?.codes ?? last,
    test,
  };
}

function checkSize({ length }: Uint32Array, name: SplitName, { rows }: Layout): void {
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

/** Splits a stream of symbols into sequences; see the top of this file. */
function streamSplit(stream: Uint32Array, { steps, rows }: Layout, numClasses: number): Split {
  const targets = stream.length - 1;
  const rowLength = Math.ceil(targets / rows);
  const chunks = Math.ceil(rowLength / steps);
  const count = chunks * rows;
  /** Start of sequence `index` in the stream, and how many of its steps are in the text. */
  const placeOf = (index: number): readonly [start: number, length: number] => {
    const inRow = Math.floor(index / rows) * steps;
    const start = (index % rows) * rowLength + inRow;
    return [start, Math.max(0, Math.min(steps, rowLength - inRow, targets - start))];
  };
  const values = new Int32Array(count * steps).fill(IGNORED);
  for (let index = 0; index < count; index++) {
    const [start, length] = placeOf(index);
    values.set(stream.subarray(start + 1, start + 1 + length), index * steps);
  }
  return {
    count,
    targets: { kind: 'class', numClasses, values, perStep: true },
    read: (index, out, offset, stepStride) => {
      const [start, length] = placeOf(index);
      for (let step = 0; step < steps; step++)
        out[offset + step * stepStride] = step < length ? stream[start + step] : 0;
    },
  };
}

/**
 * Symbols of several text files, concatenated and encoded as numbers: in memory, or read from the
 * files by range; and the sequences to predict that are cut from such a stream.
 *
 * Text is read in pieces of whole symbols. For files on disk, memory holds the start of each piece,
 * in bytes and in symbols.
 */

import { type Diagnostic, damagedError, damagedErrors } from '../../util/errors.js';
import type { NewSequencesOptions, ReadSequence, SequenceReader } from '../core/dataset.js';
import type { DataRecord, TextLevel, Vocabulary } from '../core/record.js';
import { GrowingList, type Place, type TextCodes } from '../core/store.js';
import { inputCodes, LINE_END, symbolAt, symbolsOf, UnknownSymbol } from '../core/vocabulary.js';
import {
  checkUtf8,
  FILE_START,
  LinePieces,
  markLength,
  placeAfter,
  START_BYTES,
  wholeLength,
} from '../formats/utf8.js';
import {
  type InputSource,
  type Pieces,
  placeNames,
  readInTurn,
  TrainingFile,
} from '../reading/byte-sources.js';
import type { RangedFile } from '../reading/ranged-file.js';
import type { TextConfig } from './facts.js';

export interface SymbolRange {
  readonly from: number;
  readonly to: number;
}

export interface SymbolStream extends SymbolReader {
  readonly length: number;
  /** Occurrences of each code. */
  readonly totals: readonly number[];
}

export interface SymbolReader {
  /** Byte ranges with the symbols of a range; none if the codes are in memory. */
  places(range: SymbolRange): readonly Place[];
  /**
   * The codes of the symbols in a range; valid until the next call.
   * @param parts the bytes of its places
   */
  decode(range: SymbolRange, parts: readonly Buffer[]): Uint32Array;
}

/** A piece of a file; valid only until the next. */
export interface CodedPiece {
  readonly codes: Uint32Array;
  readonly offset: number;
  /** Returns a symbol of the piece and its place. */
  symbolAt(index: number): {
    readonly symbol: string;
    readonly place: Required<Pick<Diagnostic, 'file' | 'line' | 'column'>>;
  };
}

/** A sequence is read with all its pieces, and each piece takes 16 bytes of memory. */
const PIECE_BYTES = 2048;
/** 64 MiB. Files with longer words are not text. */
const MAX_WORD_BYTES = 2 ** 26;
const CHUNK = 2 ** 16;

/**
 * Reads sources as one stream, which stays on disk if they are read by ranges.
 * @param onPiece called with each piece in order
 */
export async function readStream(
  sources: readonly InputSource[],
  reader: PieceReader,
  onPiece?: (piece: CodedPiece) => void,
): Promise<SymbolStream> {
  const positions = new GrowingList(length => new Float64Array(length));
  const offsets = new GrowingList(length => new Float64Array(length));
  const all = new GrowingList<Uint32Array>(length => new Uint32Array(length));
  const totals: number[] = [];
  const parts: PiecesOnDisk['files'][number][] = [];
  let length = 0;
  for (const source of sources) {
    const first = positions.size;
    const piecesOf = (name: string) =>
      new TextPieces(name, reader, piece => {
        if (source.ranged) {
          positions.push(length);
          offsets.push(piece.offset);
        } else all.append(piece.codes);
        for (const code of piece.codes) totals[code] = (totals[code] ?? 0) + 1;
        length += piece.codes.length;
        onPiece?.(piece);
      });
    for await (const _ of readInTurn([source], piecesOf));
    if (source.ranged) parts.push({ file: source.ranged, first, end: positions.size });
  }
  const stored = { files: parts, positions: positions.toArray(), offsets: offsets.toArray(), reader };
  return { length, totals, ...(parts.length > 0 ? streamOnDisk(stored) : streamInMemory(all.toArray())) };
}

function streamInMemory(codes: Uint32Array): SymbolReader {
  return { places: () => [], decode: ({ from, to }) => codes.subarray(from, to) };
}

/** The codes of the symbols in a range; valid until the next call. */
export function codesIn(stream: SymbolReader, range: SymbolRange): Uint32Array {
  const parts = stream.places(range).map(({ file, ...bytes }) => file.readNow(bytes));
  return stream.decode(range, parts);
}

/** Occurrences of each code in a range. @param size number of codes */
export function countSymbols(stream: SymbolStream, { from, to }: SymbolRange, size: number): Float64Array {
  const counts = new Float64Array(size);
  if (to - from <= stream.length / 2) {
    for (let at = from; at < to; at += CHUNK)
      for (const code of codesIn(stream, { from: at, to: Math.min(to, at + CHUNK) })) counts[code]++;
    return counts;
  }
  // counting the symbols outside the range reads less
  const before = countSymbols(stream, { from: 0, to: from }, size);
  const after = countSymbols(stream, { from: to, to: stream.length }, size);
  return counts.map((_, code) => (stream.totals[code] ?? 0) - before[code] - after[code]);
}

interface PiecesOnDisk {
  /** Files with their pieces `first` to `end`, exclusive. */
  readonly files: readonly { readonly file: RangedFile; readonly first: number; readonly end: number }[];
  /** Symbols of the stream before each piece. */
  readonly positions: Float64Array;
  /** Offset of each piece in its file. */
  readonly offsets: Float64Array;
  readonly reader: PieceReader;
}

function streamOnDisk({ files, positions, offsets, reader }: PiecesOnDisk): SymbolReader {
  /** The last piece that starts at or before symbol `position`; earlier ones may be empty. */
  const pieceAt = (position: number): number => {
    let [low, high] = [0, positions.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (positions[middle] <= position) low = middle;
      else high = middle;
    }
    return low;
  };
  const places = ({ from, to }: SymbolRange): Place[] => {
    if (from >= to) return [];
    const [first, last] = [pieceAt(from), pieceAt(to - 1)];
    return files.flatMap(({ file, ...own }) => {
      const [low, high] = [Math.max(first, own.first), Math.min(last + 1, own.end)];
      const end = high === own.end ? file.size : offsets[high];
      return low < high ? [{ file, from: offsets[low], to: end }] : [];
    });
  };
  const decode = (range: SymbolRange, parts: readonly Buffer[]): Uint32Array => {
    const out = new Uint32Array(range.to - range.from);
    let skipped = range.from - positions[pieceAt(range.from)];
    let at = 0;
    places(range).forEach(({ file, from, to }, i) => {
      const codes = reader.codesOf(parts[i], { isFirst: from === 0, isLast: to === file.size });
      const own = codes.subarray(skipped, skipped + out.length - at);
      out.set(own, at);
      [at, skipped] = [at + own.length, Math.max(0, skipped - codes.length)];
    });
    return out;
  };
  return { places, decode };
}

/** Cuts a file that is read chunk by chunk into pieces that hold whole symbols. */
class TextPieces implements Pieces {
  private rest: Buffer = Buffer.alloc(0);
  /** Where `rest` begins in the file. */
  private start = FILE_START;
  private fileStart: Buffer | undefined;

  /** @param onPiece called with each piece in order */
  constructor(
    private readonly file: string,
    private readonly reader: PieceReader,
    private readonly onPiece: (piece: CodedPiece) => void,
  ) {}

  /** @throws UserError (exit 5) if the text is not UTF-8, or a word is far too long */
  push(chunk: Buffer): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let from = 0;
    for (let to = this.cut(bytes, from); to < bytes.length; to = this.cut(bytes, from)) {
      this.emit(bytes.subarray(from, to), false);
      from = to;
    }
    this.rest = Buffer.from(bytes.subarray(from));
    if (this.reader.level !== 'word' || this.rest.length <= MAX_WORD_BYTES) return;
    throw damagedError('data/word-too-long', 'the word is too long', {
      file: this.file,
      offset: this.start.offset,
      expected: `at most ${MAX_WORD_BYTES} bytes`,
    });
  }

  /** After the last chunk; a file that is not empty has a last piece. */
  end(): void {
    if (this.rest.length > 0) this.emit(this.rest, true);
  }

  private emit(piece: Buffer, isLast: boolean): void {
    const { start, file, reader } = this;
    const { level } = reader;
    const isFirst = start.offset === 0;
    if (level !== 'byte') {
      this.fileStart ??= Buffer.from(piece.subarray(0, START_BYTES));
      checkUtf8(piece, file, start, this.fileStart);
    }
    this.onPiece({
      codes: reader.codesOf(piece, { isFirst, isLast }),
      offset: start.offset,
      symbolAt(index) {
        const mark = isFirst && level !== 'byte' ? markLength(piece) : 0;
        const { symbol, offset } = symbolAt(piece.subarray(mark), level, index, { hasLines: true });
        const { line, column } = placeAfter(piece.subarray(0, mark + offset), start);
        return { symbol, place: { file, line, column } };
      },
    });
    this.start = placeAfter(piece, start);
  }

  /** Returns the end of the piece that starts at `from`; `bytes.length` if it is not known yet. */
  private cut(bytes: Buffer, from: number): number {
    const end = from + this.reader.pieceBytes;
    if (end >= bytes.length) return bytes.length;
    if (this.reader.level !== 'word') return from + (wholeLength(bytes.subarray(from, end)) || end - from);
    for (let at = end; at > from; at--) if (isWordEnd(bytes[at - 1])) return at;
    for (let at = end; at < bytes.length; at++) if (isWordEnd(bytes[at])) return at + 1;
    return bytes.length;
  }
}

/** No symbol continues after a space or a line feed. */
function isWordEnd(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a;
}

/** Cuts pieces of text into symbols. */
export class PieceReader {
  /** Code of each byte or code point; -1 if it has not occurred yet. */
  private readonly known: Int32Array;
  private buffer = new Uint32Array(0);

  constructor(
    readonly level: TextLevel,
    /** Streams that share them have the same codes. */
    readonly codes: Pick<TextCodes, 'code' | 'size'>,
    readonly pieceBytes = PIECE_BYTES,
  ) {
    this.known = new Int32Array({ byte: 2 ** 8, character: 0x110000, word: 0 }[level]).fill(-1);
  }

  /** The codes of the symbols of one or more pieces; valid until the next call. */
  codesOf(
    piece: Buffer,
    { isFirst, isLast }: { readonly isFirst: boolean; readonly isLast: boolean },
  ): Uint32Array {
    const { level, codes, known } = this;
    const bytes = isFirst && level !== 'byte' ? piece.subarray(markLength(piece)) : piece;
    const text = bytes.toString(level === 'byte' ? 'latin1' : 'utf8');
    // a line end after the last word is one more symbol
    if (this.buffer.length <= bytes.length) this.buffer = new Uint32Array(2 * bytes.length + 1);
    const { buffer } = this;
    let count = 0;
    if (level === 'word') {
      for (const word of symbolsOf(text, 'word', true)) buffer[count++] = codes.code(word);
      // like Python: text after the last line end is a line if it is not empty
      if (isLast && /[^\r\n]$/.test(text)) buffer[count++] = codes.code(LINE_END);
      return buffer.subarray(0, count);
    }
    for (let at = 0; at < text.length; count++) {
      const point = text.codePointAt(at) as number;
      at += point > 0xffff ? 2 : 1;
      if (known[point] < 0) known[point] = codes.code(String.fromCodePoint(point));
      buffer[count] = known[point];
    }
    return buffer.subarray(0, count);
  }
}

const MAX_TOLD = 20;

export interface Layout {
  /** T. */
  readonly steps: number;
  /** B. */
  readonly rows: number;
}

interface InputLayout extends Layout {
  /** Code of the symbols that the model has not learned to read. */
  readonly refused: number;
  /** True if the target of a step is the next symbol, otherwise there are none. */
  readonly hasTargets: boolean;
}

export function cutOf(
  numTargets: number,
  { steps, rows }: Layout,
): { readonly count: number; inputsOf(index: number): SymbolRange } {
  const rowLength = Math.max(0, Math.ceil(numTargets / rows));
  return {
    count: Math.ceil(rowLength / steps) * rows,
    inputsOf(index) {
      const inRow = Math.floor(index / rows) * steps;
      const from = (index % rows) * rowLength + inRow;
      return { from, to: from + Math.max(0, Math.min(steps, rowLength - inRow, numTargets - from)) };
    },
  };
}

/**
 * Reads sequences to predict. The input is one stream, cut like the stream of a split: that is what
 * the model learned, line ends included, and so a run's own test file gets the predictions of its
 * evaluation. With `lines`, each line is a separate text, such as a prompt or a sentence to score.
 */
export function textSequences(
  { level, sequence_length: steps }: TextConfig,
  { vocabulary }: DataRecord,
  { rows = 1, lines = false, targets }: NewSequencesOptions = {},
): SequenceReader {
  const hasTargets = targets !== undefined;
  if (lines) return linesToPredict(level, vocabulary);
  return {
    hasIds: false,
    hasTimes: false,
    continues: true,
    read(sources) {
      const codes = inputCodes(vocabulary, hasTargets);
      const layout = { steps, rows, refused: codes.refused, hasTargets };
      return (rows === 1 ? cutStream : cutRows)(sources, new PieceReader(level, codes), layout);
    },
  };
}

function refusal(piece: CodedPiece, index: number, level: TextLevel): Diagnostic {
  const { symbol, place } = piece.symbolAt(index);
  return { ...new UnknownSymbol(symbol, level).problem, ...place };
}

/** Cuts a stream into sequences as it arrives. The last symbol is only a target, as in a split. */
async function* cutStream(
  sources: readonly InputSource[],
  reader: PieceReader,
  { steps, refused, hasTargets }: InputLayout,
): AsyncGenerator<readonly ReadSequence[]> {
  const done: ReadSequence[] = [];
  let values = new Float32Array(steps);
  let length = 0;
  let unread: { readonly step: number; readonly problem: Diagnostic }[] = [];
  /** Emits a sequence of `count` symbols, before the symbol `next`. */
  const emit = (count: number, next: number): void => {
    const problems = unread.flatMap(({ step, problem }) => (step < count ? [problem] : []));
    const own = values.subarray(0, count);
    const targetAt = (_: unknown, step: number) => own[step + 1] ?? next;
    const targets = hasTargets && { targets: Int32Array.from({ length: count }, targetAt) };
    done.push(problems.length > 0 ? { problems } : { length: count, values: own, ...targets });
    [values, length, unread] = [new Float32Array(steps), 0, []];
  };
  const add = (piece: CodedPiece): void =>
    piece.codes.forEach((code, i) => {
      if (length === steps) emit(steps, code);
      if (code === refused && unread.length < MAX_TOLD)
        unread.push({ step: length, problem: refusal(piece, i, reader.level) });
      values[length++] = code;
    });
  yield* readInTurn(sources, name => new TextPieces(name, reader, add), done);
  if (length > 1) emit(length - 1, values[length - 1]);
  yield done;
}

/**
 * Cuts a stream into rows that continue from batch to batch. All of it is read first: where a row
 * starts depends on the length. A file is then read by range; other inputs, and several files, are
 * kept in memory, 4 bytes a symbol.
 */
async function* cutRows(
  sources: readonly InputSource[],
  reader: PieceReader,
  layout: InputLayout,
): AsyncGenerator<readonly ReadSequence[]> {
  const first = await sources[0].open();
  const isOnDisk = first.path !== undefined && sources.length === 1;
  // closes the file, which is opened again for each range
  if (isOnDisk) for await (const _ of first.chunks) break;
  const opened = isOnDisk
    ? new TrainingFile(first.path, true)
    : { name: first.name, open: async () => first };
  const check = pieceCheck(reader.level, layout.refused);
  const stream = await readStream([opened, ...sources.slice(1)], reader, check);
  const { count, inputsOf } = cutOf(stream.length - 1, layout);
  for (let index = 0; index < count; index++) {
    const { from, to } = inputsOf(index);
    // only the last rows of a batch have no symbols left
    if (from === to) continue;
    // the targets of the steps are the next symbols
    const codes = codesIn(stream, { from, to: to + 1 });
    const values = Float32Array.from(codes.subarray(0, -1));
    const targets = layout.hasTargets && { targets: Int32Array.from(codes.subarray(1)) };
    yield [
      { length: to - from, values, ...targets, position: index, startsBatch: index % layout.rows === 0 },
    ];
  }
}

/**
 * Returns a check of the pieces of a stream in order. The last symbol of the stream is only a
 * target, so it may be unknown.
 */
function pieceCheck(level: TextLevel, refused: number): (piece: CodedPiece) => void {
  let last: Diagnostic | undefined;
  return piece => {
    const { codes } = piece;
    if (codes.length === 0) return;
    const problems = last ? [last] : [];
    const end = codes.length - 1;
    for (let at = codes.indexOf(refused); at >= 0 && at < end; at = codes.indexOf(refused, at + 1))
      if (problems.push(refusal(piece, at, level)) === MAX_TOLD) break;
    if (problems.length > 0) throw damagedErrors(problems);
    last = codes[end] === refused ? refusal(piece, end, level) : undefined;
  };
}

function linesToPredict(level: TextLevel, vocabulary: Vocabulary | undefined): SequenceReader {
  return {
    // blank lines are no texts, so the index of a text is not its line
    hasIds: true,
    hasTimes: false,
    async *read(sources) {
      const codes = inputCodes(vocabulary);
      const done: ReadSequence[] = [];
      const nameOf = placeNames(sources.map(({ name }) => name));
      const linesOf = (file: string) =>
        new LinePieces(file, level !== 'byte', {
          line({ bytes, number }) {
            const place = { file, line: number };
            const id = nameOf(place);
            const symbols = bytes.length === 0 ? [] : [...symbolsOf(bytes, level)];
            const values = Float32Array.from(symbols, codes.code);
            const wrong = values.indexOf(codes.refused);
            if (wrong >= 0) {
              const { problem } = new UnknownSymbol(symbols[wrong], level);
              const { offset } = symbolAt(bytes, level, wrong, { hasLines: false });
              const { column } = placeAfter(bytes.subarray(0, offset), { ...FILE_START, line: number });
              done.push({ problems: [{ ...problem, ...place, column }], id });
            } else if (values.length > 0) done.push({ length: values.length, values, id, place });
          },
          broken: problem => done.push({ problems: [problem] }),
        });
      yield* readInTurn(sources, linesOf, done);
    },
  };
}

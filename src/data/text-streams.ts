/**
 * Symbols of several text files, concatenated and encoded as numbers: in memory, or read from the
 * files by range.
 *
 * Text is read in pieces of whole symbols. For files on disk, memory holds the start of each piece,
 * in bytes and in symbols.
 */
import { type Diagnostic, damagedError } from '../util/errors.js';
import type { DataFile, TextLevel } from './core/dataset.js';
import type { Place } from './core/store.js';
import { GrowingList } from './core/values.js';
import { checkUtf8, FILE_START, markLength, placeAfter, START_BYTES, wholeLength } from './formats/utf8.js';
import { readContent } from './reading/files.js';
import { MAX_TEXT_BYTES } from './reading/limits.js';
import { RangedFile } from './reading/ranged-file.js';
import { LINE_END, symbolAt, symbolsOf } from './vocabulary.js';

export interface SymbolRange {
  readonly from: number;
  readonly to: number;
}

export interface SymbolStream {
  readonly sources: readonly DataFile[];
  readonly length: number;
  /** The codes of the symbols in a range; valid until the next call. */
  read(range: SymbolRange): Uint32Array;
  counts(range: SymbolRange): Float64Array;
  /** Byte ranges with the symbols of a range; absent if the codes are in memory. */
  places?(range: SymbolRange): readonly Place[];
  decode?(range: SymbolRange, parts: readonly Buffer[]): Uint32Array;
}

/** Numbers the texts of symbols; streams that share them have the same codes. */
export interface SymbolCodes {
  code(text: string): number;
  readonly size: number;
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

export async function streamInMemory(files: readonly string[], reader: PieceReader): Promise<SymbolStream> {
  const sources: DataFile[] = [];
  const list = new GrowingList<Uint32Array>(length => new Uint32Array(length));
  for (const file of files) {
    const { name, sha256, bytes } = await readContent(file, MAX_TEXT_BYTES);
    sources.push({ name, sha256 });
    const pieces = new TextPieces(name, reader, ({ codes }) => list.append(codes));
    pieces.push(bytes);
    pieces.end();
  }
  return { sources, ...wholeStream(list.toArray(), reader) };
}

export function wholeStream(all: Uint32Array, { codes }: PieceReader): Omit<SymbolStream, 'sources'> {
  return {
    length: all.length,
    read: ({ from, to }) => all.subarray(from, to),
    counts({ from, to }) {
      const counts = new Float64Array(codes.size);
      for (let i = from; i < to; i++) counts[all[i]]++;
      return counts;
    },
  };
}

/** @param onPiece called with each piece in order */
export async function streamOnDisk(
  files: readonly string[],
  reader: PieceReader,
  onPiece?: (piece: CodedPiece) => void,
): Promise<SymbolStream> {
  const sources: DataFile[] = [];
  const positions = new GrowingList(length => new Float64Array(length));
  const offsets = new GrowingList(length => new Float64Array(length));
  const totals: number[] = [];
  const parts: StoredPieces['files'][number][] = [];
  let length = 0;
  for (const path of files) {
    const file = await RangedFile.open(path);
    const first = positions.size;
    const pieces = new TextPieces(path, reader, piece => {
      positions.push(length);
      offsets.push(piece.offset);
      for (const code of piece.codes) totals[code] = (totals[code] ?? 0) + 1;
      length += piece.codes.length;
      onPiece?.(piece);
    });
    const sha256 = await file.scan(chunk => pieces.push(chunk));
    pieces.end();
    sources.push({ name: path, sha256 });
    parts.push({ file, first, end: positions.size });
  }
  return new StoredStream(sources, length, {
    ...{ files: parts, positions: positions.toArray(), offsets: offsets.toArray(), totals, reader },
  });
}

interface StoredPieces {
  /** Files with their pieces `first` to `end`, exclusive. */
  readonly files: readonly { readonly file: RangedFile; readonly first: number; readonly end: number }[];
  /** Symbols of the stream before each piece. */
  readonly positions: Float64Array;
  readonly offsets: Float64Array;
  readonly totals: readonly number[];
  readonly reader: PieceReader;
}

class StoredStream implements SymbolStream {
  constructor(
    readonly sources: readonly DataFile[],
    readonly length: number,
    private readonly pieces: StoredPieces,
  ) {}

  places({ from, to }: SymbolRange): Place[] {
    const { files, offsets } = this.pieces;
    if (from >= to) return [];
    const [first, last] = [this.pieceAt(from), this.pieceAt(to - 1)];
    return files.flatMap(({ file, ...own }) => {
      const [low, high] = [Math.max(first, own.first), Math.min(last + 1, own.end)];
      return low < high
        ? [{ file, from: offsets[low], to: high === own.end ? file.size : offsets[high] }]
        : [];
    });
  }

  decode(range: SymbolRange, parts: readonly Buffer[]): Uint32Array {
    const { reader, positions } = this.pieces;
    const out = new Uint32Array(range.to - range.from);
    const places = this.places(range);
    let skipped = range.from - positions[this.pieceAt(range.from)];
    let at = 0;
    parts.forEach((bytes, i) => {
      const { file, from, to } = places[i];
      const codes = reader.codesOf(bytes, { isFirst: from === 0, isLast: to === file.size });
      const own = codes.subarray(skipped, skipped + out.length - at);
      out.set(own, at);
      [at, skipped] = [at + own.length, Math.max(0, skipped - codes.length)];
    });
    return out;
  }

  read(range: SymbolRange): Uint32Array {
    const parts = this.places(range).map(({ file, ...bytes }) => file.readNow(bytes));
    return this.decode(range, parts);
  }

  counts({ from, to }: SymbolRange): Float64Array {
    const { reader, totals } = this.pieces;
    const counts = new Float64Array(reader.codes.size);
    if (to - from <= this.length / 2) {
      for (let at = from; at < to; at += CHUNK)
        for (const code of this.read({ from: at, to: Math.min(to, at + CHUNK) })) counts[code]++;
      return counts;
    }
    // counting the symbols outside the range reads less
    const [before, after] = [this.counts({ from: 0, to: from }), this.counts({ from: to, to: this.length })];
    return counts.map((_, code) => (totals[code] ?? 0) - before[code] - after[code]);
  }

  /** The last piece that starts at or before symbol `position`; earlier ones may be empty. */
  private pieceAt(position: number): number {
    const { positions } = this.pieces;
    let [low, high] = [0, positions.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (positions[middle] <= position) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** Cuts a file that is read chunk by chunk into pieces that hold whole symbols. */
export class TextPieces {
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
    throw damagedError({
      code: 'data/word-too-long',
      message: 'the word is too long',
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
    readonly codes: SymbolCodes,
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

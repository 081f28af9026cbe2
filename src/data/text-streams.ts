/**
 * Symbols of several text files, concatenated and encoded as numbers: in memory, or read from the
 * files by range.
 *
 * Text is read in pieces of whole symbols. For files on disk, memory holds the start of each piece,
 * in bytes and in symbols.
 */
import { type Diagnostic, damagedError, type UserError } from '../util/errors.js';
import type { DataFile, TextLevel } from './core/dataset.js';
import { GrowingList } from './core/values.js';
import {
  type BytesPlace,
  checkUtf8,
  FILE_START,
  markLength,
  placeAfter,
  START_BYTES,
  wholeLength,
} from './formats/utf8.js';
import { type ByteSource, type InputSource, inTurn } from './reading/byte-sources.js';
import { readContent } from './reading/files.js';
import { MAX_TEXT_BYTES } from './reading/limits.js';
import { RangedFile } from './reading/ranged-file.js';
import { LINE_BREAK, LINE_END, symbolAt, symbolsOf } from './vocabulary.js';

/** Symbols from `from` to `to`, exclusive, of a stream. */
export interface SymbolRange {
  readonly from: number;
  readonly to: number;
}

export interface SymbolStream {
  readonly sources: readonly DataFile[];
  /** Symbols. */
  readonly length: number;
  /** The codes of the symbols in a range; valid until the next call. */
  read(range: SymbolRange): Uint32Array;
  /**
   * Reads several ranges ahead of time; absent if the codes are in memory.
   * @throws UserError (exit 2) if a file can no longer be read
   * @throws UserError (exit 5) if a file has changed
   */
  load?(ranges: readonly SymbolRange[]): Promise<Uint32Array[]>;
  /** How often each code occurs in a range. */
  counts(range: SymbolRange): Float64Array;
}

/** Numbers the texts of symbols; streams that share them have the same codes. */
export interface SymbolCodes {
  code(text: string): number;
  /** Number of codes. */
  readonly size: number;
}

interface StreamOptions {
  readonly level: TextLevel;
  readonly codes: SymbolCodes;
  /** Bytes of a piece, about. */
  readonly pieceBytes?: number;
  /** Called with each piece in order. */
  onPiece?(piece: CodedPiece): void;
}

/** A piece of a file. */
export interface CodedPiece {
  readonly codes: Uint32Array;
  /** Returns a symbol of the piece and its place. */
  symbolAt(index: number): { readonly symbol: string; readonly place: TextPlace };
}

type TextPlace = Required<Pick<Diagnostic, 'file' | 'line' | 'column'>>;

/** A sequence is read with all its pieces, and each piece takes 16 bytes of memory. */
const PIECE_BYTES = 2048;
/** Pieces that are kept as codes, since the next sequence often begins where one ends. */
const MAX_KEPT_PIECES = 4096;
/** 64 MiB. Files with longer words are not text. */
const MAX_WORD_BYTES = 2 ** 26;

/**
 * @throws UserError (exit 2) if a file cannot be read
 * @throws UserError (exit 5) if a file is not UTF-8 or too large
 */
export async function streamInMemory(
  files: readonly string[],
  { level, codes, pieceBytes = PIECE_BYTES }: StreamOptions,
): Promise<SymbolStream> {
  const sources: DataFile[] = [];
  const list = new GrowingList<Uint32Array>(length => new Uint32Array(length));
  const reader = new PieceReader(level, codes);
  for (const file of files) {
    const { name, sha256, bytes } = await readContent(file, MAX_TEXT_BYTES);
    sources.push({ name, sha256 });
    const cutter = new PieceCutter(name, level, pieceBytes, (piece, place) =>
      list.append(reader.codesOf(piece, place)),
    );
    cutter.push(bytes);
    cutter.end();
  }
  const all = list.toArray();
  return {
    sources,
    ...wholeStream(all),
    counts({ from, to }) {
      const counts = new Float64Array(codes.size);
      for (let i = from; i < to; i++) counts[all[i]]++;
      return counts;
    },
  };
}

/** @throws UserError like {@link streamInMemory} */
export async function streamOnDisk(
  files: readonly string[],
  { level, codes, pieceBytes = PIECE_BYTES, onPiece }: StreamOptions,
): Promise<SymbolStream> {
  const sources: DataFile[] = [];
  const reader = new PieceReader(level, codes);
  const positions = new GrowingList(length => new Float64Array(length));
  const offsets = new GrowingList(length => new Float64Array(length));
  const totals: number[] = [];
  const parts: FileOfPieces[] = [];
  let length = 0;
  for (const path of files) {
    const file = await RangedFile.open(path);
    const first = positions.size;
    const cutter = new PieceCutter(path, level, pieceBytes, (piece, place) => {
      positions.push(length);
      offsets.push(place.start.offset);
      const found = reader.codesOf(piece, place);
      for (const code of found) totals[code] = (totals[code] ?? 0) + 1;
      length += found.length;
      onPiece?.(codedPiece(found, piece, place));
    });
    const sha256 = await file.scan(chunk => cutter.push(chunk));
    cutter.end();
    sources.push({ name: path, sha256 });
    if (positions.size > first) parts.push({ file, first, end: positions.size });
  }
  return new StoredStream(sources, length, {
    files: parts,
    positions: positions.toArray(),
    offsets: offsets.toArray(),
    totals,
    reader,
    codes,
  });
}

/**
 * Yields the pieces of an input that each chunk completes. Keeps only the end of a chunk.
 * @throws UserError (exit 5) if the input is not UTF-8
 */
export async function* inputSymbols(
  { name, chunks }: ByteSource,
  { level, codes, pieceBytes = PIECE_BYTES }: StreamOptions,
): AsyncGenerator<readonly CodedPiece[]> {
  const reader = new PieceReader(level, codes);
  let pieces: CodedPiece[] = [];
  const cutter = new PieceCutter(name, level, pieceBytes, (piece, place) =>
    pieces.push(codedPiece(reader.codesOf(piece, place).slice(), Buffer.from(piece), place)),
  );
  for await (const chunk of chunks) {
    cutter.push(chunk);
    yield pieces;
    pieces = [];
  }
  cutter.end();
  yield pieces;
}

/**
 * Returns an input as a stream that can be read in any order. A file is read by range; other
 * inputs, and several files, are kept in memory, 4 bytes a symbol.
 * @throws UserError (exit 2) if a file cannot be read
 * @throws UserError (exit 5) if the input is not UTF-8
 */
export async function inputStream(
  sources: readonly InputSource[],
  options: StreamOptions,
): Promise<Pick<SymbolStream, 'length' | 'read'>> {
  const list = new GrowingList<Uint32Array>(length => new Uint32Array(length));
  for await (const source of inTurn(sources)) {
    if (source.path !== undefined && sources.length === 1) {
      // closes the file, which is opened again for each range
      for await (const _ of source.chunks) break;
      return streamOnDisk([source.path], options);
    }
    for await (const pieces of inputSymbols(source, options)) {
      for (const piece of pieces) {
        options.onPiece?.(piece);
        list.append(piece.codes);
      }
    }
  }
  return wholeStream(list.toArray());
}

function wholeStream(all: Uint32Array): Pick<SymbolStream, 'length' | 'read'> {
  return { length: all.length, read: ({ from, to }) => all.subarray(from, to) };
}

/** The error for a text without symbols. */
export function emptyText(...files: readonly string[]): UserError {
  return damagedError(
    ...files.map(file => ({ code: 'data/text-empty', message: 'the file is empty', file })),
  );
}

/** A file that has pieces `first` to `end`, exclusive. */
interface FileOfPieces {
  readonly file: RangedFile;
  readonly first: number;
  readonly end: number;
}

interface StoredPieces {
  readonly files: readonly FileOfPieces[];
  /** Symbols of the stream before each piece. */
  readonly positions: Float64Array;
  /** Start of each piece in its file, in bytes. */
  readonly offsets: Float64Array;
  /** How often each code occurs in the stream. */
  readonly totals: readonly number[];
  readonly reader: PieceReader;
  readonly codes: SymbolCodes;
}

class StoredStream implements SymbolStream {
  /** Codes by piece, oldest first. */
  private readonly kept = new Map<number, Uint32Array>();
  private buffer = new Uint32Array(0);

  constructor(
    readonly sources: readonly DataFile[],
    readonly length: number,
    private readonly pieces: StoredPieces,
  ) {}

  read(range: SymbolRange): Uint32Array {
    const length = range.to - range.from;
    if (this.buffer.length < length) this.buffer = new Uint32Array(2 * length);
    return this.joined(range, this.buffer, this.readNow);
  }

  async load(ranges: readonly SymbolRange[]): Promise<Uint32Array[]> {
    const found = new Map<number, Uint32Array>();
    const missing = new Set<number>();
    for (const range of ranges) {
      for (const piece of this.piecesOf(range)) {
        const kept = this.kept.get(piece);
        if (kept) found.set(piece, kept);
        else missing.add(piece);
      }
    }
    await Promise.all(
      this.pieces.files.map(async part => {
        const own = [...missing].filter(piece => piece >= part.first && piece < part.end);
        if (own.length === 0) return;
        const bytes = await part.file.read(own.map(piece => this.place(piece, part)));
        own.forEach((piece, i) => {
          found.set(piece, this.decoded(piece, part, bytes[i]));
        });
      }),
    );
    const codesOf = (piece: number): Uint32Array => found.get(piece) ?? this.readNow(piece);
    return ranges.map(range => this.joined(range, new Uint32Array(range.to - range.from), codesOf));
  }

  counts({ from, to }: SymbolRange): Float64Array {
    const { codes, totals } = this.pieces;
    const counts = new Float64Array(codes.size);
    if (to - from <= this.length / 2) {
      for (const piece of this.piecesOf({ from, to })) {
        const start = this.pieces.positions[piece];
        const own = this.readNow(piece);
        const end = Math.min(own.length, to - start);
        for (let i = Math.max(0, from - start); i < end; i++) counts[own[i]]++;
      }
      return counts;
    }
    // counting the symbols outside the range reads less
    const [before, after] = [this.counts({ from: 0, to: from }), this.counts({ from: to, to: this.length })];
    return counts.map((_, code) => (totals[code] ?? 0) - before[code] - after[code]);
  }

  private joined(
    { from, to }: SymbolRange,
    out: Uint32Array,
    codesOf: (piece: number) => Uint32Array,
  ): Uint32Array {
    const { positions } = this.pieces;
    const length = Math.max(0, to - from);
    for (let at = 0, piece = this.pieceAt(from); at < length; piece++) {
      const codes = codesOf(piece);
      const skipped = from + at - positions[piece];
      const end = Math.min(codes.length, skipped + length - at);
      for (let i = skipped; i < end; i++) out[at++] = codes[i];
    }
    return out.subarray(0, length);
  }

  /** The pieces that hold the symbols of a range. */
  private *piecesOf({ from, to }: SymbolRange): Generator<number, void> {
    const { positions } = this.pieces;
    if (from >= to) return;
    for (let piece = this.pieceAt(from); piece < positions.length && positions[piece] < to; piece++)
      yield piece;
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

  private readonly readNow = (piece: number): Uint32Array => {
    const kept = this.kept.get(piece);
    if (kept) return kept;
    const part = this.pieces.files.find(({ end }) => piece < end) as FileOfPieces;
    return this.decoded(piece, part, part.file.readNow(this.place(piece, part)));
  };

  private decoded(piece: number, { first, end }: FileOfPieces, bytes: Buffer): Uint32Array {
    const { reader } = this.pieces;
    const codes = reader.codesOf(bytes, { isFirst: piece === first, isLast: piece + 1 === end }).slice();
    this.kept.set(piece, codes);
    if (this.kept.size > MAX_KEPT_PIECES) this.kept.delete(this.kept.keys().next().value as number);
    return codes;
  }

  private place(piece: number, { file, end }: FileOfPieces) {
    const { offsets } = this.pieces;
    return { from: offsets[piece], to: piece + 1 === end ? file.size : offsets[piece + 1] };
  }
}

function codedPiece(
  codes: Uint32Array,
  piece: Buffer,
  { file, level, start, isFirst }: PiecePlace,
): CodedPiece {
  const mark = isFirst && level !== 'byte' ? markLength(piece) : 0;
  return {
    codes,
    symbolAt(index) {
      const { symbol, offset } = symbolAt(piece.subarray(mark), level, index, { hasLines: true });
      const { line, column } = placeAfter(piece.subarray(0, mark + offset), start);
      return { symbol, place: { file, line, column } };
    },
  };
}

/** Position of a piece in its file. */
interface PiecePosition {
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

interface PiecePlace extends PiecePosition {
  readonly file: string;
  readonly level: TextLevel;
  readonly start: BytesPlace;
}

/** Cuts a file that is read chunk by chunk into pieces that hold whole symbols. */
class PieceCutter {
  private rest: Buffer = Buffer.alloc(0);
  /** Where `rest` begins in the file. */
  private start = FILE_START;
  /** First bytes of the file. */
  private fileStart: Buffer | undefined;

  /** @param onPiece called with each piece in order and its start; a piece is valid only then */
  constructor(
    private readonly file: string,
    private readonly level: TextLevel,
    private readonly pieceBytes: number,
    private readonly onPiece: (piece: Buffer, place: PiecePlace) => void,
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
    if (this.level !== 'word' || this.rest.length <= MAX_WORD_BYTES) return;
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
    const { start, level, file } = this;
    if (level !== 'byte') {
      this.fileStart ??= Buffer.from(piece.subarray(0, START_BYTES));
      checkUtf8(piece, file, start, this.fileStart);
    }
    this.onPiece(piece, { file, level, start, isFirst: start.offset === 0, isLast });
    this.start = placeAfter(piece, start);
  }

  /** Returns the end of the piece that starts at `from`; `bytes.length` if it is not known yet. */
  private cut(bytes: Buffer, from: number): number {
    const end = from + this.pieceBytes;
    if (end >= bytes.length) return bytes.length;
    if (this.level !== 'word') return from + (wholeLength(bytes.subarray(from, end)) || end - from);
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
class PieceReader {
  /** Code of each byte or code point; -1 if it has not occurred yet. */
  private known = new Int32Array(256).fill(-1);
  private buffer = new Uint32Array(0);

  constructor(
    private readonly level: TextLevel,
    private readonly codes: SymbolCodes,
  ) {}

  /** The codes of a piece's symbols; valid until the next call. */
  codesOf(piece: Buffer, { isFirst, isLast }: PiecePosition): Uint32Array {
    const bytes = isFirst && this.level !== 'byte' ? piece.subarray(markLength(piece)) : piece;
    // a line end after the last word is one more symbol
    if (this.buffer.length <= bytes.length) this.buffer = new Uint32Array(2 * bytes.length + 1);
    const read = { byte: this.bytes, character: this.characters, word: this.words }[this.level];
    return this.buffer.subarray(0, read.call(this, bytes, isLast));
  }

  private bytes(bytes: Buffer): number {
    for (let i = 0; i < bytes.length; i++) this.buffer[i] = this.codeOf(bytes[i]);
    return bytes.length;
  }

  private characters(bytes: Buffer): number {
    const { buffer } = this;
    let count = 0;
    for (let at = 0; at < bytes.length; ) {
      const byte = bytes[at++];
      let point = byte;
      if (byte >= 0x80) {
        const more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
        point = byte & (0x3f >> more);
        for (let i = 0; i < more; i++) point = (point << 6) | (bytes[at++] & 0x3f);
      }
      buffer[count++] = this.codeOf(point);
    }
    return count;
  }

  /**
   * Splits into lines like Python: text after the last line end is a line if it is not empty.
   */
  private words(bytes: Buffer, isLast: boolean): number {
    const { buffer, codes } = this;
    const lines = bytes.toString('utf8').split(LINE_BREAK);
    let count = 0;
    lines.forEach((line, i) => {
      if (i > 0) buffer[count++] = codes.code(LINE_END);
      for (const word of symbolsOf(line, 'word')) buffer[count++] = codes.code(word);
    });
    if (isLast && lines.at(-1) !== '') buffer[count++] = codes.code(LINE_END);
    return count;
  }

  private codeOf(point: number): number {
    const known = this.known[point];
    return known >= 0 ? known : this.newCode(point);
  }

  private newCode(point: number): number {
    const code = this.codes.code(String.fromCodePoint(point));
    if (point >= this.known.length) {
      const larger = new Int32Array(2 * point).fill(-1);
      larger.set(this.known);
      this.known = larger;
    }
    this.known[point] = code;
    return code;
  }
}

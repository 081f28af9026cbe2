/** Cuts streams of text into sequences, and reads the sequences to predict. */
import { type Diagnostic, damagedError } from '../util/errors.js';
import type { TextLevel, Vocabulary } from './core/dataset.js';
import type {
  Assembler,
  DataRecord,
  NewSequencesOptions,
  ReadSequence,
  SequenceReader,
} from './core/pipeline.js';
import { GrowingList } from './core/values.js';
import { FILE_START, LinePieces, placeAfter } from './formats/utf8.js';
import { type InputSource, inTurn, placeNames } from './reading/byte-sources.js';
import type { TextConfig } from './text.js';
import {
  type CodedPiece,
  PieceReader,
  type SymbolRange,
  type SymbolStream,
  streamOnDisk,
  TextPieces,
  wholeStream,
} from './text-streams.js';
import { inputCodes, symbolAt, symbolReader, symbolsOf, UnknownSymbol } from './vocabulary.js';

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
  { rows = 1, lines = false }: NewSequencesOptions = {},
): SequenceReader {
  if (lines) return linesToPredict(level, vocabulary);
  return {
    hasIds: false,
    hasTimes: false,
    continues: true,
    read(sources) {
      const codes = inputCodes(vocabulary);
      const layout = { steps, rows, refused: codes.refused };
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
  { refused, steps }: InputLayout,
): AsyncGenerator<readonly ReadSequence[]> {
  const cutter = new StreamCutter(reader.level, refused, steps);
  for await (const { name, chunks } of inTurn(sources)) {
    const pieces = new TextPieces(name, reader, piece => cutter.add(piece));
    for await (const chunk of chunks) {
      pieces.push(chunk);
      yield cutter.take();
    }
    pieces.end();
    yield cutter.take();
  }
  cutter.end();
  yield cutter.take();
}

class StreamCutter implements Assembler<CodedPiece> {
  private done: ReadSequence[] = [];
  private values: Float32Array;
  private length = 0;
  private problems: { readonly step: number; readonly problem: Diagnostic }[] = [];

  constructor(
    private readonly level: TextLevel,
    private readonly refused: number,
    private readonly steps: number,
  ) {
    this.values = new Float32Array(steps);
  }

  add(piece: CodedPiece): void {
    piece.codes.forEach((code, i) => {
      if (this.length === this.steps) this.emit(this.steps);
      if (code === this.refused && this.problems.length < MAX_TOLD)
        this.problems.push({ step: this.length, problem: refusal(piece, i, this.level) });
      this.values[this.length++] = code;
    });
  }

  end(): void {
    if (this.length > 1) this.emit(this.length - 1);
  }

  take(): readonly ReadSequence[] {
    const { done } = this;
    this.done = [];
    return done;
  }

  private emit(length: number): void {
    const problems = this.problems.flatMap(({ step, problem }) => (step < length ? [problem] : []));
    this.done.push(problems.length > 0 ? { problems } : { length, values: this.values.subarray(0, length) });
    [this.values, this.length, this.problems] = [new Float32Array(this.steps), 0, []];
  }
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
  const list = new GrowingList<Uint32Array>(length => new Uint32Array(length));
  const check = pieceCheck(reader.level, layout.refused);
  let stream: Pick<SymbolStream, 'length' | 'read'> | undefined;
  for await (const { name, chunks, path } of inTurn(sources)) {
    if (path !== undefined && sources.length === 1) {
      // closes the file, which is opened again for each range
      for await (const _ of chunks) break;
      stream = await streamOnDisk([path], reader, check);
      break;
    }
    const pieces = new TextPieces(name, reader, piece => {
      check(piece);
      list.append(piece.codes);
    });
    for await (const chunk of chunks) pieces.push(chunk);
    pieces.end();
  }
  stream ??= wholeStream(list.toArray(), reader);
  const { count, inputsOf } = cutOf(stream.length - 1, layout);
  for (let index = 0; index < count; index++) {
    const { from, to } = inputsOf(index);
    // only the last rows of a batch have no symbols left
    if (from === to) continue;
    const values = Float32Array.from(stream.read({ from, to }));
    yield [{ length: to - from, values, position: index, startsBatch: index % layout.rows === 0 }];
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
    if (problems.length > 0) throw damagedError(...problems);
    last = codes[end] === refused ? refusal(piece, end, level) : undefined;
  };
}

function linesToPredict(level: TextLevel, vocabulary: Vocabulary | undefined): SequenceReader {
  const numberOf = symbolReader(vocabulary);
  return {
    // blank lines are no texts, so the index of a text is not its line
    hasIds: true,
    hasTimes: false,
    async *read(sources) {
      let done: ReadSequence[] = [];
      const nameOf = placeNames(sources.map(({ name }) => name));
      const linesOf = (file: string) =>
        new LinePieces(file, level !== 'byte', {
          line({ bytes, number }) {
            const symbols = bytes.length === 0 ? [] : symbolsOf(bytes, level);
            const place = { file, line: number };
            const id = nameOf(place);
            let at = 0;
            try {
              const values = Float32Array.from(symbols, (symbol, i) => {
                at = i;
                return numberOf(symbol);
              });
              if (values.length > 0) done.push({ length: values.length, values, id, place });
            } catch (error) {
              if (!(error instanceof UnknownSymbol)) throw error;
              const { offset } = symbolAt(bytes, level, at, { hasLines: false });
              const { column } = placeAfter(bytes.subarray(0, offset), { ...FILE_START, line: number });
              done.push({ problems: [{ ...error.problem, ...place, column }], id });
            }
          },
          broken: problem => done.push({ problems: [problem] }),
        });
      for await (const { name, chunks } of inTurn(sources)) {
        const lines = linesOf(name);
        for await (const chunk of chunks) {
          lines.push(chunk);
          yield done;
          done = [];
        }
        lines.end();
        yield done;
        done = [];
      }
    },
  };
}

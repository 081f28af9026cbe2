/** Cuts streams of text into sequences, and reads the sequences to predict. */
import { type Diagnostic, damagedError } from '../../util/errors.js';
import { GrowingList } from '../columns.js';
import type { TextLevel, Vocabulary } from '../dataset.js';
import { LinePieces } from '../formats/utf8.js';
import type { DataRecord, NewSequencesOptions, ReadSequence, SequenceReader } from '../new-sequences.js';
import { inputSymbols, type SymbolRange } from './streams.js';
import type { TextConfig } from './text.js';
import { LINE_END, symbolReader, symbolsOf, UnknownSymbol } from './vocabulary.js';

export interface Layout {
  /** T. */
  readonly steps: number;
  /** B. */
  readonly rows: number;
}

/** Cuts a stream with `numTargets` targets into sequences; see `text.ts`. */
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
export function newSequences(
  { level, sequence_length: steps }: TextConfig,
  { vocabulary }: DataRecord,
  { rows = 1, lines = false }: NewSequencesOptions = {},
): SequenceReader {
  if (lines) return linesToPredict(level, vocabulary);
  const layout = { steps, rows };
  return {
    hasIds: false,
    hasTimes: false,
    continues: true,
    read(source) {
      const symbols = new StreamSymbols(vocabulary, source.name);
      const pieces = inputSymbols(source, level, symbols.codeOf);
      return (rows === 1 ? cutStream : cutRows)(pieces, layout, symbols);
    },
  };
}

/** Numbers the symbols of a stream, and locates those that the model has not learned to read. */
class StreamSymbols {
  private readonly known: number;
  private readonly refused: UnknownSymbol[] = [];
  private lineEnd: number | undefined;
  private line = 1;
  /**
   * Numbers a symbol, from the size of the vocabulary on if it is refused. The reader of a stream
   * asks once for each distinct symbol.
   */
  readonly codeOf: (symbol: string) => number;

  constructor(
    vocabulary: Vocabulary | undefined,
    private readonly file: string,
  ) {
    this.known = vocabulary?.symbols.length ?? 0;
    const read = symbolReader(vocabulary);
    this.codeOf = symbol => {
      const code = this.numberOf(symbol, read);
      if (symbol === '\n' || symbol === LINE_END) this.lineEnd = code;
      return code;
    };
  }

  private numberOf(symbol: string, read: ReturnType<typeof symbolReader>): number {
    try {
      return read(symbol);
    } catch (error) {
      if (!(error instanceof UnknownSymbol)) throw error;
      return this.known + this.refused.push(error) - 1;
    }
  }

  /** Returns the problems of `codes`, which follow those of the last call. */
  problemsOf(codes: Iterable<number>): readonly Diagnostic[] {
    const problems: Diagnostic[] = [];
    for (const code of codes) {
      const error = this.refused[code - this.known];
      if (error) problems.push({ ...error.problem, file: this.file, line: this.line });
      if (code === this.lineEnd) this.line++;
    }
    return problems;
  }
}

/**
 * Cuts a stream into sequences as it arrives. The last symbol is only a target, as in a split.
 */
async function* cutStream(
  pieces: AsyncIterable<readonly Uint32Array[]>,
  { steps }: Layout,
  symbols: StreamSymbols,
): AsyncGenerator<readonly ReadSequence[]> {
  let values = new Float32Array(steps);
  let length = 0;
  const read = (): ReadSequence => {
    const problems = symbols.problemsOf(values);
    return problems.length > 0 ? { problems } : { length: values.length, values };
  };
  for await (const some of pieces) {
    const done: ReadSequence[] = [];
    for (const piece of some) {
      for (const symbol of piece) {
        if (length === steps) {
          done.push(read());
          values = new Float32Array(steps);
          length = 0;
        }
        values[length++] = symbol;
      }
    }
    yield done;
  }
  values = values.subarray(0, Math.max(0, length - 1));
  if (values.length > 0) yield [read()];
}

/**
 * Cuts a stream into rows that continue from batch to batch. All of it is read first: where a row
 * starts depends on the length.
 */
async function* cutRows(
  pieces: AsyncIterable<readonly Uint32Array[]>,
  layout: Layout,
  refused: StreamSymbols,
): AsyncGenerator<readonly ReadSequence[]> {
  const list = new GrowingList<Uint32Array>(length => new Uint32Array(length));
  for await (const some of pieces) for (const piece of some) list.append(piece);
  const symbols = list.toArray();
  // what follows a skipped sequence would continue from the states of another
  const problems = refused.problemsOf(symbols.subarray(0, symbols.length - 1));
  if (problems.length > 0) throw damagedError(...problems);
  const { count, inputsOf } = cutOf(symbols.length - 1, layout);
  for (let index = 0; index < count; index++) {
    const { from, to } = inputsOf(index);
    // only the last rows of a batch have no symbols left
    if (from === to) continue;
    const startsBatch = index % layout.rows === 0;
    yield [
      {
        length: to - from,
        values: Float32Array.from(symbols.subarray(from, to)),
        position: index,
        startsBatch,
      },
    ];
  }
}

function linesToPredict(level: TextLevel, vocabulary: Vocabulary | undefined): SequenceReader {
  const numberOf = symbolReader(vocabulary);
  return {
    // blank lines are no texts, so the index of a text is not its line
    hasIds: true,
    hasTimes: false,
    async *read({ name, chunks }) {
      let done: ReadSequence[] = [];
      const lines = new LinePieces(name, level !== 'byte', {
        line({ bytes, number }) {
          const symbols = bytes.length === 0 ? [] : symbolsOf(bytes, level);
          const place = { file: name, line: number };
          const id = `line ${number}`;
          try {
            const values = Float32Array.from(symbols, numberOf);
            if (values.length > 0) done.push({ length: values.length, values, id, place });
          } catch (error) {
            if (!(error instanceof UnknownSymbol)) throw error;
            done.push({ problems: [{ ...error.problem, ...place }], id });
          }
        },
        broken: problem => done.push({ problems: [problem] }),
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

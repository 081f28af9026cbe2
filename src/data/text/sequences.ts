/** Cuts streams of text into sequences, and reads the sequences to predict. */
import { type Diagnostic, damagedError } from '../../util/errors.js';
import type { TextLevel, Vocabulary } from '../dataset.js';
import { LinePieces } from '../formats/utf8.js';
import {
  type DataRecord,
  type InputSource,
  inTurn,
  type NewSequencesOptions,
  placeNames,
  type ReadSequence,
  type SequenceReader,
} from '../new-sequences.js';
import {
  inputStream,
  inputSymbols,
  type SymbolCodes,
  type SymbolRange,
  type SymbolStream,
} from './streams.js';
import type { TextConfig } from './text.js';
import { LINE_END, symbolColumn, symbolReader, symbolsOf, UnknownSymbol, wordColumns } from './vocabulary.js';

/** Symbols that are searched at once for unknown ones. */
const CHECKED_SYMBOLS = 2 ** 16;

/** Maximum number of refused words whose columns are kept until they are reported. */
const MAX_LOCATED = 2 ** 16;

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
export function textSequences(
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
    read(sources) {
      const codes = new StreamCodes(vocabulary);
      return (rows === 1 ? cutStream : cutRows)(sources, { level, codes }, layout);
    },
  };
}

/** The problem of a refused symbol; a word has its column. */
type Refusal = UnknownSymbol['problem'] & Pick<Diagnostic, 'column'>;

interface NumberedWords {
  readonly text: string;
  /** Code units of the line before `text`. */
  readonly columns: number;
  /** Words that have been numbered. */
  count: number;
  /** Columns of all words in `text`, once a word has been refused. */
  starts?: readonly number[];
}

/**
 * Numbers the symbols of a stream, and locates those that the model has not learned to read. The
 * reader of a stream asks once for each distinct symbol.
 */
class StreamCodes implements SymbolCodes {
  private readonly known: number;
  private readonly read: (symbol: string) => number;
  private readonly level: Vocabulary['level'];
  /** By code. */
  private readonly refused = new Map<number, Refusal>();
  /** Words that were refused when {@link MAX_LOCATED} others had not been reported yet. */
  private readonly unlocated = new Map<string, number>();
  /** Codes of words that have been reported. */
  private readonly free: number[] = [];
  /** Codes of refused symbols so far. */
  private count = 0;
  private lineEnd: number | undefined;
  /** UTF-16 code units of each symbol that does not have one: 0 for a byte inside a character. */
  private readonly widths = new Map<number, number>();
  /** Files whose first symbol is still to come, after those of the stream before it. */
  private readonly files: { readonly name: string; readonly position: number }[] = [];
  private file = '';
  /** Symbols of the stream before the next one. */
  private position = 0;
  private line = 1;
  /** Column of the last symbol. */
  private column = 1;
  /** Column of the next character. */
  private next = 1;
  /** The line whose words are numbered, or a part of it. */
  private words: NumberedWords = { text: '', columns: 0, count: 0 };

  constructor(vocabulary: Vocabulary | undefined) {
    this.known = vocabulary?.symbols.length ?? 0;
    this.read = symbolReader(vocabulary);
    this.level = vocabulary?.level ?? null;
  }

  /** @param position symbols of the stream before the file */
  startFile(name: string, position: number): void {
    this.files.push({ name, position });
  }

  get size(): number {
    return this.known + this.count;
  }

  get hasRefused(): boolean {
    return this.refused.size > 0;
  }

  startLine(text: string, continues: boolean): void {
    const columns = continues ? this.words.columns + this.words.text.length : 0;
    this.words = { text, columns, count: 0 };
  }

  /**
   * Returns the number of a symbol; if it is refused, one from the size of the vocabulary on, which
   * is another one each time a word is refused.
   */
  code(symbol: string): number {
    const isLineEnd = symbol === '\n' || symbol === LINE_END;
    if (isLineEnd && this.lineEnd !== undefined) return this.lineEnd;
    const code = this.numberOf(symbol);
    if (isLineEnd) this.lineEnd = code;
    else if (this.level === 'word') this.words.count++;
    else this.widths.set(code, this.level === 'byte' ? byteWidth(symbol.charCodeAt(0)) : symbol.length);
    return code;
  }

  private numberOf(symbol: string): number {
    try {
      return this.read(symbol);
    } catch (error) {
      if (!(error instanceof UnknownSymbol)) throw error;
      return this.refuse(symbol, error);
    }
  }

  private refuse(symbol: string, { problem }: UnknownSymbol): number {
    if (this.level !== 'word' || symbol === LINE_END) return this.codeOf(problem);
    if (this.refused.size < MAX_LOCATED) {
      // words differ in length, so their column is known only while they are numbered
      const { words } = this;
      words.starts ??= wordColumns(words.text);
      return this.codeOf({ ...problem, column: words.columns + words.starts[words.count] });
    }
    const code = this.unlocated.get(symbol) ?? this.codeOf(problem);
    this.unlocated.set(symbol, code);
    return code;
  }

  private codeOf(refusal: Refusal): number {
    const code = this.free.pop() ?? this.known + this.count++;
    this.refused.set(code, refusal);
    return code;
  }

  /** Returns the problems of `codes`, which follow those of the last call. */
  problemsOf(codes: Iterable<number>): readonly Diagnostic[] {
    const problems: Diagnostic[] = [];
    for (const code of codes) {
      for (; this.files.length > 0 && this.files[0].position <= this.position; this.files.shift())
        [this.file, this.line, this.next] = [this.files[0].name, 1, 1];
      this.position++;
      const width = this.widths.get(code) ?? 1;
      if (width > 0) this.column = this.next;
      this.next += width;
      const { file, line, column } = this;
      const refusal = this.refused.get(code);
      if (refusal) problems.push({ file, line, ...(this.level !== 'word' && { column }), ...refusal });
      if (refusal?.column !== undefined) {
        this.refused.delete(code);
        this.free.push(code);
      }
      if (code !== this.lineEnd) continue;
      this.line++;
      this.next = 1;
    }
    return problems;
  }
}

/** Code units that a byte adds to the UTF-16 of its text; its character is counted once. */
function byteWidth(byte: number): number {
  if ((byte & 0xc0) === 0x80) return 0;
  return byte >= 0xf0 ? 2 : 1;
}

interface CodedText {
  readonly level: TextLevel;
  readonly codes: StreamCodes;
}

/**
 * Cuts a stream into sequences as it arrives. The last symbol is only a target, as in a split.
 */
async function* cutStream(
  sources: readonly InputSource[],
  text: CodedText,
  { steps }: Layout,
): AsyncGenerator<readonly ReadSequence[]> {
  let values = new Float32Array(steps);
  let length = 0;
  let position = 0;
  const read = (): ReadSequence => {
    const problems = text.codes.problemsOf(values);
    return problems.length > 0 ? { problems } : { length: values.length, values };
  };
  for await (const source of inTurn(sources)) {
    text.codes.startFile(source.name, position);
    for await (const pieces of inputSymbols(source, text)) {
      const done: ReadSequence[] = [];
      for (const piece of pieces) {
        position += piece.length;
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
  }
  values = values.subarray(0, Math.max(0, length - 1));
  if (values.length > 0) yield [read()];
}

/**
 * Cuts a stream into rows that continue from batch to batch. All of it is read first: where a row
 * starts depends on the length.
 */
async function* cutRows(
  sources: readonly InputSource[],
  text: CodedText,
  layout: Layout,
): AsyncGenerator<readonly ReadSequence[]> {
  const startFile = (name: string, position: number) => text.codes.startFile(name, position);
  const stream = await inputStream(sources, { ...text, startFile });
  const numTargets = stream.length - 1;
  // what follows a skipped sequence would continue from the states of another
  checkAllKnown(stream, numTargets, text.codes);
  const { count, inputsOf } = cutOf(numTargets, layout);
  for (let index = 0; index < count; index++) {
    const { from, to } = inputsOf(index);
    // only the last rows of a batch have no symbols left
    if (from === to) continue;
    const values = Float32Array.from(stream.read({ from, to }));
    yield [{ length: to - from, values, position: index, startsBatch: index % layout.rows === 0 }];
  }
}

/** @throws UserError (exit 5) that locates the first refused symbols before `end` */
function checkAllKnown(stream: Pick<SymbolStream, 'read'>, end: number, codes: StreamCodes): void {
  if (!codes.hasRefused) return;
  for (let from = 0; from < end; from += CHECKED_SYMBOLS) {
    const symbols = stream.read({ from, to: Math.min(end, from + CHECKED_SYMBOLS) });
    const problems = codes.problemsOf(symbols);
    if (problems.length > 0) throw damagedError(...problems);
  }
}

function linesToPredict(level: TextLevel, vocabulary: Vocabulary | undefined): SequenceReader {
  const numberOf = symbolReader(vocabulary);
  return {
    // blank lines are no texts, so the index of a text is not its line
    hasIds: true,
    hasTimes: false,
    async *read(sources) {
      let done: ReadSequence[] = [];
      const nameOf = placeNames(sources);
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
              const column = symbolColumn(bytes, level, at);
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

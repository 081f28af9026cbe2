/**
 * Vocabularies of text data: splits texts into symbols and numbers the symbols that a model knows.
 * A dataset kind first reads symbols as codes of their texts. The vocabulary is fitted on the
 * training split only, like scaling.
 */
import type { Diagnostic } from '../../util/errors.js';
import { wholeCharacters } from '../formats/utf8.js';
import { MAX_SYMBOLS } from '../reading/files.js';
import type { Dataset, DatasetContext, Split, SymbolTexts } from './dataset.js';
import { configError } from './problems.js';
import type { TextLevel, Vocabulary } from './record.js';
import { changedSplit, mapSplits } from './store.js';

export interface VocabularyConfig {
  readonly min_count?: number;
}

/** Number and text of the symbol that replaces every unknown symbol. */
export const UNKNOWN = 0;
const UNKNOWN_TEXT = '<unk>';
export const LINE_END = '<eos>';

const LINE_BREAK = /\r\n|\n|\r/;

/** White space as defined by Python's `str.split()`. */
const SPACES = `\t-\r${String.fromCharCode(0x1c)}-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const WORD = new RegExp(`[^${SPACES}]+`, 'g');
const WORD_OR_BREAK = new RegExp(`\r\n|[\r\n]|${WORD.source}`, 'g');
const CHARACTER = /./gsu;

/**
 * Splits a text into symbols: code points, bytes of its UTF-8, or words separated by white space;
 * if it has several lines, each line end is a word too.
 */
export function symbolsOf(text: string | Buffer, level: TextLevel, hasLines = false): Iterable<string> {
  if (level === 'byte') {
    if (typeof text !== 'string') return text.toString('latin1');
    return Array.from(new TextEncoder().encode(text), byte => String.fromCharCode(byte));
  }
  const decoded = text.toString();
  if (level === 'character') return decoded;
  return (decoded.match(hasLines ? WORD_OR_BREAK : WORD) ?? []).map(lineEnd);
}

function lineEnd(word: string): string {
  return LINE_BREAK.test(word) ? LINE_END : word;
}

/**
 * Finds symbol `index` of a text: as {@link symbolsOf} lists those of a line, or with line ends if
 * there are several lines. After the last word, that is the line end.
 */
export function symbolAt(
  text: Buffer,
  level: TextLevel,
  index: number,
  { hasLines }: { readonly hasLines: boolean },
): { readonly symbol: string; readonly offset: number } {
  if (level === 'byte')
    return { symbol: String.fromCharCode(text[index]), offset: wholeCharacters(text, index) };
  const decoded = text.toString();
  const pattern = level === 'character' ? CHARACTER : hasLines ? WORD_OR_BREAK : WORD;
  let at = 0;
  for (const { 0: symbol, index: units } of decoded.matchAll(pattern)) {
    if (at++ < index) continue;
    const found = level === 'word' ? lineEnd(symbol) : symbol;
    return { symbol: found, offset: Buffer.byteLength(decoded.slice(0, units)) };
  }
  return { symbol: LINE_END, offset: text.length };
}

/** A symbol to predict that the model has not learned to read. */
export class UnknownSymbol extends Error {
  constructor(symbol: string, level: TextLevel | null) {
    const text =
      level === 'byte'
        ? `the byte 0x${symbol.charCodeAt(0).toString(16)}`
        : `the symbol ${JSON.stringify(symbol)}`;
    super(`${text} does not occur in the training split`);
  }

  get problem(): Pick<Diagnostic, 'code' | 'message' | 'expected'> {
    return {
      code: 'data/unknown-symbol',
      message: this.message,
      expected:
        'symbols of the training split; a model also reads others if `min_count` made some of the training split unknown',
    };
  }
}

const NO_SYMBOLS: Vocabulary = { level: null, symbols: [] };

/**
 * Returns the function that numbers the symbols of sequences to predict; {@link UNKNOWN} for all
 * unknown symbols if the model has learned to read them.
 * @param readsAll true to read them anyway, as the splits of a dataset are read
 */
export function symbolReader(
  vocabulary: Vocabulary = NO_SYMBOLS,
  readsAll = false,
): (symbol: string) => number {
  const { code, refused } = inputCodes(vocabulary, readsAll);
  return symbol => {
    const number = code(symbol);
    if (number === refused) throw new UnknownSymbol(symbol, vocabulary.level);
    return number;
  };
}

/**
 * Returns the numbers of the symbols of an input, as codes; those that the model has not learned to
 * read have the code `refused`, unless it `readsAll`.
 */
export function inputCodes(vocabulary: Vocabulary = NO_SYMBOLS, readsAll = false) {
  const numbers = symbolNumbers(vocabulary);
  const refused = vocabulary.symbols.length;
  const unknown = vocabulary.has_unknown || readsAll ? UNKNOWN : refused;
  return { code: (symbol: string): number => numbers.get(symbol) ?? unknown, size: refused + 1, refused };
}

/**
 * Encodes a text that will be continued (nothing is appended for its end) as symbol numbers.
 * Without a level, the words are the symbols.
 */
export function encodeText(text: string, vocabulary: Vocabulary): number[] {
  const { level } = vocabulary;
  return Array.from(symbolsOf(text, level ?? 'word', level !== null), symbolReader(vocabulary));
}

/**
 * Decodes symbols to text, piece by piece; no piece is empty. A word is preceded by a space unless
 * it starts a line.
 * @param isContinued true if the symbols continue a line, so that the first word needs a space too
 */
export async function* decodeText(
  symbols: AsyncIterable<number>,
  { level, symbols: texts }: Vocabulary,
  isContinued: boolean,
): AsyncGenerator<string> {
  const bytes = new TextDecoder('utf-8', { ignoreBOM: true });
  let isLineStart = !isContinued;
  for await (const symbol of symbols) {
    const text = texts[symbol];
    if (level === 'character') yield text;
    else if (level === 'byte') {
      const piece = bytes.decode(Uint8Array.of(text.charCodeAt(0)), { stream: true });
      if (piece !== '') yield piece;
    } else {
      const isEnd = text === LINE_END;
      yield isEnd ? '\n' : `${isLineStart ? '' : ' '}${text}`;
      isLineStart = isEnd;
    }
  }
  const rest = bytes.decode();
  if (rest !== '') yield rest;
}

/** Cache by vocabulary, because texts are encoded one by one. */
const numbered = new WeakMap<Vocabulary, ReadonlyMap<string, number>>();

function symbolNumbers(vocabulary: Vocabulary): ReadonlyMap<string, number> {
  const known = numbered.get(vocabulary);
  if (known) return known;
  const numbers = new Map(vocabulary.symbols.map((text, number) => [text, number]));
  numbered.set(vocabulary, numbers);
  return numbers;
}

/**
 * Fits a vocabulary: the symbols that occur at least `min_count` times, most frequent first, ties
 * sorted by UTF-16 code units.
 * @param counts occurrences in the training split, by code
 */
function fitVocabulary(
  { level, texts }: SymbolTexts,
  counts: ArrayLike<number>,
  { min_count = 1 }: VocabularyConfig,
): Vocabulary {
  const known = [...texts.keys()].filter(code => counts[code] >= min_count && texts[code] !== UNKNOWN_TEXT);
  if (known.length === 0 || known.length >= MAX_SYMBOLS) {
    const most = texts.reduce((max, _, code) => Math.max(max, counts[code]), 0);
    const problem =
      known.length === 0
        ? {
            message: 'no symbol of the training split occurs that often',
            expected: `at most ${most}, the count of the most frequent symbol`,
            got: String(min_count),
          }
        : {
            message: 'there are too many symbols',
            expected: `fewer than ${MAX_SYMBOLS} that occur \`min_count\` times`,
            got: String(known.length),
          };
    throw configError({ code: 'data/vocabulary', keyPath: ['dataset', 'min_count'], ...problem });
  }
  const byFrequency = known.toSorted((a, b) => counts[b] - counts[a] || (texts[a] < texts[b] ? -1 : 1));
  const hasUnknown = texts.some(
    (text, code) => counts[code] > 0 && (counts[code] < min_count || text === UNKNOWN_TEXT),
  );
  return {
    level,
    symbols: [UNKNOWN_TEXT, ...byFrequency.map(code => texts[code])],
    ...(hasUnknown && { has_unknown: true }),
  };
}

/** The vocabulary of a new run, which may keep or extend that of a trained one. */
export function vocabularyFor(
  texts: SymbolTexts,
  counted: () => ArrayLike<number>,
  config: VocabularyConfig,
  { vocabulary, extendedVocabulary }: Pick<DatasetContext, 'vocabulary' | 'extendedVocabulary'>,
): Vocabulary {
  const given = vocabulary ?? extendedVocabulary;
  if (given && given.level !== texts.level) {
    const [expected, got] = [given, texts].map(({ level }) => `level: ${level ?? 'none'}`);
    const message = 'the vocabulary of these weights is of another level than the texts';
    throw configError({ code: 'data/vocabulary', keyPath: ['model', 'init_from'], message, expected, got });
  }
  if (vocabulary) return vocabulary;
  const fitted = fitVocabulary(texts, counted(), config);
  if (extendedVocabulary === undefined) return fitted;
  const { symbols, has_unknown } = extendedVocabulary;
  const known = new Set(symbols);
  const added = fitted.symbols.filter(symbol => !known.has(symbol));
  return { ...fitted, symbols: [...symbols, ...added], ...(has_unknown && { has_unknown }) };
}

/** Maps each code to a symbol number; {@link UNKNOWN} if the vocabulary does not have its text. */
export function symbolsByCode({ texts }: SymbolTexts, vocabulary: Vocabulary): Int32Array {
  const numbers = symbolNumbers(vocabulary);
  return Int32Array.from(texts, text => numbers.get(text) ?? UNKNOWN);
}

/**
 * Converts a dataset of text codes into one of symbol numbers.
 * @param context with the vocabulary of a run, if the dataset is to have it
 */
export function withVocabulary(
  dataset: Dataset,
  texts: SymbolTexts,
  config: VocabularyConfig,
  context: DatasetContext,
): Dataset {
  const { train, sequenceLength } = dataset;
  const counted = () => {
    const counts = new Float64Array(texts.texts.length);
    eachSymbol(train, sequenceLength, code => counts[code]++);
    return counts;
  };
  const vocabulary = vocabularyFor(texts, counted, config, context);
  const symbols = symbolsByCode(texts, vocabulary);
  const encoded = (split: Split): Partial<Split> => ({
    readTexts: split.read,
    read(index, out, offset, stepStride) {
      split.read(index, out, offset, stepStride);
      const end = offset + (split.lengths?.[index] ?? sequenceLength) * stepStride;
      for (let at = offset; at < end; at += stepStride) out[at] = symbols[out[at]];
    },
    symbols(index) {
      const codes = new Float32Array(sequenceLength);
      split.read(index, codes, 0, 1);
      const length = realLength(split, index, sequenceLength);
      return Array.from(codes.subarray(0, length), code => texts.texts[code]);
    },
  });
  const splits = mapSplits(dataset, split => changedSplit(split, encoded));
  const unknown = Object.entries(splits).map(([name, split]) => [
    name,
    unknownFraction(split, sequenceLength),
  ]);
  return {
    ...dataset,
    ...splits,
    input: { kind: 'symbol', count: vocabulary.symbols.length },
    vocabulary,
    unknownFractions: Object.fromEntries(unknown),
  };
}

/** Steps of a sequence without padding. */
export function realLength({ lengths, realSteps }: Split, index: number, steps: number): number {
  return lengths?.[index] ?? realSteps?.(index) ?? steps;
}

export function eachSymbol(split: Split, steps: number, visit: (symbol: number) => void): void {
  const row = new Float32Array(steps);
  for (let index = 0; index < split.count; index++) {
    split.read(index, row, 0, 1);
    const length = realLength(split, index, steps);
    for (let step = 0; step < length; step++) visit(row[step]);
  }
}

function unknownFraction(split: Split, steps: number): number {
  let [unknown, total] = [0, 0];
  eachSymbol(split, steps, symbol => {
    total++;
    if (symbol === UNKNOWN) unknown++;
  });
  return unknown / total;
}

/**
 * Records of JSON Lines (one JSON object per line, UTF-8; empty lines are skipped), and their
 * fields: steps, labels, numbers and names; the sequence of each, to train on it or for a trained
 * model.
 */

import type { Diagnostic } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import { cellNumber } from '../core/cells.js';
import type { FeatureColumn } from '../core/columns.js';
import {
  type CellForms,
  cellReaders,
  hasCategories,
  UNKNOWN_CATEGORY,
  UnknownCategories,
} from '../core/feature-columns.js';
import { type TargetCodes, type TargetWarning, UnknownClass } from '../core/labels.js';
import { MISSING_VALUE, type Problems, VALUE_NEEDED } from '../core/problems.js';
import type { FloatList } from '../core/store.js';
import { symbolsOf, UnknownSymbol } from '../core/vocabulary.js';
import { LinePieces } from '../formats/utf8.js';
import type { JsonlConfig } from './facts.js';

/** A position in the file, with its source line. */
export type LinePlace = Required<Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'>>;

export type JsonRecord = Readonly<Record<string, unknown>>;

/** A line with a record; valid only during the call that receives it. */
export interface RecordLine {
  readonly record: JsonRecord;
  /** Line number, from 1. */
  readonly number: number;
  /** Its byte range in the file, `to` exclusive. */
  readonly from: number;
  readonly to: number;
  /** Position of the field `name`, or of the whole line if there is no such field. */
  place(name?: string): LinePlace;
}

/**
 * Returns the reader of a file in chunks. Errors of the handlers propagate.
 * @param onBroken called for a line that is not a JSON object, not UTF-8 or too long
 */
export function jsonLines(
  file: string,
  onRecord: (line: RecordLine) => void,
  onBroken: (problem: Diagnostic) => void,
): LinePieces {
  return new LinePieces(file, true, {
    broken: onBroken,
    line({ bytes, from, number }) {
      const source = bytes.toString('utf8');
      if (!/\S/.test(source)) return;
      const place = (name?: string) => placeInLine(source, { file, line: number }, name);
      const record = parseRecord(source);
      if (typeof record !== 'string') onRecord({ record, number, from, to: from + bytes.length, place });
      else {
        const expected = 'one JSON object per line';
        onBroken({ code: 'data/jsonl-line', message: record, ...place(), expected });
      }
    },
  });
}

/** Returns the record, or a message if it is invalid. */
function parseRecord(text: string): JsonRecord | string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonRecord;
    return 'the line is not a JSON object';
  } catch (error) {
    // drop V8's quote of the text, which the source line shows
    const reason = (error as SyntaxError).message.replace(/, (?:\.\.\.)?".*/s, '').replace(/ \(line.*/, '');
    return `the line is not valid JSON: ${reason}`;
  }
}

function placeInLine(
  source: string,
  where: Pick<LinePlace, 'file' | 'line'>,
  name: string | undefined,
): LinePlace {
  const key = name === undefined ? '' : JSON.stringify(name);
  const at = key === '' ? -1 : source.indexOf(key);
  return at < 0
    ? { ...where, column: 1, length: Math.max(1, source.length), source }
    : { ...where, column: at + 1, length: key.length, source };
}

/** Maximum number of characters that a message shows of a value. */
const MAX_SHOWN = 60;

/** An invalid value and what was expected instead. */
class Unfit extends Error {
  readonly code: string;
  /** What the message says about the value: by default, its beginning. */
  readonly got: string | undefined;

  constructor(
    readonly expected: string,
    readonly value: unknown,
    { code = 'data/jsonl-value', got }: { readonly code?: string; readonly got?: string } = {},
  ) {
    super(expected);
    this.code = code;
    this.got = got;
  }
}

/**
 * Reads a field of a record; adds an invalid or missing value to `problems` at its position.
 * @param isOptional true if a record without the field is read as if it were null
 */
export function attemptField<T>(
  line: RecordLine,
  name: string,
  problems: Problems,
  read: (value: unknown) => T,
  isOptional = false,
): T | undefined {
  try {
    if (isOptional || Object.hasOwn(line.record, name)) return read(line.record[name] ?? null);
    throw new Unfit('this field in every record', undefined, { code: 'data/jsonl-missing-field' });
  } catch (error) {
    const field = `field ${JSON.stringify(name)}`;
    if (error instanceof UnknownSymbol || error instanceof UnknownClass) {
      const { problem } = error;
      problems.add({ ...problem, message: `${field}: ${problem.message}`, ...line.place(name) });
      return undefined;
    }
    if (!(error instanceof Unfit)) throw error;
    const { code, expected, value, got } = error;
    const isEmpty = value === '' || (Array.isArray(value) && value.length === 0);
    problems.add({
      code,
      message:
        value === undefined
          ? `the record has no ${field}`
          : `${field} ${isEmpty ? 'is empty' : 'has an invalid value'}`,
      ...line.place(name),
      expected,
      ...(value !== undefined && !isEmpty && { got: got ?? words(value) }),
    });
    return undefined;
  }
}

interface Steps {
  /** F, set by the first step if not known yet. */
  readonly shape: { features?: number };
  /** The numbers of the sequence, which follow those of each step. */
  readonly statics: readonly number[];
  /** The code of a symbol's text. */
  codeOf(text: string): number;
  readonly out: FloatList;
}

/** Appends the steps of a sequence to `steps.out` and returns their count. */
export function addSteps(value: unknown, config: JsonlConfig, steps: Steps): number {
  const count =
    config.input_kind === 'number' ? addNumbers(value, config, steps) : addSymbols(value, config, steps);
  if (count === 0) throw new Unfit('at least one step', value);
  return count;
}

function addNumbers(value: unknown, { missing }: JsonlConfig, { shape, statics, out }: Steps): number {
  if (!Array.isArray(value)) throw new Unfit('a list with the numbers of each step', value);
  for (const step of value) {
    const numbers = Array.isArray(step) ? step : [step];
    shape.features ??= numbers.length;
    if (numbers.length !== shape.features || numbers.length === 0)
      throw new Unfit(`${counted(Math.max(1, shape.features), 'number')} a step`, step);
    for (const number of numbers) out.push(missing && number === null ? Number.NaN : finite(number));
    for (const number of statics) out.push(number);
  }
  return value.length;
}

function addSymbols(
  value: unknown,
  { input_kind, level = 'character' }: JsonlConfig,
  { codeOf, out }: Steps,
): number {
  if (input_kind === 'text') {
    if (typeof value !== 'string') throw new Unfit('a string', value);
    let count = 0;
    for (const symbol of symbolsOf(value, level)) {
      out.push(codeOf(symbol));
      count++;
    }
    return count;
  }
  if (!Array.isArray(value)) throw new Unfit('a list with the symbol of each step', value);
  for (const symbol of value) out.push(codeOf(textOf(symbol, 'a list of strings, numbers or booleans')));
  return value.length;
}

/** The beginning of a value as JSON. */
function words(value: unknown): string {
  // JSON has no infinity, which `1e999` is read as
  if (typeof value === 'number') return String(value);
  let text: string;
  try {
    // quotes tell a text from the number that it spells
    text = JSON.stringify(value);
  } catch (error) {
    // `JSON.parse` reads deeper nesting than `JSON.stringify` writes
    if (!(error instanceof RangeError)) throw error;
    return 'a value that is nested too deeply';
  }
  if (text.length <= MAX_SHOWN) return text;
  return `${text.slice(0, MAX_SHOWN)}…${typeof value === 'string' ? '"' : ''}`;
}

function finite(value: unknown): number {
  const number = typeof value === 'number' ? Math.fround(value) : Number.NaN;
  if (Number.isFinite(number)) return number;
  throw new Unfit('finite numbers', value, { code: 'data/not-finite' });
}

/** The text of a class label, without surrounding white space, as in a table. */
export function labelOf(value: unknown): string {
  return textOf(value, 'a class: a string, a number or a boolean').trim();
}

/**
 * The text of a symbol or name.
 * @param expected what the field takes, for an invalid value
 */
export function textOf(value: unknown, expected = 'a string, a number or a boolean'): string {
  if (typeof value === 'string') return value;
  // JSON.parse has rounded it, maybe to the same number as another one
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new Unfit('a string, since a number of this size loses digits', value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new Unfit(expected, value);
}

/** True for an input without steps, which is neither trained on nor counted. */
export function isEmpty(value: unknown, { level }: JsonlConfig): boolean {
  if (typeof value === 'string') return level === 'word' ? !/\S/.test(value) : value === '';
  return value === null || (Array.isArray(value) && value.length === 0);
}

/** True if a target is null or absent, or null in every step. */
export function hasNoTarget(value: unknown, { per_step }: JsonlConfig): boolean {
  if (!per_step) return (value ?? null) === null;
  return Array.isArray(value) && value.length > 0 && value.every(one => one === null);
}

/** The target of each step, or the only one. */
function targetsIn(value: unknown, length: number, { per_step, input }: JsonlConfig): readonly unknown[] {
  if (!per_step) return [value];
  if (!Array.isArray(value)) throw new Unfit('a list with the target of each step', value);
  // an invalid sequence has been reported already
  if (value.length === length || length === 0) return value;
  const expected = `${counted(length, 'target')}, one for each step of ${JSON.stringify(input)}`;
  throw new Unfit(expected, value, { got: counted(value.length, 'target') });
}

/** @param size as of the other targets; undefined for the first */
function targetNumbers(value: unknown, size: number | undefined): readonly number[] {
  const numbers: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (numbers.length !== (size ?? numbers.length) || numbers.length === 0)
    throw new Unfit(`${counted(Math.max(1, size ?? 1), 'number')}, as in the first record`, value);
  return numbers.map(finite);
}

/** The symbols of a target, which may be empty. */
function targetSymbols(value: unknown, { target_level: level }: JsonlConfig): readonly string[] {
  if (level === undefined) {
    if (!Array.isArray(value)) throw new Unfit('a list of symbols, or a text with `target_level`', value);
    return value.map(symbol => textOf(symbol, 'a list of strings, numbers or booleans'));
  }
  if (typeof value !== 'string') throw new Unfit('a text, or a list without `target_level`', value);
  return [...symbolsOf(value, level)];
}

/**
 * Returns the function from a static field, by its index, to its numbers. It warns of categories
 * that the training split does not have.
 */
export function staticReader(
  columns: readonly FeatureColumn[],
  forms: CellForms,
): (value: unknown, index: number, warn?: (warning: Diagnostic) => void) => readonly number[] {
  const readers = cellReaders(columns, forms);
  const unknowns = new UnknownCategories();
  return (value, index, warn) => {
    const column = columns[index];
    const text = (value ?? null) === null ? '' : textOf(value, 'a number, a text, a boolean or null').trim();
    const isHole = column.isMissing?.(text) ?? false;
    if (isHole && !column.isFilled && !hasCategories(column))
      throw new Unfit(VALUE_NEEDED, value, { code: MISSING_VALUE });
    const reader = readers[index];
    if (reader === undefined) {
      const number = isHole ? Number.NaN : cellNumber(text);
      if (number !== undefined) return [number];
      throw new Unfit('a finite number', value, { code: 'data/not-finite' });
    }
    const numbers: number[] = [];
    const problem = reader.read(text, number => numbers.push(number))?.({});
    if (problem) throw new Unfit(problem.expected ?? 'a date', value, problem);
    const isUnknown = hasCategories(column) && numbers[0] === UNKNOWN_CATEGORY;
    const warning = isUnknown ? unknowns.warning(column, text, () => ({})) : undefined;
    if (warning) warn?.(warning);
    return numbers;
  };
}

/** How the fields of a record become numbers. */
export interface RecordForm {
  /** F and C; the first record of training data sets them. */
  readonly shape: { features?: number; targets?: number };
  /** The fields with one value per record, and the reader of their values. */
  readonly columns: readonly FeatureColumn[];
  readonly staticOf: ReturnType<typeof staticReader>;
  /** The number of a symbol's text. */
  codeOf(text: string): number;
}

/** What a record is read into. */
interface RecordSink {
  readonly problems: Problems;
  /** Receives what makes a prediction doubtful. */
  warn?(warning: Diagnostic): void;
}

export class RecordReader {
  constructor(
    private readonly config: JsonlConfig,
    private readonly form: RecordForm,
  ) {}

  /** The numbers that a record has once; a field that may be missing may also be absent. */
  statics(line: RecordLine, sink: RecordSink): readonly number[] {
    const { columns, staticOf } = this.form;
    return columns.flatMap((column, i) => {
      const { name, isFilled } = column;
      const warn = warningsAt(line, name, sink);
      const read = (value: unknown) => staticOf(value, i, warn);
      return attemptField(line, name, sink.problems, read, isFilled || hasCategories(column)) ?? [];
    });
  }

  /**
   * Appends the steps of a record to `out` and returns their count; 0 if they are invalid.
   * @param statics of the record
   */
  steps(line: RecordLine, statics: readonly number[], out: FloatList, { problems }: RecordSink): number {
    const { config, form } = this;
    const steps = { ...form, statics, out };
    return attemptField(line, config.input, problems, value => addSteps(value, config, steps)) ?? 0;
  }

  /**
   * Returns the numbers of a record's target, NaN for those of a step without one; undefined if it
   * is invalid, or if it is a sequence and there is none.
   * @param length of the sequence
   */
  target(line: RecordLine, length: number, codes: TargetCodes, sink: RecordSink): number[] | undefined {
    const { config } = this;
    const read = (value: unknown): number[] | undefined => {
      if (config.target_kind !== 'sequence') return this.numbers(value, length, line, codes);
      if (value === null) return undefined;
      const warn = warningsAt(line, config.target, sink);
      return targetSymbols(value, config).map(text => codes.symbolOf(text, warn));
    };
    return attemptField(line, config.target, sink.problems, read, !config.per_step);
  }

  private numbers(value: unknown, length: number, line: RecordLine, codes: TargetCodes): number[] {
    const { config, form } = this;
    const { shape } = form;
    const all = targetsIn(value, length, config);
    if (config.target_kind === 'class') {
      const place = () => line.place(config.target);
      return all.map(label => (label === null ? Number.NaN : codes.classOf(labelOf(label), place)));
    }
    const first = all.find(one => one !== null);
    if (first !== undefined) shape.targets ??= targetNumbers(first, undefined).length;
    const { targets: size = 1 } = shape;
    return all.flatMap(one =>
      one === null ? new Array<number>(size).fill(Number.NaN) : targetNumbers(one, size),
    );
  }
}

function warningsAt(line: RecordLine, field: string, { warn }: RecordSink) {
  return (warning: Diagnostic | TargetWarning): void => warn?.({ ...warning, ...line.place(field) });
}

/** Converts values of Parquet columns to the text that a cell of a CSV file would have. */
import type { SchemaElement } from 'hyparquet';
import { shortestDecimal } from '../../util/numbers.js';

type Value = number | bigint | boolean | string | Uint8Array | null | undefined;

/** Consecutive values of a column. */
export type Piece = ArrayLike<Value>;

/** How the values of a column become text. */
export interface CellForm {
  /** The column without types that the library would convert itself. */
  readonly element: SchemaElement;
  /** True if the library decodes text. */
  readonly isText?: true;
  text(value: number | bigint | boolean | string | Uint8Array): string;
}

/** Returns the form of a column's values, or in words what it has that cannot be read. */
export function cellForm(element: SchemaElement): CellForm | string {
  const {
    name,
    type,
    type_length,
    repetition_type,
    converted_type: converted,
    logical_type: logical,
  } = element;
  if (repetition_type === 'REPEATED') return 'a list';
  const bare: SchemaElement = {
    name,
    ...(type && { type }),
    ...(type_length !== undefined && { type_length }),
    ...(repetition_type && { repetition_type }),
  };
  const kind = logical?.type;
  const form = (text: CellForm['text'], more?: Partial<CellForm>): CellForm => ({
    element: bare,
    text,
    ...more,
  });
  if (kind === 'TIME' || converted === 'TIME_MILLIS' || converted === 'TIME_MICROS') {
    const digits = logical?.type === 'TIME' ? DIGITS[logical.unit] : converted === 'TIME_MILLIS' ? 3 : 6;
    return form(value => timeText(BigInt(value as number), digits).slice(DATE_LENGTH + 1));
  }
  const isDecimal = kind === 'DECIMAL' || converted === 'DECIMAL';
  const scale = (logical?.type === 'DECIMAL' ? logical.scale : element.scale) ?? 0;
  if (isDecimal && !(scale >= 0 && scale <= MAX_SCALE)) return `decimals of scale ${scale}`;
  if (type === 'FIXED_LEN_BYTE_ARRAY' && !(Number(type_length) > 0)) return 'bytes without a length';
  const isUnsigned =
    converted?.startsWith('UINT_') === true || (logical?.type === 'INTEGER' && !logical.isSigned);
  if (isDecimal && type !== undefined && DECIMALS.has(type))
    return form(value => decimalText(value instanceof Uint8Array ? integerOf(value) : BigInt(value), scale));
  switch (type) {
    case 'BOOLEAN':
      return form(value => (value ? '1' : '0'));
    case 'INT32':
      if (kind === 'DATE' || converted === 'DATE')
        return form(value => dateText(Number(value) * MS_OF_DAY).slice(0, DATE_LENGTH));
      return form(value => String(isUnsigned ? Number(value) >>> 0 : value));
    case 'INT64':
      if (logical?.type === 'TIMESTAMP') {
        const digits = DIGITS[logical.unit];
        const zone = logical.isAdjustedToUTC ? 'Z' : '';
        return form(value => timeText(value as bigint, digits) + zone);
      }
      if (converted === 'TIMESTAMP_MILLIS') return form(value => `${timeText(value as bigint, 3)}Z`);
      if (converted === 'TIMESTAMP_MICROS') return form(value => `${timeText(value as bigint, 6)}Z`);
      return form(value => String(isUnsigned ? BigInt.asUintN(64, value as bigint) : value));
    case 'INT96':
      return form(value => timeText(value as bigint, 9));
    case 'FLOAT':
      return form(value => numberText(shortestDecimal(value as number)));
    case 'DOUBLE':
      return form(value => numberText(value as number));
    case 'BYTE_ARRAY':
      if (kind === 'STRING' || kind === 'ENUM' || kind === 'JSON') break;
      if (kind !== undefined || converted === 'BSON') return `values of type ${kind ?? converted}`;
      break;
    case 'FIXED_LEN_BYTE_ARRAY':
      if (kind === 'FLOAT16')
        return form(value => numberText(value as number), {
          element: { ...bare, logical_type: { type: kind } },
        });
      if (kind === 'UUID')
        return form(value => value as string, { element: { ...bare, logical_type: { type: kind } } });
      return converted === 'INTERVAL' ? 'intervals' : 'bytes';
    default:
      return 'values of an unknown type';
  }
  return form(value => value as string, { isText: true });
}

/** Physical types of decimals. */
const DECIMALS: ReadonlySet<string> = new Set(['INT32', 'INT64', 'BYTE_ARRAY', 'FIXED_LEN_BYTE_ARRAY']);
/** Maximum number of digits after the point of a decimal; writers have 76 at most. */
const MAX_SCALE = 1000;
const MS_OF_DAY = 86_400_000;
const DATE_LENGTH = 'YYYY-MM-DD'.length;
/** Digits of a fraction of a second. */
const DIGITS = { MILLIS: 3, MICROS: 6, NANOS: 9 } as const;

/**
 * Returns the function from a row to the text of its cell, empty for nulls. Numbers are kept as
 * such, since texts take more memory.
 */
export function cellTexts(pieces: readonly Piece[], form: CellForm, rows: number): (row: number) => string {
  const total = pieces.reduce((sum, { length }) => sum + length, 0);
  if (total !== rows) throw new Error(`it has ${total} values instead of ${rows}`);
  const sample = pieces.flatMap(piece => Array.prototype.find.call(piece, isPresent) ?? []).at(0);
  // times of 96 bits may not fit into 64
  const isWide = form.element.type === 'INT96';
  if ((typeof sample !== 'number' && typeof sample !== 'bigint') || isWide) {
    const texts: string[] = [];
    for (const piece of pieces) {
      for (let i = 0; i < piece.length; i++) {
        const value = piece[i];
        texts.push(isPresent(value) ? form.text(value) : '');
      }
    }
    return row => texts[row];
  }
  const values = typeof sample === 'bigint' ? new BigInt64Array(rows) : new Float64Array(rows);
  const isNull = new Uint8Array(rows);
  let row = 0;
  for (const piece of pieces) {
    for (let i = 0; i < piece.length; i++, row++) {
      const value = piece[i];
      if (isPresent(value)) values[row] = value as never;
      else isNull[row] = 1;
    }
  }
  return at => (isNull[at] === 1 ? '' : form.text(values[at]));
}

function isPresent<T extends Value>(value: T): value is Exclude<T, null | undefined> {
  if (value === undefined) throw new Error('it has a value that is not in its dictionary');
  return value !== null;
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Big-endian, in two's complement. */
function integerOf(bytes: Uint8Array): bigint {
  const hex = Buffer.from(bytes).toString('hex');
  return hex === '' ? 0n : BigInt.asIntN(8 * bytes.length, BigInt(`0x${hex}`));
}

/** `unscaled` / 10^`scale`, with all digits. */
function decimalText(unscaled: bigint, scale: number): string {
  const sign = unscaled < 0n ? '-' : '';
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return scale <= 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** `YYYY-MM-DDTHH:MM:SS` of a time that JavaScript can represent; else its number. */
function dateText(milliseconds: number): string {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? String(milliseconds) : date.toISOString().replace(/\.\d+Z$/, '');
}

/** Time of `value` units of 10^-`digits` seconds after 1970; drops groups of three zeros. */
function timeText(value: bigint, digits: 3 | 6 | 9): string {
  const unit = 10n ** BigInt(digits);
  // BigInt division rounds toward zero
  const fraction = ((value % unit) + unit) % unit;
  const rest = String(fraction)
    .padStart(digits, '0')
    .replace(/(000)+$/, '');
  return `${dateText(Number((value - fraction) / unit) * 1000)}${rest === '' ? '' : `.${rest}`}`;
}

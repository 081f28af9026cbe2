/**
 * The search box of the list: terms separated by spaces; a run must match all.
 *
 *   word, "several words"     somewhere in the run's path, state, tags, note or config values
 *   field=value, field!=value equal, numbers by value, texts ignoring case
 *   field:value               equals the number, or contains the text
 *   field<value, <=, >, >=    numbers, percentages (97%) and dates (2026-01-31)
 *   -term                     does not match
 */
import type { CommonConfig } from '../../document.js';
import type { Fields, FieldValue } from './fields.js';
import { numberIn, type RunLine } from './line.js';

export type Operator = '=' | '!=' | ':' | '<' | '<=' | '>' | '>=';

export type Term = { readonly isNegated: boolean } & (
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'field';
      readonly field: string;
      readonly operator: Operator;
      readonly value: string;
    }
);

const TERM = /(-?)(?:([A-Za-z][\w.]*)(!=|<=|>=|[=:<>]))?(?:"([^"]*)"?|(\S*))/y;

/** Ignores incomplete terms, such as `lr=`. */
export function parseSearch(text: string): readonly Term[] {
  const terms: Term[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at])) {
      at += 1;
      continue;
    }
    TERM.lastIndex = at;
    const [whole, minus, field, operator, quoted, bare] = TERM.exec(text) as unknown as [
      string,
      ...(string | undefined)[],
    ];
    at += Math.max(1, whole.length);
    const value = quoted ?? bare ?? '';
    const isNegated = minus === '-';
    if (value === '') continue;
    if (field === undefined) terms.push({ kind: 'text', isNegated, text: value });
    else terms.push({ kind: 'field', isNegated, field, operator: operator as Operator, value });
  }
  return terms;
}

/** Names of unknown fields. */
export function unknownFields(terms: readonly Term[], fields: Fields): readonly string[] {
  const asked = terms.flatMap(term => (term.kind === 'field' ? [term.field] : []));
  return [...new Set(asked)].filter(field => fields.resolve(field).length === 0);
}

export function matchesSearch(
  row: RunLine,
  terms: readonly Term[],
  fields: Fields,
  common: CommonConfig,
): boolean {
  return terms.every(term => {
    const isMatch = term.kind === 'text' ? hasText(row, term.text, common) : hasValue(row, term, fields);
    return isMatch !== term.isNegated;
  });
}

function hasText(row: RunLine, text: string, common: CommonConfig): boolean {
  const wanted = text.toLowerCase();
  const said = [row.path, row.name, row.state, ...row.tags, row.note ?? ''];
  if (said.some(one => one.toLowerCase().includes(wanted))) return true;
  // a part of a number is not a word
  const number = numberIn(text);
  const configs = [...Object.values(row.config ?? {}), ...(row.config === null ? [] : Object.values(common))];
  return configs.some(value =>
    number === undefined ? value.toLowerCase().includes(wanted) : numberIn(value) === number,
  );
}

function hasValue(row: RunLine, term: Extract<Term, { kind: 'field' }>, fields: Fields): boolean {
  const { operator, value } = term;
  const values = fields
    .resolve(term.field)
    .flatMap(read => flat(read(row)))
    .filter(one => one !== null);
  if (fields.resolve(term.field).length === 0) return false;
  // a run without the field has another value
  if (operator === '!=') return !values.some(one => compares(one, '=', value));
  return values.some(one => compares(one, operator, value));
}

function flat(value: FieldValue): readonly (number | string | null)[] {
  return typeof value === 'object' && value !== null ? value : [value];
}

function compares(found: number | string, operator: Exclude<Operator, '!='>, wanted: string): boolean {
  const [a, b] = [typeof found === 'number' ? found : numberIn(found), amountIn(wanted)];
  const areNumbers = a !== undefined && b !== undefined;
  const [text, other] = [String(found).toLowerCase(), wanted.toLowerCase()];
  switch (operator) {
    case '=':
      return areNumbers ? a === b : text === other;
    case ':':
      return areNumbers ? a === b : text.includes(other);
    default: {
      const order = areNumbers ? a - b : dateOrder(text, other);
      if (order === undefined) return false;
      if (operator.startsWith('<') ? order < 0 : order > 0) return true;
      return operator.endsWith('=') && order === 0;
    }
  }
}

/** A number, or a share as a percentage. */
function amountIn(text: string): number | undefined {
  if (!text.endsWith('%')) return numberIn(text);
  const percent = numberIn(text.slice(0, -1));
  return percent === undefined ? undefined : percent / 100;
}

/** Compares ISO dates up to the length of the shorter one. */
function dateOrder(found: string, wanted: string): number | undefined {
  const isDate = (text: string) => /^\d{4}-\d\d/.test(text);
  if (!isDate(found) || !isDate(wanted)) return undefined;
  const part = found.slice(0, wanted.length);
  return part < wanted ? -1 : Number(part > wanted);
}

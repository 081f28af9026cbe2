/**
 * Tables as text for people, and as csv, json and markdown for programs; and the trials of a sweep
 * as a table: their results and parameters.
 */
import { plainMarkdown } from '../util/markdown.js';
import { printable } from '../util/words.js';
import type { SweepPlan } from './schedule/plan.js';
import { canonical, describeValue, type Point } from './search/space.js';
import type { TrialRow } from './trials.js';

export type TableFormat = 'text' | 'csv' | 'json' | 'markdown';

export type Cell = string | number | null;

export interface Column {
  /** Unique within its table. */
  readonly name: string;
  /** A shorter name for people. */
  readonly title?: string;
  /** Formats a number for people; programs get all digits. */
  readonly show?: (value: number) => string;
}

export interface Table {
  readonly columns: readonly Column[];
  /** One cell per column. */
  readonly rows: readonly (readonly Cell[])[];
}

/** @param width columns that text may take; what is longer is cut, the last columns first */
export function formatTable(table: Table, format: TableFormat, width = Number.POSITIVE_INFINITY): string {
  switch (format) {
    case 'text':
      return textTable(table, width);
    case 'csv':
      return csvTable(table);
    case 'json':
      return `${JSON.stringify(recordsOf(table), undefined, 2)}\n`;
    case 'markdown':
      return markdownTable(table);
    default:
      return format satisfies never;
  }
}

/** Each row as an object by the columns' names. */
export function recordsOf({ columns, rows }: Table): readonly Readonly<Record<string, Cell>>[] {
  return rows.map(row => Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])));
}

const GAP = '  ';
const MIN_WIDTH = 6;

function textTable(table: Table, width: number): string {
  const { texts: raw, isNumeric } = shown(table);
  const texts = raw.map(row => row.map(printable));
  const widths = table.columns.map((_, i) => Math.max(...texts.map(row => row[i].length)));
  const fitted = fit(widths, width);
  const lines = texts.map(row =>
    row
      .map((text, i) => {
        const cut = text.length > fitted[i] ? `${text.slice(0, fitted[i] - 1)}…` : text;
        return isNumeric[i] ? cut.padStart(fitted[i]) : cut.padEnd(fitted[i]);
      })
      .join(GAP)
      .trimEnd(),
  );
  return lines.map(line => `${line}\n`).join('');
}

/** Narrows the widest columns until all fit, but none below the minimum width. */
function fit(widths: readonly number[], room: number): readonly number[] {
  const fitted = [...widths];
  const total = (): number => fitted.reduce((sum, one) => sum + one, GAP.length * (fitted.length - 1));
  while (total() > room) {
    const widest = fitted.lastIndexOf(Math.max(...fitted));
    if (fitted[widest] <= MIN_WIDTH) break;
    fitted[widest] -= 1;
  }
  return fitted;
}

function shown({ columns, rows }: Table): { texts: string[][]; isNumeric: boolean[] } {
  const head = columns.map(({ name, title }) => title ?? name);
  const body = rows.map(row => row.map((cell, i) => textOf(cell, columns[i])));
  const isNumeric = columns.map((_, i) => rows.every(row => row[i] === null || typeof row[i] === 'number'));
  return { texts: [head, ...body], isNumeric };
}

function textOf(cell: Cell, { show = String }: Column): string {
  if (cell === null) return '-';
  return typeof cell === 'number' ? show(cell) : cell;
}

/** RFC 4180, with line feeds. */
function csvTable({ columns, rows }: Table): string {
  const lines = [
    columns.map(({ name }) => name),
    ...rows.map(row => row.map(cell => (typeof cell === 'string' ? guarded(cell) : (cell ?? '')))),
  ];
  return lines.map(line => `${line.map(cell => quoted(String(cell))).join(',')}\n`).join('');
}

/**
 * Prefixes text that a spreadsheet would take for a formula with an apostrophe, as OWASP advises
 * ("CSV Injection").
 */
function guarded(text: string): string {
  return /^[=+@\t\r-]/.test(text) && !/^-(inf|[\d.]+)$/.test(text) ? `'${text}` : text;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function markdownTable(table: Table): string {
  const { texts, isNumeric } = shown(table);
  const [head, ...body] = texts.map(row => row.map(plainMarkdown));
  const rule = isNumeric.map(numeric => (numeric ? '---:' : '---'));
  return [head, rule, ...body].map(row => `| ${row.join(' | ')} |\n`).join('');
}

/** A column with the cell of each row. */
interface Field<R> extends Column {
  of(row: R, index: number): Cell;
}

export function tableOf<R>(fields: readonly Field<R>[], rows: readonly R[]): Table {
  return {
    columns: fields.map(({ of: _, ...column }) => column),
    rows: rows.map((row, i) => fields.map(field => field.of(row, i))),
  };
}

/**
 * The trials in the order given. `changed`: of the parameters only those that differ between these
 * trials.
 */
export function trialTable(
  plan: SweepPlan,
  rows: readonly TrialRow[],
  { changed }: { readonly changed: boolean },
): Table {
  const parameters = parameterFields(plan).filter(({ name }) => !changed || differs(rows, name));
  return tableOf<TrialRow>([...measuredFields(plan), ...parameters], rows);
}

/** All columns, and the results of each seed, as in `trials.csv`. */
export function fullTable(plan: SweepPlan, rows: readonly TrialRow[]): Table {
  const seeds = plan.seeds.length > 1 ? plan.seeds : [];
  const results = seeds.map(
    (seed): Field<TrialRow> => ({
      name: `${plan.objective.metric}_seed_${seed}`,
      of: row => row.seeds.find(result => result.seed === seed)?.value ?? null,
    }),
  );
  return tableOf<TrialRow>([...measuredFields(plan), ...parameterFields(plan), ...results], rows);
}

function measuredFields({ objective, seeds }: SweepPlan): Field<TrialRow>[] {
  const digits = (value: number): string => String(Number(value.toPrecision(5)));
  const spread: Field<TrialRow> = { name: 'spread', show: digits, of: row => row.spread };
  return [
    { name: 'trial', of: row => row.trial },
    { name: 'state', of: row => row.state },
    { name: 'epochs', of: row => row.epochs },
    { name: objective.metric, show: digits, of: row => row.value },
    ...(seeds.length > 1 ? [spread] : []),
    {
      name: 'seconds',
      show: value => value.toFixed(value < 10 ? 1 : 0),
      of: row => Number(row.seconds.toFixed(3)),
    },
  ];
}

/** The parameters, titled by the last part of their keys if that is unique. */
export function parameterFields({ space }: Pick<SweepPlan, 'space'>): Field<{ readonly point: Point }>[] {
  const short = (name: string): string =>
    name
      .split(',')
      .map(key => key.split('.').at(-1) ?? key)
      .join(',');
  const titles = space.parameters.map(({ name }) => short(name));
  return space.parameters.map(({ name }, i) => ({
    name,
    title: titles.filter(title => title === titles[i]).length === 1 ? titles[i] : name,
    show: value => String(Number(value.toPrecision(4))),
    of: ({ point }) => {
      const value = point[name];
      if (value === undefined) return null;
      return typeof value === 'number' ? value : value === null ? 'null' : describeValue(value);
    },
  }));
}

function differs(rows: readonly TrialRow[], name: string): boolean {
  const texts = rows.map(({ point }) => (point[name] === undefined ? '' : canonical(point[name])));
  return texts.some(text => text !== texts[0]);
}

import { flopsOf } from './cases.js';
import { OTHERS, OURS } from './contenders.js';
import type { Figure, Results, Row } from './results.js';
import { noiseOf, type Spread } from './results.js';
import type { Check, Judged } from './targets.js';

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function renderTable({ head, rows }: Table, markdown: boolean): string {
  if (markdown) {
    const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
    return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
  }
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map(row => row[i].length)));
  const line = (cells: readonly string[]) =>
    `${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')}\n`;
  return line(head) + rows.map(line).join('');
}

/** One line a case: sizes, our time, and our time over each other contender's. */
export function caseTable({ rows }: Pick<Results, 'rows'>): Table {
  const others = OTHERS.filter(name => rows.some(row => row.ratios[name] || row.left_out[name]));
  return {
    head: ['', 'hidden', 'batch', 'steps', 'threads', 'ms', 'GFLOP/s', ...others.map(name => `over ${name}`)],
    rows: rows.map(row => [...casePart(row), ...others.map(name => ratioCell(row, name))]),
  };
}

function casePart({ case: one, timings }: Row): string[] {
  const ms = timings[OURS]?.ms;
  const kernel = one.benchmark === 'matmul' || one.benchmark === 'gates';
  const sizes = [one.hidden_size, one.batch_size, kernel ? '-' : one.sequence_length, one.threads];
  const time = ms ? scaled(ms, 1 / one.repeats) : undefined;
  const rate = ms ? (flopsOf(one) / ms.median / 1e6).toFixed(1) : '';
  const name = one.model === 'lstm' ? one.benchmark : `${one.benchmark}/${one.model}`;
  return [name, ...sizes.map(String), time ? withNoise(time) : '', rate];
}

function ratioCell({ ratios, left_out }: Row, name: (typeof OTHERS)[number]): string {
  const ratio = ratios[name];
  if (ratio) return withNoise(ratio);
  return left_out[name] === undefined ? '-' : 'left out';
}

export function figureTable(figures: readonly Figure[]): Table {
  return {
    head: ['figure', 'cellrun', 'compared with', 'ratio'],
    rows: figures.map(({ what, unit, ours, other, ratio }) => [
      what,
      `${withNoise(ours)} ${unit}`.trim(),
      other ? `${withNoise(other.value)} ${unit} (${other.name})` : '-',
      ratio ? withNoise(ratio) : '-',
    ]),
  };
}

export function targetTable(judged: readonly Judged[]): Table {
  return {
    head: ['target (smaller is better)', 'at least', 'aim', 'measured', ''],
    rows: judged.map(({ what, floor, aim, unit, measured, verdict }) => [
      what,
      ...[floor, aim].map(value => `${digits(value)} ${unit}`.trim()),
      measured ? `${withNoise(measured)} ${unit}`.trim() : '-',
      verdict,
    ]),
  };
}

export function checkText({ regressions, compared, noisy, missing }: Check): string {
  const lines = regressions.map(
    ({ id, before, now, allowed }) =>
      `regressed: ${id}: ${withNoise(now)}, was ${withNoise(before)} ` +
      `(${percent(now.median / before.median - 1)} worse, ${percent(allowed)} is noise)`,
  );
  lines.push(`${compared} ratios compared with the baseline, ${regressions.length} regressed.`);
  if (noisy.length > 0) lines.push(`Too noisy to judge: ${noisy.join(', ')}.`);
  if (missing.length > 0) lines.push(`Not measured this time, so not compared: ${missing.join(', ')}.`);
  return `${lines.join('\n')}\n`;
}

/** Who was not measured where, and everything else that a reader must know. */
export function noteText({ rows, notes }: Pick<Results, 'rows' | 'notes'>): string {
  const leftOut = rows.flatMap(({ case: one, left_out }) =>
    Object.entries(left_out).map(([name, reason]) => `${one.id}: ${name} left out: ${reason}`),
  );
  return [...notes, ...leftOut].map(line => `- ${line}\n`).join('');
}

function scaled({ q1, median, q3 }: Spread, by: number): Spread {
  return { q1: q1 * by, median: median * by, q3: q3 * by };
}

function withNoise(spread: Spread): string {
  return `${digits(spread.median)} ±${percent(noiseOf(spread))}`;
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(fraction < 0.0995 ? 1 : 0)} %`;
}

function digits(value: number): string {
  if (value === 0) return '0';
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(decimals);
}

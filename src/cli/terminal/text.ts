/** Documents as text for a terminal. */

import pico from 'picocolors';
import { formatTicks, linearTicks, rounded } from '../../util/numbers.js';
import { formatTable } from '../../util/table.js';
import { counted, printable } from '../../util/words.js';
import type { Block, ChartLine, Subject } from '../../view/blocks.js';
import type { Io } from './io.js';

export interface TextStyle {
  readonly width?: number;
  readonly color?: boolean;
  readonly unicode?: boolean;
}

/** Width of tables in columns: that of the terminal, or enough for most tables. */
export function widthOf({ columns = 120 }: Pick<Io, 'columns'>): number {
  return Math.max(80, columns);
}

const CHART = { height: 14, width: 120 };

/** Blocks with an empty line before and after them. */
const APART: ReadonlySet<Block['kind']> = new Set(['table', 'chart']);

/** A document as text. The outcome is its last line; tables have no titles. */
export function textOf(blocks: readonly Block[], style: TextStyle = {}): string {
  const outcomes = blocks.filter(({ kind }) => kind === 'outcome');
  const others = blocks.filter(({ kind }) => kind !== 'outcome');
  const parts = [...others, ...outcomes].map(block => ({
    text: part(block, style),
    isApart: APART.has(block.kind),
  }));
  return parts
    .filter(({ text }) => text !== '')
    .map(({ text, isApart }, i, all) => (i > 0 && (isApart || all[i - 1].isApart) ? `\n${text}` : text))
    .join('');
}

function part(
  block: Block,
  { width = Number.POSITIVE_INFINITY, color = false, unicode = false }: TextStyle,
): string {
  switch (block.kind) {
    case 'paragraph':
    case 'outcome':
      return lines([block.text]);
    case 'list':
      return lines(block.items);
    case 'table':
      return formatTable(block.table, 'text', width);
    case 'warning':
      return lines([`warning: ${block.text}`]);
    case 'subject':
      return lines(subjectLines(block));
    case 'chart': {
      const style = { width: Math.min(width, CHART.width), height: CHART.height, color, unicode };
      return `${lines([block.title])}${lineChart(block.lines, { ...style, axis: block.axis })}`;
    }
  }
}

function lines(texts: readonly string[]): string {
  return texts.map(text => `${printable(text)}\n`).join('');
}

const MAX_WARNINGS = 5;

function subjectLines({ head, isBrief, facts, notes, judgements, warnings }: Subject): string[] {
  if (isBrief) return [head];
  const named = facts.filter(({ as }) => as === 'named').map(({ name, value }) => `${name} ${value}`);
  const first = facts.findIndex(({ as }) => as === 'named');
  const shown = warnings.first.slice(0, MAX_WARNINGS);
  const left = warnings.count - shown.length;
  const inner = [
    ...facts.flatMap(({ as, value }, i) => {
      if (as === 'line') return [value];
      return i === first ? [named.join(', ')] : [];
    }),
    ...notes,
    ...judgements.filter(({ isInHead }) => !isInHead).map(({ sentence }) => sentence),
    ...shown.map(({ code, message }) => `warning: ${code}: ${message}`),
    ...(left > 0 ? [counted(left, 'more warning')] : []),
  ];
  return [head, ...inner.map(line => `  ${line}`)];
}

/**
 * No small library fits: asciichart is unmaintained since 2020 and has no x axis,
 * simple-ascii-chart has no round tick labels and distinguishes lines only by color.
 */
interface ChartStyle {
  /** Size in columns and rows, including labels. */
  readonly width: number;
  readonly height: number;
  readonly color: boolean;
  readonly unicode: boolean;
  readonly axis: string;
}

const SHARED = '*';
const BRAILLE = 0x2800;
/** Bits of the dots of a braille pattern by row, left and right (Unicode, "Braille Patterns"). */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
];
const COLORS = ['cyan', 'yellow', 'magenta', 'green', 'blue', 'red'] as const;

/**
 * Draws the lines in one frame: as colored dots or, without color, with their labels. Empty without
 * points.
 */
export function lineChart(lines: readonly ChartLine[], style: ChartStyle): string {
  const drawn = lines.filter(({ points }) => points.length > 0);
  if (drawn.length === 0) return '';
  const y = rangeOf(drawn.flatMap(({ points }) => points.map(point => point.y)));
  const x = rangeOf(drawn.flatMap(({ points }) => points.map(point => point.x)));
  const ticks = linearTicks(y.low, y.high);
  const labels = formatTicks(ticks);
  const margin = Math.max(...labels.map(label => label.length));
  const ending = drawn.reduce((width, { label }) => width + label.length + 1, 1);
  const columns = Math.max(10, style.width - margin - 2 - ending);
  const rows = Math.max(4, style.height - 2);
  const frame: Frame = { x, y, columns, rows };
  const [wall, notch, corner, floor] = style.unicode ? '│┤└─' : '|++-';
  const body = cellsOf(drawn, frame, style.color && style.unicode).map((row, i) => {
    const tick = ticks.findIndex(tick => rowOf(tick, frame, rows) === i);
    const label = tick < 0 ? '' : labels[tick];
    const names = drawn.flatMap(({ label, points }, line) =>
      rowOf(points[points.length - 1].y, frame, rows) === i ? [{ text: ` ${label}`, line }] : [],
    );
    const end = row.findLastIndex(({ text }) => text !== ' ');
    const shown = names.length > 0 ? [...row, ...names] : row.slice(0, end + 1);
    const text = shown.map(cell => painted(cell, style.color)).join('');
    return `${label.padStart(margin)} ${tick < 0 ? wall : notch}${text}\n`;
  });
  const rule = floor.repeat(columns);
  return `${body.join('')}${' '.repeat(margin)} ${corner}${rule}\n${xLabels(frame, margin, style.axis)}`;
}

type Range = ReturnType<typeof rangeOf>;

interface Frame {
  readonly x: Range;
  readonly y: Range;
  readonly columns: number;
  readonly rows: number;
}

interface Cell {
  readonly text: string;
  /** Index of its line; -1 for none or several. */
  readonly line: number;
}

/** The range of the values, widened if they are nearly equal. */
function rangeOf(values: readonly number[]) {
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const size = Math.max(Math.abs(low), Math.abs(high));
  const room = high - low > Math.max(1e-9 * size, 1e-300) ? 0 : size > 1e-300 ? size / 2 : 1;
  return { low: low - room, high: high + room };
}

/** The row of `y` from the top, among `count` rows. */
function rowOf(y: number, { y: { low, high } }: Frame, count: number): number {
  return Math.round((1 - (y - low) / (high - low)) * (count - 1));
}

/**
 * The mean y of a line in each of `count` columns, interpolated linearly; undefined outside the
 * line.
 */
function heights({ points }: ChartLine, { x: { low, high } }: Frame, count: number): (number | undefined)[] {
  const sums = Array.from({ length: count }, () => ({ sum: 0, n: 0 }));
  for (const { x, y } of points) {
    const column = sums[Math.round(((x - low) / (high - low)) * (count - 1))];
    column.sum += y;
    column.n += 1;
  }
  const known = sums.flatMap(({ sum, n }, column) => (n === 0 ? [] : [{ column, y: sum / n }]));
  const found = new Array<number | undefined>(count).fill(undefined);
  for (const [i, { column, y }] of known.entries()) {
    const next = known[i + 1] ?? { column, y };
    const width = Math.max(1, next.column - column);
    for (let at = 0; at < width; at++) found[column + at] = y + ((next.y - y) * at) / width;
  }
  return found;
}

/** The cells of all lines: with two by four dots each, or with the letters of the lines. */
function cellsOf(lines: readonly ChartLine[], frame: Frame, isDotted: boolean): Cell[][] {
  const [across, down] = isDotted ? [2, 4] : [1, 1];
  const cells = Array.from({ length: frame.rows }, () =>
    new Array<Cell>(frame.columns).fill({ text: ' ', line: -1 }),
  );
  for (const [line, chartLine] of lines.entries()) {
    let before: number | undefined;
    for (const [column, y] of heights(chartLine, frame, across * frame.columns).entries()) {
      const row = y === undefined ? undefined : rowOf(y, frame, down * frame.rows);
      if (row !== undefined) {
        // fill steep parts of dots, so that the line is connected
        const from = before === undefined || !isDotted ? row : before + Math.sign(row - before);
        for (let at = Math.min(from, row); at <= Math.max(from, row); at++) {
          const cellRow = cells[Math.floor(at / down)];
          const cell = Math.floor(column / across);
          const { text } = cellRow[cell];
          if (isDotted) {
            const bits = Math.max(0, text.charCodeAt(0) - BRAILLE) | DOTS[at % 4][column % 2];
            cellRow[cell] = { text: String.fromCharCode(BRAILLE + bits), line };
          } else
            cellRow[cell] = text === ' ' ? { text: chartLine.label[0], line } : { text: SHARED, line: -1 };
        }
      }
      before = row;
    }
  }
  return cells;
}

function painted({ text, line }: Cell, color: boolean): string {
  return !color || line < 0 ? text : pico.createColors(true)[COLORS[line % COLORS.length]](text);
}

function xLabels({ x: { low, high }, columns }: Frame, margin: number, axis: string): string {
  const words = [low, (low + high) / 2, high].map(x => rounded(x, 5));
  const gap = (taken: number, at: number): string => ' '.repeat(Math.max(1, at - taken));
  let line = words[0];
  line += gap(line.length, Math.round(columns / 2 - words[1].length / 2)) + words[1];
  line += gap(line.length, columns - words[2].length) + words[2];
  return `${' '.repeat(margin + 2)}${line} ${axis}\n`;
}

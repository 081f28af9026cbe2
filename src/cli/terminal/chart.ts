/**
 * Line charts for terminals. No small library fits: asciichart is unmaintained since 2020 and has
 * no x axis, simple-ascii-chart has no round tick labels and distinguishes lines only by color.
 */
import pico from 'picocolors';
import { formatTicks, linearTicks, rounded } from '../../util/numbers.js';
import type { ChartLine } from '../../view/blocks.js';

export interface ChartStyle {
  /** Size in columns and rows, including labels. */
  readonly width: number;
  readonly height: number;
  readonly color: boolean;
  readonly unicode: boolean;
  readonly axis: string;
}

/** Larger values are clamped, so that sums and differences of coordinates stay finite. */
const MAX_COORDINATE = 1e300;
/** Drawn in cells with several lines. */
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
  const drawn = lines.filter(({ points }) => points.length > 0).map(clamped);
  if (drawn.length === 0) return '';
  const ys = rangeOf(drawn.flatMap(({ points }) => points.map(({ y }) => y)));
  const ticks = linearTicks(ys.low, ys.high);
  const labels = formatTicks(ticks);
  const xs = rangeOf(drawn.flatMap(({ points }) => points.map(({ x }) => x)));
  const margin = Math.max(...labels.map(label => label.length));
  const columns = Math.max(10, style.width - margin - 2 - lastLabelWidth(drawn));
  const rows = Math.max(4, style.height - 2);
  const frame: Frame = { x: xs, y: ys, columns, rows };
  const cells = style.color && style.unicode ? dotCells(drawn, frame) : letterCells(drawn, frame);
  const body = cells.map((row, i) => {
    const tick = ticks.findIndex(tick => rowOf(tick, frame, rows) === i);
    const label = tick < 0 ? '' : labels[tick];
    const side = style.unicode ? (tick < 0 ? '│' : '┤') : tick < 0 ? '|' : '+';
    const ends = drawn.filter(({ points }) => rowOf(points[points.length - 1].y, frame, rows) === i);
    const names = ends.map(line => painted(line.label, drawn.indexOf(line), style.color)).join(' ');
    const text = runsOf(row)
      .map(cell => painted(cell.text, cell.line, style.color))
      .join('');
    return `${label.padStart(margin)} ${side}${names === '' ? text.trimEnd() : `${text} ${names}`}\n`;
  });
  const corner = style.unicode ? '└' : '+';
  const rule = (style.unicode ? '─' : '-').repeat(columns);
  return `${body.join('')}${' '.repeat(margin)} ${corner}${rule}\n${xLabels(frame, margin, style.axis)}`;
}

function clamped({ label, points }: ChartLine): ChartLine {
  const clamp = (value: number): number => Math.max(-MAX_COORDINATE, Math.min(MAX_COORDINATE, value));
  return { label, points: points.map(({ x, y }) => ({ x: clamp(x), y: clamp(y) })) };
}

interface Range {
  readonly low: number;
  readonly high: number;
}

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
function rangeOf(values: readonly number[]): Range {
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (high - low > 1e-9 * size && high - low > Number.MIN_VALUE * 2 ** 52) return { low, high };
  const room = size > 1e-300 ? size / 2 : 1;
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

function letterCells(lines: readonly ChartLine[], frame: Frame): Cell[][] {
  const cells = emptyCells(frame);
  for (const [line, one] of lines.entries())
    for (const [column, y] of heights(one, frame, frame.columns).entries()) {
      if (y === undefined) continue;
      const row = cells[rowOf(y, frame, frame.rows)];
      const isFree = row[column].text === ' ';
      row[column] = isFree ? { text: one.label.slice(0, 1), line } : { text: SHARED, line: -1 };
    }
  return cells;
}

function dotCells(lines: readonly ChartLine[], frame: Frame): Cell[][] {
  const cells = emptyCells(frame);
  for (const [line, one] of lines.entries()) {
    let before: number | undefined;
    for (const [column, y] of heights(one, frame, 2 * frame.columns).entries()) {
      if (y === undefined) {
        before = undefined;
        continue;
      }
      const row = rowOf(y, frame, 4 * frame.rows);
      // fill steep parts, so that the line is connected
      const from = before === undefined || before === row ? row : before + Math.sign(row - before);
      for (let dot = Math.min(from, row); dot <= Math.max(from, row); dot++) {
        const [r, c] = [Math.floor(dot / 4), Math.floor(column / 2)];
        const bits = Math.max(0, cells[r][c].text.charCodeAt(0) - BRAILLE) | DOTS[dot % 4][column % 2];
        cells[r][c] = { text: String.fromCharCode(BRAILLE + bits), line };
      }
      before = row;
    }
  }
  return cells;
}

function emptyCells({ rows, columns }: Frame): Cell[][] {
  return Array.from({ length: rows }, () => new Array<Cell>(columns).fill({ text: ' ', line: -1 }));
}

/** Merges neighbors of the same line, to change colors less often. */
function runsOf(row: readonly Cell[]): Cell[] {
  const runs: Cell[] = [];
  for (const { text, line } of row) {
    const last = runs.at(-1);
    if (last?.line === line) runs[runs.length - 1] = { text: last.text + text, line };
    else runs.push({ text, line });
  }
  return runs;
}

function painted(text: string, line: number, color: boolean): string {
  return !color || line < 0 ? text : pico.createColors(true)[COLORS[line % COLORS.length]](text);
}

function lastLabelWidth(lines: readonly ChartLine[]): number {
  return 1 + lines.reduce((width, { label }) => width + label.length + 1, 0);
}

function xLabels({ x: { low, high }, columns }: Frame, margin: number, axis: string): string {
  const words = [low, (low + high) / 2, high].map(x => rounded(x, 5));
  const gap = (taken: number, at: number): string => ' '.repeat(Math.max(1, at - taken));
  let line = words[0];
  line += gap(line.length, Math.round(columns / 2 - words[1].length / 2)) + words[1];
  line += gap(line.length, columns - words[2].length) + words[2];
  return `${' '.repeat(margin + 2)}${line} ${axis}\n`;
}

/**
 * Markdown, for a job summary or a note on a merge request. Charts are Mermaid `xychart` blocks,
 * which GitHub and GitLab render (docs.github.com, "Creating diagrams"; docs.gitlab.com, "GitLab
 * Flavored Markdown"). Both strip inline SVG and images as data URIs.
 */
import { type Cell, formatTable, plainMarkdown, type Table } from '../util/table.js';
import { counted } from '../util/words.js';
import type { Block, Chart, ChartLine, Judgement, Subject } from './blocks.js';

/**
 * Formats a document in at most `maxBytes` of UTF-8. If it is too long, drops the charts, then
 * lines at the end, with a line that counts them, then everything.
 */
export function markdownOf(blocks: readonly Block[], maxBytes = Number.POSITIVE_INFINITY): string {
  const subjects = blocks.filter(block => block.kind === 'subject');
  const outcome = blocks.filter(block => block.kind === 'outcome').map(({ text }) => text.slice(0, -1));
  const isChart = ({ kind }: Block) => kind === 'chart';
  const head = [
    ...outcome.map(text => [`## ${text}`]),
    ...(subjects.length === 0 ? [] : [table(judgementTable(subjects)), table(factTable(subjects))]),
    ...blocks.filter(block => !isChart(block)).map(part),
  ];
  const text = joined([...head, ...blocks.filter(isChart).map(part)]);
  return Buffer.byteLength(text) < maxBytes ? text : cut(joined(head).split('\n').slice(0, -1), maxBytes);
}

function joined(parts: readonly (readonly string[])[]): string {
  return parts
    .filter(lines => lines.length > 0)
    .map(lines => `${lines.join('\n')}\n`)
    .join('\n');
}

const CLOSING_BYTES = 100;

function cut(lines: readonly string[], maxBytes: number): string {
  const kept: string[] = [];
  let bytes = CLOSING_BYTES;
  if (bytes > maxBytes) return '';
  for (const line of lines) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > maxBytes) break;
    kept.push(line);
  }
  const left = lines.length - kept.length;
  return [
    ...kept,
    ...(left > 0 ? ['', `${counted(left, 'more line')} ${left === 1 ? 'is' : 'are'} left out.`] : []),
    '',
  ].join('\n');
}

/** The lines of a block; tables of all subjects stand before them. */
function part(block: Block): readonly string[] {
  switch (block.kind) {
    case 'paragraph':
      return [plainMarkdown(block.text)];
    case 'list':
      return block.items.map(listed);
    case 'table':
      return [...(block.title === undefined ? [] : [`### ${block.title}`, '']), ...table(block.table)];
    case 'warning':
      return [`**warning**: ${plainMarkdown(block.text)}`];
    case 'subject':
      return notesOf(block);
    case 'chart':
      return chart(block);
    case 'outcome':
      return [];
  }
}

function table(content: Table): readonly string[] {
  return formatTable(content, 'markdown').split('\n').slice(0, -1);
}

function listed(line: string): string {
  return `- ${plainMarkdown(line.trim())}`;
}

function notesOf({ about, notes, warnings: { count, first } }: Subject): readonly string[] {
  const more = count - first.length;
  const lines = [
    ...notes,
    ...first.map(({ code, message }) => `warning: ${code}: ${message}`),
    ...(more > 0 ? [counted(more, 'more warning')] : []),
  ];
  return lines.length === 0 ? [] : [`**${plainMarkdown(about)}**`, '', ...lines.map(listed)];
}

const ORDER: readonly Judgement['verdict'][] = ['failed', 'inconclusive', 'passed', 'not judged'];

/** Failed verdicts come first, then inconclusive ones. */
function judgementTable(subjects: readonly Subject[]): Table {
  const rows = subjects.flatMap(({ about, judgements }) =>
    judgements.map(({ verdict, name, sentence }) => ({ verdict, cells: [verdict, about, name, sentence] })),
  );
  const isStrong = (cell: Cell) => cell === 'failed' || cell === 'inconclusive';
  return {
    columns: [{ name: 'verdict', isStrong }, ...['run', 'what', ''].map(name => ({ name }))],
    rows: rows
      .toSorted((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict))
      .map(({ cells }) => cells),
  };
}

function factTable(subjects: readonly Subject[]): Table {
  const shown = subjects.filter(({ facts }) => facts.length > 0);
  const names = [...new Set(shown.flatMap(({ facts }) => facts.map(({ name }) => name)))];
  const rows = shown.map(({ about, facts }): Cell[] => {
    const values = new Map(facts.map(({ name, value }) => [name, value]));
    return [about, ...names.map(name => cellOf(values.get(name)))];
  });
  return { columns: ['run', ...names].map(name => ({ name })), rows };
}

function cellOf(value: string | undefined): Cell {
  if (value === undefined) return null;
  return String(Number(value)) === value ? Number(value) : value;
}

const MAX_POINTS = 50;

function chart({ title, axis, lines: all }: Chart): readonly string[] {
  const lines = all.map(({ points }) => points).filter(points => points.length > 1);
  if (lines.length === 0) return [];
  const [from, to] = [
    Math.min(...lines.map(points => points[0].x)),
    Math.max(...lines.map(points => points[points.length - 1].x)),
  ];
  const count = Math.min(MAX_POINTS, Math.max(...lines.map(points => points.length)));
  const places = Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));
  return [
    '```mermaid',
    COLORS,
    'xychart-beta',
    `  title "${title.replaceAll(/["\n\r`]/g, '')}"`,
    `  x-axis "${axis}" ${from} --> ${to}`,
    ...lines.map(points => `  line [${places.map(x => valueAt(points, x)).join(', ')}]`),
    '```',
  ];
}

/** Visible on light and dark backgrounds, which Mermaid's own are not. */
const COLORS = `%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#1f83d6, #d1631f, #2a9d5c, #a35bd0, #b5851f, #d0478f"}}}}%%`;

function valueAt(points: ChartLine['points'], x: number): number {
  // rounding may make `x` slightly smaller than the measured place
  const last = points.findLast(point => point.x <= x + 1e-9 * Math.abs(x)) ?? points[0];
  return Number(last.y.toPrecision(6));
}

/** Documents as text for a terminal. */

import { formatTable } from '../../util/table.js';
import { counted, printable } from '../../util/words.js';
import type { Block, Subject } from '../../view/blocks.js';
import { lineChart } from './chart.js';

export interface TextStyle {
  readonly width?: number;
  readonly color?: boolean;
  readonly unicode?: boolean;
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
    default:
      return block satisfies never;
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

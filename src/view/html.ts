/**
 * Writes a document as one self-contained HTML file: it embeds script, style and data, and its
 * policy allows nothing else. Where scripts do not run, such as in a mail program, it shows the
 * essentials.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { programFile } from '../util/root.js';
import type { Cell } from '../util/table.js';
import type { Block } from './blocks.js';
import type { IndexReport, Report, RunReport, SweepReport } from './document.js';

export interface PageAssets {
  readonly script: string;
  readonly style: string;
}

export function readPageAssets(): PageAssets {
  const read = (name: string): string => readFileSync(programFile(`view/${name}`), 'utf8');
  return { script: read('page.js'), style: read('page.css') };
}

/** In the head of every page; identifies a report among HTML files. */
export const GENERATOR = '<meta name="generator" content="cellrun">';

/** The HTML; byte-identical for equal documents and assets. */
export function renderPage(report: Report, { script, style }: PageAssets): string {
  const code = inScript(script);
  const policy = [
    "default-src 'none'",
    'img-src data:',
    `script-src ${hashOf(code)}`,
    `style-src ${hashOf(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${GENERATOR}
<link rel="icon" href="data:,">
<title>${escapeHtml(titleOf(report))}</title>
<style>${style}</style>
</head>
<body>
<main>
${essentials(report).map(htmlOf).join('\n')}
<noscript><p>Charts need JavaScript; this file contains all their data.</p></noscript>
</main>
<script type="application/json" id="report">${inData(JSON.stringify(report))}</script>
<script>${code}</script>
</body>
</html>
`;
}

function titleOf(report: Report): string {
  switch (report.kind) {
    case 'run':
      return `${report.name} ${report.id}: ${report.state}`;
    case 'sweep':
      return `${report.name} ${report.id}: sweep`;
    case 'index':
      return report.title;
    default:
      return report satisfies never;
  }
}

/** Escapes data so that no text can end the element or start a comment in it. */
function inData(json: string): string {
  return json.replaceAll('<', '\\u003c');
}

/** Our own code may have `<` as an operator; the bundler escapes it in strings. */
function inScript(script: string): string {
  if (/<\/script|<!--/i.test(script)) throw new Error('the script of the page contains a closing tag');
  return script;
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, character => ENTITIES[character]);
}

/** What a page shows where scripts do not run. */
function essentials(report: Report): readonly Block[] {
  switch (report.kind) {
    case 'run':
      return ofRun(report);
    case 'sweep':
      return ofSweep(report);
    case 'index':
      return ofIndex(report);
    default:
      return report satisfies never;
  }
}

function ofRun(report: RunReport): readonly Block[] {
  const { name, id, state, message, steps, epochs, metrics, gates, tags, note } = report;
  const facts: Cell[][] = [
    ['status', state],
    ['steps', steps],
    ['epochs', epochs],
    ...(tags.length > 0 ? [['tags', tags.join(', ')]] : []),
    ...(note === null ? [] : [['note', note]]),
    ...metrics.map(metric => [metric.name, metric.value]),
  ];
  const verdicts = gates.map(gate => [gate.name, gate.value, gate.required, gate.verdict, gate.place]);
  return [
    { kind: 'heading', text: `${name} ${id}` },
    ...(message === null ? [] : [{ kind: 'paragraph' as const, text: message }]),
    table(['', ''], facts),
    ...(gates.length === 0
      ? []
      : [table(['gate', 'value', 'required', 'verdict', 'requested in'], verdicts)]),
  ];
}

function ofSweep({ name, id, state, objective, parameters, trials }: SweepReport): readonly Block[] {
  const head = ['trial', 'state', 'epochs', objective.metric, ...parameters.map(({ title }) => title)];
  const rows = trials.map(({ trial, state: became, epochs, value, point }) => [
    trial,
    became,
    epochs,
    value,
    ...parameters.map(parameter => point[parameter.name] ?? null),
  ]);
  return [{ kind: 'heading', text: `${name} ${id}: ${state}` }, table(head, rows)];
}

function ofIndex({ title, runs, sweeps }: IndexReport): readonly Block[] {
  const rows = [
    ...runs.map(({ name, id, state, metrics }) => [
      name,
      id,
      state,
      metrics.map(metric => `${metric.name} ${metric.value}`).join(', '),
    ]),
    ...sweeps.map(({ name, id, state, metric, best }) => [
      name,
      id,
      state,
      `best ${metric} ${best?.value ?? '-'}`,
    ]),
  ];
  return [{ kind: 'heading', text: title }, table(['name', 'id', 'status', 'metrics'], rows)];
}

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): Block {
  return { kind: 'table', table: { columns: head.map(name => ({ name })), rows } };
}

/** A block as HTML; what else a document can contain, pages draw with scripts. */
function htmlOf(block: Block): string {
  if (block.kind === 'heading') return `<h1>${escapeHtml(block.text)}</h1>`;
  if (block.kind === 'paragraph') return `<p>${escapeHtml(block.text)}</p>`;
  if (block.kind !== 'table') throw new Error(`no ${block.kind} in a page without scripts`);
  const { columns, rows } = block.table;
  const cell = (tag: string) => (content: Cell) => `<${tag}>${escapeHtml(String(content ?? '-'))}</${tag}>`;
  const lines = [
    ...(columns.every(({ name }) => name === '')
      ? []
      : [columns.map(({ name }) => cell('th')(name)).join('')]),
    ...rows.map(([first, ...rest]) => [cell('th')(first), ...rest.map(cell('td'))].join('')),
  ];
  return `<table>\n${lines.map(line => `<tr>${line}</tr>\n`).join('')}</table>`;
}

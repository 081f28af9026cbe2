/**
 * Reports: documents built from the files of runs and sweeps, each written as one self-contained
 * HTML file. It embeds script, style and data, and its
 * policy allows nothing else. Where scripts do not run, such as in a mail program, it shows the
 * essentials.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { kindOf } from '../run/find.js';
import { programFile } from '../util/root.js';
import type { Cell } from '../util/table.js';
import { buildIndexReport, type IndexReport } from './index-report.js';
import { buildRunReport, type RunReport } from './run-report.js';
import { buildSweepReport, type SweepReport } from './sweep-report.js';

export type Report = RunReport | SweepReport | IndexReport;

export function buildReport(path: string): Report {
  const kind = kindOf(path);
  if (kind === 'run') return buildRunReport(path);
  return kind === 'sweep' ? buildSweepReport(path) : buildIndexReport(path);
}

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
  const shown = essentialsOf(report);
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
<title>${escapeHtml(shown.title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${essentials(shown)}
<noscript><p>Charts need JavaScript; this file contains all their data.</p></noscript>
</main>
<script type="application/json" id="report">${inData(JSON.stringify(report))}</script>
<script>${code}</script>
</body>
</html>
`;
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

/** What a page shows where scripts do not run: a title, a paragraph and a table. */
function essentials({ title, text, rows }: Essentials): string {
  const cell = (content: Cell, i: number) => {
    const tag = i === 0 ? 'th' : 'td';
    return `<${tag}>${escapeHtml(String(content ?? '-'))}</${tag}>`;
  };
  return [
    `<h1>${escapeHtml(title)}</h1>`,
    ...(text ? [`<p>${escapeHtml(text)}</p>`] : []),
    '<table>',
    ...rows.map(row => `<tr>${row.map(cell).join('')}</tr>`),
    '</table>',
  ].join('\n');
}

interface Essentials {
  readonly title: string;
  readonly text?: string | null;
  readonly rows: readonly (readonly Cell[])[];
}

function essentialsOf(report: Report): Essentials {
  switch (report.kind) {
    case 'run': {
      const { name, id, state, message, steps, epochs, metrics, gates, tags, note } = report;
      const rows = [
        ['status', state],
        ['steps', steps],
        ['epochs', epochs],
        ...(tags.length > 0 ? [['tags', tags.join(', ')]] : []),
        ...(note === null ? [] : [['note', note]]),
        ...metrics.map(metric => [metric.name, metric.value]),
        ...gates.map(gate => [`gate ${gate.name}`, gate.value, gate.required, gate.verdict, gate.place]),
      ];
      return { title: `${name} ${id}`, text: message, rows };
    }
    case 'sweep': {
      const { name, id, state, objective, parameters, trials } = report;
      const rows = trials.map(({ trial, state: became, epochs, value, point }) => [
        ...[trial, became, epochs, value],
        ...parameters.map(parameter => point[parameter.name] ?? null),
      ]);
      const titles = parameters.map(({ title }) => title);
      const head = ['trial', 'state', 'epochs', objective.metric, ...titles];
      return { title: `${name} ${id}: ${state}`, rows: [head, ...rows] };
    }
    case 'index': {
      const { title, runs, sweeps } = report;
      const rows = [
        ['name', 'id', 'status', 'metrics'],
        ...runs.map(({ name, id, state, metrics }) => {
          const told = metrics.map(metric => `${metric.name} ${metric.value}`);
          return [name, id, state, told.join(', ')];
        }),
        ...sweeps.map(one => [one.name, one.id, one.state, `best ${one.metric} ${one.best?.value ?? '-'}`]),
      ];
      return { title, rows };
    }
    default:
      return report satisfies never;
  }
}

/**
 * The essentials of a document as plain HTML, shown where scripts do not run, such as in a mail
 * program.
 */
import type { IndexReport, Report, RunReport, SweepReport } from './document.js';
import { escapeHtml } from './escape.js';

export function essentials(report: Report): string {
  return `${contentOf(report)}\n<noscript><p>Charts need JavaScript; this file contains all their data.</p></noscript>`;
}

function contentOf(report: Report): string {
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

type Cell = string | number | null;

function ofRun({ name, id, state, message, steps, epochs, metrics, gates, tags, note }: RunReport): string {
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
    heading(`${name} ${id}`),
    message === null ? '' : `<p>${escapeHtml(message)}</p>`,
    table([], facts),
    verdicts.length === 0 ? '' : table(['gate', 'value', 'required', 'verdict', 'requested in'], verdicts),
  ].join('\n');
}

function ofSweep({ name, id, state, objective, parameters, trials }: SweepReport): string {
  const head = ['trial', 'state', 'epochs', objective.metric, ...parameters.map(({ title }) => title)];
  const rows = trials.map(({ trial, state: became, epochs, value, point }) => [
    trial,
    became,
    epochs,
    value,
    ...parameters.map(parameter => point[parameter.name] ?? null),
  ]);
  return [heading(`${name} ${id}: ${state}`), table(head, rows)].join('\n');
}

function ofIndex({ title, runs, sweeps }: IndexReport): string {
  const ofRuns = runs.map(({ name, id, state, metrics }) => [
    name,
    id,
    state,
    metrics.map(metric => `${metric.name} ${metric.value}`).join(', '),
  ]);
  const ofSweeps = sweeps.map(({ name, id, state, metric, best }) => [
    name,
    id,
    state,
    `best ${metric} ${best?.value ?? '-'}`,
  ]);
  return [heading(title), table(['name', 'id', 'status', 'metrics'], [...ofRuns, ...ofSweeps])].join('\n');
}

function heading(text: string): string {
  return `<h1>${escapeHtml(text)}</h1>`;
}

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cell = (tag: string) => (content: Cell) => `<${tag}>${escapeHtml(String(content ?? '-'))}</${tag}>`;
  const lines = [
    ...(head.length === 0 ? [] : [head.map(cell('th')).join('')]),
    ...rows.map(([first, ...rest]) => [cell('th')(first), ...rest.map(cell('td'))].join('')),
  ];
  return `<table>\n${lines.map(line => `<tr>${line}</tr>\n`).join('')}</table>`;
}

/**
 * Reports: documents built from the files of runs and sweeps, each written as one self-contained
 * HTML file. It embeds script, style and data, and its policy allows nothing else. Where scripts do
 * not run, such as in a mail program, it shows the essentials.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, relative, resolve, sep } from 'node:path';
import { findRuns, kindOf, runsAt } from '../run/find.js';
import type { RunHistory } from '../run/history.js';
import { Run } from '../run/run.js';
import { readSweepResults } from '../sweep/results.js';
import { UserError } from '../util/errors.js';
import { programFile } from '../util/root.js';
import { type Cell, escapeMarkup } from '../util/table.js';
import {
  type AudioOf,
  buildRunReport,
  configTexts,
  endOf,
  type RunReport,
  runFacts,
  runReportOf,
} from './run-report.js';
import { buildSweepReport, type SweepReport, type SweepRow, sweepRowOf } from './sweep-report.js';

export type Report = RunReport | SweepReport | IndexReport;

export function buildReport(path: string, audioOf?: AudioOf): Report {
  const kind = kindOf(path);
  if (kind === 'run') return buildRunReport(path, audioOf);
  return kind === 'sweep' ? buildSweepReport(path) : buildIndexReport(path);
}

export type IndexReport = ReturnType<typeof buildIndexReport>;
export type RunRow = ReturnType<typeof runRowOf>;

/** Number of pieces of a curve in a short report, and in a sparkline. */
const SHORT = 60;
const SPARK = 24;
/** Maximum number of runs whose reports are embedded: about 25 kB each. */
const MAX_DETAILS = 20;

/** Of an output root, or the folder of an experiment. Unreadable runs are listed. */
function buildIndexReport(root: string) {
  const found = findRuns(root);
  // throws if there are none
  const all = found.length > 0 ? found : runsAt(root);
  const withDetails = all.filter(({ kind }) => kind === 'run').length <= MAX_DETAILS;
  const runs: RunRow[] = [];
  const sweeps: SweepRow[] = [];
  const details: RunReport[] = [];
  const unreadable: Unreadable[] = [];
  for (const entry of all) {
    const path = pathUnder(root, entry.path);
    try {
      if (entry.kind === 'sweep') sweeps.push(sweepRowOf(readSweepResults(entry.path), path));
      else {
        const run = Run.read(entry.path);
        const history = run.history(SHORT);
        const row = runRowOf(run, path, () => history);
        runs.push({ ...row, config: configTexts(run.config), sparkline: sparklineOf(history) });
        if (withDetails) details.push({ ...runReportOf(run, history), evaluation: null });
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      unreadable.push({ path, message: error.diagnostics.map(({ message }) => message).join('; ') });
    }
  }
  const title = basename(resolve(root));
  return { kind: 'index' as const, version: 1 as const, title, ...listOf(runs, sweeps, unreadable), details };
}

/** The path below `root`, with forward slashes. */
export function pathUnder(root: string, path: string): string {
  return relative(resolve(root), path).split(sep).join('/');
}

export interface Sparkline {
  readonly metric: string;
  readonly steps: readonly number[];
  readonly values: readonly (number | null)[];
}

/** Values of a config by key path, in YAML's flow style. */
export type ConfigTexts = Readonly<Record<string, string>>;

/** A run in a table, without what takes longest to read: its config and its curve. */
export function runRowOf(run: Run, path: string, historyOf: () => RunHistory) {
  const ended = endOf(run);
  const verdicts = (ended?.gates ?? []).map(({ verdict }) => verdict);
  const worst = (['failed', 'inconclusive', 'passed'] as const).find(verdict => verdicts.includes(verdict));
  return {
    ...runFacts(run, ended, historyOf),
    path,
    config: null as ConfigTexts | null,
    gates: worst ?? null,
    duration_s: ended?.duration_s ?? null,
    sparkline: null as Sparkline | null,
  };
}

/** The first of these curves with more than one point. */
function sparklineOf({ curves }: RunHistory): Sparkline | null {
  const metric = ['validation.loss', 'test.loss', 'epoch.loss', 'train.loss'].find(
    name => (curves[name]?.steps.length ?? 0) > 1,
  );
  if (metric === undefined) return null;
  const { steps, values } = curves[metric];
  const every = Math.max(1, Math.ceil(steps.length / (2 * SPARK)));
  const kept = steps.map((_, i) => i).filter(i => i % every === 0 || i === steps.length - 1);
  return { metric, steps: kept.map(i => steps[i]), values: kept.map(i => values[i]) };
}

export interface Unreadable {
  readonly path: string;
  readonly message: string;
}

/** The list; settings that all configs have in common are in it once. */
export function listOf<Row extends Pick<RunRow, 'config'>>(
  runs: readonly Row[],
  sweeps: readonly SweepRow[],
  unreadable: readonly Unreadable[],
) {
  const common_config = commonOf(runs.flatMap(({ config }) => (config === null ? [] : [config])));
  const restOf = (config: ConfigTexts): ConfigTexts =>
    Object.fromEntries(Object.entries(config).filter(([key]) => !(key in common_config)));
  const rows = runs.map(run => ({ ...run, config: run.config && restOf(run.config) }));
  return { common_config, runs: rows, sweeps, unreadable };
}

function commonOf([first = {}, ...others]: readonly ConfigTexts[]): ConfigTexts {
  // compares only the remaining entries, which soon are few
  let left = Object.entries(first);
  for (const config of others) left = left.filter(([key, value]) => config[key] === value);
  return Object.fromEntries(left);
}

/** `completed: gate failed` */
function statusWords({ state, shortfalls }: Pick<RunRow, 'state' | 'shortfalls'>): string {
  return shortfalls.length === 0 ? state : `${state}: ${shortfalls.join(', ')}`;
}

/** A script, or the style sheet of the pages. */
export function pageAsset(name: 'page.js' | 'page.css' | 'predict.js' | 'train.js'): string {
  return readFileSync(programFile(`view/${name}`), 'utf8');
}

/** In the head of every page; identifies a report among HTML files. */
export const GENERATOR = '<meta name="generator" content="cellrun">';

/**
 * The HTML; byte-identical for equal documents.
 * @param model body of a function that returns the exported module of the run
 */
export function renderPage(report: Report, model?: string): string {
  const shown = essentialsOf(report);
  const [code, style] = [pageAsset('page.js'), pageAsset('page.css')];
  const opens = model === undefined ? undefined : openingScript(model);
  const policy = [
    "default-src 'none'",
    'img-src data:',
    'media-src data:',
    `script-src ${opens === undefined ? '' : `${hashOf(opens)} 'wasm-unsafe-eval' `}${hashOf(code)}`,
    `style-src ${hashOf(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const head = `<meta http-equiv="Content-Security-Policy" content="${escapeMarkup(policy)}">
<style>${style}</style>`;
  const body = `<main>
${essentials(shown)}
<noscript><p>Charts need JavaScript; this file contains all their data.</p></noscript>
</main>
<script type="application/json" id="report">${inData(JSON.stringify(report))}</script>
${opens === undefined ? '' : `<script>${opens}</script>\n`}<script>${code}</script>`;
  return htmlPage(shown.title, head, body);
}

/** Declares the function that opens the model, which is not read before. */
function openingScript(model: string): string {
  const served = readFileSync(programFile('interop/js/module-served.js'), 'utf8');
  const script = `function openModel(){${served}\nreturn{...served,module:(()=>{${model}})()}}`;
  // as in its strings, where alone this can be
  return script.replaceAll(/<(?=!--|\/?script)/gi, '\\x3c');
}

/** A page of a report or of the dashboard, as HTML. */
export function htmlPage(title: string, head: string, body: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${GENERATOR}
<link rel="icon" href="data:,">
<title>${escapeMarkup(title)}</title>
${head}
</head>
<body>
${body}
</body>
</html>
`;
}

/** Escapes data so that no text can end the element or start a comment in it. */
function inData(json: string): string {
  return json.replaceAll('<', '\\u003c');
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;
}

/** What a page shows where scripts do not run: a title, a paragraph and a table. */
function essentials({ title, text, rows }: Essentials): string {
  const cell = (content: Cell, i: number) => {
    const tag = i === 0 ? 'th' : 'td';
    return `<${tag}>${escapeMarkup(String(content ?? '-'))}</${tag}>`;
  };
  return [
    `<h1>${escapeMarkup(title)}</h1>`,
    ...(text ? [`<p>${escapeMarkup(text)}</p>`] : []),
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
      const { name, id, message, failures, steps, epochs, metrics, gates, tags, note } = report;
      const rows = [
        ['status', statusWords(report)],
        ['steps', steps],
        ['epochs', epochs],
        ...(tags.length > 0 ? [['tags', tags.join(', ')]] : []),
        ...(note === null ? [] : [['note', note]]),
        ...metrics.map(metric => [metric.name, metric.value]),
        ...gates.map(gate => [`gate ${gate.name}`, gate.value, gate.required, gate.verdict, gate.place]),
      ];
      return { title: `${name} ${id}`, text: [message ?? '', ...failures].join(' ').trim(), rows };
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
        ...runs.map(row => {
          const words = row.metrics.map(metric => `${metric.name} ${metric.value}`);
          return [row.name, row.id, statusWords(row), words.join(', ')];
        }),
        ...sweeps.map(sweep => [
          sweep.name,
          sweep.id,
          sweep.state,
          `best ${sweep.metric} ${sweep.best?.value ?? '-'}`,
        ]),
      ];
      return { title, rows };
    }
  }
}

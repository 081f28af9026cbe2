/**
 * GitHub workflow commands, which annotate the lines of a pull request. GitHub limits a step to 10
 * errors, 10 warnings and 10 notices (docs.github.com, "Workflow commands for GitHub Actions").
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, normalize, relative, sep } from 'node:path';
import type { Diagnostic } from '../util/errors.js';
import { printable } from '../util/words.js';
import type { Block, Subject } from './blocks.js';

const MAX_ANNOTATIONS = 10;

/**
 * One command per line. Annotations beyond the limit are counted in plain lines.
 * @param workspace the checkout, for the places of gates
 */
export function annotationsOf(blocks: readonly Block[], workspace?: string): string {
  const subjects = blocks.filter(block => block.kind === 'subject');
  const findings = blocks.filter(block => block.kind === 'warning');
  const errors = subjects.flatMap(subject => errorLines(subject, workspace));
  const warnings = [
    ...findings.map(({ code, text }) => command('warning', { title: code }, text)),
    ...subjects.flatMap(({ about, warnings: { first } }) =>
      first.map(({ code, message }) => command('warning', { title: code }, `${about}: ${message}`)),
    ),
  ];
  const notices = subjects
    .filter(({ notes }) => notes.length > 0)
    .map(({ about, notes }) => command('notice', { title: 'review' }, [`${about}:`, ...notes].join('\n')));
  const count = subjects.reduce((sum, { warnings: { count } }) => sum + count, findings.length);
  return [
    ...limited(errors, errors.length, 'verdicts that did not pass'),
    ...limited(warnings, count, 'warnings'),
    ...limited(notices, notices.length, 'notes'),
    ...blocks.filter(block => block.kind === 'outcome').map(({ text }) => text),
    '',
  ].join('\n');
}

function limited(lines: readonly string[], count: number, what: string): string[] {
  const left = count - MAX_ANNOTATIONS;
  return [
    ...lines.slice(0, MAX_ANNOTATIONS),
    ...(left > 0 ? [`${left} more ${what} are not annotated.`] : []),
  ];
}

function errorLines({ about, configFiles, judgements }: Subject, workspace?: string): string[] {
  return judgements
    .filter(({ verdict }) => verdict === 'failed' || verdict === 'inconclusive')
    .map(({ name, sentence, origin = '', metric }) => {
      const place = workspace && placeOf(origin, metric, configFiles, workspace);
      return command('error', { ...place, title: `gate ${name}` }, `${about}: ${sentence}`);
    });
}

function placeOf(
  origin: string,
  metric: string | undefined,
  configFiles: readonly string[],
  workspace: string,
) {
  const gate = placeOfGate(origin, configFiles, workspace);
  return gate ?? (metric === undefined ? undefined : placeOfMetric(metric, configFiles, workspace));
}

/** The line of a config that names the metric, with its split or without; else the first one. */
function placeOfMetric(metric: string, configFiles: readonly string[], workspace: string) {
  // the last one extends the others
  const [file] = configFiles.toReversed().flatMap(path => inWorkspace(path, workspace));
  if (file === undefined) return undefined;
  const lines = readFileSync(join(workspace, file), 'utf8').split('\n');
  const names = [metric, metric.replace(/^\w+\./, '')].map(
    name => new RegExp(`(?<![\\w.])${name}(?![\\w.])`),
  );
  const at = names.map(name => lines.findIndex(line => name.test(line.replace(/#.*/, ''))));
  return { file, line: (at.find(line => line >= 0) ?? 0) + 1 };
}

interface Annotating {
  readonly file?: string;
  readonly severity?: 'error' | 'warning';
  readonly workspace?: string | undefined;
}

/** One `::error` or `::warning` line per diagnostic. */
export function formatAnnotations(diagnostics: readonly Diagnostic[], annotating: Annotating): string {
  return diagnostics.map(diagnostic => `${annotation(diagnostic, annotating)}\n`).join('');
}

function annotation(d: Diagnostic, { file, severity = 'error', workspace }: Annotating): string {
  const isFile = d.file !== undefined && d.file !== '--set';
  const { line, column = 1, length = 1 } = d;
  const place = isFile && line !== undefined ? { line, col: column, endColumn: column + length } : {};
  const path = isFile ? d.file : file;
  const inside = workspace === undefined || path === undefined ? undefined : relativeTo(workspace, path);
  const named = path === undefined ? {} : { file: inside ?? path };
  const sentence = [
    isFile || d.source === undefined ? d.message : `--set ${d.source}: ${d.message}`,
    ...(d.expected === undefined ? [] : [`expected: ${d.expected}`]),
    ...(d.got === undefined ? [] : [`got: ${d.got}`]),
    ...(d.suggestion === undefined ? [] : [`did you mean ${d.suggestion}?`]),
  ];
  return command(severity, { ...named, ...place, title: d.code }, sentence.join('\n'));
}

/** One workflow command, without a newline. */
function command(
  kind: 'error' | 'warning' | 'notice',
  properties: Readonly<Record<string, unknown>>,
  message: string,
): string {
  const list = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(String(value))}`);
  return `::${kind} ${list.join(',')}::${escapeMessage(message)}`;
}

function escapeMessage(text: string): string {
  const shown = text.split(/\r?\n/).map(printable).join('\n');
  return shown.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeMessage(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/**
 * The position of a gate in the checkout `workspace`; undefined if it has no such file.
 * @param configFiles absolute paths on the machine of the run. For a path outside the checkout,
 *   uses the file whose path shares the longest end with it
 */
function placeOfGate(origin: string, configFiles: readonly string[], workspace: string) {
  const [, named, line, col] = /^(.+):(\d+):(\d+)$/.exec(origin) ?? [];
  if (named === undefined) return undefined;
  const wanted = partsOf(normalize(named)).filter(part => part !== '..');
  const [file] = configFiles
    .filter(path => partsOf(path).slice(-wanted.length).join('/') === wanted.join('/'))
    .flatMap(path => inWorkspace(path, workspace));
  return file === undefined ? undefined : { file, line: Number(line), col: Number(col) };
}

/** The files of the checkout that a path on another machine may mean, the likeliest first. */
function inWorkspace(path: string, workspace: string): string[] {
  const parts = partsOf(path);
  const all = [path, ...parts.map((_, i) => join(workspace, ...parts.slice(i)))];
  return all.filter(isFile).flatMap(file => relativeTo(workspace, file) ?? []);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** With forward slashes, as GitHub requires; undefined if it is outside or does not exist. */
function relativeTo(root: string, path: string): string | undefined {
  if (!existsSync(path) || !existsSync(root)) return undefined;
  const inside = relative(realpathSync(root), realpathSync(path));
  if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) return undefined;
  return inside.split(sep).join('/');
}

function partsOf(path: string): string[] {
  return path.split(/[\\/]/).filter(part => part !== '' && part !== '.');
}

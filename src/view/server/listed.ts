/**
 * The entries of the list: runs from their summary and manifest, or from the end of their log while
 * they run or after they were killed; sweeps from their plan and journal. Their files must be
 * regular ones: a browser must not make the server follow a link or block on a pipe.
 */

import { lstatSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isAbsent, type OpenedFile, withFile } from '../../run/files.js';
import { HistoryCollector } from '../../run/history.js';
import { parseEvent } from '../../run/log.js';
import { Run } from '../../run/run.js';
import type { Summary } from '../../run/summary.js';
import { readSweepResults } from '../../sweep/index.js';
import { UserError, usageError } from '../../util/errors.js';
import type { CommonConfig, Listed, ListedRun, ListedSweep } from '../document.js';
import { sweepRowOf, worstOf } from '../index-report.js';
import { configTexts, finalMetrics, newestOf } from '../run-report.js';

/** Files that the list and the report of a run read. */
export const RUN_FILES = [
  'config.resolved.yaml',
  'config.yaml',
  'manifest.json',
  'summary.json',
  'log.jsonl',
  'run.lock',
  'evaluation.json',
  'notes.json',
  'checkpoints',
] as const;

export const SWEEP_FILES = [
  'plan.json',
  'journal.jsonl',
  'sweep.yaml',
  'sweep.lock',
  'summary.json',
  'notes.json',
  'configs',
  'trials',
] as const;

const FOLDERS: readonly string[] = ['checkpoints', 'configs', 'trials'];

/**
 * The inode, size and modification time of each file of `folder`. Throws if one is a link, which
 * could lead out of the folder, or a pipe, which could block its reader.
 */
export function signatureOf(folder: string, files: readonly string[]): string {
  return files.map(name => signatureOfFile(join(folder, name))).join(' ');
}

function signatureOfFile(path: string): string {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return '-';
  const name = basename(path);
  const isExpected = FOLDERS.includes(name) ? found.isDirectory() : found.isFile();
  if (!isExpected)
    throw usageError({
      code: 'serve/special',
      message: `${name}: this is ${found.isSymbolicLink() ? 'a symbolic link, which cellrun does not follow' : 'not a regular file'}`,
      file: path,
    });
  return `${found.ino}:${found.size}:${found.mtimeMs}`;
}

/** A file that is damaged or cannot be read, rather than a defect of the program. */
export function isFileProblem(error: unknown): error is Error {
  return error instanceof UserError || (error instanceof Error && 'syscall' in error);
}

export function configOf(folder: string): CommonConfig | null {
  try {
    // links are not followed
    signatureOf(folder, ['config.resolved.yaml']);
    return configTexts(Run.open(folder).config);
  } catch (error) {
    if (isFileProblem(error)) return null;
    throw error;
  }
}

export interface Place {
  readonly kind: 'run' | 'sweep';
  readonly path: string;
  readonly folder: string;
}

/** The entry without its config, which takes longest to read. */
export function listRun({ path, folder }: Place, isWorkedOn: boolean): ListedRun {
  const run = Run.open(folder);
  const { directory } = run;
  const id = basename(folder);
  const { tags, note } = directory.notes.read();
  const facts = { kind: 'run' as const, path, id, tags, note, config: null, sparkline: null };
  const { summary } = run;
  if (summary !== undefined && !isWorkedOn) {
    const { name, status, seed } = summary;
    // avoids reading thousands of manifests for what the folder's name contains
    const started = startOf(id) ?? run.manifest?.started ?? null;
    return { ...facts, name, state: status, started, seed, ...fromSummary(summary) };
  }
  const { manifest } = run;
  return {
    ...facts,
    name: manifest?.name ?? basename(dirname(folder)),
    state: isWorkedOn ? 'running' : 'killed',
    started: manifest?.started ?? startOf(id) ?? null,
    seed: manifest?.seeds.experiment ?? null,
    ...fromLog(directory.files.log),
  };
}

/** The start time in a run's ID, such as `20260131T120000Z-2a58fd13`. */
function startOf(id: string): string | undefined {
  const [, year, month, day, hours, minutes, seconds] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(id) ?? [];
  return year && `${year}-${month}-${day}T${hours}:${minutes}:${seconds}.000Z`;
}

function fromSummary({ steps, epochs, metrics, gates, duration_s, message }: Summary) {
  return {
    steps,
    epochs,
    metrics: finalMetrics(metrics),
    gates: worstOf(gates.map(({ verdict }) => verdict)),
    duration_s,
    message: message ?? null,
  };
}

/** Bytes read from the end of a log: some hundred events, including any recent evaluation. */
const END_BYTES = 65_536;

function fromLog(path: string) {
  const collector = new HistoryCollector(END_BYTES);
  const lines = isAbsent(path) ? [] : withFile(path, linesAtEnd, { maxBytes: Number.POSITIVE_INFINITY });
  for (const line of lines) {
    const event = parseEvent(line);
    if (typeof event !== 'string') collector.add(event);
  }
  const { curves, last } = collector.history;
  return { ...NO_RESULTS, steps: last.step, epochs: last.epoch, metrics: newestOf(curves) };
}

/** The first line may be cut and is skipped, like text after the last line break. */
function linesAtEnd(file: OpenedFile): readonly string[] {
  const from = Math.max(0, file.bytes - END_BYTES);
  const lines = file.read(from, END_BYTES).toString('utf8').split('\n');
  return lines.slice(from === 0 ? 0 : 1, -1);
}

const NO_RESULTS = { steps: 0, epochs: 0, metrics: [], gates: null, duration_s: null, message: null };

export function listSweep({ path, folder }: Place): ListedSweep {
  const results = readSweepResults(folder);
  const { plan, state, records } = results;
  return {
    ...sweepRowOf(results, path),
    kind: 'sweep',
    planned_trials: plan.budget.trials,
    running: state === 'running' ? new Set(records.running.map(({ trial }) => trial)).size : 0,
    message: null,
  };
}

/** The entry of a run or sweep whose files cannot be read. */
export function damaged({ kind, path, folder }: Place, message: string): Listed {
  const facts = {
    ...NO_RESULTS,
    path,
    name: basename(dirname(folder)),
    id: basename(folder),
    state: 'damaged' as const,
    started: null,
    tags: [],
    note: null,
    message,
  };
  return kind === 'run'
    ? { kind, ...facts, seed: null, config: null, sparkline: null }
    : { kind, ...facts, metric: '', trials: 0, planned_trials: null, running: 0, best: null };
}

/**
 * The entries of the list: runs from their summary and manifest, or from the end of their log while
 * they run or after they were killed; sweeps from their plan and journal. Their files must be
 * regular ones: a browser must not make the server follow a link or block on a pipe.
 */

import { lstatSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isAbsent, type OpenedFile, withFile } from '../../run/files.js';
import { finalName, pointsOf } from '../../run/history.js';
import { type JsonObject, nonFiniteName, unspellNumbers } from '../../run/json.js';
import { type LogRecord, parseEvent } from '../../run/log.js';
import { Run } from '../../run/run.js';
import type { Summary } from '../../run/summary.js';
import { readSweepResults } from '../../sweep/index.js';
import { usageError } from '../../util/errors.js';
import type { ListedRun, ListedSweep } from '../document.js';
import { sweepRowOf, worstOf } from '../index-report.js';
import { finalMetrics } from '../run-report.js';

/** Files of a run that the list reads. */
export const LISTED_FILES = ['summary.json', 'manifest.json', 'log.jsonl', 'notes.json'] as const;

/** Files that the report of a run reads. */
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

/** Directories among them. */
const FOLDERS: readonly string[] = ['checkpoints', 'configs', 'trials'];

/** Signature of a missing file. */
const ABSENT = '-';

/**
 * The inode, size and modification time of each file of `folder`: equal texts for unchanged files.
 * @throws UserError (exit 2) if one is a link, which could lead out of the folder, or not a regular
 *   file, such as a pipe, which could block its reader
 */
export function signatureOf(folder: string, files: readonly string[]): string {
  return files.map(name => signatureOfFile(join(folder, name))).join(' ');
}

function signatureOfFile(path: string): string {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return ABSENT;
  refuseUnsafe(path, found);
  return `${found.ino}:${found.size}:${found.mtimeMs}`;
}

function refuseUnsafe(path: string, found: Stats): void {
  const name = basename(path);
  const refused = (code: string, message: string) =>
    usageError({ code, message: `${name}: ${message}`, file: path });
  if (found.isSymbolicLink())
    throw refused('serve/link', 'this is a symbolic link, which cellrun does not follow');
  if (!(FOLDERS.includes(name) ? found.isDirectory() : found.isFile()))
    throw refused('serve/special', 'this is not a regular file');
}

/** Bytes read from the end of a log: some hundred events, including any recent evaluation. */
const END_BYTES = 65_536;

export interface RunPlace {
  /** Relative to the root, with slashes. */
  readonly path: string;
  /** Absolute. */
  readonly folder: string;
}

/**
 * The entry without its config, which takes longest to read.
 * @throws UserError (exit 2 or 5) if a file cannot be read
 */
export function listRun({ path, folder }: RunPlace, isWorkedOn: boolean): ListedRun {
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
    ...fromLog(endOfLog(directory.files.log)),
  };
}

/**
 * The start time from a run's ID, such as `20260131T120000Z-2a58fd13`; undefined for other names.
 */
function startOf(id: string): string | undefined {
  const [, year, month, day, hours, minutes, seconds] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(id) ?? [];
  return year && `${year}-${month}-${day}T${hours}:${minutes}:${seconds}.000Z`;
}

/** The entry of a run whose files cannot be read. */
export function damagedRun({ path, folder }: RunPlace, message: string): ListedRun {
  return {
    kind: 'run',
    path,
    name: basename(dirname(folder)),
    id: basename(folder),
    state: 'damaged',
    started: null,
    seed: null,
    tags: [],
    note: null,
    config: null,
    steps: 0,
    epochs: 0,
    metrics: [],
    gates: null,
    duration_s: null,
    sparkline: null,
    message,
  };
}

type FromFiles = Pick<ListedRun, 'steps' | 'epochs' | 'metrics' | 'gates' | 'duration_s' | 'message'>;

function fromSummary({ steps, epochs, metrics, gates, duration_s, message }: Summary): FromFiles {
  return {
    steps,
    epochs,
    metrics: finalMetrics(metrics),
    gates: worstOf(gates.map(({ verdict }) => verdict)),
    duration_s,
    message: message ?? null,
  };
}

function fromLog({ step, epoch, metrics }: Newest): FromFiles {
  const measured = [...metrics].map(([name, value]) => ({ name, value: nonFiniteName(value) ?? value }));
  return { steps: step, epochs: epoch, metrics: measured, gates: null, duration_s: null, message: null };
}

interface Newest {
  step: number;
  epoch: number;
  /** The latest value of each metric, by name. */
  readonly metrics: Map<string, number>;
}

function endOfLog(path: string): Newest {
  const newest: Newest = { step: 0, epoch: 0, metrics: new Map() };
  if (isAbsent(path)) return newest;
  const lines = withFile(path, linesAtEnd, { maxBytes: Number.POSITIVE_INFINITY });
  for (const line of lines) {
    const event = parseEvent(line);
    if (typeof event !== 'string') take(event, newest);
  }
  return newest;
}

/** The first line may be cut and is skipped, like text after the last line break. */
function linesAtEnd(file: OpenedFile): readonly string[] {
  const from = Math.max(0, file.bytes - END_BYTES);
  const lines = file.read(from, END_BYTES).toString('utf8').split('\n');
  return lines.slice(from === 0 ? 0 : 1, -1);
}

function take(event: LogRecord, newest: Newest): void {
  const points = pointsOf(event);
  const numbers = unspellNumbers(event as JsonObject);
  for (const { curve } of points) {
    const [, metric] = curve.split('.');
    // the training loss is that of the latest batch
    const name = curve === 'train.loss' ? curve : finalName(curve);
    if (name !== undefined && curve !== 'epoch.loss') newest.metrics.set(name, numbers[metric]);
  }
  if (points.length === 0) return;
  newest.step = numbers.step;
  newest.epoch = numbers.epoch ?? newest.epoch;
}

/** @throws UserError (exit 2 or 5) if a file cannot be read */
export function listSweep({ path, folder }: RunPlace): ListedSweep {
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

/** The entry of a sweep whose files cannot be read. */
export function damagedSweep({ path, folder }: RunPlace, message: string): ListedSweep {
  return {
    kind: 'sweep',
    path,
    name: basename(dirname(folder)),
    id: basename(folder),
    state: 'damaged',
    started: null,
    metric: '',
    trials: 0,
    planned_trials: null,
    running: 0,
    best: null,
    duration_s: null,
    tags: [],
    note: null,
    message,
  };
}

/**
 * A run's entry in the list: from its summary and manifest, or from the end of its log while it
 * runs or after it was killed.
 */
import { basename, dirname } from 'node:path';
import { RunDirectory } from '../../run/directory.js';
import type { Verdict } from '../../run/events.js';
import { isAbsent, type OpenedFile, withFile } from '../../run/files.js';
import { finalName, pointsOf } from '../../run/history.js';
import { type JsonObject, nonFiniteName, unspellNumbers } from '../../run/json.js';
import { type LogRecord, parseEvent } from '../../run/log.js';
import type { Summary } from '../../run/summary.js';
import type { ListedRun } from './documents.js';

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
  const directory = RunDirectory.open(folder);
  const id = basename(folder);
  const { tags, note } = directory.notes.read();
  const summary = directory.readSummary();
  if (summary !== undefined && !isWorkedOn) {
    const { name, status, seed } = summary;
    // avoids reading thousands of manifests for what the folder's name contains
    const started = startOf(id) ?? directory.readManifest()?.started ?? null;
    return {
      kind: 'run',
      path,
      name,
      id,
      state: status,
      started,
      seed,
      tags,
      note,
      config: null,
      sparkline: null,
      ...fromSummary(summary),
    };
  }
  const manifest = directory.readManifest();
  return {
    kind: 'run',
    path,
    name: manifest?.name ?? basename(dirname(folder)),
    id,
    state: isWorkedOn ? 'running' : 'killed',
    started: manifest?.started ?? startOf(id) ?? null,
    seed: manifest?.seeds.experiment ?? null,
    tags,
    note,
    config: null,
    sparkline: null,
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
  const measured = (['train', 'validation', 'test'] as const).flatMap(split =>
    Object.entries(metrics[split] ?? {}).map(([name, value]) => ({
      name: `${split}.${name}`,
      value: nonFiniteName(value) ?? value,
    })),
  );
  return { steps, epochs, metrics: measured, gates: worstOf(gates), duration_s, message: message ?? null };
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

function worstOf(gates: Summary['gates']): Verdict | null {
  const order: readonly Verdict[] = ['failed', 'inconclusive', 'passed'];
  return order.find(verdict => gates.some(gate => gate.verdict === verdict)) ?? null;
}

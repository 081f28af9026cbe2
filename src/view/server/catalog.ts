/**
 * Keeps track of the runs and sweeps under the root: runs from their summary and manifest, or from
 * the end of their log until they have ended; sweeps from their plan and journal. One is read again
 * only if the time, size or number of a file changed. Paths from a browser are looked up here and
 * never opened directly.
 */

import { existsSync, lstatSync } from 'node:fs';
import { basename, join, resolve, sep } from 'node:path';
import { DEPTH, deeperFolder, type Found, findRuns, findTrials, kindOf } from '../../run/find.js';
import { HistoryCollector, type RunHistory } from '../../run/history.js';
import { isLocked } from '../../run/lock.js';
import { lastRecords } from '../../run/log.js';
import { Run } from '../../run/run.js';
import { isSweepWorkedOn, readSweepResults } from '../../sweep/results.js';
import { UserError, usageError } from '../../util/errors.js';
import { type ConfigTexts, listOf, pathUnder, runRowOf } from '../report.js';
import { configTexts, endOf } from '../run-report.js';
import { type SweepRow, sweepRowOf } from '../sweep-report.js';

/** Entries that are read before other work gets a turn: some ten milliseconds. */
const TURN = 200;
const FRESH_MS = 250;
/** Configs read in one refresh, the newest runs first: about 300 ms. */
const MAX_CONFIGS = 100;

export type ListDocument = ReturnType<typeof documentOf>;

interface Place {
  readonly kind: Found['kind'];
  /** In the list. */
  readonly path: string;
  readonly folder: string;
}

interface Known extends Place {
  readonly signature: string;
  readonly run?: ReturnType<typeof listedRun>;
  readonly sweep?: SweepRow;
  /** Why it cannot be read. */
  readonly message?: string;
  /** Undefined until it is read, null if it cannot be; the run's own page shows the reason. */
  config?: ConfigTexts | null;
}

export class Catalog {
  /** Increases with every change of the list. */
  version = 0;
  list: ListDocument;
  private known: ReadonlyMap<string, Known> = new Map();
  private refreshing: Promise<void> | undefined;
  private lookedAt = Number.NEGATIVE_INFINITY;

  /** @param root a folder of experiments, a run or a sweep; it need not exist yet */
  constructor(root: string) {
    this.list = documentOf(resolve(root), false, null, []);
  }

  /** Reads all changed files. */
  refresh(): Promise<void> {
    this.refreshing ??= this.look().finally(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  /** Refreshes unless that just happened: starting the server already reads everything. */
  async freshen(): Promise<void> {
    if (performance.now() - this.lookedAt > FRESH_MS) await this.refresh();
  }

  /**
   * The folder of the run or sweep at `path` in the list, or of a trial's run at
   * `SWEEP/trials/NAME`. Undefined if there is none.
   */
  async find(kind: Found['kind'], path: string): Promise<string | undefined> {
    const known = this.folderOf(kind, path);
    if (known !== undefined) return known;
    // it may be new
    await this.refresh();
    return this.folderOf(kind, path);
  }

  private folderOf(kind: Found['kind'], path: string): string | undefined {
    const found = this.known.get(path);
    if (found !== undefined) return found.kind === kind ? found.folder : undefined;
    const [, sweep = '', id] = /^(.+)\/trials\/([^/]+)$/.exec(path) ?? [];
    const owner = this.known.get(sweep);
    if (kind !== 'run' || owner?.kind !== 'sweep') return undefined;
    const trials = lstatSync(join(owner.folder, 'trials'), { throwIfNoEntry: false });
    if (trials?.isSymbolicLink()) return undefined;
    return findTrials(owner.folder).find(found => found.id === id)?.path;
  }

  private async look(): Promise<void> {
    const { root, exists, deeper } = this.list;
    const places = placesUnder(root);
    const known = new Map<string, Known>();
    for (const [i, place] of places.entries()) {
      if (i % TURN === TURN - 1) await nextTurn();
      known.set(place.path, lookAt(place, this.known.get(place.path)));
    }
    const unread = [...known.values()].filter(({ run, config }) => run && config === undefined);
    unread.sort((a, b) => (basename(a.folder) < basename(b.folder) ? 1 : -1));
    for (const name of unread.slice(0, MAX_CONFIGS)) {
      name.config = configOf(name.folder);
      await nextTurn();
    }
    const now = { exists: existsSync(root), deeper: deeperUnder(root, places) };
    const isSame =
      now.exists === exists &&
      now.deeper === deeper &&
      unread.length === 0 &&
      known.size === this.known.size &&
      [...known].every(([path, folder]) => this.known.get(path) === folder);
    this.known = known;
    this.lookedAt = performance.now();
    if (isSame) return;
    this.version += 1;
    this.list = documentOf(root, now.exists, now.deeper, [...known.values()]);
  }
}

function documentOf(root: string, exists: boolean, deeper: string | null, known: readonly Known[]) {
  return {
    kind: 'list' as const,
    version: 1 as const,
    ...{ root, exists, deeper },
    depth: DEPTH,
    ...listOf(
      known.flatMap(({ run, config = null }) => (run ? [{ ...run, config }] : [])),
      known.flatMap(({ sweep }) => sweep ?? []),
      known.flatMap(({ path, message }) => (message === undefined ? [] : [{ path, message }])),
    ),
  };
}

export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

function placesUnder(root: string): readonly Place[] {
  if (!existsSync(root)) return [];
  const kind = kindOf(root);
  if (kind !== undefined) return [{ kind, path: basename(root), folder: root }];
  return findRuns(root).map(({ kind, path }) => ({ kind, path: pathUnder(root, path), folder: path }));
}

function deeperUnder(root: string, places: readonly Place[]): string | null {
  if (!existsSync(root) || places[0]?.folder === root) return null;
  const found = places.map(({ folder }) => ({ path: folder }));
  return deeperFolder(root, found)?.split(sep).join('/') ?? null;
}

/** A run that cannot be read, or disappears meanwhile, must not hide the others. */
function lookAt(place: Place, before: Known | undefined): Known {
  const { kind, path, folder } = place;
  const isRun = kind === 'run';
  try {
    const isWorkedOn = isRun ? isLocked(join(folder, 'run.lock')) : isSweepWorkedOn(folder);
    const signature = `${signatureOf(folder, isRun ? RUN_FILES : SWEEP_FILES)} ${isWorkedOn}`;
    if (before?.signature === signature) return before;
    return isRun
      ? { ...place, signature, run: listedRun(place) }
      : { ...place, signature, sweep: sweepRowOf(readSweepResults(folder), path) };
  } catch (error) {
    if (!isFileProblem(error)) throw error;
    const { message } = error;
    return before?.signature === message ? before : { ...place, signature: message, message };
  }
}

function listedRun({ path, folder }: Place) {
  const run = Run.open(folder);
  const row = runRowOf(run, path, () => historyAtEnd(run.directory.files.log));
  // of a copy the name of its folder, since its files have the id of the original
  return { ...row, id: basename(folder), message: endOf(run)?.message ?? null };
}

/** More points than the part of a log that is read can have. */
const CAPACITY = 65_536;

function historyAtEnd(path: string): RunHistory {
  const collector = new HistoryCollector(CAPACITY);
  for (const event of lastRecords(path)) collector.add(event);
  const { history } = collector;
  const { step, epoch } = history.last;
  // the last epoch may have ended before what was read
  return history.epochs.length > 0
    ? history
    : { ...history, epochs: [{ step, epoch: Math.max(0, epoch - 1) }] };
}

function configOf(folder: string): ConfigTexts | null {
  try {
    // links are not followed
    signatureOf(folder, ['config.resolved.yaml']);
    return configTexts(Run.open(folder).config);
  } catch (error) {
    if (isFileProblem(error)) return null;
    throw error;
  }
}

/** What the list and the report of a run read; folders end with a slash. */
export const RUN_FILES =
  'config.resolved.yaml config.yaml manifest.json summary.json log.jsonl run.lock evaluation.json notes.json checkpoints/'.split(
    ' ',
  );
export const SWEEP_FILES =
  'plan.json journal.jsonl sweep.yaml sweep.lock summary.json notes.json configs/ trials/'.split(' ');

/**
 * The inode, size and modification time of each file of `folder`. Throws if one is a link, which
 * could lead out of the folder, or a pipe, which could block its reader.
 */
export function signatureOf(folder: string, files: readonly string[]): string {
  const signatures = files.map(name => {
    const file = join(folder, basename(name));
    const found = lstatSync(file, { throwIfNoEntry: false });
    if (found === undefined) return '-';
    const isExpected = name.endsWith('/') ? found.isDirectory() : found.isFile();
    if (isExpected) return `${found.ino}:${found.size}:${found.mtimeMs}`;
    const what = found.isSymbolicLink()
      ? 'a symbolic link, which cellrun does not follow'
      : 'not a regular file';
    throw usageError('serve/special', `${basename(name)}: this is ${what}`, { file });
  });
  return signatures.join(' ');
}

/** A file that is damaged or cannot be read, rather than a defect of the program. */
export function isFileProblem(error: unknown): error is Error {
  return error instanceof UserError || (error instanceof Error && 'syscall' in error);
}

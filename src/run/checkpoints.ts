/**
 * The `checkpoints/` folder of a run. The checkpoint files are authoritative: each has its step,
 * epoch and metric in its checked header, so nothing depends on an up-to-date list. Each file is
 * complete or absent. `index.json` is written for other readers; here it only reveals missing
 * files. It is replaced before a file is removed, so it never names one that the run itself
 * removed.
 */

import { basename, dirname, fs, join } from '../host/index.js';
import {
  caught,
  type Diagnostic,
  damagedError,
  damagedErrors,
  EXIT,
  UserError,
  usageError,
} from '../util/errors.js';
import {
  choice,
  count,
  document,
  list,
  literal,
  nullable,
  number,
  struct,
  type TypeOf,
  text,
} from '../util/schema.js';
import { withFileErrors } from '../util/system-errors.js';
import { flushFolder, isAbsent, removeTemporaryFiles, unreadable, writeJsonAtomic } from './files.js';
import { readJson, spellNonFinite } from './json.js';
import { refuseUnlessOwned } from './lock.js';
import { readSafetensors, readSafetensorsMetadata, type Tensors, writeSafetensors } from './safetensors.js';
import type { SavedCheckpoints } from './summary.js';

export interface CheckpointHeader {
  readonly path: string;
  readonly step: number;
  readonly epoch: number;
  readonly metric: {
    readonly name: string;
    readonly mode: 'min' | 'max';
    /** Null if it was not measured or not finite: such a checkpoint is never the best. */
    readonly value: number | null;
  };
  /** True for a checkpoint that only serves to resume; the next one replaces it. */
  readonly temporary: boolean;
  /** What the run says of its state; numbers that are not finite are spelled out in the file. */
  readonly metadata: { readonly [key: string]: unknown };
}

export interface Checkpoint extends CheckpointHeader {
  readonly tensors: Tensors;
}

const fileName = { pattern: '^step-\\d{8,}\\.safetensors$' };

export const checkpointIndex = document(
  'Checkpoint index',
  'checkpoints/index.json of a run. The checkpoint files carry the same facts in their headers, under the key cellrun of __metadata__; the program itself reads those.',
  {
    version: literal(1, 'Version of this format.'),
    metric: text('The metric that determines the best checkpoint.'),
    mode: choice(['min', 'max'], 'Whether less or more is better.'),
    last: text({ description: 'File of the newest checkpoint.', ...fileName }),
    best: nullable(text('File of the best checkpoint; null if no metric was finite.')),
    checkpoints: list(
      struct('A checkpoint.', {
        file: text({ description: 'Its name in this folder.', ...fileName }),
        step: count('Completed optimizer steps.'),
        epoch: count('Completed epochs.'),
        metric: nullable(number('null if not measured or not finite.')),
      }),
      { description: 'All checkpoints, by ascending step.', minItems: 1 },
    ),
  },
);

type CheckpointIndex = TypeOf<typeof checkpointIndex>;

export interface CheckpointPolicy {
  readonly keep: { readonly last: number; readonly best: number };
  readonly metric: string;
  readonly mode: 'min' | 'max';
}

export interface CheckpointInput extends Omit<Checkpoint, 'path' | 'metric'> {
  readonly metric: number | null;
}

export type CheckpointStore = ReturnType<typeof openCheckpoints>;
export type SavedCheckpoint = ReturnType<CheckpointStore['save']>;

/**
 * Opens `folder` to write checkpoints and remove old ones according to a policy; creates it if it
 * is missing, and completes an interrupted save.
 */
export function openCheckpoints(folder: string, { keep, metric: name, mode }: CheckpointPolicy) {
  withFileErrors(folder, () => {
    refuseLink(folder);
    fs.mkdirSync(folder, { recursive: true });
    flushFolder(dirname(folder));
  });
  removeTemporaryFiles(folder);
  let entries = listCheckpoints(folder);
  /** Removes old checkpoints. The next save retries files that could not be removed. */
  const prune = (): void => {
    const lasting = entries.filter(({ temporary }) => !temporary);
    const keeps = new Set([
      ...lasting.slice(-Math.max(1, keep.last)),
      ...entries.slice(-1),
      ...rankByMetric(entries).slice(0, keep.best),
    ]);
    const kept = entries.filter(entry => keeps.has(entry));
    const nameOf = (entry: CheckpointHeader | undefined) => (entry ? basename(entry.path) : null);
    const checkpoints = kept.map(({ path, step, epoch, metric: { value } }) => ({
      ...{ file: basename(path), step, epoch, metric: value },
    }));
    const names = { last: nameOf(kept.at(-1)), best: nameOf(bestOf(kept)) };
    writeJsonAtomic(indexPath(folder), { version: 1, metric: name, mode, ...names, checkpoints });
    for (const entry of entries) if (!keeps.has(entry)) remove(entry.path);
    entries = kept;
  };
  // a process killed while saving may have left the old index and files to remove
  if (entries.length > 0) prune();
  return {
    save({ tensors, metric: measured, step, epoch, temporary, metadata }: CheckpointInput) {
      const path = join(folder, checkpointName(step));
      const value = Number.isFinite(measured) ? measured : null;
      const state = { step, epoch, metric: { name, mode, value }, temporary, metadata };
      const text = JSON.stringify(spellNonFinite({ version: 1, ...state }));
      const bytes = writeSafetensors(path, tensors, { format: 'pt', [STATE_KEY]: text });
      const entry = { path, ...state };
      entries = [...entries.filter(other => other.step !== step), entry].sort((a, b) => a.step - b.step);
      prune();
      return { path, bytes, best: bestOf(entries) === entry };
    },
    wouldBeBest(value: number): boolean {
      const best = bestOf(entries)?.metric.value ?? undefined;
      if (best === undefined) return Number.isFinite(value);
      return mode === 'max' ? value > best : value < best;
    },
  };
}

function remove(path: string): void {
  refuseUnlessOwned(path);
  withFileErrors(path, () => fs.rmSync(path, { force: true }));
}

/** A run's files must stay inside its directory. */
function refuseLink(folder: string): void {
  if (!fs.lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw usageError('checkpoint/link', 'checkpoints/ is a symbolic link, which cellrun does not follow', {
    file: folder,
    expected: 'a real directory in each run',
  });
}

/** The one with the best finite metric, the earliest of equal ones. */
export function bestOf(entries: readonly CheckpointHeader[]): CheckpointHeader | undefined {
  return rankByMetric(entries)[0];
}

/** Those with a finite metric, best first; of equal ones the earlier first. */
function rankByMetric(entries: readonly CheckpointHeader[]): CheckpointHeader[] {
  const cost = ({ metric: { mode, value } }: CheckpointHeader) => (value ?? 0) * (mode === 'max' ? -1 : 1);
  return entries
    .filter(entry => entry.metric.value !== null)
    .sort((a, b) => cost(a) - cost(b) || a.step - b.step);
}

/** The fields of summary.json about existing checkpoints. Throws (exit 5) if one is damaged. */
export function savedCheckpoints(folder: string): SavedCheckpoints {
  const entries = listCheckpoints(folder);
  const [last, best] = [entries.at(-1), bestOf(entries)];
  const nameOf = (entry: CheckpointHeader | undefined) =>
    entry ? `${basename(folder)}/${basename(entry.path)}` : null;
  return {
    best: best
      ? { metric: best.metric.name, value: best.metric.value as number, step: best.step, epoch: best.epoch }
      : null,
    checkpoints: { last: nameOf(last), best: nameOf(best) },
  };
}

/** In ascending order of steps. */
export function listCheckpoints(folder: string): CheckpointHeader[] {
  return checkpointNames(folder).map(name => headerOf(join(folder, name)));
}

/**
 * Names of the checkpoints in `folder` by ascending step; empty if there is no such folder. An
 * unreadable folder is not treated as empty, or a run would start over.
 */
export function checkpointNames(folder: string): string[] {
  if (isAbsent(folder)) return [];
  try {
    // steps of more than eight digits have longer names
    const byStep = (a: string, b: string) => a.length - b.length || (a < b ? -1 : 1);
    return fs
      .readdirSync(folder)
      .filter(name => FILE_NAME.test(name))
      .sort(byStep);
  } catch (error) {
    throw unreadable(folder, error);
  }
}

const FILE_NAME = /^step-\d{8,16}\.safetensors$/;

function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`;
}

/**
 * The file of a checkpoint of `folder`. Throws if it is absent: exit 5 if `index.json` names it,
 * else exit 2 with the available steps.
 */
export function resolveCheckpoint(folder: string, which: 'last' | 'best' | number): string {
  const names = checkpointNames(folder);
  // names have the step, so only `best` depends on the headers of other checkpoints
  const wanted = which === 'last' ? names.at(-1) : which === 'best' ? undefined : checkpointName(which);
  const isThere = wanted !== undefined && names.includes(wanted);
  const known = isThere ? headerOf(join(folder, wanted)) : undefined;
  const found = which === 'best' ? bestOf(listCheckpoints(folder)) : known;
  // after the headers: a run in training may have replaced its checkpoints since they were listed
  const index = readIndex(folder);
  const named = typeof which === 'number' ? checkpointName(which) : index?.[which];
  const lost = lostCheckpoints(folder, index).filter(({ file }) => basename(file) === named);
  if (lost.length > 0) throw damagedErrors(lost);
  if (found !== undefined) return found.path;
  const steps = listCheckpoints(folder).map(({ step }) => step);
  const what = typeof which === 'number' ? `of step ${which}` : `'${which}'`;
  throw usageError(
    'checkpoint/missing',
    steps.length === 0 ? 'there is no checkpoint here' : `there is no checkpoint ${what} here`,
    { file: folder, expected: steps.length > 0 ? `one of the steps ${steps.join(', ')}` : undefined },
  );
}

/** Runs `read` again if it fails: a run in training may replace its checkpoints meanwhile. */
export function retried<T>(read: () => T): T {
  const result = caught(read);
  return result instanceof UserError ? read() : result;
}

export function loadCheckpoint(path: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(path, { follow: false });
  return { ...stateOf(path, metadata), tensors };
}

function headerOf(path: string): CheckpointHeader {
  return stateOf(path, readSafetensorsMetadata(path, { follow: false }));
}

/** The header key whose value has step, epoch, metric and the caller's metadata as JSON. */
export const STATE_KEY = 'cellrun';

function stateOf(path: string, { [STATE_KEY]: text }: Readonly<Record<string, string>>): CheckpointHeader {
  const state = parsed(text);
  if (state === undefined)
    throw damagedError(
      'checkpoint/no-state',
      `not a checkpoint: the header of this safetensors file has no valid '${STATE_KEY}' entry`,
      { file: path, offset: 8 },
    );
  const { step, epoch, metric, temporary, metadata } = state;
  // a resume sorts by name, a listing by the step in the file
  if (FILE_NAME.test(basename(path)) && basename(path) !== checkpointName(step))
    throw damagedError(
      'checkpoint/step',
      `this file holds the checkpoint of step ${step}, but its name says another step`,
      { file: path, offset: 8, expected: checkpointName(step) },
    );
  return { path, step, epoch, metric, temporary, metadata };
}

/** Its digest was checked, so its values are trusted. */
function parsed(text = ''): Omit<CheckpointHeader, 'path'> | undefined {
  try {
    const state = JSON.parse(text);
    const isState = [state.step, state.epoch].every(Number.isSafeInteger) && 'value' in state.metric;
    return isState && typeof state.metadata === 'object' && state.metadata !== null ? state : undefined;
  } catch {
    return undefined;
  }
}

export function indexPath(folder: string): string {
  return join(folder, 'index.json');
}

/** Undefined if it is absent or damaged: checkpoints are not found through it. */
export function readIndex(folder: string): CheckpointIndex | undefined {
  const index = caught(() => readJson<CheckpointIndex>(indexPath(folder), 'checkpoints'));
  if (!(index instanceof UserError)) return index;
  if (index.exitCode === EXIT.damaged) return undefined;
  throw index;
}

const ASIDE = '.damaged';

/** Files that the index names but that do not exist, not even as set aside. */
function lostCheckpoints(folder: string, index = readIndex(folder)) {
  const paths = (index?.checkpoints ?? []).map(({ file }) => join(folder, file));
  return paths
    .filter(path => !['', ASIDE].some(end => fs.existsSync(path + end)))
    .map(file => ({
      code: 'checkpoint/lost',
      message: 'this checkpoint is missing: checkpoints/index.json lists it, but the file does not exist',
      file,
    }));
}

/**
 * The checkpoint that a run resumes from: the newest intact one. Reads every checkpoint of `folder`
 * and checks its digests; changes nothing.
 */
export function latestCheckpoint(folder: string, { strict }: { readonly strict: boolean }) {
  withFileErrors(folder, () => refuseLink(folder));
  const damaged = new Map<string, readonly Diagnostic[]>();
  let checkpoint: Checkpoint | undefined;
  const whole: CheckpointHeader[] = [];
  for (const name of checkpointNames(folder).toReversed()) {
    const path = join(folder, name);
    const loaded = caught(() => loadCheckpoint(path));
    if (!(loaded instanceof UserError)) {
      checkpoint ??= loaded;
      const { tensors: _, ...header } = loaded;
      whole.push(header);
    } else if (loaded.exitCode === EXIT.damaged) damaged.set(path, loaded.diagnostics);
    else throw loaded;
  }
  const found = [...damaged.values(), lostCheckpoints(folder)].flat();
  const noneLeft = {
    code: 'checkpoint/none-whole',
    message: 'no intact checkpoint is left to resume from',
    file: folder,
    expected: 'an intact checkpoint restored from a backup, or a new run of this config',
  };
  if (found.length > 0 && !checkpoint) throw damagedErrors([...found, noneLeft]);
  if (found.length > 0 && strict) throw damagedErrors(found);
  const setAside = () => {
    for (const path of damaged.keys()) refuseUnlessOwned(path);
    for (const path of damaged.keys()) withFileErrors(path, () => fs.renameSync(path, `${path}${ASIDE}`));
  };
  return { checkpoint, whole, damaged: found, setAside };
}

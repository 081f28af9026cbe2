/**
 * Reads a `checkpoints/` folder. The checkpoint files are authoritative: each has its step, epoch
 * and metric in its checked header, so nothing depends on an up-to-date list. `index.json` is
 * written for other readers; here it only reveals missing files. So a damaged index cannot select
 * another checkpoint, and its digest is checked only when a run is reviewed.
 */

import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Diagnostic, damagedError, UserError, usageError } from '../util/errors.js';
import { isAbsent, unreadable } from './files.js';
import type { JsonObject } from './json.js';
import { pause } from './lock.js';
import { readSafetensors, readSafetensorsMetadata, type Tensors } from './safetensors.js';

export interface CheckpointMetric {
  readonly name: string;
  readonly mode: 'min' | 'max';
  readonly value: number | null;
}

export interface CheckpointEntry {
  readonly path: string;
  /** Completed optimizer steps. */
  readonly step: number;
  /** Completed epochs. */
  readonly epoch: number;
  readonly metric: CheckpointMetric;
  /** True for a checkpoint that only serves to resume; the next one replaces it. */
  readonly temporary: boolean;
}

/** What the header of a checkpoint's file has. */
export interface CheckpointHeader extends CheckpointEntry {
  readonly metadata: JsonObject;
}

export interface Checkpoint extends CheckpointHeader {
  readonly tensors: Tensors;
}

export type Which = 'last' | 'best' | number;

/** The header key whose value has step, epoch, metric and the caller's metadata as JSON. */
export const STATE_KEY = 'cellrun';

/** All checkpoints of `folder` by ascending step; empty if there is no folder. */
export function listCheckpoints(folder: string): CheckpointHeader[] {
  return checkpointNames(folder).map(name => headerOf(join(folder, name)));
}

/**
 * The entry with the best finite metric, the earliest of equal ones; `undefined` if no metric is
 * finite.
 */
export function bestOf(entries: readonly CheckpointEntry[]): CheckpointEntry | undefined {
  return rankByMetric(entries)[0];
}

/** Entries with a finite metric, best first; of equal ones the earlier first. */
export function rankByMetric(entries: readonly CheckpointEntry[]): CheckpointEntry[] {
  const cost = ({ metric }: CheckpointEntry): number =>
    metric.mode === 'max' ? -(metric.value ?? 0) : (metric.value ?? 0);
  return entries
    .filter(entry => entry.metric.value !== null)
    .sort((a, b) => cost(a) - cost(b) || a.step - b.step);
}

/** Finds `last`, `best` or the checkpoint of a step among `entries`. */
export function selectCheckpoint(
  folder: string,
  entries: readonly CheckpointEntry[],
  which: Which,
): CheckpointEntry {
  const found =
    which === 'last'
      ? entries.at(-1)
      : which === 'best'
        ? bestOf(entries)
        : entries.find(e => e.step === which);
  if (found !== undefined) return found;
  const wanted = typeof which === 'number' ? `of step ${which}` : `'${which}'`;
  throw usageError({
    code: 'checkpoint/missing',
    message: entries.length === 0 ? 'there is no checkpoint here' : `there is no checkpoint ${wanted} here`,
    file: folder,
    ...(entries.length > 0 && { expected: `one of the steps ${entries.map(e => e.step).join(', ')}` }),
  });
}

/** Resolves a checkpoint of `folder` to its file. */
export function resolveCheckpoint(folder: string, which: Which): string {
  const names = checkpointNames(folder);
  // names have the step, so only `best` depends on the headers of other checkpoints
  const wanted = which === 'last' ? names.at(-1) : which === 'best' ? undefined : checkpointName(which);
  const entries =
    wanted !== undefined && names.includes(wanted)
      ? [headerOf(join(folder, wanted))]
      : listCheckpoints(folder);
  // after the headers: a run in training may have replaced its checkpoints since they were listed
  checkNotLost(folder, names, which);
  return selectCheckpoint(folder, entries, which).path;
}

/** Code of the error that a checkpoint of the index is missing. */
const LOST = 'checkpoint/lost';

/**
 * Without this check, another checkpoint would be used instead of the missing one that the index
 * names.
 */
function checkNotLost(folder: string, names: readonly string[], which: Which): void {
  const index = readIndex(folder);
  if (index === undefined) return;
  const named =
    which === 'last'
      ? index.last
      : which === 'best'
        ? index.best
        : index.files.find(file => file === checkpointName(which));
  if (named === undefined || named === null || names.includes(named)) return;
  throw damagedError({
    code: LOST,
    message: 'this checkpoint is missing: checkpoints/index.json lists it, but the file does not exist',
    file: join(folder, named),
  });
}

/** Times that {@link rereading} reads, and the pause between them. */
const TRIES = 5;
const PAUSE_MS = 20;

/**
 * Runs `read` again if a checkpoint that it found is gone: a run in training replaces its
 * checkpoints meanwhile.
 */
export function rereading<T>(read: () => T): T {
  for (let tries = 1; ; tries++) {
    try {
      return read();
    } catch (error) {
      if (tries === TRIES || !(error instanceof UserError) || !error.diagnostics.some(isGone)) throw error;
      pause(PAUSE_MS);
    }
  }
}

function isGone({ code, file }: Diagnostic): boolean {
  // a file that the index names may be there by now
  return code === LOST || (file !== undefined && isCheckpointName(basename(file)) && isAbsent(file));
}

/** Reads one checkpoint file with all its tensors and checks its digests. */
export function loadCheckpoint(path: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(path, { follow: false });
  const state = stateOf(path, metadata);
  return {
    path,
    step: state.step,
    epoch: state.epoch,
    metric: state.metric,
    temporary: state.temporary,
    metadata: state.metadata,
    tensors,
  };
}

function headerOf(path: string): CheckpointHeader {
  const { step, epoch, metric, temporary, metadata } = stateOf(
    path,
    readSafetensorsMetadata(path, { follow: false }),
  );
  return { path, step, epoch, metric, temporary, metadata };
}

interface State {
  readonly step: number;
  readonly epoch: number;
  readonly metric: CheckpointMetric;
  readonly temporary: boolean;
  readonly metadata: JsonObject;
}

function stateOf(path: string, metadata: Readonly<Record<string, string>>): State {
  const text = metadata[STATE_KEY];
  const state = text === undefined ? undefined : parseState(text);
  if (state !== undefined) return checkStep(path, state);
  throw damagedError({
    code: 'checkpoint/no-state',
    message: `not a checkpoint: the header of this safetensors file has no valid '${STATE_KEY}' entry`,
    file: path,
    offset: 8,
  });
}

/**
 * Checks that the step in the file matches its name: a resume sorts by name, a listing by the step
 * in the file.
 */
function checkStep(path: string, state: State): State {
  const name = basename(path);
  if (!isCheckpointName(name) || name === checkpointName(state.step)) return state;
  throw damagedError({
    code: 'checkpoint/step',
    message: `this file holds the checkpoint of step ${state.step}, but its name says another step`,
    file: path,
    offset: 8,
    expected: checkpointName(state.step),
  });
}

function parseState(text: string): State | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isState(value) ? value : undefined;
}

function isState(value: unknown): value is State {
  if (!isObject(value) || !isObject(value.metric) || !isObject(value.metadata)) return false;
  const { name, mode, value: measured } = value.metric;
  const metricFits = typeof name === 'string' && (mode === 'min' || mode === 'max');
  return (
    metricFits &&
    typeof value.temporary === 'boolean' &&
    (measured === null || Number.isFinite(measured)) &&
    isCount(value.step) &&
    isCount(value.epoch)
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/* The files of a `checkpoints/` folder, whose names contain the step. */

const FILE_NAME = /^step-\d{8,16}\.safetensors$/;

export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`;
}

export function isCheckpointName(name: string): boolean {
  return FILE_NAME.test(name);
}

/**
 * Names of the checkpoints in `folder` by ascending step; empty if there is no such folder. An
 * unreadable folder is not treated as empty, or a run would start over.
 */
export function checkpointNames(folder: string): string[] {
  if (isAbsent(folder)) return [];
  try {
    return readdirSync(folder).filter(isCheckpointName).sort(byStep);
  } catch (error) {
    throw unreadable(folder, error);
  }
}

export function refuseLink(folder: string): void {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw usageError({
    code: 'checkpoint/link',
    message: 'checkpoints/ is a symbolic link, which cellrun does not follow',
    file: folder,
    expected: 'a real directory in each run',
  });
}

/** Steps of more than eight digits have longer names. */
function byStep(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}

/*
 * Reads `checkpoints/index.json`: not to find checkpoints, whose files are authoritative, but to
 * notice missing ones. It is replaced before a file is removed, so it never names one that the run
 * itself removed.
 */

const INDEX_NAME = 'index.json';
/** Maximum size: 100 bytes for each of more checkpoints than a folder contains. */
const MAX_BYTES = 2 ** 24;

export interface CheckpointIndex {
  /** File names; `best` is null if no metric was finite. */
  readonly last: string;
  readonly best: string | null;
  /** File names of all kept checkpoints. */
  readonly files: readonly string[];
  /** The metric of `best` and whether `min` or `max` of it is, as far as valid. */
  readonly metric: unknown;
  readonly mode: unknown;
}

export function indexPath(folder: string): string {
  return join(folder, INDEX_NAME);
}

/**
 * The index of `folder`; undefined if it is absent or invalid, because checkpoints are not found
 * through it.
 */
export function readIndex(folder: string): CheckpointIndex | undefined {
  const { last, best, metric, mode, checkpoints } = parsed(textOf(indexPath(folder)));
  if (!isName(last) || !Array.isArray(checkpoints)) return undefined;
  const files = checkpoints.map((entry: unknown) => (isRecord(entry) ? entry.file : undefined));
  return { last, best: isName(best) ? best : null, files: files.filter(isName), metric, mode };
}

/**
 * Why the index of `folder` is unusable; undefined if it is valid, or absent and not `isWanted`.
 */
export function indexProblem(folder: string, isWanted: boolean): string | undefined {
  if (readIndex(folder) !== undefined) return undefined;
  if (!isAbsent(indexPath(folder))) return 'this is not a valid checkpoint index; it will be rewritten';
  return isWanted ? 'the checkpoint index is missing; it will be rewritten' : undefined;
}

/** Facts about a kept checkpoint that are known without opening its file. */
export interface ListedCheckpoint {
  readonly file: string;
  readonly step: number;
  /** Completed epochs. */
  readonly epoch: number;
  /** The metric of `best`; its value is null if it was not measured or is not finite. */
  readonly metric: string;
  readonly value: number | null;
  readonly last: boolean;
  readonly best: boolean;
}

/**
 * The checkpoints that the index of `folder` names, for display only; empty if it is absent or
 * invalid.
 */
export function indexedCheckpoints(folder: string): readonly ListedCheckpoint[] {
  const { metric, last, best, checkpoints } = parsed(textOf(indexPath(folder)));
  if (!Array.isArray(checkpoints)) return [];
  return checkpoints.filter(isRecord).flatMap(({ file, step, epoch, metric: value }) =>
    isName(file) && typeof step === 'number' && typeof epoch === 'number'
      ? [
          {
            file,
            step,
            epoch,
            metric: String(metric),
            value: typeof value === 'number' ? value : null,
            last: file === last,
            best: file === best,
          },
        ]
      : [],
  );
}

/**
 * Content of the file; empty if it cannot be read. Only regular files of normal size are read:
 * reading a pipe could block.
 */
function textOf(path: string): string {
  try {
    const info = lstatSync(path);
    return info.isFile() && info.size <= MAX_BYTES ? readFileSync(path, 'utf8') : '';
  } catch {
    return '';
  }
}

/** True if `name` is a checkpoint's file name, so it cannot lead to another folder. */
function isName(name: unknown): name is string {
  return typeof name === 'string' && isCheckpointName(name);
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/**
 * Reads a `checkpoints/` folder. The checkpoint files are authoritative: each has its step, epoch
 * and metric in its checked header, so nothing depends on an up-to-date list. `index.json` is
 * written for other readers; here it only reveals missing files. It is replaced before a file is
 * removed, so it never names one that the run itself removed.
 */

import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { damagedError, EXIT, UserError, usageError } from '../util/errors.js';
import { isAbsent, unreadable } from './files.js';
import { type JsonObject, readJson } from './json.js';
import { readSafetensors, readSafetensorsMetadata, type Tensors } from './safetensors.js';

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
  readonly metadata: JsonObject;
}

export interface Checkpoint extends CheckpointHeader {
  readonly tensors: Tensors;
}

export type Which = 'last' | 'best' | number;

/** The header key whose value has step, epoch, metric and the caller's metadata as JSON. */
export const STATE_KEY = 'cellrun';

export function listCheckpoints(folder: string): CheckpointHeader[] {
  return checkpointNames(folder).map(name => headerOf(join(folder, name)));
}

/** The one with the best finite metric, the earliest of equal ones. */
export function bestOf<T extends Pick<CheckpointHeader, 'step' | 'metric'>>(
  entries: readonly T[],
): T | undefined {
  return rankByMetric(entries)[0];
}

/** Those with a finite metric, best first; of equal ones the earlier first. */
export function rankByMetric<T extends Pick<CheckpointHeader, 'step' | 'metric'>>(
  entries: readonly T[],
): T[] {
  const cost = ({ metric: { mode, value } }: T): number => (mode === 'max' ? -(value ?? 0) : (value ?? 0));
  return entries
    .filter(entry => entry.metric.value !== null)
    .sort((a, b) => cost(a) - cost(b) || a.step - b.step);
}

/**
 * `last`, `best` or the checkpoint of a step. Throws (exit 2) with the available steps if absent.
 */
export function selectCheckpoint(
  folder: string,
  entries: readonly CheckpointHeader[],
  which: Which,
): CheckpointHeader {
  const ofStep = () => entries.find(({ step }) => step === which);
  const found = which === 'last' ? entries.at(-1) : which === 'best' ? bestOf(entries) : ofStep();
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
  const index = readIndex(folder);
  const named = typeof which === 'number' ? checkpointName(which) : index?.[which];
  const lost = lostCheckpoints(folder, index).filter(file => file === named);
  if (lost.length > 0) throw damagedError(...lost.map(file => lostProblem(folder, file)));
  return selectCheckpoint(folder, entries, which).path;
}

/** Runs `read` again if it fails: a run in training may replace its checkpoints meanwhile. */
export function retried<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return read();
  }
}

export function loadCheckpoint(path: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(path, { follow: false });
  return { ...stateOf(path, metadata), tensors };
}

function headerOf(path: string): CheckpointHeader {
  return stateOf(path, readSafetensorsMetadata(path, { follow: false }));
}

function stateOf(path: string, metadata: Readonly<Record<string, string>>): CheckpointHeader {
  const state = parsed(metadata[STATE_KEY] ?? '');
  if (state === undefined)
    throw damagedError({
      code: 'checkpoint/no-state',
      message: `not a checkpoint: the header of this safetensors file has no valid '${STATE_KEY}' entry`,
      file: path,
      offset: 8,
    });
  const { step, epoch, metric, temporary, metadata: own } = state;
  // a resume sorts by name, a listing by the step in the file
  if (FILE_NAME.test(basename(path)) && basename(path) !== checkpointName(step))
    throw damagedError({
      code: 'checkpoint/step',
      message: `this file holds the checkpoint of step ${step}, but its name says another step`,
      file: path,
      offset: 8,
      expected: checkpointName(step),
    });
  return { path, step, epoch, metric, temporary, metadata: own };
}

/** Its digest was checked, so its values are trusted. */
function parsed(text: string): Omit<CheckpointHeader, 'path'> | undefined {
  try {
    const state = JSON.parse(text);
    const isState = [state.step, state.epoch].every(Number.isSafeInteger) && 'value' in state.metric;
    return isState && typeof state.metadata === 'object' && state.metadata !== null ? state : undefined;
  } catch {
    return undefined;
  }
}

const FILE_NAME = /^step-\d{8,16}\.safetensors$/;

export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`;
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
    return readdirSync(folder)
      .filter(name => FILE_NAME.test(name))
      .sort(byStep);
  } catch (error) {
    throw unreadable(folder, error);
  }
}

/** `index.json`; schema in schemas/checkpoints.schema.json. */
export interface CheckpointIndex {
  readonly version: 1;
  readonly metric: string;
  readonly mode: 'min' | 'max';
  readonly last: string;
  readonly best: string | null;
  readonly checkpoints: readonly {
    readonly file: string;
    readonly step: number;
    readonly epoch: number;
    readonly metric: number | null;
  }[];
}

export function indexPath(folder: string): string {
  return join(folder, 'index.json');
}

/** Undefined if it is absent or damaged: checkpoints are not found through it. */
export function readIndex(folder: string): CheckpointIndex | undefined {
  try {
    return readJson<CheckpointIndex>(indexPath(folder), 'checkpoints');
  } catch (error) {
    if (error instanceof UserError && error.exitCode === EXIT.damaged) return undefined;
    throw error;
  }
}

export const ASIDE = '.damaged';

/** Files that the index names but that do not exist, not even as set aside. */
export function lostCheckpoints(folder: string, index = readIndex(folder)): string[] {
  const isThere = (name: string) => ['', ASIDE].some(end => existsSync(join(folder, name + end)));
  return (index?.checkpoints ?? []).map(({ file }) => file).filter(file => !isThere(file));
}

export function lostProblem(folder: string, file: string) {
  return {
    code: 'checkpoint/lost',
    message: 'this checkpoint is missing: checkpoints/index.json lists it, but the file does not exist',
    file: join(folder, file),
  };
}

/** What the verbs are given after the command line has been read: complete, typed, checked as far as a flag alone can be. */

import { InvalidArgumentError } from 'commander';
import type { Backend, BackendRequest } from '../engine/backend.js';
import type { Width } from '../engine/simd/target.js';
import type { OpenModelOptions, WhichCheckpoint } from '../prediction/saved-model.js';

/** Restated, so that `--help` need not load the engine; the type holds both equal. */
export const BACKEND_REQUESTS = [
  'auto',
  'webgpu',
  'webasm',
  'cpu',
] as const satisfies readonly BackendRequest[];

/** Of `init`. */
export const TEMPLATES = ['mnist', 'csv', 'text', 'forecast'] as const;
export type Template = (typeof TEMPLATES)[number];

/** Where and on how many threads kernels run. */
export interface BackendOptions {
  readonly backend: BackendRequest;
  /** `undefined`: the program chooses. */
  readonly threads: number | undefined;
  /** Bits of vectors on webasm; `undefined`: those that pay. */
  readonly width?: Width | undefined;
}

/** Whether a dashboard is started beside the work, and when it ends. */
export type DashboardOption = 'none' | 'until the end' | 'until a signal';

export interface RunOptions extends BackendOptions {
  /** `key.path=value`, in the order given. */
  readonly set: readonly string[];
  /** The output root, as the user named it. */
  readonly output: string;
  /** The run directory itself, instead of a new one under `output`. */
  readonly directory: string | undefined;
  /** Stop resumably after this epoch. */
  readonly pauseAfterEpoch: number | undefined;
  /** stdout carries one JSON document, the summary. */
  readonly json: boolean;
  /** No progress on stderr; errors and results stay. */
  readonly quiet: boolean;
  readonly dashboard: DashboardOption;
  /** What `notes.json` is to say of the run; nothing else depends on it. */
  readonly tags: readonly string[];
  readonly note: string | undefined;
  /** The arguments after the program's name, for the manifest. */
  readonly commandLine: readonly string[];
}

export interface ResumeOptions
  extends Omit<RunOptions, 'output' | 'directory' | 'backend' | 'tags' | 'note'> {
  /** `undefined`: as the run began. */
  readonly backend: BackendRequest | undefined;
  readonly allowChange: readonly string[];
  readonly strict: boolean;
}

/** What a verb that trains for its own ends decides itself. */
type Conducted = 'commandLine' | 'directory' | 'pauseAfterEpoch' | 'dashboard' | 'tags' | 'note';

export interface VerifyResumeOptions extends Omit<RunOptions, Conducted> {
  /** How often to kill, all runs together. */
  readonly kills: number;
  /** Decides when. */
  readonly seed: number;
}

export interface VerifyGradientsOptions extends Omit<RunOptions, Conducted> {
  /** Sequences that count; `undefined`: the program chooses. */
  readonly rows: number | undefined;
  /** Decides the directions of the differences. */
  readonly seed: number;
}

export interface VerifyBackendsOptions extends Omit<RunOptions, Conducted | 'backend'> {
  /** `undefined`: the program chooses. */
  readonly backends: readonly Backend[] | undefined;
  readonly steps: number;
}

export const GRAPH_FORMATS = ['text', 'json', 'mermaid'] as const;

export interface GraphOptions extends BackendOptions {
  readonly set: readonly string[];
  readonly format: (typeof GRAPH_FORMATS)[number];
  /** Name of a kernel whose source and compiled code are printed instead. */
  readonly emit: string | undefined;
  /** Run a few steps, and print where their time goes. */
  readonly profile?: boolean | undefined;
}

export interface EvaluateOptions extends BackendOptions, OpenModelOptions {
  readonly split: EvaluatedSplit;
  readonly json: boolean;
  readonly quiet: boolean;
  /** Forecast from one origin after another. */
  readonly backtest?: boolean;
}

export const SPLITS = ['test', 'validation', 'train'] as const;
export type EvaluatedSplit = (typeof SPLITS)[number];
export const PREDICTION_FORMATS = ['jsonl', 'csv'] as const;

/** What becomes of a sequence that cannot be read: it ends the predictions, or is left out. */
export const ON_ERROR = ['stop', 'skip'] as const;

export interface PredictOptions extends BackendOptions, OpenModelOptions {
  readonly split: EvaluatedSplit;
  /** A file or `-`, in place of a split. */
  readonly input?: string;
  readonly onError: (typeof ON_ERROR)[number];
  readonly format: (typeof PREDICTION_FORMATS)[number];
  /** The most probable classes that are told; `undefined`: the probabilities of all. */
  readonly top?: number;
  /** Whether text is printed as it is, also what a spreadsheet would take for a formula. */
  readonly raw?: boolean | undefined;
  /** `undefined`: all sequences. */
  readonly limit?: number;
  /** Make up text; the others count only then. */
  readonly generate?: boolean;
  readonly prompt?: string;
  readonly length?: number;
  readonly temperature?: number;
  readonly seed?: number;
}

export function parseTemperature(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('Expected a number of at least 0.');
}

/** For repeatable options: each value after the ones before it. */
export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/** An empty name would mean the working directory, which nobody asks for like that; it is mostly an unset variable. */
export function parseFolder(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('Expected the name of a folder.');
}

export function parseWidth(text: string): Width {
  if (text === '128' || text === '256') return Number(text) as Width;
  throw new InvalidArgumentError('Expected 128 or 256.');
}

export function parseThreads(text: string): number {
  const threads = Number(text);
  if (/^\d+$/.test(text) && threads >= 1 && threads <= 1024) return threads;
  throw new InvalidArgumentError('Expected a whole number from 1 to 1024.');
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= 1e6) return count;
  throw new InvalidArgumentError('Expected a whole number from 1 to 1000000.');
}

/** 0: any that is free. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('Expected a whole number from 0 to 65535.');
}

export function parseSeed(text: string): number {
  const seed = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(seed)) return seed;
  throw new InvalidArgumentError('Expected a whole number.');
}

/** Two or more, such as `cpu,webasm`. */
export function parseBackends(text: string): Backend[] {
  const names = BACKEND_REQUESTS.filter(name => name !== 'auto');
  const wanted = text.split(',').map(word => names.find(name => name === word.trim()));
  if (wanted.includes(undefined) || new Set(wanted).size < 2)
    throw new InvalidArgumentError(`Expected two or more of ${names.join(', ')}, with commas between.`);
  return [...new Set(wanted.filter(name => name !== undefined))];
}

export function parseCheckpoint(text: string): WhichCheckpoint {
  if (text === 'last' || text === 'best') return text;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected 'last', 'best' or the number of a step.");
}

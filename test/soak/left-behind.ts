/**
 * What a process leaves in a run directory when a signal ends it: what it was doing, and whether
 * anything was lost.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointNames, loadCheckpoint, resolveCheckpoint } from '../../src/run/checkpoint-files.js';
import { TEMPORARY_PREFIX } from '../../src/run/files.js';
import { compareRuns } from '../../src/verify/compare-runs.js';
import { type LogLine, readLog } from '../support/cli.js';

/** A run directory between two processes. */
export interface Standing {
  readonly records: readonly LogLine[];
  /** Step of the newest checkpoint; 0 without any. */
  readonly newest: number;
  readonly temporary: { readonly checkpoints: boolean; readonly run: boolean };
  readonly tornLine: boolean;
  readonly completed: boolean;
}

export const NOTHING: Standing = {
  records: [],
  newest: 0,
  temporary: { checkpoints: false, run: false },
  tornLine: false,
  completed: false,
};

export function standing(directory: string): Standing {
  const checkpoints = join(directory, 'checkpoints');
  const isTemporary = (name: string) => name.startsWith(TEMPORARY_PREFIX);
  const log = read(join(directory, 'log.jsonl'));
  const lines = log.split('\n');
  const rest = lines.pop();
  const names = existsSync(checkpoints) ? readdirSync(checkpoints) : [];
  return {
    records: lines.map(line => JSON.parse(line) as LogLine),
    newest: Number(/\d+/.exec(checkpointNames(checkpoints).at(-1) ?? '')?.[0] ?? 0),
    temporary: { checkpoints: names.some(isTemporary), run: readdirSync(directory).some(isTemporary) },
    tornLine: rest !== '',
    completed: read(join(directory, 'summary.json')).includes('"status": "completed"'),
  };
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** Whether the run says what it is, so that it can be gone on with. */
export function hasBegun(directory: string): boolean {
  return existsSync(join(directory, 'manifest.json'));
}

/** What the process was doing, told by what it left; `before` is what it found. */
export function activity(before: Standing, now: Standing): string {
  const isBeginning = ({ event }: LogLine) => event === 'run.start' || event === 'run.resume';
  const beginnings = ({ records }: Standing) => records.filter(isBeginning).length;
  if (now.temporary.checkpoints) return 'in a save';
  if (now.tornLine) return 'in a line of the log';
  const last = now.records.at(-1)?.event;
  if (now.temporary.run) return now.completed || last === 'gate' ? 'closing' : 'in log, manifest or summary';
  if (beginnings(now) === beginnings(before)) return before === NOTHING ? 'start-up' : "a resume's start-up";
  if (now.completed || last === 'gate' || last === 'run.end') return 'closing';
  const told = now.records.filter(({ event }) => event === 'checkpoint.saved').at(-1);
  if (now.newest > Number(told?.step ?? 0)) return 'between a save and its record';
  const own = now.records.slice(now.records.findLastIndex(isBeginning) + 1);
  if (!own.some(({ event }) => event === 'train.step') && last !== 'train.epoch')
    return before === NOTHING ? 'before the first step' : "before a resume's first step";
  if (last === 'train.epoch') return 'in an evaluation';
  return last === 'train.step' ? 'in or between steps' : 'after a save or evaluation';
}

/** Checkpoints that are not whole, or were there and are there no more without a newer one. */
export function lostCheckpoints(directory: string, before: Standing): string[] {
  const folder = join(directory, 'checkpoints');
  const names = checkpointNames(folder);
  const broken = names.flatMap(name => complaint(name, () => loadCheckpoint(join(folder, name))));
  if (names.length > 0) broken.push(...complaint('last', () => resolveCheckpoint(folder, 'last')));
  const { newest, records } = standing(directory);
  const told = records.filter(({ event }) => event === 'checkpoint.saved').map(({ step }) => Number(step));
  const latest = Math.max(before.newest, ...told);
  if (newest < latest) broken.push(`the newest checkpoint is of step ${newest}, not ${latest}`);
  return broken;
}

function complaint(what: string, action: () => unknown): string[] {
  try {
    action();
    return [];
  } catch (error) {
    return [`${what}: ${error}`];
  }
}

/**
 * Differences from the run that nothing stopped, a log that is no series of every step once, and
 * files that are left over.
 */
export function differences(straight: string, directory: string): string[] {
  const found = compareRuns(straight, directory).map(({ file, what }) => `${file} ${what}`);
  const logs = [straight, directory].map(run => complaint('log.jsonl', () => readLog(run)));
  if (logs.some(({ length }) => length > 0)) return [...found, ...logs.flat()];
  const steps = readLog(directory).flatMap(({ event, step }) => (event === 'train.step' ? [step] : []));
  const wrong = steps.findIndex((step, i) => step !== i + 1);
  if (wrong >= 0) found.push(`log.jsonl has step ${steps[wrong]} in the place of ${wrong + 1}`);
  const expected = readdirSync(straight);
  const left = readdirSync(directory).filter(
    name => !expected.includes(name) && !/^log\.replaced-\d+\.jsonl$/.test(name),
  );
  return [...found, ...left.map(name => `${name.replace(/\d{2,}/g, 'N')} is left over`)];
}

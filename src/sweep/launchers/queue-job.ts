/**
 * What stands in a queue. Whoever can write to Redis can put anything there, so a job only names a
 * sweep, one of its trials and how far to train it. All else, config, values, seed and backend, the
 * worker takes from the sweep's frozen plan and its journal, which lie within the worker's root.
 */
import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, resolve, sep } from 'node:path';
import { validateAgainst } from '../../config/schema/schema.js';
import { EXIT, type UserError, usageError } from '../../util/errors.js';
import { readJournal } from '../journal.js';
import type { Task, TaskEnd } from '../launcher.js';
import type { SweepPlan } from '../plan.js';
import type { JournalRecord } from '../records.js';
import { type Point, sameValue } from '../space.js';
import { SweepDirectory } from '../sweep-directory.js';
import { backendOf, backendOfRun, baseOf, placeArguments, trialArguments } from '../trial-runs.js';

export type StopRequest = 'interrupt' | 'kill';

export interface QueueJob extends Omit<Task, 'directory' | 'args' | 'timeout'> {
  readonly version: 2;
  /** Absolute path of the sweep's directory. */
  readonly sweep: string;
  readonly stop: StopRequest | null;
}

/**
 * The same for the same task of the same sweep, whoever asks: a queue holds no two jobs of one
 * name.
 */
export function jobId({ id, directory }: Pick<Task, 'id' | 'directory'>): string {
  return `${id}-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`;
}

export function queueJob(task: Task): QueueJob {
  const { id, trial, seed, from, to, attempt, directory, threads } = task;
  const sweep = dirname(dirname(directory));
  return { version: 2, id, trial, seed, from, to, attempt, sweep, threads, stop: null };
}

/** What a worker makes of a job. */
export interface QueuedTask {
  readonly task: Task;
  readonly stop: StopRequest | null;
}

/**
 * The task that `data` names, as its sweep has it.
 * @throws UserError (exit 2) if it names none, or one that this worker must not carry out
 * @throws UserError (exit 5) if the sweep's files are damaged; `root` is absolute
 */
export function taskOfJob(data: unknown, root: string): QueuedTask {
  const [violation] = validateAgainst('queue-job', data);
  if (violation !== undefined) throw refusal(`job data${violation.instancePath} ${violation.message}`);
  const { sweep, stop, version: _, ...segment } = data as QueueJob;
  checkInside(root, sweep);
  const directory = SweepDirectory.open(sweep);
  const { plan: planFile, journal, configs } = directory.files;
  for (const path of [planFile, journal, configs]) checkInside(root, path);
  const plan = directory.readPlan();
  const { records } = readJournal(journal);
  const point = pointOf(records, segment);
  checkSegment(plan, point, segment);
  const path = directory.runPath(segment);
  const base = baseOf(plan, point);
  if (base.name !== basename(base.name)) throw refusal(`the plan's config ${base.name} is no name of a file`);
  for (const file of [path, directory.baseFile(base)]) checkInside(root, file);
  const backend = backendOfRun(path) ?? backendOf(records) ?? 'auto';
  const args = [
    ...trialArguments(plan, directory, point, segment.seed),
    '--backend',
    backend,
    ...placeArguments(path, segment.to, segment.threads),
  ];
  return { task: { ...segment, directory: path, args, timeout: plan.trial_timeout }, stop };
}

/** As the journal has it, where the sweep wrote it before it put the job into the queue. */
function pointOf(records: readonly JournalRecord[], { trial }: Pick<QueueJob, 'trial'>): Point {
  const chosen = records.findLast(record => record.event === 'trial.chosen' && record.trial === trial);
  if (chosen?.event !== 'trial.chosen') throw refusal(`the sweep's journal has no trial ${trial}`);
  return chosen.point;
}

/** What a sweep would never ask for is not of its making. */
function checkSegment(
  { seeds, epochs, space }: SweepPlan,
  point: Point,
  { seed, from, to }: Pick<QueueJob, 'seed' | 'from' | 'to'>,
): void {
  if (!seeds.includes(seed)) throw refusal(`the sweep has no seed ${seed}`);
  if (!(from < to && to <= epochs)) throw refusal(`the sweep trains no run from epoch ${from} to ${to}`);
  for (const { name, distribution } of space.parameters) {
    const value = point[name];
    if (value === undefined || distribution.kind !== 'choice') continue;
    // paths are among them
    if (!distribution.values.some(one => sameValue(one, value)))
      throw refusal(`the journal has another value of ${name} than the plan gives a choice of`);
  }
}

/** Links count for where they lead. What is not there yet lies where its folder leads. */
function checkInside(root: string, path: string): void {
  if (resolve(path) !== path) throw refusal(`${path} is not an absolute path in its shortest form`);
  let there = path;
  while (!existsSync(there)) there = dirname(there);
  const real = realpathSync(there);
  if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep)) {
    throw refusal(`${path} is not in ${root}`, "a path within the worker's --root, the same on all machines");
  }
}

function refusal(message: string, expected?: string): UserError {
  return usageError({
    code: 'queue/refused',
    message: `the worker refuses the job: ${message}`,
    ...(expected !== undefined && { expected }),
  });
}

/** The end of a task that a worker would not carry out. */
export function refusedEnd(error: UserError): TaskEnd {
  return { exitCode: EXIT.usage, signal: null, timedOut: false, stderr: error.message };
}

/** The end of a task that was stopped before it began. */
export function stoppedEnd(how: StopRequest): TaskEnd {
  return { exitCode: null, signal: how === 'kill' ? 'SIGKILL' : 'SIGINT', timedOut: false, stderr: '' };
}

/** The end of a task of which nobody knows more than `reason`. */
export function lostEnd(reason: string): TaskEnd {
  return { exitCode: null, signal: null, timedOut: false, stderr: reason };
}

/** What a worker left as a job's result. */
export function readEnd(result: unknown): TaskEnd {
  const { exitCode, signal, timedOut, stderr } = (result ?? {}) as Partial<Record<keyof TaskEnd, unknown>>;
  const isEnd =
    (exitCode === null || Number.isInteger(exitCode)) &&
    (signal === null || typeof signal === 'string') &&
    typeof timedOut === 'boolean' &&
    typeof stderr === 'string';
  return isEnd ? (result as TaskEnd) : lostEnd(`the job's result is none of ours: ${JSON.stringify(result)}`);
}

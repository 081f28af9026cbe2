/**
 * What stands in a queue. Whoever can write to Redis can put anything there, so a worker carries out only what is certain to be a run of a
 * sweep: `run` or `resume`, the flags that sweeps use, and files within its root.
 */
import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { validateAgainst } from '../../config/schema.js';
import { EXIT, type UserError, usageError } from '../../errors.js';
import type { Task, TaskEnd } from '../launcher.js';

export type StopRequest = 'interrupt' | 'kill';

export interface QueueJob extends Task {
  readonly version: 1;
  readonly stop: StopRequest | null;
}

/** With a value each, but for the last. */
const FLAGS = ['--set', '--backend', '--threads', '--directory', '--pause-after-epoch'];
const BARE_FLAGS = ['--quiet'];

/** The same for the same task of the same sweep, whoever asks: a queue holds no two jobs of one name. */
export function jobId({ id, directory }: Pick<Task, 'id' | 'directory'>): string {
  return `${id}-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`;
}

export function queueJob(task: Task): QueueJob {
  const { id, trial, seed, from, to, attempt, directory, args, threads, timeout } = task;
  return { version: 1, id, trial, seed, from, to, attempt, directory, args, threads, timeout, stop: null };
}

/** `data` as the job that it is. Throws exit 2 where it is none, or one that this worker must not carry out; `root` is absolute. */
export function checkedJob(data: unknown, root: string): QueueJob {
  const [violation] = validateAgainst('queue-job', data);
  if (violation !== undefined) throw refusal(`job data${violation.instancePath} ${violation.message}`);
  const job = data as QueueJob;
  checkArguments(job);
  for (const path of new Set([job.directory, job.args[1]])) checkInside(root, path);
  return job;
}

function checkArguments({ args, directory }: QueueJob): void {
  const [verb, target, ...flags] = args;
  if (verb !== 'run' && verb !== 'resume') throw refusal(`'${verb}' is nothing that a sweep runs`);
  const places = verb === 'resume' ? [target] : [];
  while (flags.length > 0) {
    const flag = flags.shift() ?? '';
    if (BARE_FLAGS.includes(flag)) continue;
    const value = flags.shift();
    if (!FLAGS.includes(flag) || value === undefined) throw refusal(`'${flag}' is no flag that a sweep uses`);
    if (flag === '--directory') places.push(value);
  }
  if (places.length !== 1 || places[0] !== directory)
    throw refusal('the arguments do not name the directory of the job, once');
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

/** Calls Slurm's commands and parses their output. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type UserError, usageError } from '../../util/errors.js';

const run = promisify(execFile);

/** A controller under load is slow; a command that takes longer than this hangs. */
const PATIENCE_MS = 60_000;
/** Maximum size of a command's output: many arrays of many tasks may be listed at once. */
const MAX_BYTES = 64 * 2 ** 20;
/** Slurm's default for MaxArraySize. */
const DEFAULT_ARRAY_SIZE = 1001;
/** Errors of scancel if there is nothing left to cancel, or a pending job is sent a signal. */
const NOTHING_TO_DO = /Invalid job id|already completing|completed|not running/i;

/** A task's job: `12_3` is index 3 of array 12. */
export type JobId = string;

/**
 * Returns the maximum number of tasks of an array.
 * @throws UserError (exit 2) if Slurm is not installed or its controller does not answer
 */
export async function maxArraySize(): Promise<number> {
  const config = await slurm('scontrol', ['show', 'config']);
  // indices start at 0 and are below MaxArraySize
  const size = /^MaxArraySize\s*=\s*(\d+)/m.exec(config)?.[1];
  return Number(size ?? DEFAULT_ARRAY_SIZE);
}

/**
 * Submits a batch script and returns the array's job ID.
 * @throws UserError (exit 2) with sbatch's reason if it refuses
 */
export async function submit(options: readonly string[], script: string): Promise<string> {
  const answer = await slurm('sbatch', ['--parsable', ...options, script]);
  // with several clusters: `12;cluster`
  return answer.trim().split(';')[0];
}

/**
 * The state of each task of these arrays, such as `RUNNING`; tasks that Slurm has forgotten are
 * missing.
 */
export async function statesOf(arrays: readonly string[]): Promise<ReadonlyMap<JobId, string>> {
  if (arrays.length === 0) return new Map();
  const columns = ['--noheader', '--states=all', '--array', '--format=%F_%K %T'];
  let listed = '';
  try {
    listed = await slurm('squeue', [...columns, `--jobs=${arrays.join(',')}`]);
  } catch (error) {
    // Slurm has forgotten all of them
    if (!/Invalid job id/i.test(String(error))) throw error;
  }
  return new Map(listed.split('\n').flatMap(line => (line === '' ? [] : [splitOnce(line)])));
}

/** Job IDs of the arrays with this name that were submitted from `folder`, oldest first. */
export async function arraysNamed(name: string, folder: string): Promise<string[]> {
  const columns = ['--noheader', '--states=all', '--sort=i', '--format=%F %Z'];
  const listed = await slurm('squeue', [...columns, `--name=${name}`]);
  const jobs = listed.split('\n').map(splitOnce);
  return [...new Set(jobs.filter(([, submittedFrom]) => submittedFrom === folder).map(([array]) => array))];
}

/** Interrupts a job so that it saves a checkpoint. A pending job is removed from the queue. */
export async function interrupt(job: JobId): Promise<void> {
  await cancel('--state=PENDING', job);
  await cancel('--batch', '--signal=INT', job);
}

/**
 * Ends the job: SIGTERM to all its processes, then SIGKILL after the delay that Slurm's
 * configuration sets (KillWait).
 */
export async function kill(job: JobId): Promise<void> {
  await cancel(job);
}

async function cancel(...args: string[]): Promise<void> {
  try {
    await slurm('scancel', args);
  } catch (error) {
    if (!NOTHING_TO_DO.test(String(error))) throw error;
  }
}

async function slurm(command: string, args: readonly string[]): Promise<string> {
  try {
    const limits = { timeout: PATIENCE_MS, maxBuffer: MAX_BYTES };
    return (await run(command, args, limits)).stdout;
  } catch (error) {
    throw refusal(command, error as NodeJS.ErrnoException & { readonly stderr?: string });
  }
}

function refusal(command: string, error: NodeJS.ErrnoException & { readonly stderr?: string }): UserError {
  if (error.code === 'ENOENT') {
    return usageError({
      code: 'slurm/not-installed',
      message: `the command \`${command}\` was not found in PATH`,
      expected: 'a machine that can submit Slurm jobs',
    });
  }
  const reason = error.stderr?.trim() || error.message;
  return usageError({ code: 'slurm/refused', message: `${command} failed: ${reason}` });
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf(' ');
  return [line.slice(0, at), line.slice(at + 1)];
}

/**
 * Job arrays of Slurm: the folder of each, its batch script, and Slurm's commands.
 *
 * `<sweep>/slurm/<number>/` is one submitted array. `script.sh` is the batch script, `tasks.json`
 * lists the tasks by index, `job` holds the array's job ID, `<index>.stderr` and `<index>.end` are
 * written by the tasks.
 */

import { execFile } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeAtomic, writeJsonAtomic } from '../../run/files.js';
import { makeFolder } from '../../run/folders.js';
import { type UserError, usageError } from '../../util/errors.js';
import { codeOf } from '../../util/system-errors.js';
import type { Task, TaskEnd } from '../launcher.js';

const FOLDER = 'slurm';
/** Length of the end of stderr that messages quote. */
const TAIL_BYTES = 4_000;

/**
 * How the script ended, and why: the task exited, the time limit was near, or Slurm ended the job,
 * which it may start again.
 */
export interface ScriptEnd {
  readonly code: number;
  readonly reason: 'exit' | 'timeout' | 'slurm';
}

export class SlurmBatch {
  private constructor(
    /** Absolute. */
    readonly folder: string,
    /** IDs of the tasks, by index. */
    readonly tasks: readonly string[],
  ) {}

  /** Creates the sweep's next batch folder with the script for `tasks`. */
  static create(sweep: string, tasks: readonly Task[], program: readonly string[]): SlurmBatch {
    const root = join(sweep, FOLDER);
    makeFolder(root, root, 'the folder of a job array');
    const last = foldersOf(sweep).at(-1) ?? '0';
    const folder = join(root, String(Number(last) + 1).padStart(4, '0'));
    mkdirSync(folder);
    const batch = new SlurmBatch(
      folder,
      tasks.map(({ id }) => id),
    );
    writeAtomic(batch.script, [batchScript({ tasks, program, folder })]);
    // written last: a folder without it was never submitted
    writeJsonAtomic(join(folder, 'tasks.json'), batch.tasks);
    return batch;
  }

  /** All batches of a sweep, oldest first. */
  static all(sweep: string): SlurmBatch[] {
    return foldersOf(sweep).flatMap(name => {
      const folder = join(sweep, FOLDER, name);
      const list = join(folder, 'tasks.json');
      if (!existsSync(list)) return [];
      return [new SlurmBatch(folder, JSON.parse(readFileSync(list, 'utf8')) as string[])];
    });
  }

  get script(): string {
    return join(this.folder, 'script.sh');
  }

  /**
   * The array's job ID; undefined if it was never submitted or the submitting process was killed
   * before recording it.
   */
  get array(): string | undefined {
    return readIfThere(join(this.folder, 'job'))?.trim();
  }

  set array(number: string) {
    writeAtomic(join(this.folder, 'job'), [`${number}\n`]);
  }

  /** Undefined while the array has no job ID. */
  jobOf(index: number): JobId | undefined {
    return this.array === undefined ? undefined : `${this.array}_${index}`;
  }

  /** The path of the stderr files, with sbatch's placeholder for the index. */
  get stderrPattern(): string {
    return `${this.folder.replaceAll('%', '%%')}/%a.stderr`;
  }

  /** The last lines of stderr; empty if the task did not start. */
  stderr(index: number): string {
    const path = join(this.folder, `${index}.stderr`);
    if (!existsSync(path)) return '';
    const file = openSync(path, 'r');
    try {
      const tail = Buffer.alloc(TAIL_BYTES);
      const read = readSync(file, tail, 0, TAIL_BYTES, Math.max(0, fstatSync(file).size - TAIL_BYTES));
      return tail.toString('utf8', 0, read).trim();
    } finally {
      closeSync(file);
    }
  }

  /** Whether the task ended by itself; Slurm does not start it again then. */
  isDone(index: number): boolean {
    const end = this.scriptEnd(index);
    return end !== undefined && end.reason !== 'slurm';
  }

  /** Undefined while the script runs, or if another machine does not see the file yet. */
  scriptEnd(index: number): ScriptEnd | undefined {
    const [, code, reason] =
      /^(\d+) (exit|timeout|slurm)\n$/.exec(readIfThere(join(this.folder, `${index}.end`)) ?? '') ?? [];
    return code === undefined ? undefined : { code: Number(code), reason: reason as ScriptEnd['reason'] };
  }
}

/**
 * Reads a shell's `$?`: 128 plus the number of the signal that ended the process, except 130, the
 * exit code of an interrupted run.
 */
export function exitOf(code: number): Pick<TaskEnd, 'exitCode' | 'signal'> {
  const signal = code === 130 ? undefined : SIGNALS.get(code - 128);
  return signal === undefined ? { exitCode: code, signal: null } : { exitCode: null, signal };
}

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

function foldersOf(sweep: string): string[] {
  const root = join(sweep, FOLDER);
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter(name => /^\d+$/.test(name))
    .sort((a, b) => Number(a) - Number(b));
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Signals that the time limit is near; differs from SIGINT, which a person sends to interrupt a
 * job.
 */
export const LIMIT_SIGNAL = 'USR1';

interface ScriptPlan {
  readonly tasks: readonly Pick<Task, 'args' | 'directory'>[];
  /** Executable and first arguments of this program. */
  readonly program: readonly string[];
  /** Absolute path of the folder for the files `<index>.end`. */
  readonly folder: string;
}

/**
 * The batch script of a job array: maps each index to a task, starts the task and records how it
 * ended. It passes on signals that reach only the script (SIGINT: stop, SIGUSR1: the time limit is
 * near). It does not pass on SIGTERM, with which Slurm ends or requeues a job: Slurm sends it to
 * every process of the job, and a second one would end a run before its checkpoint.
 */
function batchScript({ tasks, program, folder }: ScriptPlan): string {
  const cases = tasks.map(
    ({ args, directory }, index) =>
      `${index}) lock=${quoted(join(directory, 'run.lock'))}; set -- ${args.map(quoted).join(' ')} ;;\n`,
  );
  return `#!/bin/sh
# Tasks of a sweep, one for each index of a job array. Written by cellrun.
case $SLURM_ARRAY_TASK_ID in
${cases.join('')}*) echo 'no such task' >&2; exit 2 ;;
esac
end=${quoted(folder)}/$SLURM_ARRAY_TASK_ID.end
rm -f "$end"
# Slurm never runs a task twice at once, so a lock of another machine is left from a lost job.
grep -qF "\\"$(uname -n)\\"" "$lock" 2>/dev/null || rm -f "$lock"

reason=exit
stopping=
child=
pass_on() {
  stopping=1
  signalled=1
  # sh makes background processes ignore SIGINT until they install a handler
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap pass_on INT
trap 'reason=timeout; pass_on' ${LIMIT_SIGNAL}
trap 'reason=slurm; signalled=1' TERM

${program.map(quoted).join(' ')} "$@" </dev/null >/dev/null &
child=$!
[ -z "$stopping" ] || pass_on
code=127
while :; do
  signalled=
  wait "$child"
  status=$?
  # 127: already waited for
  [ "$status" -eq 127 ] || code=$status
  # a signal also ends wait
  [ -n "$signalled" ] || break
done
echo "$code $reason" >"$end.part" && mv -f "$end.part" "$end"
# a paused run has not failed
[ "$code" -ne 130 ] || exit 0
exit "$code"
`;
}

/** Quotes a text for sh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

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
 * @throws UserError (exit 2) if Slurm is not installed or its controller does not respond
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
  const output = await slurm('sbatch', ['--parsable', ...options, script]);
  // with several clusters: `12;cluster`
  return output.trim().split(';')[0];
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

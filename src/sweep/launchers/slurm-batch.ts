/**
 * `<sweep>/slurm/<number>/`: one submitted job array. `script.sh` is the batch script, `tasks.json`
 * lists the tasks by index, `job` holds the array's job ID once it is submitted, `<index>.stderr`
 * and `<index>.end` are written by the tasks.
 */
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
import { writeAtomic, writeJsonAtomic } from '../../run/files.js';
import { makeFolder } from '../../run/folders.js';
import { codeOf } from '../../util/system-errors.js';
import type { Task, TaskEnd } from '../launcher.js';
import type { JobId } from './slurm-commands.js';
import { batchScript } from './slurm-script.js';

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

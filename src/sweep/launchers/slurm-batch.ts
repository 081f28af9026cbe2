/**
 * `<sweep>/slurm/<number>/`: one submitted job array. `script.sh` is what Slurm runs, `tasks.json`
 * says which task is which index, `job` is the array's number once Slurm has told it,
 * `<index>.stderr` and `<index>.end` are what the tasks left.
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
import { writeAtomic, writeJsonAtomic } from '../../experiment/files/atomic.js';
import { makeFolder } from '../../experiment/files/new-folder.js';
import type { Task, TaskEnd } from '../launcher.js';
import type { JobId } from './slurm-commands.js';
import { batchScript } from './slurm-script.js';

const FOLDER = 'slurm';
/** Of stderr, for a message. */
const TAIL_BYTES = 4_000;

/**
 * How the script ended, and what made it: the task itself, the time limit, or Slurm, which may then
 * start it again.
 */
export interface ScriptEnd {
  readonly code: number;
  readonly reason: 'exit' | 'timeout' | 'slurm';
}

export class SlurmBatch {
  private constructor(
    /** Absolute. */
    readonly folder: string,
    /** By index. */
    readonly tasks: readonly string[],
  ) {}

  /** Makes the next folder of the sweep, with the script for `tasks` in it. */
  static create(sweep: string, tasks: readonly Task[], program: readonly string[]): SlurmBatch {
    const root = join(sweep, FOLDER);
    makeFolder(root, root, 'this folder');
    const last = foldersOf(sweep).at(-1) ?? '0';
    const folder = join(root, String(Number(last) + 1).padStart(4, '0'));
    mkdirSync(folder);
    const batch = new SlurmBatch(
      folder,
      tasks.map(({ id }) => id),
    );
    writeAtomic(batch.script, [batchScript({ tasks, program, folder })]);
    // last: a folder without it was never submitted
    writeJsonAtomic(join(folder, 'tasks.json'), batch.tasks);
    return batch;
  }

  /** Those of a sweep that were made so far, oldest first. */
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

  /** The array's number; undefined where whoever submitted it did not live to write it down. */
  get array(): string | undefined {
    return readIfThere(join(this.folder, 'job'))?.trim();
  }

  set array(number: string) {
    writeAtomic(join(this.folder, 'job'), [`${number}\n`]);
  }

  /** Undefined as long as the array has no number. */
  jobOf(index: number): JobId | undefined {
    return this.array === undefined ? undefined : `${this.array}_${index}`;
  }

  /** With sbatch's sign for the index. */
  get stderrPattern(): string {
    return `${this.folder.replaceAll('%', '%%')}/%a.stderr`;
  }

  /** The last lines; none where the task did not begin. */
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

  /** Whether the task came to its own end, after which Slurm does not start it again. */
  isDone(index: number): boolean {
    const end = this.scriptEnd(index);
    return end !== undefined && end.reason !== 'slurm';
  }

  /** Undefined where the script has not come to its end, or another machine does not see it yet. */
  scriptEnd(index: number): ScriptEnd | undefined {
    const [, code, reason] =
      /^(\d+) (exit|timeout|slurm)\n$/.exec(readIfThere(join(this.folder, `${index}.end`)) ?? '') ?? [];
    return code === undefined ? undefined : { code: Number(code), reason: reason as ScriptEnd['reason'] };
  }
}

/**
 * What a shell's `$?` says of a process: 128 and the signal's number where one ended it, but for
 * 130, by which this program itself says that it was interrupted.
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
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** How the processes of trials are started: on this machine, by Slurm, by a queue's workers. */
import type { Segment } from './records.js';

/** One process to run: `cellrun run …` or `cellrun resume …`, paused after `to` epochs. */
export interface Task extends Segment {
  /** Unique within the sweep and stable over restarts: `t0007-s0-e3`. */
  readonly id: string;
  /** From 1. */
  readonly attempt: number;
  /** Absolute; where the run is, or is to be. */
  readonly directory: string;
  /**
   * Arguments after the program's name. They may be carried out again at any time: what is done is
   * not done twice.
   */
  readonly args: readonly string[];
  /** Threads that the process may use. */
  readonly threads: number;
  /** Seconds; null: no limit. */
  readonly timeout: number | null;
}

export interface TaskEnd {
  /** Null where a signal ended the process, or it was lost with its machine. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Whether `timeout` ended it. */
  readonly timedOut: boolean;
  /** The last lines of stderr, for a message to people; empty where there are none. */
  readonly stderr: string;
}

/** On `monotonicNow`, in milliseconds. */
export interface TaskLease {
  /** When the process stops by itself, resumably. */
  readonly interrupt: number;
  /** From when on it writes nothing. */
  readonly end: number;
}

export interface RunningTask {
  /** Names the process to people and to a later `sweep resume`: a process id, a job id. */
  readonly process: string;
  /**
   * Never rejects for what the process did; rejects where the launcher itself cannot go on (Redis
   * is gone, sbatch refuses).
   */
  readonly end: Promise<TaskEnd>;
  /** Asks the process to stop resumably (SIGINT), or at once. */
  stop(how: 'interrupt' | 'kill'): Promise<void>;
  /** Tells the process until when it may write; absent where nobody has it on lease. */
  lease?(lease: TaskLease): void;
}

export interface Launcher {
  readonly name: 'local' | 'slurm' | 'bullmq';
  /** Throws UserError (exit 2) where the service cannot be reached. Called once, first. */
  open(): Promise<void>;
  start(task: Task): Promise<RunningTask>;
  /**
   * A task that an earlier process of this sweep started and that may still run: adopted, or
   * undefined where it is gone.
   */
  find(task: Task, process: string): Promise<RunningTask | undefined>;
  close(): Promise<void>;
}

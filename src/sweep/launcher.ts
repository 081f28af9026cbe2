/** Starts the processes of trials: on this machine, with Slurm, or with the workers of a queue. */
import type { Segment } from './schedule/records.js';

/** One process to run: `cellrun run …` or `cellrun resume …`, paused after `to` epochs. */
export interface Task extends Segment {
  /** Unique within the sweep and stable over restarts: `t0007-s0-e3`. */
  readonly id: string;
  /** From 1. */
  readonly attempt: number;
  /** Directory of the run, absolute; it need not exist. */
  readonly directory: string;
  /** Arguments after the program's name. Running them again does not repeat completed work. */
  readonly args: readonly string[];
  readonly threads: number;
  readonly timeout: number | null;
}

export interface TaskEnd {
  /** Null if a signal ended the process, or if its machine was lost. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** The last lines of stderr for a message; may be empty. */
  readonly stderr: string;
  /** True if a queue lost the task before its end was known. */
  readonly wasForgotten?: true;
}

export interface RunningTask {
  /** Identifies the process for people and for a later `sweep resume`: a process id or job id. */
  readonly process: string;
  /** Rejects only if the launcher itself fails, not if the process does. */
  readonly end: Promise<TaskEnd>;
  /** Asks the process to stop so that it can be resumed. */
  stop(): Promise<void>;
}

export interface Launcher {
  readonly name: 'local' | 'slurm' | 'bullmq';
  start(task: Task): Promise<RunningTask>;
  /** Adopts a task that an earlier process of this sweep started; undefined if it is gone. */
  find(task: Task, process: string): Promise<RunningTask | undefined>;
  close(): Promise<void>;
}

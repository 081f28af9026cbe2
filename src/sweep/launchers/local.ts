/** Runs trials on this machine, each in a process group that ends with the sweep. */

import { type ChildProcess, spawn } from 'node:child_process';
import { programFile } from '../../util/root.js';
import type { Launcher, RunningTask, Task, TaskEnd } from '../segment.js';

/** Milliseconds between interrupting a hung process and killing it. */
const GRACE_MS = 10_000;
/** Length of the end of stderr that messages quote, in UTF-16 code units. */
const TAIL_LENGTH = 4_000;

export interface LocalTask extends RunningTask {
  /** Kills the whole group: a run's threads and helpers must not outlive it. */
  kill(): void;
}

const PROGRAM = programFile('cli/main.js');

export const localLauncher = {
  name: 'local',
  async start({ args, timeout }: Task): Promise<LocalTask> {
    // Its own group, since Ctrl-C at the terminal must reach only the sweep, which stops its
    // trials. The channel closes when the sweep is gone, and the trial then stops
    // (`cli/signals.ts`).
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    return {
      process: String(child.pid),
      end: ended(child, timeout),
      stop: async () => send(child.pid, 'SIGINT'),
      kill: () => kill(child),
    };
  },
  /** A process that a killed sweep left behind stops by itself, and has the lock of its run. */
  find: async () => undefined,
  close: async () => {},
} satisfies Launcher;

function ended(child: ChildProcess, timeout: number | null): Promise<TaskEnd> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-TAIL_LENGTH);
  });
  let timedOut = false;
  const timers: NodeJS.Timeout[] = [];
  if (timeout !== null) {
    timers.push(
      setTimeout(() => {
        timedOut = true;
        send(child.pid, 'SIGINT');
        timers.push(setTimeout(() => kill(child), GRACE_MS));
      }, timeout * 1000),
    );
  }
  return new Promise(resolve => {
    const finish = (exitCode: number | null, signal: string | null) => {
      for (const timer of timers) clearTimeout(timer);
      resolve({ exitCode, signal, timedOut, stderr: stderr.trim() });
    };
    child.on('error', error => {
      stderr += error.message;
      finish(null, null);
    });
    child.on('close', finish);
  });
}

function kill({ pid }: ChildProcess): void {
  send(pid && -pid, 'SIGKILL');
}

/** @param pid negative for a process group; undefined if the process could not be started */
function send(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

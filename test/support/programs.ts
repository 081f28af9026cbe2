/** Runs other programs, and scripts on a small disk. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Finished } from './cli.js';

export interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Runs a program to its end, asynchronously. Returns undefined if it is not installed. */
export function execute(
  file: string,
  args: readonly string[],
  surroundings: Surroundings,
): Promise<Finished | undefined> {
  return new Promise(resolve => {
    const child = spawn(file, args, { ...surroundings, stdio: 'pipe' });
    const text = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', chunk => {
        text[name] += chunk;
      });
    }
    child.on('error', () => resolve(undefined)).on('close', code => resolve({ code, ...text }));
  });
}

/**
 * Runs a bash `script` with a tmpfs of `size`, such as `64k`, mounted at `folder`, which is its
 * `$0`. Other processes do not see the mount. Returns undefined if this process may not mount it.
 */
export async function onSmallDisk(
  folder: string,
  size: string,
  script: string,
  surroundings: Surroundings,
): Promise<Finished | undefined> {
  const mount = `mount -t tmpfs -o size=${size} tmpfs "$0" && echo mounted >&2 && `;
  const done = await execute('unshare', ['-m', 'bash', '-c', mount + script, folder], surroundings);
  if (!done?.stderr.startsWith('mounted\n')) return undefined;
  return { ...done, stderr: done.stderr.slice('mounted\n'.length) };
}

const POLL_MS = 20;

/** Waits until `condition` is true. If it never is, the test reaches its time limit. */
export async function comesTrue(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(POLL_MS);
}

export function holderOf(run: string): number | undefined {
  try {
    return JSON.parse(readFileSync(join(run, 'run.lock'), 'utf8')).pid;
  } catch {
    // there is no lock, or it is being written
    return undefined;
  }
}

export function isStopped(pid: number): boolean {
  try {
    return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // it has ended
    return false;
  }
}

/** Stops a process; resolves when none of its threads runs any more. Rejects if it has ended. */
export async function bringToRest(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  // a process that ends before the signal reaches it is no longer there, or a zombie
  while (!isStopped(pid)) {
    if (hasEnded(pid)) throw new Error(`process ${pid} ended before it could be stopped`);
    await sleep(1);
  }
}

/** Whether a process is gone, or waits only for its parent to read its exit code. */
export function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return true;
  }
}

/** Whether signals wait for a process, which takes them when it continues. */
export function hasPending(pid: number): boolean {
  try {
    return !/^ShdPnd:\s+0+$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // it has ended
    return false;
  }
}

/**
 * Stops the process that works on a run, and calls `send`, which has a signal sent to it, if it is
 * still at the moment that `isThere` describes. The process continues once the signal is pending,
 * and takes it before anything else. Returns false if the moment was over.
 * @param run directory of the run
 */
export async function signalAtRest(
  run: string,
  isThere: () => boolean,
  send: () => unknown,
): Promise<boolean> {
  const pid = holderOf(run);
  try {
    if (pid === undefined) return false;
    await bringToRest(pid);
  } catch {
    // it has ended
    return false;
  }
  try {
    if (!isThere()) return false;
    await send();
    while (!hasPending(pid)) await sleep(1);
    return true;
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

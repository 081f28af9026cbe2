/** Identifies processes, although process ids are reused. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf } from '../util/system-errors.js';

/** `PID@TICKS HOST`: process id, start time in ticks since boot, host name. */
export function processIdentity(pid: number): string {
  return `${pid}@${processInfo(pid)?.started ?? ''} ${hostname()}`;
}

/** True if it still runs here. Without start times, true for any process with that id. */
export function isSameProcess(identity: string): boolean {
  const [, number, started, host] = /^(\d+)@(\d*) (\S*)$/.exec(identity) ?? [];
  if (number === undefined || host !== hostname() || !exists(Number(number))) return false;
  const now = processInfo(Number(number));
  return now === undefined || started === '' || (!now.ended && now.started === started);
}

/** True if a process with that id exists, even another user's. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** Reads /proc/PID/stat (proc(5)), whose second field may contain spaces and brackets. */
export function processInfo(pid: number): { readonly ended: boolean; readonly started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Z, X: an ended process that its parent has not reaped yet
    return { ended: fields[0] === 'Z' || fields[0] === 'X', started: fields[19] };
  } catch {
    return undefined;
  }
}

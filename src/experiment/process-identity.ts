/** Which process is meant, though numbers of processes are given out again. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** `PID@TICKS HOST`: the number, when it started in ticks since the machine did, the machine's name. */
export function processIdentity(pid: number): string {
  return `${pid}@${processInfo(pid)?.started ?? ''} ${hostname()}`;
}

/** Whether the process that had this identity still runs here. Where the system does not tell when processes started, one of that number. */
export function isSameProcess(identity: string): boolean {
  const [, number, started, host] = /^(\d+)@(\d*) (.*)$/.exec(identity) ?? [];
  if (number === undefined || host !== hostname() || !exists(Number(number))) return false;
  const now = processInfo(Number(number));
  if (now === undefined || started === '') return true;
  return !now.ended && now.started === started;
}

/** Whether there is a process of that number, be it somebody else's. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** From /proc/PID/stat (proc(5)), whose second field, a name, may itself have spaces and brackets; undefined without one. */
export function processInfo(pid: number): { readonly ended: boolean; readonly started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // a killed process that its parent has not noticed yet
    return { ended: fields[0] === 'Z' || fields[0] === 'X', started: fields[19] };
  } catch {
    return undefined;
  }
}

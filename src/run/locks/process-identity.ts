/** Identifies processes, although process ids are reused and each PID namespace has its own. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf } from '../../util/system-errors.js';

export interface ProcessPlace {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process in ticks since boot; null if the system does not provide it. */
  readonly started: string | null;
  /** Boot id of the machine; null if the system has none. */
  readonly boot: string | null;
  /** Namespace of `pid`; null if the system has none. */
  readonly pid_namespace: string | null;
}

/** Identity of this process. Constant during its life, unless the machine is renamed. */
export function processPlace(): ProcessPlace {
  return { pid: process.pid, host: hostname(), ...own() };
}

let known: Pick<ProcessPlace, 'started' | 'boot' | 'pid_namespace'> | undefined;

function own(): NonNullable<typeof known> {
  known ??= {
    started: processInfo(process.pid)?.started ?? null,
    boot: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pid_namespace: attempt(() => readlinkSync('/proc/self/ns/pid')),
  };
  return known;
}

function attempt(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/**
 * `PID@TICKS HOST BOOT NAMESPACE`: process id, start time in ticks since boot, host name, boot id
 * and PID namespace.
 */
export function processIdentity(pid: number): string {
  const { host, boot, pid_namespace } = processPlace();
  return `${pid}@${processInfo(pid)?.started ?? ''} ${host} ${boot ?? ''} ${pid_namespace ?? ''}`;
}

/**
 * True if the process with this identity still runs here. If the system has no start times, true
 * for any process with that id.
 */
export function isSameProcess(identity: string): boolean {
  const [, number, started, host, boot, namespace] =
    /^(\d+)@(\d*) (\S*)(?: (\S*) (\S*))?$/.exec(identity) ?? [];
  const here = processPlace();
  if (number === undefined || host !== here.host || !exists(Number(number))) return false;
  // identities of older versions have neither boot nor namespace
  if (boot !== undefined && (boot !== (here.boot ?? '') || namespace !== (here.pid_namespace ?? '')))
    return false;
  const now = processInfo(Number(number));
  if (now === undefined || started === '') return true;
  return !now.ended && now.started === started;
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

/**
 * Reads /proc/PID/stat (proc(5)), whose second field, a name, may contain spaces and brackets;
 * undefined if there is no such file.
 */
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

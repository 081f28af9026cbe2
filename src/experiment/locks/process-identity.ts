/**
 * Which process is meant, though numbers of processes are given out again, and anew in each PID
 * namespace.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessPlace {
  readonly pid: number;
  readonly host: string;
  /**
   * When the process started, in ticks since the machine did; null where the system does not tell.
   */
  readonly started: string | null;
  /** A number of this start of the machine; null where the system does not tell. */
  readonly boot: string | null;
  /** In which `pid` is meant; null where the system has none. */
  readonly pid_namespace: string | null;
}

/**
 * Of this process; it does not change while it lives, but for a machine that is given another name.
 */
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
 * `PID@TICKS HOST BOOT NAMESPACE`: the number, when it started in ticks since the machine did, the
 * machine's name, and where both count.
 */
export function processIdentity(pid: number): string {
  const { host, boot, pid_namespace } = processPlace();
  return `${pid}@${processInfo(pid)?.started ?? ''} ${host} ${boot ?? ''} ${pid_namespace ?? ''}`;
}

/**
 * Whether the process that had this identity still runs here. Where the system does not tell when
 * processes started, one of that number.
 */
export function isSameProcess(identity: string): boolean {
  const [, number, started, host, boot, namespace] =
    /^(\d+)@(\d*) (\S*)(?: (\S*) (\S*))?$/.exec(identity) ?? [];
  const here = processPlace();
  if (number === undefined || host !== here.host || !exists(Number(number))) return false;
  // identities of older versions say neither
  if (boot !== undefined && (boot !== (here.boot ?? '') || namespace !== (here.pid_namespace ?? '')))
    return false;
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

/**
 * From /proc/PID/stat (proc(5)), whose second field, a name, may itself have spaces and brackets;
 * undefined without one.
 */
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

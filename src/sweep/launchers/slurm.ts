/**
 * Runs trials as Slurm jobs. Slurm decides when and where they run, and starts them again if their
 * node is lost or preempted. The sweep's directory must be on a file system that the nodes share,
 * and the program at the same path on each node.
 *
 * `<sweep>/slurm/<task>-<attempt>/` belongs to one job: `script.sh`, `job` with its ID, and
 * `stderr` and `end`, which the script writes.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder, writeAtomic } from '../../run/files.js';
import { usageError } from '../../util/errors.js';
import { programFile } from '../../util/root.js';
import { type Launcher, polled, type RunningTask, type Task, type TaskEnd } from '../segment.js';

const PROGRAM = programFile('cli/main.js');
/** Seconds before the limit at which a run is asked to stop. */
const LEAD_S = 60;
/** Slurm may send the signal up to this many seconds earlier (sbatch(1), --signal). */
const EARLY_S = 60;
/** Says that the time limit is near; SIGINT is what a person sends to interrupt a job. */
const LIMIT_SIGNAL = 'USR1';
/** Length of the end of stderr that messages quote. */
const TAIL_LENGTH = 4_000;
/** A controller under load is slow; a command that takes longer than this hangs. */
const COMMAND_MS = 60_000;

/** In milliseconds. The Slurm manual allows a query every few seconds: all share the controller. */
const USUAL_PACE = {
  /** Between reads of the end files. */
  files: 500,
  /** Between calls of squeue. */
  slurm: 10_000,
  /** How long an end file may take to become visible on this machine. */
  grace: 60_000,
  /** Without a response from Slurm, after which the launcher fails. */
  patience: 900_000,
};

interface SlurmOptions {
  readonly directory: string;
  /** Further options of sbatch, such as `--partition=long`; they override those of the launcher. */
  readonly sbatch?: readonly string[];
  readonly program?: string;
  readonly pace?: typeof USUAL_PACE;
}

export async function openSlurm(options: SlurmOptions): Promise<Launcher> {
  const { directory, sbatch = [], program = PROGRAM, pace = USUAL_PACE } = options;
  await slurm('scontrol', ['show', 'config']);
  let isClosed = false;
  /** The jobs that are awaited, and their states when Slurm last responded. */
  const awaited = new Set<string>();
  let states: ReadonlyMap<string, string> = new Map();
  /** When Slurm was last asked, and last asked with a response, on the clock of `performance`. */
  let asked = Number.NEGATIVE_INFINITY;
  let responded = performance.now();

  /** Asks for the states of all jobs, if that is due. */
  const askSlurm = async (): Promise<void> => {
    const now = performance.now();
    if (now - asked < pace.slurm) return;
    asked = now;
    try {
      states = await statesOf([...awaited]);
      responded = now;
    } catch (error) {
      // the controller may be restarting; the end files still arrive
      if (now - responded > pace.patience) throw error;
    }
  };
  /**
   * Reads the end file often, which costs Slurm nothing, and asks Slurm rarely, to find jobs whose
   * script could not write one.
   */
  const ended = (id: string, folder: string, { timeout }: Task): Promise<TaskEnd> => {
    const since = performance.now();
    let endSeen: number | undefined;
    const endNow = async (): Promise<TaskEnd | undefined> => {
      const end = scriptEnd(folder);
      const isDecided = isFinal(end);
      if (!isDecided) {
        await askSlurm();
        if (responded < since || !hasEnded(states.get(id))) endSeen = undefined;
        else endSeen ??= performance.now();
        // the end file may become visible here later
        const isLate = endSeen !== undefined && performance.now() - endSeen >= pace.grace;
        if (endSeen === undefined || (end === undefined && !isLate)) return undefined;
      }
      awaited.delete(id);
      const state = isDecided ? undefined : (states.get(id) ?? 'forgotten');
      const remark = state === undefined ? '' : `Slurm reports state ${state} for job ${id}`;
      return {
        ...(end === undefined ? { exitCode: null, signal: 'SIGKILL' } : exitOf(end.code)),
        // the partition may have a limit of its own
        timedOut: timeout !== null && (end?.reason === 'timeout' || state === 'TIMEOUT'),
        stderr: `${textOf(join(folder, 'stderr')).slice(-TAIL_LENGTH).trim()}\n${remark}`.trim(),
      };
    };
    return polled(endNow, pace.files, () => isClosed);
  };
  const folderOf = ({ id, attempt }: Task): string => join(directory, 'slurm', `${id}-${attempt}`);
  const running = (id: string, task: Task): RunningTask => {
    awaited.add(id);
    return { process: id, end: ended(id, folderOf(task), task), stop: () => stop(id) };
  };

  return {
    name: 'slurm',
    async start(task) {
      const folder = folderOf(task);
      const earlier = jobOf(folder);
      // Slurm reports a job as running for a moment after its script has ended
      if (earlier !== undefined && !isFinal(scriptEnd(folder)) && (await isAlive(earlier)))
        return running(earlier, task);
      rmSync(folder, { recursive: true, force: true });
      makeFolder(folder, folder, 'the folder of a job');
      const script = join(folder, 'script.sh');
      writeAtomic(script, [batchScript(task, [process.execPath, program], folder)]);
      const output = await slurm('sbatch', [...optionsFor(task, directory, folder), ...sbatch, script]);
      // with several clusters: `12;cluster`
      const id = output.trim().split(';')[0];
      writeAtomic(join(folder, 'job'), [`${id}\n`]);
      return running(id, task);
    },
    async find(task, id) {
      const folder = folderOf(task);
      if (jobOf(folder) !== id) return undefined;
      return scriptEnd(folder) !== undefined || (await isAlive(id)) ? running(id, task) : undefined;
    },
    async close() {
      isClosed = true;
    },
  };
}

function optionsFor({ threads, timeout }: Task, directory: string, folder: string): string[] {
  return [
    '--parsable',
    `--job-name=cellrun-${basename(dirname(directory))}-${basename(folder)}`,
    `--chdir=${directory}`,
    '--ntasks=1',
    `--cpus-per-task=${threads}`,
    ...(timeout === null ? [] : [`--time=${Math.ceil((timeout + LEAD_S + EARLY_S) / 60)}`]),
    `--signal=B:${LIMIT_SIGNAL}@${LEAD_S}`,
    '--requeue',
    // keeps the output from before a requeue
    '--open-mode=append',
    '--output=/dev/null',
    `--error=${folder.replaceAll('%', '%%')}/stderr`,
  ];
}

/** Final states, from squeue(1). In all others a job waits, runs, or will be started again. */
const ENDED =
  /^(BOOT_FAIL|CANCELLED|COMPLETED|DEADLINE|FAILED|LAUNCH_FAILED|NODE_FAIL|OUT_OF_MEMORY|PREEMPTED|RECONFIG_FAIL|REVOKED|TIMEOUT)$/;

/** @param state undefined if Slurm has forgotten the job */
function hasEnded(state: string | undefined): boolean {
  return state === undefined || ENDED.test(state);
}

async function isAlive(id: string): Promise<boolean> {
  return !hasEnded((await statesOf([id])).get(id));
}

async function statesOf(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const columns = ['--noheader', '--states=all', '--format=%A %T'];
  try {
    const listed = await slurm('squeue', [...columns, `--jobs=${ids.join(',')}`]);
    return new Map([...listed.matchAll(/^(\S+) (.*)$/gm)].map(([, id, state]) => [id, state]));
  } catch (error) {
    // Slurm has forgotten all of them
    if (/Invalid job id/i.test(String(error))) return new Map();
    throw error;
  }
}

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** Reads a shell's `$?`: 128 plus the number of a signal; 130 is that of an interrupted run. */
function exitOf(code: number): Pick<TaskEnd, 'exitCode' | 'signal'> {
  const signal = code === 130 ? undefined : SIGNALS.get(code - 128);
  return signal === undefined ? { exitCode: code, signal: null } : { exitCode: null, signal };
}

interface ScriptEnd {
  readonly code: number;
  readonly reason: string;
}

/** False while the script runs, and if Slurm may start it again. */
function isFinal(end: ScriptEnd | undefined): boolean {
  return end !== undefined && end.reason !== 'slurm';
}

/** How the script ended, and why; undefined while it runs. */
function scriptEnd(folder: string): ScriptEnd | undefined {
  const [, code, reason] = /^(\d+) (exit|timeout|slurm)\n$/.exec(textOf(join(folder, 'end'))) ?? [];
  return code === undefined ? undefined : { code: Number(code), reason };
}

/** The job that was submitted for the folder; undefined if none was, or is not recorded. */
function jobOf(folder: string): string | undefined {
  return textOf(join(folder, 'job')).trim() || undefined;
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/**
 * The batch script: starts the task and records how it ended. It passes on signals that reach only
 * the script (SIGINT: stop, SIGUSR1: the time limit is near). It does not pass on SIGTERM, with
 * which Slurm ends or requeues a job: Slurm sends it to every process of the job, and a second one
 * would end a run before its checkpoint.
 */
function batchScript({ args }: Task, program: readonly string[], folder: string): string {
  return `#!/bin/sh
# A task of a sweep. Written by cellrun.
end=${quoted(join(folder, 'end'))}
rm -f "$end"

reason=exit
stopping=
child=
pass_on() {
  stopping=1
  signalled=1
  # sh makes background processes ignore SIGINT until they install a handler
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap pass_on INT
trap 'reason=timeout; pass_on' ${LIMIT_SIGNAL}
trap 'reason=slurm; signalled=1' TERM

${[...program, ...args].map(quoted).join(' ')} </dev/null >/dev/null &
child=$!
[ -z "$stopping" ] || pass_on
code=127
while :; do
  signalled=
  wait "$child"
  status=$?
  # 127: already waited for
  [ "$status" -eq 127 ] || code=$status
  # a signal also ends wait
  [ -n "$signalled" ] || break
done
echo "$code $reason" >"$end.part" && mv -f "$end.part" "$end"
# a paused run has not failed
[ "$code" -ne 130 ] || exit 0
exit "$code"
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** An interrupted job saves a checkpoint; a pending one is removed from the queue. */
async function stop(id: string): Promise<void> {
  await cancel('--state=PENDING', id);
  await cancel('--batch', '--signal=INT', id);
}

async function cancel(...args: string[]): Promise<void> {
  try {
    await slurm('scancel', args);
  } catch (error) {
    // nothing is left to cancel, or a pending job is sent a signal
    if (!/Invalid job id|already completing|completed|not running/i.test(String(error))) throw error;
  }
}

const run = promisify(execFile);

async function slurm(command: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(command, args, { timeout: COMMAND_MS })).stdout;
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { readonly stderr?: string };
    if (code !== 'ENOENT')
      throw usageError('slurm/refused', `${command} failed: ${stderr?.trim() || message}`);
    throw usageError('slurm/not-installed', `the command \`${command}\` was not found in PATH`, {
      expected: 'a machine that can submit Slurm jobs',
    });
  }
}

/** The program as a function: runs command lines without starting a process. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Call } from '../../src/cli/call.js';
import { runCommandLine } from '../../src/cli/program.js';
import type { Io, OutputStream } from '../../src/cli/terminal/io.js';
import { packageRoot } from '../../src/util/root.js';
import { computeInThreads } from '../../src/util/thread.js';

/**
 * The file that tests start as a process of its own: the bundle, which users start and which loads
 * in less time, unless the compiler has written modules since it was built.
 */
export const main = join(packageRoot, 'dist', isBundleCurrent() ? 'bundle' : 'src', 'cli', 'main.js');

export interface Place {
  readonly cwd: string;
  /** All environment variables that the program sees. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin?: Readable;
}

/** Events of the process that the program listens for. A call must remove its listeners. */
const EVENTS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect', 'exit', 'uncaughtException'] as const;

/** The modules of the program that a call needs, perhaps of an altered copy. */
export interface ProgramModules {
  readonly Call: typeof Call;
  readonly computeInThreads: typeof computeInThreads;
}

const OURS: ProgramModules = { Call, computeInThreads };

/** An altered copy of the build, such as that of `npm run planted`, has no bundle. */
function isBundleCurrent(): boolean {
  const [bundled, compiled] = ['.stamp', '.tsbuildinfo'].map(
    file => statSync(join(packageRoot, 'dist', file), { throwIfNoEntry: false })?.mtimeMs,
  );
  return bundled !== undefined && compiled !== undefined && bundled >= compiled;
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs `cellrun ARGS` in this process, at `place`. Concurrent calls run one after another, since a
 * process has only one working directory and environment. Locks of runs and child processes are
 * real. Signals, killed processes, pipes and the entry point `main.ts` need `Workplace.start`. A
 * run starts compute threads only if `--threads` is at least 2.
 *
 * Rejects if the call does not remove a listener of process events.
 */
export function callInProcess(
  args: readonly string[],
  place: Place,
  program = OURS,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const called = last.then(() => callAt(args, place, program));
  last = called.catch(() => {});
  return called;
}

async function callAt(args: readonly string[], place: Place, program: ProgramModules) {
  const listeners = listenerCounts();
  const [stdout, stderr] = [new Captured(), new Captured()];
  const restore = enter(args, place, program);
  const { stdin } = place;
  const terminal = { stdout, stderr, env: process.env, ...(stdin && { stdin }) };
  const code = await new program.Call(args, terminal).run().finally(restore);
  const left = EVENTS.filter(name => process.listenerCount(name) > listeners[name]);
  if (left.length > 0) throw new Error(`cellrun ${args.join(' ')} still listens for ${left.join(', ')}`);
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/**
 * Runs `cellrun ARGS` with the streams of `io`. Returns the exit code; rejects with errors of the
 * verb.
 */
export function callWith(io: Io, ...args: readonly string[]): Promise<number> {
  return runCommandLine(args, io, '0');
}

/** Streams that keep what is written to them. */
export function recorder(parts: Partial<Io> = {}) {
  const text = { out: '', err: '' };
  const into = (stream: 'out' | 'err') => (more: string) => {
    text[stream] += more;
  };
  const [out, err] = [into('out'), into('err')];
  return { text, out, data: out, err, color: { out: false, err: false }, interactive: false, ...parts };
}

/** Makes this process look as if started with `args` at `place`. Returns a function to undo it. */
function enter(args: readonly string[], { cwd, env }: Place, program: ProgramModules): () => void {
  const before = { cwd: process.cwd(), env: { ...process.env }, argv: process.argv };
  const inThreads = program.computeInThreads(Number(args[args.indexOf('--threads') + 1]) > 1);
  process.chdir(cwd);
  setEnvironment(env);
  process.argv = [process.execPath, main, ...args];
  return () => {
    program.computeInThreads(inThreads);
    process.argv = before.argv;
    setEnvironment(before.env);
    process.chdir(before.cwd);
  };
}

class Captured implements OutputStream {
  text = '';

  write(text: string): void {
    this.text += text;
  }

  on(): void {}
}

function setEnvironment(env: Place['env']): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  for (const [name, value] of Object.entries(env)) if (value !== undefined) process.env[name] = value;
}

function listenerCounts(): Readonly<Record<string, number>> {
  return Object.fromEntries(EVENTS.map(name => [name, process.listenerCount(name)]));
}

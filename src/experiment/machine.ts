/**
 * The environment of a run: versions, machine, source revision. Nothing here names a host or a
 * person.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../util/root.js';

const require = createRequire(import.meta.url);

const execute = promisify(execFile);

/** Its first lines name the commit, the others what differs from it. */
const STATUS = ['status', '--porcelain=v2', '--branch', '--untracked-files=no'];
/** Bytes; a line for each file that differs. */
const MAX_STATUS = 2 ** 26;

export interface Versions {
  readonly cellrun: string;
  readonly node: string;
  readonly 'gpu.js': string;
}

export interface Machine {
  /** Such as `linux`. */
  readonly platform: string;
  /** Such as `x64`. */
  readonly arch: string;
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
  readonly memory_mb: number;
}

export interface GitState {
  /** Full commit id. */
  readonly revision: string;
  /** Whether tracked files differ from it; untracked ones, such as runs, do not count. */
  readonly dirty: boolean;
}

export function versions(): Versions {
  return {
    cellrun: versionIn(join(packageRoot, 'package.json')),
    node: process.versions.node,
    'gpu.js': (require('gpu.js/package.json') as { version: string }).version,
  };
}

export function machine(): Machine {
  return {
    platform: platform(),
    arch: arch(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_mb: Math.round(totalmem() / 2 ** 20),
  };
}

/**
 * The state of the repository around `folder`; `null` outside of one, before its first commit, and
 * where git is not installed.
 */
export async function gitState(folder: string): Promise<GitState | null> {
  try {
    const { stdout } = await execute(
      'git',
      // a repository's own settings can name programs that git would start
      ['-C', folder, '-c', 'core.fsmonitor=false', '--no-optional-locks', ...STATUS],
      { timeout: 10_000, maxBuffer: MAX_STATUS },
    );
    const [, revision] = /^# branch\.oid ([0-9a-f]+)$/m.exec(stdout) ?? [];
    return revision === undefined ? null : { revision, dirty: /^[^#]/m.test(stdout) };
  } catch {
    return null;
  }
}

function versionIn(packageFile: string): string {
  const { version }: { version?: unknown } = JSON.parse(readFileSync(packageFile, 'utf8'));
  return String(version);
}

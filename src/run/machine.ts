/**
 * The environment of a run: versions, machine, source revision. Contains no names of hosts or
 * people.
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

/** The first lines of the output name the commit, the others the files that differ from it. */
const STATUS = ['status', '--porcelain=v2', '--branch', '--untracked-files=no'];
/** Maximum bytes of the output, which has one line per file that differs. */
const MAX_STATUS = 2 ** 26;

export interface Versions {
  readonly cellrun: string;
  readonly node: string;
  readonly 'gpu.js': string;
}

export interface Machine {
  /** For example `linux`. */
  readonly platform: string;
  /** For example `x64`. */
  readonly arch: string;
  readonly cpu: string;
  /** Cores that this process can use. */
  readonly cores: number;
  readonly memory_mb: number;
}

export interface GitState {
  /** Full commit id. */
  readonly revision: string;
  /** True if tracked files differ from it; untracked files, such as runs, do not count. */
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
 * The state of the repository that contains `folder`; `null` if there is none, it has no commit, or
 * git is not installed.
 */
export async function gitState(folder: string): Promise<GitState | null> {
  try {
    const { stdout } = await execute(
      'git',
      // a repository's own settings can name programs for git to start
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

/**
 * What a run stood on: versions, machine, source revision. Nothing here names a host or a person.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../util/root.js';

const require = createRequire(import.meta.url);

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
 * The state of the repository around `folder`; `null` outside of one, or where git is not
 * installed.
 */
export function gitState(folder: string): GitState | null {
  try {
    const revision = git(folder, ['rev-parse', 'HEAD']).trim();
    return { revision, dirty: git(folder, ['status', '--porcelain', '--untracked-files=no']) !== '' };
  } catch {
    // No git, no repository, no commit yet: a run needs none of them, and the manifest says `null`.
    return null;
  }
}

function git(folder: string, args: readonly string[]): string {
  // a repository's own settings can name programs that git would start
  return execFileSync('git', ['-C', folder, '-c', 'core.fsmonitor=false', '--no-optional-locks', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 10_000,
  });
}

function versionIn(packageFile: string): string {
  const { version }: { version?: unknown } = JSON.parse(readFileSync(packageFile, 'utf8'));
  return String(version);
}

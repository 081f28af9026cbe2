/**
 * `manifest.json`: everything needed to explain and repeat a run; schema in
 * schemas/manifest.schema.json.
 */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DataRecord, DataScaling } from '../config/experiment.js';
import { packageRoot } from '../util/root.js';
import type { Json } from './json.js';

export interface Manifest {
  readonly version: 1;
  /** ISO 8601, UTC. */
  readonly started: string;
  readonly run_id: string;
  readonly name: string;
  readonly config_hash: string;
  /** SHA-256 (hex) of everything that determines a training step; each checkpoint has it too. */
  readonly step_hash: string;
  /** Absolute path of the directory when the run started; a copy has another path. */
  readonly directory: string;
  readonly digests: Readonly<Record<string, string>>;
  readonly config_files: readonly string[];
  readonly log_every: number;
  readonly gate_origins: readonly string[];
  readonly backend: {
    readonly name: string;
    readonly reason: string;
    readonly executor: string;
    /** On webasm; results are byte-identical only if this is equal. */
    readonly arithmetic: 'fused' | 'separate' | null;
    /** On webasm, in bits; does not change results. */
    readonly width: 128 | 256 | null;
    readonly threads: number | null;
    readonly adapter: string | null;
  };
  readonly datasets: readonly {
    readonly name: string;
    readonly sha256: string;
    /** Split that it was given for; the test split may be a part of the files for `train`. */
    readonly split: 'train' | 'validation' | 'test';
  }[];
  readonly initial_weights?: { readonly name: string; readonly sha256: string };
  readonly data: DataRecord;
  /** scaled = (value - offset) / scale, by column; null if the data are symbols or classes. */
  readonly scaling?: DataScaling;
  readonly seeds: Readonly<Record<string, number>>;
  readonly parameters: number;
  readonly command_line: readonly string[];
  readonly versions: Versions;
  readonly git: GitState | null;
  readonly machine: Machine;
  /** From before config changes; earlier checkpoints have them. */
  readonly earlier_step_hashes?: readonly string[];
  readonly changes?: readonly ManifestChange[];
}

export interface ManifestChange {
  readonly time: string;
  readonly step: number;
  readonly key: string;
  readonly from: Json;
  readonly to: Json;
}

/* The environment of a run, without names of hosts or people. */

const require = createRequire(import.meta.url);

const execute = promisify(execFile);

/** The first lines of the output name the commit, the others the files that differ from it. */
const STATUS = ['status', '--porcelain=v2', '--branch', '--untracked-files=no'];
const MAX_STATUS = 2 ** 26;

export interface Versions {
  readonly cellrun: string;
  readonly node: string;
  readonly 'gpu.js': string;
}

export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memory_mb: number;
}

export interface GitState {
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

/** Null if there is no repository, it has no commit, or git is not installed. */
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

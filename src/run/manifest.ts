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
import { packageRoot } from '../util/root.js';
import type { Json } from './json.js';

/**
 * scaled = (value - offset) / scale, one of each per column; null if the data are symbols or
 * classes.
 */
export interface ScalingRecord {
  readonly method: 'standard' | 'min_max';
  readonly features: { readonly offset: readonly number[]; readonly scale: readonly number[] } | null;
  readonly targets: { readonly offset: readonly number[]; readonly scale: readonly number[] } | null;
}

/** Text of the symbols; the first is for unknown symbols. */
interface VocabularyRecord {
  /** How text is split into symbols; null if the data list them. */
  readonly level: 'character' | 'byte' | 'word' | null;
  readonly symbols: readonly string[];
  /** True if the model has learned to read unknown symbols; absent: false. */
  readonly has_unknown?: boolean;
}

/** Properties of a run's data that predictions need; `DataRecord` of `data/`. */
interface DataRecord {
  readonly input:
    | { readonly kind: 'number'; readonly size: number }
    | { readonly kind: 'symbol'; readonly count: number };
  readonly sequence_length: number;
  readonly variable_length: boolean;
  readonly first_prediction?: number;
  readonly output_size: number;
  readonly class_names?: readonly string[];
  readonly target_names?: readonly string[];
  readonly image?: { readonly height: number; readonly width: number };
  readonly vocabulary?: VocabularyRecord;
  readonly series_scaling?: {
    readonly pooled: { readonly offset: readonly number[]; readonly scale: readonly number[] };
    readonly series: readonly {
      readonly name: string;
      readonly offset: readonly number[];
      readonly scale: readonly number[];
    }[];
  };
}

/** Facts that only the run itself knows. */
export interface ManifestFacts {
  readonly run_id: string;
  readonly name: string;
  /** When the run started. */
  readonly started: Date;
  /** SHA-256 of the resolved config, hex. */
  readonly config_hash: string;
  /** SHA-256 (hex) of everything that determines a training step; each checkpoint has it too. */
  readonly step_hash: string;
  /** Absolute path of the directory when the run started; a copy has another path. */
  readonly directory: string;
  /** SHA-256 (hex) of the files written at the start of the run, by name. */
  readonly digests: Readonly<Record<string, string>>;
  /** The config and the files that it extends, as named. */
  readonly config_files: readonly string[];
  /** Interval between logged steps. */
  readonly log_every: number;
  /**
   * `FILE:LINE:COL` or `--set` of each gate, in order, so that a resumed run reports the same
   * locations.
   */
  readonly gate_origins: readonly string[];
  readonly backend: {
    readonly name: string;
    /** Why it was chosen. */
    readonly reason: string;
    readonly executor: string;
    /**
     * How products are added on webasm; `null` on other backends. Results are byte-identical only
     * if this is equal.
     */
    readonly arithmetic: 'fused' | 'separate' | null;
    /** Vector width in bits of kernels on webasm; does not change results. `null` on others. */
    readonly width: 128 | 256 | null;
    readonly threads: number | null;
    /** Name of the GPU from its driver; `null` without one. */
    readonly adapter: string | null;
  };
  readonly datasets: readonly {
    readonly name: string;
    readonly sha256: string;
    /** Split that it was given for; the test split may be a part of the files for `train`. */
    readonly split: 'train' | 'validation' | 'test';
  }[];
  /** The file `model.init_from`; absent without the key. */
  readonly initial_weights?: { readonly name: string; readonly sha256: string };
  /** Properties of the data that predictions need. */
  readonly data: DataRecord;
  /** How features and targets were scaled; absent if they were not. */
  readonly scaling?: ScalingRecord;
  /** All seeds, by their use. */
  readonly seeds: Readonly<Record<string, number>>;
  readonly parameters: number;
  readonly command_line: readonly string[];
}

export interface ManifestChange {
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Optimizer steps completed before it. */
  readonly step: number;
  readonly key: string;
  readonly from: Json;
  readonly to: Json;
}

export interface Manifest extends Omit<ManifestFacts, 'started'> {
  readonly version: 1;
  /** ISO 8601, UTC. */
  readonly started: string;
  readonly versions: Versions;
  readonly git: GitState | null;
  readonly machine: Machine;
  /**
   * Step hashes from before config changes, which earlier checkpoints have. Absent if there are
   * none.
   */
  readonly earlier_step_hashes?: readonly string[];
  readonly changes?: readonly ManifestChange[];
}

/**
 * Creates a manifest from `facts`, the versions, the machine and `git`, the state of the repository
 * that contains the config.
 */
export function describeRun(facts: ManifestFacts, git: GitState | null): Manifest {
  const { started, ...rest } = facts;
  return {
    version: 1,
    started: started.toISOString(),
    ...rest,
    versions: versions(),
    git,
    machine: machine(),
  };
}

/*
 * The environment of a run: versions, machine, source revision. Contains no names of hosts or
 * people.
 */

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
  readonly platform: string;
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

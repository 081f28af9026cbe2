/**
 * A run as read from its directory, perhaps still in training, perhaps from another machine. All
 * that reads runs opens them here: `resume`, `predict`, reviews, reports, the dashboard, sweeps.
 */
import { dirname } from 'node:path';
import { type LoadedExperiment, loadExperiment, type OpenOptions } from '../config/index.js';
import { readPlainConfig } from '../config/load.js';
import { caught, damagedError, UserError } from '../util/errors.js';
import { type CheckpointHeader, listCheckpoints, retried } from './checkpoints.js';
import { RunDirectory } from './directory.js';
import type { SplitEvaluation } from './evaluation.js';
import type { RunStatus } from './events.js';
import { digestOfFile, isAbsent } from './files.js';
import { type RunHistory, readHistory } from './history.js';
import { changedInputs, refuseChangedInputs, refuseDamage } from './integrity.js';
import { isLocked } from './lock.js';
import type { Manifest } from './manifest.js';
import type { Summary } from './summary.js';

/** `killed`: no process is running it, and none recorded its end. */
export type RunState = RunStatus | 'running' | 'killed';

/** What happened to a run or a sweep that is not complete. */
export const STATE_WORDS = {
  running: 'is still running',
  killed: 'was killed before it ended',
  interrupted: 'was interrupted',
  diverged: 'diverged',
  failed: 'failed',
  'not begun': 'has not begun',
} as const;

interface Parts {
  readonly manifest: Manifest;
  /**
   * Written by the last process that stopped normally. Out of date if the run was resumed since.
   */
  readonly summary: Summary;
  readonly evaluation: SplitEvaluation;
  readonly config: Readonly<Record<string, unknown>>;
}

type Part = keyof Parts;

/**
 * Reads each part when it is first asked for, and once: a run in training changes meanwhile.
 * Properties throw the problem of their part; `read` returns it, so that one damaged file does not
 * hide the others.
 */
export class Run {
  private readonly parts = new Map<Part, unknown>();

  private constructor(readonly directory: RunDirectory) {}

  /** Opens the run in the directory `path`, without reading its files. */
  static open(path: string): Run {
    return new Run(RunDirectory.open(path));
  }

  /** Opens a run and reads its manifest, summary and config. */
  static read(path: string): Run {
    const run = Run.open(path);
    for (const part of ['manifest', 'summary', 'config'] as const) run.valueOf(part);
    return run;
  }

  /** The part; undefined if there is none, an error (exit 5 or 2) if it cannot be read. */
  read<P extends Part>(part: P): Parts[P] | UserError | undefined {
    if (!this.parts.has(part))
      this.parts.set(
        part,
        caught(() => this.load(part)),
      );
    return this.parts.get(part) as Parts[P] | UserError | undefined;
  }

  get manifest(): Manifest | undefined {
    return this.valueOf('manifest');
  }

  get summary(): Summary | undefined {
    return this.valueOf('summary');
  }

  get evaluation(): SplitEvaluation | undefined {
    return this.valueOf('evaluation');
  }

  get config(): Parts['config'] {
    return this.valueOf('config') ?? {};
  }

  get id(): string {
    return this.manifest?.run_id ?? this.summary?.run_id ?? this.directory.id;
  }

  get name(): string {
    const known = this.manifest?.name ?? this.summary?.name ?? this.config.name;
    return typeof known === 'string' ? known : this.directory.id;
  }

  get state(): RunState {
    if (isLocked(this.directory.files.lock)) return 'running';
    return this.summary?.status ?? 'killed';
  }

  checkpoints(): readonly CheckpointHeader[] {
    return retried(() => listCheckpoints(this.directory.files.checkpoints));
  }

  history(capacity: number): RunHistory {
    return readHistory(this.directory.files.log, { capacity });
  }

  refuseChanges(): void {
    if (this.manifest) refuseChangedInputs(this.directory, this.manifest);
  }

  private load(part: Part): Parts[Part] | undefined {
    if (part === 'config') return this.plainConfig();
    return part === 'summary' ? this.directory.readSummary() : this.directory.read(part);
  }

  private plainConfig(): Parts['config'] {
    try {
      return readPlainConfig(this.directory.files.resolvedConfig);
    } catch (error) {
      // a damaged file is no mistake of the user
      const manifest = this.read('manifest');
      if (manifest !== undefined && !(manifest instanceof UserError))
        refuseDamage(this.directory, changedInputs(this.directory, manifest));
      throw error;
    }
  }

  private valueOf<P extends Part>(part: P): Parts[P] | undefined {
    const read = this.read(part);
    if (read instanceof UserError) throw read;
    return read;
  }
}

export type RunRecord = Pick<Run, 'directory' | 'id' | 'name' | 'state' | 'config' | 'manifest' | 'summary'>;

/** So that its hash is the original's: paths are relative to the folder of the original file. */
export function frozenOptions(
  directory: RunDirectory,
  { config_files, initial_weights }: Manifest,
): Pick<OpenOptions, 'folder' | 'weights'> {
  return { folder: dirname(config_files.at(-1) ?? directory.path), weights: initial_weights?.sha256 };
}

/**
 * The config that a run was started with, which everything that computes with the run uses. Changes
 * nothing: if a process was killed while it changed the config, the new one is still in a file of
 * another name.
 */
export function frozenConfig(directory: RunDirectory, manifest: Manifest): LoadedExperiment {
  const { resolvedConfig } = directory.files;
  const sha256 = manifest.digests[directory.nameOf(resolvedConfig)];
  const file = [resolvedConfig, directory.nextConfig].find(
    path => !isAbsent(path) && digestOfFile(path) === sha256,
  );
  if (file !== undefined) return loadExperiment(file, frozenOptions(directory, manifest));
  throw damagedError(
    'run/config-changed',
    'this file does not match its digest in manifest.json: it was damaged, or edited after the run started',
    {
      file: resolvedConfig,
      expected: 'the file from a backup; to change a key, use `resume --set KEY=VALUE`',
    },
  );
}

/** True if `config.yaml` is not the one that the run began with: a run resumes without it. */
export function isGivenConfigEdited(directory: RunDirectory, { digests }: Manifest): boolean {
  const name = directory.nameOf(directory.files.config);
  // an unreadable one is edited too
  return ![undefined, digests[name]].includes(caught(() => directory.digestOf(name)) as string | undefined);
}

/**
 * A run as read from its directory, perhaps still in training, perhaps from another machine. All
 * that reads runs opens them here: `resume`, `predict`, reviews, reports, the dashboard, sweeps.
 */

import { type LoadedExperiment, loadExperiment } from '../config/index.js';
import { readPlainConfig } from '../config/load.js';
import { dirname, fs } from '../host/index.js';
import type { Confidence } from '../tasks/core/confidence.js';
import type { SplitEvaluation } from '../tasks/facts.js';
import { caught, UserError } from '../util/errors.js';
import { type CheckpointHeader, listCheckpoints, retried } from './checkpoints.js';
import { type Parts, RunDirectory } from './directory.js';
import type { RunStatus } from './events.js';
import type { Explanation } from './explanation.js';
import { type RunHistory, readHistory } from './history.js';
import { changedFiles, changedInputs, isAtEnd, refuseDamage } from './integrity.js';
import { readJson } from './json.js';
import { isLocked } from './lock.js';
import { unspellMetrics } from './log.js';
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

/**
 * Reads each part when it is first asked for, and once: a run in training changes meanwhile.
 * Properties throw the problem of their part alone, so that one damaged file does not hide the
 * others.
 */
export class Run {
  private readonly parts = new Map<keyof Parts, unknown>();

  private constructor(readonly directory: RunDirectory) {}

  /** Opens the run in the directory `path`, without reading its files. */
  static open(path: string): Run {
    return new Run(RunDirectory.open(path));
  }

  /** Opens a run and reads its manifest, summary and config. Throws what `refuseChanges` throws. */
  static read(path: string): Run {
    const run = Run.open(path);
    for (const part of ['manifest', 'summary'] as const) run.read(part);
    run.refuseChanges();
    run.read('config');
    return run;
  }

  get manifest(): Manifest | undefined {
    return this.read('manifest');
  }

  get summary(): Summary | undefined {
    return this.read('summary');
  }

  get evaluation(): SplitEvaluation | undefined {
    return this.read('evaluation');
  }

  /** What the run fitted for its final weights; undefined if nothing. */
  get confidence(): Confidence | undefined {
    return this.read('confidence');
  }

  get explanation(): Explanation | undefined {
    return this.read('explanation');
  }

  get config(): Parts['config'] {
    return this.read('config') ?? {};
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

  /** Path of the run that this directory is a copy of, if that is still there. */
  get original(): string | undefined {
    const { path } = this.directory;
    const { directory = path, run_id, started } = this.manifest ?? {};
    if (directory === path) return undefined;
    try {
      const [here, there] = [path, directory].map(folder => fs.statSync(folder));
      if (here.dev === there.dev && here.ino === there.ino) return undefined;
      const { manifest } = Run.open(directory);
      return manifest?.run_id === run_id && manifest?.started === started ? directory : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Checks the manifest, the files written at the start of a run and what it fitted in the end,
   * before anything is computed with them; throws (exit 5) if one has changed. The digests of the
   * first and the last are in the summary, which counts only while it is that of the log's end: a
   * resume removes the end before it changes the manifest.
   */
  refuseChanges(): void {
    const { directory, manifest } = this;
    if (manifest === undefined) return;
    const written = (isAtEnd(directory) && this.summary?.digests.files) || {};
    const used = Object.entries(written).filter(([name]) => /^(manifest|confidence)\.json$/.test(name));
    refuseDamage(directory, [
      ...changedFiles(directory, Object.fromEntries(used), 'summary.json'),
      ...changedInputs(directory, manifest),
    ]);
  }

  /**
   * The config that the run was started with, and overrides of it, `key.path=value`: everything
   * that computes with the run uses it. Throws what `refuseChanges` throws.
   */
  experiment(set: readonly string[] = []): LoadedExperiment {
    this.refuseChanges();
    const { directory, manifest } = this;
    if (manifest === undefined) return loadExperiment(directory.files.resolvedConfig, { set });
    const { config_files, initial_weights } = manifest;
    // so that its hash is the original's: paths are relative to the folder of the original file
    const folder = dirname(config_files.at(-1) ?? directory.path);
    return loadExperiment(directory.currentConfig(manifest), {
      set,
      folder,
      weights: initial_weights?.sha256,
    });
  }

  private load(part: keyof Parts): Parts[keyof Parts] | undefined {
    if (part === 'config') return this.plainConfig();
    const file = this.directory.files[part];
    if (part !== 'summary')
      return readJson<Manifest | SplitEvaluation | Explanation | Confidence>(file, part);
    const summary = readJson<Summary>(file, part);
    return summary && { ...summary, metrics: unspellMetrics(summary.metrics) };
  }

  private plainConfig(): Parts['config'] {
    try {
      return readPlainConfig(this.directory.files.resolvedConfig);
    } catch (error) {
      // a damaged file is no mistake of the user
      const manifest = caught(() => this.manifest);
      if (manifest !== undefined && !(manifest instanceof UserError))
        refuseDamage(this.directory, changedInputs(this.directory, manifest));
      throw error;
    }
  }

  /** Undefined if there is none. Throws (exit 5 or 2) if it cannot be read. */
  private read<P extends keyof Parts>(part: P): Parts[P] | undefined {
    if (!this.parts.has(part)) this.parts.set(part, this.load(part));
    return this.parts.get(part) as Parts[P] | undefined;
  }
}

export type RunRecord = Pick<
  Run,
  'directory' | 'id' | 'name' | 'state' | 'config' | 'manifest' | 'summary' | 'original'
>;

/** True if `config.yaml` is not the one that the run began with: a run resumes without it. */
export function isGivenConfigEdited(directory: RunDirectory, { digests }: Manifest): boolean {
  const name = directory.nameOf(directory.files.config);
  // an unreadable one is edited too
  return ![undefined, digests[name]].includes(caught(() => directory.digestOf(name)) as string | undefined);
}

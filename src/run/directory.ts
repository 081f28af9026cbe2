/**
 * The directory of one run: created exclusively, inside the output root, with its config written
 * before anything runs.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { damagedError, type UserError, usageError } from '../util/errors.js';
import { nearestFile } from '../util/nearest.js';
import { checkpointNames } from './checkpoint-files.js';
import type { SplitEvaluation } from './evaluation.js';
import { withFileErrors } from './file-errors.js';
import {
  digestOfFile,
  flushFolder,
  isAbsent,
  TEMPORARY_PREFIX,
  writeAtomic,
  writeFlushed,
  writeJsonAtomic,
} from './files.js';
import { checkName, claimStamped, foreignEntry, type GivenConfigs, isWhole, makeFolder } from './folders.js';
import { readJson, spellNonFinite } from './json.js';
import { isLocked } from './lock.js';
import { unspellMetrics } from './log.js';
import type { Manifest } from './manifest.js';
import { NotesFile } from './notes.js';
import type { Summary } from './summary.js';

export interface NewRun extends GivenConfigs {
  /** The experiment's name; see `checkName`. */
  readonly name: string;
  /** `--output`; created if it is missing. */
  readonly outputRoot: string;
  /** SHA-256 of the resolved config, hex. */
  readonly configHash: string;
  /** When the run started; part of the directory's name. */
  readonly started: Date;
}

/** Paths of a run's files. All are absolute. */
export interface RunFiles {
  readonly config: string;
  readonly resolvedConfig: string;
  readonly manifest: string;
  readonly log: string;
  readonly lock: string;
  readonly summary: string;
  readonly evaluation: string;
  /** Written by users with `tag` and `run --tag`. */
  readonly notes: string;
  /** Copies of the baselines that its gates compare with. */
  readonly baselines: string;
  readonly checkpoints: string;
}

export class RunDirectory {
  readonly files: RunFiles;

  private constructor(readonly path: string) {
    const at = (name: string): string => join(path, name);
    this.files = {
      config: at('config.yaml'),
      resolvedConfig: at('config.resolved.yaml'),
      manifest: at('manifest.json'),
      log: at('log.jsonl'),
      lock: at('run.lock'),
      summary: at('summary.json'),
      evaluation: at('evaluation.json'),
      notes: at('notes.json'),
      baselines: at('baselines'),
      checkpoints: at('checkpoints'),
    };
  }

  /**
   * The directory's name, unique within its experiment. For a new run this is the run id; a renamed
   * or copied run keeps its original id.
   */
  get id(): string {
    return basename(this.path);
  }

  /** True if the directory has a resolved config and a manifest. */
  get isResumable(): boolean {
    return existsSync(this.files.resolvedConfig) && existsSync(this.files.manifest);
  }

  /** Creates `<outputRoot>/<name>/<UTC time>-<8 hex>/` with both configs in it. */
  static create(run: NewRun): RunDirectory {
    checkName(run.name);
    const root = resolve(run.outputRoot);
    const parent = join(root, run.name);
    makeFolder(parent, run.outputRoot);
    checkInside(root, parent);
    const directory = new RunDirectory(claim(parent, run));
    directory.writeConfigs(run);
    return directory;
  }

  /**
   * Opens the directory `path` itself for a new run; creates it if it is missing. Nothing is
   * written to it before it is locked and `takeConfigs` is called.
   */
  static at(path: string, configs: GivenConfigs): RunDirectory {
    const directory = new RunDirectory(resolve(path));
    makeFolder(directory.path, path);
    try {
      directory.refuseUnlessFree(configs);
    } catch (error) {
      // checked afterwards, since another process may begin the run, and even stop, at any moment
      if (!isLocked(directory.files.lock) && !directory.isResumable) throw error;
    }
    return directory;
  }

  /**
   * Writes both configs to a directory that `at` returned, and completes configs that a process
   * left unfinished. Throws what `at` throws.
   */
  takeConfigs(configs: GivenConfigs): void {
    this.refuseUnlessFree(configs);
    this.writeConfigs(configs);
  }

  private refuseUnlessFree(configs: GivenConfigs): void {
    if (this.hasLostConfig) throw this.lostConfig();
    this.refuseLostManifest();
    const foreign = foreignEntry(this.files, configs);
    if (foreign === undefined) return;
    throw usageError({
      code: 'run/not-empty',
      message: `this directory contains something that is not from a run of this config: ${foreign}`,
      file: this.path,
      expected: 'an empty or new directory, or a run directory',
    });
  }

  refuseLostManifest(): void {
    const { resolvedConfig, manifest, log, checkpoints } = this.files;
    if (!existsSync(resolvedConfig) || !isAbsent(manifest)) return;
    if (isAbsent(log) && checkpointNames(checkpoints).length === 0) return;
    throw damagedError({
      code: 'run/manifest-lost',
      message: 'manifest.json is missing, so this run cannot resume; its other files are unchanged',
      file: manifest,
      expected: 'the file, restored from a backup',
    });
  }

  /** True if there is a manifest and a log, but the resolved config is missing. */
  private get hasLostConfig(): boolean {
    const { resolvedConfig, manifest, log } = this.files;
    return !existsSync(resolvedConfig) && existsSync(manifest) && existsSync(log);
  }

  private lostConfig(): UserError {
    return damagedError({
      code: 'run/config-lost',
      message: 'config.resolved.yaml is missing, so this run cannot be read; its other files are unchanged',
      file: this.files.resolvedConfig,
      expected: 'the file, restored from a backup',
    });
  }

  /** Existing files are complete, or a part that an interrupted write left. */
  private writeConfigs({ givenYaml, resolvedYaml }: GivenConfigs): void {
    const { config, resolvedConfig } = this.files;
    for (const [file, content] of [
      [config, givenYaml],
      [resolvedConfig, resolvedYaml],
    ] as const) {
      if (isWhole(file, content)) continue;
      rmSync(file, { force: true });
      writeFlushed(file, [content]);
    }
  }

  /** True if `path` is a run directory with a resolved config and a manifest. */
  static hasBegun(path: string): boolean {
    return new RunDirectory(resolve(path)).isResumable;
  }

  /** True if `path` is a run directory, even if its config is missing. */
  static isOne(path: string): boolean {
    const directory = new RunDirectory(resolve(path));
    return existsSync(directory.files.resolvedConfig) || directory.hasLostConfig;
  }

  /** True if `path` has the name of one of the files of a run in whose directory it is. */
  static isOwnFile(path: string): boolean {
    const directory = new RunDirectory(dirname(resolve(path)));
    return Object.values(directory.files).includes(resolve(path)) && RunDirectory.isOne(directory.path);
  }

  /** Opens an existing run directory. */
  static open(path: string): RunDirectory {
    const directory = new RunDirectory(resolve(path));
    const fail = (message: string, suggestion?: string): UserError =>
      usageError({
        code: 'run/not-a-run',
        message,
        file: path,
        ...(suggestion !== undefined && { suggestion }),
      });
    if (!existsSync(directory.path)) throw fail('the run directory does not exist', nearestFile(path));
    if (!statSync(directory.path).isDirectory()) throw fail('this is a file, not a run directory');
    if (directory.hasLostConfig) throw directory.lostConfig();
    if (!existsSync(directory.files.resolvedConfig)) {
      throw fail('this is not a run directory: it has no config.resolved.yaml', newestRunIn(path));
    }
    return directory;
  }

  /**
   * Replaces the resolved config together with the manifest that has its digest. The new config has
   * another name until the manifest is written, so that `settleResolvedConfig` can repair a crash
   * in between.
   */
  changeConfig(resolvedYaml: string, manifest: Manifest): void {
    writeAtomic(this.nextConfig, [resolvedYaml]);
    this.writeManifest(manifest);
    this.settleResolvedConfig(manifest);
  }

  /** Completes or undoes a change that a crash interrupted. */
  settleResolvedConfig({ digests }: Manifest): void {
    const { nextConfig, files } = this;
    if (!existsSync(nextConfig)) return;
    const isCurrent = digestOfFile(nextConfig) === digests[this.nameOf(files.resolvedConfig)];
    withFileErrors(nextConfig, () => {
      if (isCurrent) renameSync(nextConfig, files.resolvedConfig);
      else rmSync(nextConfig);
      flushFolder(this.path);
    });
  }

  /** Removes temporary files of killed processes. No other process may be working here. */
  removeTemporaryFiles(): void {
    withFileErrors(this.path, () => {
      for (const entry of readdirSync(this.path, { withFileTypes: true }))
        if (entry.isFile() && entry.name.startsWith(TEMPORARY_PREFIX)) rmSync(join(this.path, entry.name));
    });
  }

  /**
   * Path of the run that this directory is a copy of; undefined if it is no copy, or the original
   * is missing or unreadable.
   */
  originalBy({ directory, run_id, started }: Manifest): string | undefined {
    if (directory === this.path) return undefined;
    try {
      const [here, there] = [this.path, directory].map(path => statSync(path));
      if (here.dev === there.dev && here.ino === there.ino) return undefined;
      const original = new RunDirectory(directory).readManifest();
      return original?.run_id === run_id && original.started === started ? directory : undefined;
    } catch {
      return undefined;
    }
  }

  /** Where the copy of the baseline at `path` is. */
  baselineCopy(path: string): string {
    const id = createHash('sha256').update(path).digest('hex').slice(0, 8);
    return join(this.files.baselines, `${id}-${basename(path)}`);
  }

  /**
   * Keeps copies of baselines, so that the run does not depend on their files. Returns the digests
   * of the copies by name.
   * @param texts contents of the baselines by path
   */
  keepBaselines(texts: ReadonlyMap<string, string>): Record<string, string> {
    if (texts.size > 0) makeFolder(this.files.baselines, this.files.baselines, 'the folder of baselines');
    return Object.fromEntries(
      [...texts].map(([path, text]) => {
        const copy = this.baselineCopy(path);
        writeAtomic(copy, [text]);
        return [this.nameOf(copy), createHash('sha256').update(text).digest('hex')];
      }),
    );
  }

  writeManifest(manifest: Manifest): void {
    writeJsonAtomic(this.files.manifest, spellNonFinite(manifest));
  }

  writeSummary(summary: Summary): void {
    writeJsonAtomic(this.files.summary, spellNonFinite(summary));
  }

  writeEvaluation(evaluation: SplitEvaluation): void {
    writeJsonAtomic(this.files.evaluation, spellNonFinite(evaluation));
  }

  /**
   * The name of the file `path` in the run's own files: relative to the directory, with forward
   * slashes.
   */
  nameOf(path: string): string {
    return relative(this.path, path).split(sep).join('/');
  }

  /** The summary; `undefined` if the run has none. */
  readSummary(): Summary | undefined {
    const summary = readJson<Summary>(this.files.summary, 'summary');
    if (!summary) return undefined;
    return { ...summary, metrics: unspellMetrics(summary.metrics) };
  }

  /** The latest evaluation; undefined if there is none. */
  readEvaluation(): SplitEvaluation | undefined {
    return readJson<SplitEvaluation>(this.files.evaluation, 'evaluation');
  }

  /** The path of one of the run's own files; inverse of `nameOf`. */
  pathOf(name: string): string {
    return join(this.path, name);
  }

  /** SHA-256 (hex) of the run's file `name`; undefined if there is none. */
  digestOf(name: string): string | undefined {
    const path = this.pathOf(name);
    return isAbsent(path) ? undefined : digestOfFile(path);
  }

  /** The manifest; `undefined` if the run has none. */
  readManifest(): Manifest | undefined {
    return readJson<Manifest>(this.files.manifest, 'manifest');
  }

  get notes(): NotesFile {
    return new NotesFile(this.files.notes, this.files.config);
  }

  /** Where a changed config is until the manifest has its hash. */
  get nextConfig(): string {
    return `${this.files.resolvedConfig}.next`;
  }
}

/** Path of the newest run of an experiment; undefined if `folder` is none. */
function newestRunIn(folder: string): string | undefined {
  try {
    const names = readdirSync(folder).sort();
    const newest = names.findLast(name => RunDirectory.isOne(join(folder, name)));
    return newest === undefined ? undefined : join(folder, newest);
  } catch {
    return undefined;
  }
}

function claim(parent: string, run: NewRun): string {
  const nameOf = (stamp: string) => `${stamp}-${run.configHash.slice(0, 8)}`;
  return claimStamped(parent, run.started, { named: run.outputRoot, nameOf });
}

/** Refuses an experiment folder that is a link to a place outside the output root. */
function checkInside(root: string, parent: string): void {
  const inside = relative(realpathSync(root), realpathSync(parent));
  if (inside !== '' && inside !== '..' && !inside.startsWith(`..${sep}`) && dirname(inside) === '.') return;
  throw usageError({
    code: 'run/outside',
    message: 'the experiment directory is a link to a place outside the output directory',
    file: parent,
  });
}

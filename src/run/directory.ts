/**
 * The directory of one run: created exclusively, inside the output root, with its config written
 * before anything runs.
 */

import type { LoadedExperiment } from '../config/index.js';
import { basename, dirname, fs, join, relative, resolve, sep } from '../host/index.js';
import type { Confidence } from '../tasks/core/confidence.js';
import type { SplitEvaluation } from '../tasks/facts.js';
import {
  caught,
  type Diagnostic,
  damagedError,
  type UserError,
  usageError,
  usageErrors,
} from '../util/errors.js';
import { nearestFile } from '../util/nearest.js';
import { codeOf, withFileErrors } from '../util/system-errors.js';
import { checkpointNames } from './checkpoints.js';
import type { Explanation } from './explanation.js';
import {
  digestOfFile,
  flushFolder,
  isAbsent,
  makeFolder,
  outputError,
  readBytes,
  readText,
  sha256,
  writeAtomic,
  writeJsonAtomic,
} from './files.js';
import { parseJson, spellNonFinite } from './json.js';
import type { Manifest } from './manifest.js';
import type { Summary } from './summary.js';

type GivenConfigs = Pick<LoadedExperiment, 'givenYaml' | 'resolvedYaml'>;

interface NewRun extends GivenConfigs {
  readonly name: string;
  readonly outputRoot: string;
  readonly configHash: string;
  readonly started: Date;
}

const FILES = {
  config: 'config.yaml',
  resolvedConfig: 'config.resolved.yaml',
  manifest: 'manifest.json',
  log: 'log.jsonl',
  lock: 'run.lock',
  summary: 'summary.json',
  evaluation: 'evaluation.json',
  explanation: 'explanation.json',
  confidence: 'confidence.json',
  notes: 'notes.json',
  baselines: 'baselines',
  checkpoints: 'checkpoints',
} as const;

export interface Parts {
  readonly manifest: Manifest;
  /**
   * Written by the last process that stopped normally. Out of date if the run was resumed since.
   */
  readonly summary: Summary;
  readonly evaluation: SplitEvaluation;
  readonly confidence: Confidence;
  readonly explanation: Explanation;
  readonly config: Readonly<Record<string, unknown>>;
}

export class RunDirectory {
  /** Absolute paths of its files. */
  readonly files: { readonly [F in keyof typeof FILES]: string };

  private constructor(readonly path: string) {
    const files = Object.entries(FILES).map(([file, name]) => [file, join(path, name)]);
    this.files = Object.fromEntries(files);
  }

  /**
   * The directory's name. Of a new run this is the run id; a renamed or copied one keeps its own.
   */
  get id(): string {
    return basename(this.path);
  }

  get isResumable(): boolean {
    return fs.existsSync(this.files.resolvedConfig) && fs.existsSync(this.files.manifest);
  }

  /** Creates `<outputRoot>/<name>/<UTC time>-<8 hex>/` with both configs in it. */
  static create(run: NewRun): RunDirectory {
    checkName(run.name);
    const parent = join(resolve(run.outputRoot), run.name);
    const nameOf = (stamp: string) => `${stamp}-${run.configHash.slice(0, 8)}`;
    const directory = new RunDirectory(createStamped(parent, run.started, run.outputRoot, nameOf));
    directory.writeConfigs(run);
    return directory;
  }

  /** The directory `path` itself for a new run; creates it if it is missing. */
  static at(path: string): RunDirectory {
    const directory = new RunDirectory(resolve(path));
    makeFolder(directory.path, path);
    return directory;
  }

  /** Writes both configs to a directory that `at` returned, which must be locked. */
  takeConfigs(configs: GivenConfigs): void {
    this.refuseUnlessFree(configs);
    this.writeConfigs(configs);
  }

  private writeConfigs({ givenYaml, resolvedYaml }: GivenConfigs): void {
    writeAtomic(this.files.config, [givenYaml]);
    writeAtomic(this.files.resolvedConfig, [resolvedYaml]);
  }

  /** Refuses anything but what a start of a run of these configs has left, before its manifest. */
  private refuseUnlessFree({ givenYaml, resolvedYaml }: GivenConfigs): void {
    if (this.hasLostConfig) throw lost(this.files.resolvedConfig);
    this.refuseLostManifest();
    const contents: Readonly<Record<string, string | Uint8Array>> = {
      [FILES.config]: givenYaml,
      [FILES.resolvedConfig]: resolvedYaml,
    };
    const foreign = fs.readdirSync(this.path, { withFileTypes: true }).find(entry => {
      const { name } = entry;
      if (entry.isDirectory()) return name !== FILES.baselines;
      if (!entry.isFile()) return true;
      if (name in contents) return !readBytes(join(this.path, name)).equals(Buffer.from(contents[name]));
      return name !== FILES.lock && !OF_A_PROCESS.test(name);
    });
    if (foreign === undefined) return;
    throw usageError(
      'run/not-empty',
      `this directory contains something that is not from a run of this config: ${foreign.name}`,
      { file: this.path, expected: 'an empty or new directory, or a run directory' },
    );
  }

  /** Throws (exit 5) if the manifest is missing although a log or checkpoints exist. */
  refuseLostManifest(): void {
    const { resolvedConfig, manifest, log, checkpoints } = this.files;
    if (!fs.existsSync(resolvedConfig) || !isAbsent(manifest)) return;
    if (!isAbsent(log) || checkpointNames(checkpoints).length > 0) throw lost(manifest);
  }

  private get hasLostConfig(): boolean {
    const { resolvedConfig, manifest, log } = this.files;
    return !fs.existsSync(resolvedConfig) && fs.existsSync(manifest) && fs.existsSync(log);
  }

  static hasBegun(path: string): boolean {
    return new RunDirectory(resolve(path)).isResumable;
  }

  /** True if `path` is a run directory, even if its config is missing. */
  static isOne(path: string): boolean {
    const directory = new RunDirectory(resolve(path));
    return fs.existsSync(directory.files.resolvedConfig) || directory.hasLostConfig;
  }

  /** True if `path` has the name of one of the files of a run in whose directory it is. */
  static isOwnFile(path: string): boolean {
    const directory = new RunDirectory(dirname(resolve(path)));
    return Object.values(directory.files).includes(resolve(path)) && RunDirectory.isOne(directory.path);
  }

  static open(path: string): RunDirectory {
    const directory = new RunDirectory(resolve(path));
    const fail = (message: string, suggestion?: string, expected?: string): UserError =>
      usageError('run/not-a-run', message, { file: path, expected, suggestion });
    const info = fs.statSync(directory.path, { throwIfNoEntry: false });
    if (info === undefined) throw fail('the run directory does not exist', nearestFile(path));
    if (!info.isDirectory()) throw fail('this is a file, not a run directory');
    if (directory.hasLostConfig) throw lost(directory.files.resolvedConfig);
    if (fs.existsSync(join(path, 'plan.json'))) {
      const { message, expected } = severalRuns(path);
      throw fail(message, undefined, expected);
    }
    if (!fs.existsSync(directory.files.resolvedConfig))
      throw fail('this is not a run directory: it has no config.resolved.yaml', newestRunIn(path));
    return directory;
  }

  /** Where a changed config is until the manifest has its digest. */
  get nextConfig(): string {
    return `${this.files.resolvedConfig}.next`;
  }

  /** Replaces the resolved config together with the manifest that has its digest. */
  changeConfig(resolvedYaml: string, manifest: Manifest): void {
    writeAtomic(this.nextConfig, [resolvedYaml]);
    this.write('manifest', manifest);
    this.settleResolvedConfig(manifest);
  }

  /** The file of the resolved config, also if a crash interrupted its replacement. */
  currentConfig({ digests }: Pick<Manifest, 'digests'>): string {
    const { nextConfig, files } = this;
    const isNext = !isAbsent(nextConfig) && digestOfFile(nextConfig) === digests[FILES.resolvedConfig];
    return isNext ? nextConfig : files.resolvedConfig;
  }

  /** Completes or undoes a change that a crash interrupted. */
  settleResolvedConfig(manifest: Manifest): void {
    const { nextConfig, files } = this;
    if (isAbsent(nextConfig)) return;
    const current = this.currentConfig(manifest);
    withFileErrors(nextConfig, () => {
      if (current === nextConfig) fs.renameSync(nextConfig, files.resolvedConfig);
      else fs.rmSync(nextConfig);
      flushFolder(this.path);
    });
  }

  baselineCopy(path: string): string {
    const id = sha256(path).slice(0, 8);
    return join(this.files.baselines, `${id}-${basename(path)}`);
  }

  /**
   * Copies baselines, texts by path, so that the run needs no other files. Returns digests by name.
   */
  keepBaselines(texts: ReadonlyMap<string, string>): Record<string, string> {
    if (texts.size > 0) makeFolder(this.files.baselines, this.files.baselines, 'the folder of baselines');
    return Object.fromEntries(
      [...texts].map(([path, text]) => {
        const copy = this.baselineCopy(path);
        writeAtomic(copy, [text]);
        return [this.nameOf(copy), sha256(text)];
      }),
    );
  }

  write<F extends 'manifest' | 'summary' | 'evaluation' | 'confidence'>(file: F, document: Parts[F]): void {
    writeJsonAtomic(this.files[file], spellNonFinite(document));
  }

  /** The path relative to the directory, with forward slashes; `pathOf` is its inverse. */
  nameOf(path: string): string {
    return relative(this.path, path).split(sep).join('/');
  }

  pathOf(name: string): string {
    return join(this.path, name);
  }

  digestOf(name: string): string | undefined {
    const path = this.pathOf(name);
    return isAbsent(path) ? undefined : digestOfFile(path);
  }
}

const OF_A_PROCESS = /^\.tmp-\d+-/;

function lost(file: string): UserError {
  return damagedError(
    'run/file-lost',
    `${basename(file)} is missing, so this run cannot be read or resumed; its other files are unchanged`,
    { file, expected: 'the file, restored from a backup' },
  );
}

const MAX_NAMED = 5;

/**
 * What to name instead of a sweep: the run on all data, if there is one, and a run of its best
 * trial, or of a seed or fold if it only has these.
 */
function severalRuns(path: string) {
  const read = (name: string) => Object(caught(() => parseJson(name, readText(join(path, name)))));
  const { space, folds } = read('plan.json');
  const hasOnly = space?.parameters?.length === 0 && (folds ? 'fold' : 'seed');
  const { best, final, repeats = best?.runs ?? [] } = read('summary.json');
  const runs = repeats.map((run: string) => join(path, 'trials', basename(run)));
  const listed = runs.length > MAX_NAMED ? [...runs.slice(0, MAX_NAMED), '…'] : runs;
  const ofAll = final ? `the run on all data: ${join(path, basename(final))}; ` : '';
  const which = hasOnly ? `the run of one ${hasOnly}` : 'the run of a trial, such as the best';
  return {
    message: hasOnly ? `this directory has a run for each ${hasOnly}` : 'this is a sweep, not a run',
    expected: `${ofAll}${which}: ${listed.join(', ') || `a folder in ${join(path, 'trials')}`}; for all runs together: sweep resume, sweep status, compare, review, report`,
  };
}

function newestRunIn(folder: string): string | undefined {
  try {
    const names = fs.readdirSync(folder).sort();
    const newest = names.findLast(name => RunDirectory.isOne(join(folder, name)));
    return newest === undefined ? undefined : join(folder, newest);
  } catch {
    return undefined;
  }
}

/** Runs of one config in the same second take the next free one; more tries are a defect. */
const MAX_COLLISIONS = 1000;

/** `20260131T235959Z`: sorts by time and is a valid file name on all systems. */
export function utcStamp(time: Date): string {
  return time
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:]/g, '');
}

/**
 * Creates a new folder in `parent`, named after the time `started`; creates `parent` if it is
 * missing. Returns the path.
 * @param named the output root as the user named it
 */
export function createStamped(
  parent: string,
  started: Date,
  named: string,
  nameOf: (stamp: string) => string = stamp => stamp,
): string {
  makeFolder(parent, named);
  for (let tries = 0; tries < MAX_COLLISIONS; tries++) {
    const path = join(parent, nameOf(utcStamp(new Date(started.getTime() + tries * 1000))));
    if (makeExclusively(path, named)) return path;
  }
  throw new Error(`no free run directory in ${parent} after ${MAX_COLLISIONS} tries`);
}

/** False if it exists. Not recursive, so that one that another process just created is refused. */
function makeExclusively(path: string, named: string): boolean {
  try {
    fs.mkdirSync(path);
    flushFolder(dirname(path));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw outputError(error, named);
  }
}

/** No hidden folder, flag or `..`. As in schemas/experiment.schema.json. */
const NAME = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
export const CHECKS = 'verify';
const RESERVED: readonly string[] = ['sweeps', CHECKS];

/** @param place location of the name, for the error */
export function checkName(name: string, place: Partial<Diagnostic> = {}): void {
  if (NAME.test(name) && !RESERVED.includes(name.toLowerCase())) return;
  throw usageErrors([
    {
      ...place,
      code: 'run/name',
      message: 'this name cannot be a directory in the output directory',
      expected: `at most 100 letters, digits, dots, hyphens and underscores, a letter or digit first, no two dots in a row; not ${RESERVED.join(' or ')}`,
      got: JSON.stringify(name),
    },
  ]);
}

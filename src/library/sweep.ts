/** Sweeps for programs: `sweep`. */

import { usableCores } from '../engine/backend.js';
import type { BackendRequest } from '../engine/backend-names.js';
import { backendKind } from '../predict/model.js';
import type { GivenParameter, SweepSettings } from '../sweep/config/definition.js';
import { loadSweep } from '../sweep/config/load.js';
import { frozenNames } from '../sweep/config/points.js';
import { SweepDirectory } from '../sweep/directory.js';
import { localLauncher } from '../sweep/launchers/local.js';
import { type SweepSummary, summaryOf, writeResults } from '../sweep/results.js';
import { runSweep } from '../sweep/run.js';
import type { Pruner } from '../sweep/schedule/pruners.js';
import { segmentOf } from '../sweep/schedule/records.js';
import type { Method } from '../sweep/search/index.js';
import * as args from '../util/arguments.js';
import type { ExitCode } from '../util/errors.js';
import { assignments, type Config, type Overrides, withVersion } from './config.js';
import { SweepModels } from './validate.js';

/** Progress events of a sweep, distinguished by `type`. */
export type SweepProgress =
  /** The sweep can be resumed from now on. */
  | { readonly type: 'begin'; readonly directory: string }
  /** A trial starts to train a range of epochs with one of its seeds. */
  | ({ readonly type: 'started' } & TrialPart)
  /** It has completed this range; `value` is the objective, null if not measured. */
  | ({
      readonly type: 'ended';
      readonly status: 'done' | 'diverged' | 'failed';
      readonly value: number | null;
    } & TrialPart)
  /** Something is unusual; the sweep continues. */
  | { readonly type: 'warning'; readonly message: string };

/** A range of a trial's epochs. A trial has several if a pruner decides in between. */
export interface TrialPart {
  readonly trial: number;
  readonly seed: number;
  /** From 1; absent without folds. */
  readonly fold?: number;
  /** Completed epochs before and after. */
  readonly from: number;
  readonly to: number;
}

export interface SweepOptions {
  /** Overrides of the base configs. */
  readonly set?: Overrides;
  /** Directory of all experiments; the sweep gets a new directory in it. Default: `experiments`. */
  readonly output?: string;
  /** Where kernels run. Default: `auto`, a GPU if there is one, else WebAssembly. */
  readonly backend?: BackendRequest;
  /** Total number of threads of all trials. Default: as many as the process may use. */
  readonly threads?: number;
  /**
   * Stops the sweep; it can be resumed. Its status is then `interrupted`, and nothing is thrown.
   */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SweepProgress) => void;
}

export interface SweepResult {
  readonly status: 'completed' | 'interrupted';
  /** Exit code of the command line: 0, 1 or 4 (no trial succeeded), or 130 (stopped). */
  readonly exitCode: ExitCode;
  /** The sweep's directory, absolute; `best.yaml` in it is the config of the best trial. */
  readonly directory: string;
  /** The best trials, their values and run directories: the content of `summary.json`. */
  readonly summary: SweepSummary;
}

/** A word that is short for the mapping with this kind, or the mapping; defaults may be omitted. */
type Kinded<T extends { readonly kind: string }> =
  | T['kind']
  | (T extends unknown ? Pick<T, 'kind'> & Partial<T> : never);

type IntParameter = Extract<GivenParameter, { readonly kind: 'int' }>;

/** Values of a parameter: a list, or a mapping with a `kind`. */
export type SweepParameter =
  | Exclude<GivenParameter, IntParameter>
  | (Omit<IntParameter, 'step'> & Partial<Pick<IntParameter, 'step'>>);

/**
 * A sweep as an object with the keys of a sweep file. Its configs are paths, which are resolved
 * against the working directory, or objects. `version` may be omitted.
 */
export type SweepObject = (
  | { readonly base: Config; readonly variants?: undefined }
  | { readonly base?: undefined; readonly variants: readonly Config[] }
) & {
  readonly name: string;
  readonly method: Kinded<Method>;
  /** By key of the config. */
  readonly parameters?: Readonly<Record<string, SweepParameter>>;
  readonly pruner?: Kinded<Pruner>;
} & Partial<Omit<SweepSettings, 'name' | 'base' | 'variants' | 'parameters' | 'method' | 'pruner'>>;

/**
 * Runs all trials of a sweep on this machine, each in its own process. If `sweep` is the directory
 * of a stopped sweep, resumes it.
 *
 * @param sweep path of a sweep file or of a sweep's directory, or a sweep as an object
 *
 * @example
 * const { summary } = await sweep({
 *   name: 'width', base: 'config.yaml', method: 'grid',
 *   objective: { metric: 'validation.loss', goal: 'minimize' },
 *   parameters: { 'model.hidden_size': [16, 32] },
 * });
 * console.log(summary.best?.point, summary.best?.value);
 *
 * @throws UserError (exit 2) if the sweep, one of its configs or an option is invalid; no trial was
 *   started
 * @throws UserError (exit 5) if a data file is damaged; no trial was started
 */
export async function sweep(sweep: string | SweepObject, options: SweepOptions = {}): Promise<SweepResult> {
  args.checkArgument('sweep', 'sweep', sweep, {
    expected: 'the path of a sweep file or a sweep directory, or a sweep as an object',
    accepts: value => args.path.accepts(value) || args.isPlainObject(value),
  });
  args.checkOptions<SweepOptions>('sweep', options, {
    set: args.overrides,
    output: args.path,
    backend: backendKind,
    threads: args.integer(1),
    signal: args.signal,
    onProgress: args.callback,
  });
  const { set, output = 'experiments', onProgress = () => {} } = options;
  if (typeof sweep === 'string' && SweepDirectory.isAt(sweep))
    return conducted(SweepDirectory.open(sweep), options);
  const [given, configs] = typeof sweep === 'string' ? [sweep] : withConfigNames(sweep);
  const loaded = loadSweep(given, { set: assignments(set), ...(configs && { configs }) });
  const models = new SweepModels(loaded);
  const warnings = [...loaded.warnings, ...(await models.check())];
  for (const { message } of warnings) onProgress({ type: 'warning', message });
  return conducted(SweepDirectory.create(await models.withFolds(), output), options);
}

/**
 * The sweep with a path in place of each config that is an object, and these configs. The path is
 * where the sweep's directory has the config for its processes.
 */
function withConfigNames(sweep: SweepObject): [object, (object | undefined)[]] {
  const { base, variants } = sweep;
  const given: readonly unknown[] = base !== undefined ? [base] : Array.isArray(variants) ? variants : [];
  const names = frozenNames(
    given.map(config => (args.isPlainObject(config) ? `${config.name ?? 'config'}.yaml` : String(config))),
  );
  const paths = given.map((config, i) => (args.isPlainObject(config) ? `configs/${names[i]}` : config));
  const configs = given.map(config => (args.isPlainObject(config) ? withVersion(config) : undefined));
  const named = base !== undefined ? { base: paths[0] } : variants !== undefined && { variants: paths };
  return [{ ...withVersion(sweep), ...named }, configs];
}

async function conducted(
  directory: SweepDirectory,
  {
    backend,
    threads = usableCores(),
    signal = new AbortController().signal,
    onProgress = () => {},
  }: SweepOptions,
): Promise<SweepResult> {
  onProgress({ type: 'begin', directory: directory.path });
  const { end, exitCode } = await runSweep(directory, {
    threads,
    backend,
    signal,
    launcher: () => localLauncher,
    observer: {
      recorded: record => {
        if (record.event !== 'segment.start' && record.event !== 'segment.end') return;
        const part = segmentOf(record);
        if (record.event === 'segment.start') onProgress({ type: 'started', ...part });
        else onProgress({ type: 'ended', ...part, status: record.status, value: record.value });
      },
      warning: message => onProgress({ type: 'warning', message }),
    },
  });
  const summary = summaryOf(writeResults(directory));
  return { status: end, exitCode, directory: directory.path, summary };
}

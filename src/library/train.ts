/** Training for programs: `run` and `resume`. */
import type { BackendRequest } from '../engine/backend-names.js';
import { backendKind } from '../predict/model.js';
import type { RunStatus } from '../run/events.js';
import type { SplitMetrics, Summary } from '../run/summary.js';
import type { RunResult as Result, RunObserver } from '../train/recorder.js';
import { resumeExperiment, runExperiment } from '../train/resume.js';
import * as args from '../util/arguments.js';
import { type ExitCode, usageErrors } from '../util/errors.js';
import { assignments, type Config, config as configKind, loadConfig, type Overrides } from './config.js';

/** Progress events of a run, distinguished by `type`. */
export type RunProgress =
  /** Training starts. From now on, the run can be resumed from `directory`. */
  | {
      readonly type: 'begin';
      readonly directory: string;
      /** Planned optimizer steps. */
      readonly totalSteps: number;
      readonly numEpochs: number;
    }
  /** An optimizer step was completed. */
  | {
      readonly type: 'step';
      readonly epoch: number;
      readonly step: number;
      /** Number of sequences seen in this epoch. */
      readonly samples: number;
      /** Mean loss of the batch; absent if the batch was skipped. */
      readonly loss?: number;
    }
  /** An evaluation is in progress. */
  | {
      readonly type: 'evaluating';
      /** Number of evaluated sequences. */
      readonly done: number;
      readonly total: number;
    }
  /** A split was evaluated. */
  | {
      readonly type: 'evaluated';
      readonly split: 'validation' | 'test';
      readonly step: number;
      readonly epoch: number;
      /** Values by metric, such as `loss` and `accuracy`. */
      readonly metrics: SplitMetrics;
    }
  /** A checkpoint was written. */
  | { readonly type: 'checkpoint' }
  /** Something is unusual; the run continues. */
  | { readonly type: 'warning'; readonly message: string };

/** Options of both `run` and `resume`. */
export interface TrainOptions {
  /** Overrides of the config. */
  readonly set?: Overrides;
  /** Number of threads. Default: as many as the process may use. */
  readonly threads?: number;
  /**
   * Stops the run after the current step. It can be resumed; its status is then `interrupted`, and
   * nothing is thrown.
   */
  readonly signal?: AbortSignal;
  /** Called while the run trains. An error that it throws ends the run. */
  readonly onProgress?: (progress: RunProgress) => void;
  /** Stops the run after this many epochs; it can be resumed. */
  readonly pauseAfterEpoch?: number;
}

export interface RunOptions extends TrainOptions {
  /** Where kernels run. Default: `auto`, a GPU if there is one, else WebAssembly. */
  readonly backend?: BackendRequest;
  /** Directory of all experiments. The run gets a new directory in it. Default: `experiments`. */
  readonly output?: string;
  /** Directory of this run, instead of a new one. If it contains the same run, that is resumed. */
  readonly directory?: string;
}

export interface ResumeOptions extends TrainOptions {
  /** Where kernels run. Default: the backend on which the run started. */
  readonly backend?: BackendRequest;
  /**
   * Keys that may change although they affect the results, such as `optimizer.learning_rate`; a key
   * includes all keys below it.
   */
  readonly allowChange?: readonly string[];
  /**
   * True to throw if a checkpoint is damaged. Default: false, resumes from the previous checkpoint.
   */
  readonly strict?: boolean;
}

/** Result of a run. Failed gates and divergence are results, not errors. */
export interface RunResult {
  /** `completed` also if a gate failed: see `exitCode` and `summary.gates`. */
  readonly status: RunStatus;
  /** Exit code of the command line: 0, 3 (a gate failed), 4 (diverged) or 130 (stopped). */
  readonly exitCode: ExitCode;
  /** The run directory, absolute. */
  readonly directory: string;
  /** Final metrics, gates, times: the content of `summary.json`. */
  readonly summary: Summary;
}

const TRAIN_OPTIONS = {
  set: args.overrides,
  threads: args.integer(1),
  signal: args.signal,
  onProgress: args.callback,
  pauseAfterEpoch: args.integer(1),
  backend: backendKind,
} as const;

/**
 * Trains a model, evaluates it, checks the gates and writes the run directory.
 *
 * @example
 * const { summary } = await run('config.yaml', { set: { 'training.num_epochs': 3 } });
 * console.log(summary.metrics.test);
 *
 * @throws UserError (exit 2) if the config or an option is invalid; nothing was trained
 * @throws UserError (exit 5) if a data file is damaged; nothing was trained
 */
export async function run(config: Config, options: RunOptions = {}): Promise<RunResult> {
  args.checkArgument('run', 'config', config, configKind);
  args.checkOptions<RunOptions>('run', options, {
    ...TRAIN_OPTIONS,
    output: args.path,
    directory: args.path,
  });
  const { set, backend = 'auto', output = 'experiments', directory, onProgress } = options;
  const all = { ...prepared(options), backend, output, directory };
  const loaded = loadConfig(config, set);
  const { repeat = 1 } = loaded.experiment;
  if (repeat > 1) {
    const expected = '`repeat: 1`, or `sweep` with `seeds`';
    const message = '`run` trains a single run';
    throw usageErrors([loaded.locator.atValue(['repeat'], 'run/repeat', message, { expected })]);
  }
  return ended(await runExperiment(loaded, all, observer(onProgress)));
}

/**
 * Resumes a run from its newest checkpoint. The result is the same as without the interruption.
 *
 * @param directory the run directory
 *
 * @example
 * const stopped = await run('config.yaml', { pauseAfterEpoch: 1 });
 * const { status } = await resume(stopped.directory);
 *
 * @throws UserError (exit 2) if there is no such run, another process works on it, or something
 *   changed that must not
 * @throws UserError (exit 5) if a file is damaged
 */
export async function resume(directory: string, options: ResumeOptions = {}): Promise<RunResult> {
  args.checkArgument('resume', 'directory', directory, args.path);
  args.checkOptions<ResumeOptions>('resume', options, {
    ...TRAIN_OPTIONS,
    allowChange: args.texts,
    strict: args.flag,
  });
  const { set, backend, allowChange = [], strict = false, onProgress } = options;
  const all = { ...prepared(options), set: assignments(set), backend, allowChange, strict };
  return ended(await resumeExperiment(directory, all, observer(onProgress)));
}

function prepared({ threads, signal = new AbortController().signal, pauseAfterEpoch }: TrainOptions) {
  return { threads, signal, pauseAfterEpoch, commandLine: [], started: new Date() };
}

function ended({ exitCode, summary }: Result): RunResult {
  const { status, directory } = summary;
  return { status, exitCode, directory, summary };
}

function observer(onProgress: (progress: RunProgress) => void = () => {}): RunObserver {
  return {
    begin: plan => onProgress({ type: 'begin', ...plan }),
    step: step => onProgress({ type: 'step', ...step }),
    evaluating: progress => onProgress({ type: 'evaluating', ...progress }),
    evaluated: ({ split, step, epoch, metrics }) =>
      onProgress({ type: 'evaluated', split, step, epoch, metrics }),
    saved: () => onProgress({ type: 'checkpoint' }),
    warning: message => onProgress({ type: 'warning', message }),
  };
}

/** Run directories for programs: `loadRun`. */
import type { Experiment } from '../config/index.js';
import { bestOf } from '../run/checkpoints.js';
import type { Curve } from '../run/history.js';
import type { Manifest } from '../run/manifest.js';
import { Run, type RunState } from '../run/run.js';
import { readSafetensors, type Tensor } from '../run/safetensors.js';
import type { Summary } from '../run/summary.js';
import type { SplitEvaluation } from '../tasks/facts.js';
import { checkArgument, path } from '../util/arguments.js';

/** Capacity of curves: even, as they require, and larger than any number of steps. */
const ALL_POINTS = 2 ** 52;

/** A checkpoint of a run. */
export interface RunCheckpoint {
  /** A safetensors file, absolute. */
  readonly path: string;
  /** Completed optimizer steps and epochs. */
  readonly step: number;
  readonly epoch: number;
  /** Value of the metric that selects the best checkpoint; null if not measured or not finite. */
  readonly value: number | null;
  /** True for the best checkpoint. */
  readonly best: boolean;
  /**
   * Reads the weights, by PyTorch's names, and the optimizer state as `optimizer.STATE.WEIGHT`.
   * @throws UserError (exit 5) if the file is damaged
   */
  tensors(): ReadonlyMap<string, Tensor>;
}

/** A run as described by its directory, still running or not. */
export interface LoadedRun {
  /** Absolute path. */
  readonly directory: string;
  /** The run's name, unique within its experiment. */
  readonly id: string;
  /** The experiment's name. */
  readonly name: string;
  /** `killed` if no process works on it and none recorded its end. */
  readonly state: RunState;
  /** Config with all defaults; not checked. */
  readonly config: Experiment;
  /** Versions, machine, data, seeds; undefined if the run was killed before it wrote them. */
  readonly manifest: Manifest | undefined;
  /** Final metrics, gates, times; undefined until a process has ended. */
  readonly summary: Summary | undefined;
  /** The last evaluation: scores, worst predictions; undefined if there was none. */
  readonly evaluation: SplitEvaluation | undefined;
  /** In ascending order of steps. */
  readonly checkpoints: readonly RunCheckpoint[];
  /**
   * Reads every measurement of the log, by name: `train.loss` (of single batches), `epoch.loss`
   * (the mean of an epoch), `validation.accuracy`, `test.loss`, `learning_rate`, `grad_norm` and
   * so on.
   * @throws UserError (exit 5) if the log cannot be read
   */
  history(): Readonly<Record<string, Curve>>;
}

/**
 * Reads a run directory.
 *
 * @example
 * const { summary, checkpoints, history } = loadRun(directory);
 * const { steps, values } = history()['validation.loss'];
 *
 * @throws UserError (exit 2) if this is not a run directory or a file cannot be read
 * @throws UserError (exit 5) if a file is damaged, or the manifest was edited after the run
 */
export function loadRun(directory: string): LoadedRun {
  checkArgument('loadRun', 'directory', directory, path);
  const opened = Run.read(directory);
  const entries = opened.checkpoints();
  const best = bestOf(entries);
  const { id, name, state, config, manifest, summary, evaluation } = opened;
  return {
    directory: opened.directory.path,
    id,
    name,
    state,
    config: config as unknown as Experiment,
    manifest,
    summary,
    evaluation,
    checkpoints: entries.map(({ path: file, step, epoch, metric }) => ({
      path: file,
      step,
      epoch,
      value: metric.value,
      best: file === best?.path,
      tensors: () => readSafetensors(file).tensors,
    })),
    history: () => opened.history(ALL_POINTS).curves,
  };
}

/**
 * What a report shows, as plain JSON: made from files by the builders in this folder, drawn by the
 * page, served by the dashboard. Keys are in snake_case, as in the files that people read. This
 * file is types alone, so that the browser's code can share it.
 */
import type { RunStatus, Verdict } from '../experiment/log/events.js';
import type { MetricComparison } from '../review/comparison/document.js';
import type { Curve } from '../review/reading/curve.js';

export type Report = RunReport | SweepReport | IndexReport;

/** A measured number, or the name of one that JSON lacks; null where nothing was measured. */
export type Measured = number | 'nan' | 'inf' | '-inf' | null;

export type RunState = RunStatus | 'running' | 'killed';

/** A fact that is shown as it is. */
export interface Fact {
  readonly label: string;
  readonly value: string;
}

export interface Metric {
  /** Such as `test.accuracy`. */
  readonly name: string;
  readonly value: Measured;
}

export interface RunReport {
  readonly kind: 'run';
  readonly version: 1;
  readonly id: string;
  /** The experiment. */
  readonly name: string;
  readonly description: string | null;
  readonly state: RunState;
  /** What went wrong, where something did. */
  readonly message: string | null;
  /** ISO 8601, UTC. */
  readonly started: string | null;
  readonly seed: number | null;
  readonly tags: readonly string[];
  readonly note: string | null;
  /** Done so far; planned ones are null where the config does not tell. */
  readonly steps: number;
  readonly epochs: number;
  readonly planned_epochs: number | null;
  /** Steps of every whole epoch; null where they differ or none is whole. */
  readonly steps_per_epoch: number | null;
  readonly skipped_batches: number;
  readonly resumes: number;
  /** Final values; of a run under way the newest. */
  readonly metrics: readonly Metric[];
  /** What answers reach that look at no input; empty until the run has completed. */
  readonly baselines: readonly BaselineReport[];
  /** How training ended early, or with restored weights; null if it did neither. */
  readonly ending: string | null;
  /** What limits the trust in the result, a sentence each. */
  readonly cautions: readonly string[];
  readonly best: {
    readonly metric: string;
    readonly value: number;
    readonly step: number;
    readonly epoch: number;
  } | null;
  readonly gates: readonly GateReport[];
  /**
   * By what they show: `train.loss` is that of single batches, `epoch.loss` the mean of an epoch;
   * see review/history.ts.
   */
  readonly curves: Readonly<Record<string, Curve>>;
  /**
   * Seconds since the run began, without the time between a stop and a resume, by step: a rising
   * curve to be interpolated.
   */
  readonly elapsed: Pick<Curve, 'steps' | 'values'>;
  readonly evaluation: EvaluationReport | null;
  readonly config: readonly ConfigValue[];
  readonly environment: readonly Fact[];
  readonly timings: {
    readonly duration_s: number;
    readonly train_s: number;
    readonly eval_s: number;
    readonly ms_per_step: number | null;
    readonly peak_rss_mb: number;
  } | null;
  /** What resumes changed. */
  readonly changes: readonly {
    readonly step: number;
    readonly key: string;
    readonly from: string;
    readonly to: string;
  }[];
  readonly warnings: {
    readonly count: number;
    readonly first: readonly {
      readonly code: string;
      readonly message: string;
      readonly step: number | null;
    }[];
  };
  /** Lines of the log that are no events. */
  readonly damaged: {
    readonly count: number;
    readonly first: readonly { readonly line: number; readonly message: string }[];
  };
  readonly checkpoints: readonly CheckpointReport[];
}

export interface GateReport {
  /** The metric, and over what where that is not the last value: `test.accuracy over best`. */
  readonly name: string;
  readonly value: number | null;
  /** Such as `at least 0.96`; of a baseline also how the limit came about. */
  readonly required: string;
  /** Null as long as the run has not judged it. */
  readonly verdict: Verdict | null;
  /** Why there is no verdict. */
  readonly reason: string | null;
  /** Where it is asked for, such as `configs/mnist-lstm.yaml:17:5`. */
  readonly place: string;
}

export interface ConfigValue {
  /** Key path such as `optimizer.learning_rate`. */
  readonly key: string;
  /** As YAML's flow style has it. */
  readonly value: string;
  /** Null where the schema has none. */
  readonly default: string | null;
  /** Whether the value is another than the default. */
  readonly differs: boolean;
  /** Whether the command line set it. */
  readonly overridden: boolean;
}

export interface CheckpointReport {
  /** Relative to the run directory. */
  readonly file: string;
  readonly step: number;
  readonly epoch: number;
  readonly metric: string;
  readonly value: number | null;
  readonly bytes: number;
  readonly last: boolean;
  readonly best: boolean;
}

/** What the model said of a split's sequences. */
export interface EvaluationReport {
  readonly split: string;
  readonly step: number | null;
  readonly epoch: number | null;
  readonly predictions: number;
  /** Null where the targets are values. */
  readonly classes: ClassesReport | null;
  /** Null where the targets are classes. */
  readonly values: ValuesReport | null;
  /** Of each class, label or target; null if the run left none. */
  readonly scores: ScoresReport | null;
}

export interface ScoresReport {
  /** What a row is. */
  readonly of: 'class' | 'label' | 'target';
  /** Such as `precision`. */
  readonly columns: readonly string[];
  /** In the order of the columns. */
  readonly rows: readonly { readonly name: string; readonly values: readonly Measured[] }[];
}

export interface BaselineReport {
  /** Such as `majority`. */
  readonly name: string;
  /** By `SPLIT.NAME`. */
  readonly metrics: readonly Metric[];
}

export interface ClassesReport {
  readonly names: readonly string[];
  /** Rows are true classes, columns predicted ones; null where there are too many classes. */
  readonly confusion: readonly (readonly number[])[] | null;
  /** Predictions without a class, which are in no column. */
  readonly undecided: number;
  /** Those of the greatest loss first. */
  readonly mistakes: readonly MistakeReport[];
  /** Null where the data are no pictures. */
  readonly pictures: { readonly width: number; readonly height: number } | null;
}

export interface MistakeReport {
  readonly index: number;
  /** What the data call the sequence; null if they name none. */
  readonly id: string | null;
  /** Where the sequence has a class at every step. */
  readonly step_in_sequence: number | null;
  readonly label: number;
  /** Null where there was none. */
  readonly predicted: number | null;
  /** Of what was predicted, and of what is true. */
  readonly probability: number | null;
  readonly label_probability: number | null;
  /** Base64 of one byte a pixel, row by row; 0 is black. */
  readonly picture: string | null;
}

export interface ValuesReport {
  /** Of the targets; null if the data name none. */
  readonly names: readonly string[] | null;
  /** Pairs of a target and its prediction, a sample: one list for each of the first targets. */
  readonly pairs: readonly (readonly (readonly [target: number, prediction: number])[])[];
  readonly worst: readonly {
    readonly index: number;
    readonly id: string | null;
    readonly target: readonly Measured[];
    readonly prediction: readonly Measured[];
    readonly absolute_error: Measured;
  }[];
}

export type TrialState = 'running' | 'stopped' | 'paused' | 'pruned' | 'completed' | 'diverged' | 'failed';

export interface SweepReport {
  readonly kind: 'sweep';
  readonly version: 1;
  readonly id: string;
  readonly name: string;
  readonly state: 'running' | 'completed' | 'failed' | 'interrupted' | 'killed' | 'not begun';
  /** Why no more trials begin. */
  readonly reason: string | null;
  readonly started: string | null;
  readonly objective: { readonly metric: string; readonly goal: 'minimize' | 'maximize' };
  /** Epochs of a trial that is never pruned. */
  readonly epochs: number;
  readonly epochs_trained: number;
  readonly duration_s: number | null;
  /** Method, pruner, seeds, budget. */
  readonly settings: readonly Fact[];
  readonly parameters: readonly ParameterReport[];
  /** Best first. */
  readonly trials: readonly TrialReport[];
  /** Of all trials, of which `trials` may be a part. */
  readonly states: Readonly<Record<TrialState, number>>;
  /** What limits the trust in the best trial, a sentence each. */
  readonly cautions: readonly string[];
  /** The trivial baseline that is hardest to beat on the objective; null if none is known. */
  readonly baseline: { readonly name: string; readonly value: number } | null;
  readonly tags: readonly string[];
  readonly note: string | null;
  /** The winner, or who leads. */
  readonly best: number | null;
  /** Shares of the objective's variance; null where too few trials tell. */
  readonly importance: readonly { readonly name: string; readonly share: number }[] | null;
}

export interface ParameterReport {
  /** As in a trial's point. */
  readonly name: string;
  /** The last words of its key, where they are unique. */
  readonly title: string;
  readonly scale: 'linear' | 'log' | 'category';
  /** Bounds; null for categories. */
  readonly low: number | null;
  readonly high: number | null;
  /** What a category can be, as it is shown; empty for numbers. */
  readonly values: readonly string[];
}

export interface TrialReport {
  readonly trial: number;
  readonly state: TrialState;
  readonly epochs: number;
  readonly value: number | null;
  readonly spread: number | null;
  /** Training steps, all seeds together. */
  readonly seconds: number;
  /**
   * A number, or a category as it is shown; parameters that do not exist at this point are absent.
   */
  readonly point: Readonly<Record<string, number | string>>;
  /** Why it failed. */
  readonly message: string | null;
  readonly runs: readonly {
    readonly seed: number;
    /** Relative to the sweep's directory. */
    readonly path: string;
    readonly epochs: number;
    readonly value: number | null;
  }[];
  /** The objective after each epoch, the mean over the seeds that have seen it. */
  readonly curve: { readonly epochs: readonly number[]; readonly values: readonly (number | null)[] };
}

export interface IndexReport {
  readonly kind: 'index';
  readonly version: 1;
  readonly title: string;
  readonly common_config: CommonConfig;
  readonly runs: readonly RunRow[];
  readonly sweeps: readonly SweepRow[];
  /** What could not be read, and why. */
  readonly unreadable: readonly { readonly path: string; readonly message: string }[];
  /** The reports of the runs, short; empty where there are too many. */
  readonly details: readonly RunReport[];
}

/**
 * What the configs of all listed runs say alike, so that it is told once; a row's `config` has the
 * rest.
 */
export type CommonConfig = Readonly<Record<string, string>>;

export interface RunRow {
  readonly id: string;
  readonly name: string;
  /** Relative to the directory that is reported, with forward slashes. */
  readonly path: string;
  readonly state: RunState;
  readonly started: string | null;
  readonly seed: number | null;
  readonly steps: number;
  readonly epochs: number;
  readonly tags: readonly string[];
  readonly note: string | null;
  /**
   * Values of the config besides `common_config`, by key path, as YAML's flow style has them; null
   * if they are not read.
   */
  readonly config: Readonly<Record<string, string>> | null;
  readonly metrics: readonly Metric[];
  /** `failed` where one of them did; null where there are none or the run has not judged them. */
  readonly gates: Verdict | null;
  readonly duration_s: number | null;
  /** Few points of the curve that tells most; null where there is none. */
  readonly sparkline: {
    readonly metric: string;
    readonly steps: readonly number[];
    readonly values: readonly (number | null)[];
  } | null;
}

export interface SweepRow {
  readonly id: string;
  readonly name: string;
  readonly path: string;
  readonly state: SweepReport['state'];
  readonly started: string | null;
  readonly metric: string;
  readonly goal: 'minimize' | 'maximize';
  readonly trials: number;
  readonly states: Readonly<Record<TrialState, number>>;
  readonly best: { readonly trial: number; readonly value: number } | null;
  readonly duration_s: number | null;
  readonly tags: readonly string[];
  readonly note: string | null;
}

/** Several runs against each other; what `compare` says of them. */
export interface ComparisonReport {
  readonly kind: 'comparison';
  readonly version: 1;
  /** Runs that differ by their seeds alone; the others are compared with the first. */
  readonly sides: readonly {
    /** `A`, `B`, … */
    readonly id: string;
    readonly name: string;
    /** Such as `3 runs, seeds 0 to 2`. */
    readonly description: string;
    /** As the dashboard calls them. */
    readonly runs: readonly string[];
  }[];
  /** What a difference changes, in words, by the key of the config. */
  readonly changes: Readonly<Record<string, string>>;
  /**
   * What differs besides the config: data, code, versions, machine; the values in the order of the
   * sides.
   */
  readonly facts: readonly {
    readonly key: string;
    readonly values: readonly string[];
    readonly changes_results: boolean;
  }[];
  readonly metrics: readonly MetricComparison[];
  /** How it was compared, what is missing, what did not count. */
  readonly sentences: readonly string[];
}

/**
 * The content of reports and of the dashboard as plain JSON: built from files by this folder, drawn
 * by the page. Keys are in snake_case, as in the files that people read. Only types, so that the
 * browser's code can share them.
 */
import type { Comparison } from '../judge/comparison/document.js';
import type { Curve } from '../run/curve.js';
import type { RunStatus, Verdict } from '../run/events.js';
import type { Block } from './blocks.js';

export type Report = RunReport | SweepReport | IndexReport;

/** A measured number, or the name of one that JSON lacks; null if it was not measured. */
export type Measured = number | 'nan' | 'inf' | '-inf' | null;

export type RunState = RunStatus | 'running' | 'killed';

export interface Fact {
  readonly label: string;
  readonly value: string;
}

export interface Metric {
  readonly name: string;
  readonly value: Measured;
}

/** What reports and lists say about a run. */
interface RunFacts {
  readonly id: string;
  readonly name: string;
  readonly state: RunState;
  readonly started: string | null;
  readonly seed: number | null;
  readonly tags: readonly string[];
  readonly note: string | null;
  readonly steps: number;
  readonly epochs: number;
  readonly metrics: readonly Metric[];
}

export interface RunReport extends RunFacts {
  readonly kind: 'run';
  readonly version: 1;
  readonly description: string | null;
  readonly message: string | null;
  readonly planned_epochs: number | null;
  readonly steps_per_epoch: number | null;
  readonly skipped_batches: number;
  readonly resumes: number;
  readonly baselines: readonly BaselineReport[];
  readonly ending: string | null;
  readonly cautions: readonly string[];
  readonly best: {
    readonly metric: string;
    readonly value: number;
    readonly step: number;
    readonly epoch: number;
  } | null;
  readonly gates: readonly GateReport[];
  /**
   * By name: `train.loss` is that of single batches, `epoch.loss` the mean of an epoch; see
   * run/history.ts.
   */
  readonly curves: Readonly<Record<string, Curve>>;
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
  readonly damaged: {
    readonly count: number;
    readonly first: readonly { readonly line: number; readonly message: string }[];
  };
  readonly checkpoints: readonly CheckpointReport[];
}

export interface GateReport {
  readonly name: string;
  readonly value: number | null;
  readonly required: string;
  /** Null until the run has judged it. */
  readonly verdict: Verdict | null;
  readonly reason: string | null;
  readonly place: string;
}

export interface ConfigValue {
  readonly key: string;
  /** In YAML's flow style. */
  readonly value: string;
  readonly default: string | null;
  readonly differs: boolean;
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

export interface EvaluationReport {
  readonly split: string;
  readonly step: number | null;
  readonly epoch: number | null;
  readonly predictions: number;
  readonly classes: ClassesReport | null;
  readonly values: ValuesReport | null;
  readonly scores: ScoresReport | null;
}

export interface ScoresReport {
  readonly of: 'class' | 'label' | 'target';
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly values: readonly Measured[] }[];
}

export interface BaselineReport {
  readonly name: string;
  readonly metrics: readonly Metric[];
}

export interface ClassesReport {
  readonly names: readonly string[];
  /** Rows are true classes, columns predicted ones; null if there are too many classes. */
  readonly confusion: readonly (readonly number[])[] | null;
  readonly undecided: number;
  readonly mistakes: readonly MistakeReport[];
  readonly images: { readonly width: number; readonly height: number } | null;
}

export interface MistakeReport {
  readonly index: number;
  readonly id: string | null;
  readonly step_in_sequence: number | null;
  readonly label: number;
  readonly predicted: number | null;
  readonly probability: number | null;
  readonly label_probability: number | null;
  /** Base64 of one byte per pixel, row by row; 0 is black. */
  readonly image: string | null;
}

export interface ValuesReport {
  readonly names: readonly string[] | null;
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

/** What reports and lists say about a sweep. */
interface SweepFacts {
  readonly id: string;
  readonly name: string;
  readonly state: 'running' | 'completed' | 'failed' | 'interrupted' | 'killed' | 'not begun';
  readonly started: string | null;
  readonly duration_s: number | null;
  readonly states: Readonly<Record<TrialState, number>>;
  readonly tags: readonly string[];
  readonly note: string | null;
}

export interface SweepReport extends SweepFacts {
  readonly kind: 'sweep';
  readonly version: 1;
  readonly reason: string | null;
  readonly objective: { readonly metric: string; readonly goal: 'minimize' | 'maximize' };
  readonly epochs: number;
  readonly epochs_trained: number;
  readonly settings: readonly Fact[];
  readonly parameters: readonly ParameterReport[];
  readonly trials: readonly TrialReport[];
  readonly cautions: readonly string[];
  readonly baseline: { readonly name: string; readonly value: number } | null;
  readonly best: number | null;
  readonly importance: readonly { readonly name: string; readonly share: number }[] | null;
}

export interface ParameterReport {
  readonly name: string;
  readonly title: string;
  readonly scale: 'linear' | 'log' | 'category';
  readonly low: number | null;
  readonly high: number | null;
  readonly values: readonly string[];
}

export interface TrialReport {
  readonly trial: number;
  readonly state: TrialState;
  readonly epochs: number;
  readonly value: number | null;
  readonly spread: number | null;
  readonly seconds: number;
  readonly point: Readonly<Record<string, number | string>>;
  readonly message: string | null;
  readonly runs: readonly {
    readonly seed: number;
    /** Relative to the sweep's directory. */
    readonly path: string;
    readonly epochs: number;
    readonly value: number | null;
  }[];
  readonly curve: { readonly epochs: readonly number[]; readonly values: readonly (number | null)[] };
}

export interface IndexReport {
  readonly kind: 'index';
  readonly version: 1;
  readonly title: string;
  readonly common_config: CommonConfig;
  readonly runs: readonly RunRow[];
  readonly sweeps: readonly SweepRow[];
  readonly unreadable: readonly { readonly path: string; readonly message: string }[];
  readonly details: readonly RunReport[];
}

/** Values that the configs of all listed runs have in common; a row's `config` has the others. */
export type CommonConfig = Readonly<Record<string, string>>;

export interface RunRow extends RunFacts {
  /** Relative to the reported directory, with forward slashes. */
  readonly path: string;
  /**
   * Values of the config that are not in `common_config`, by key path, in YAML's flow style; null
   * if not read.
   */
  readonly config: Readonly<Record<string, string>> | null;
  readonly gates: Verdict | null;
  readonly duration_s: number | null;
  readonly sparkline: {
    readonly metric: string;
    readonly steps: readonly number[];
    readonly values: readonly (number | null)[];
  } | null;
}

export interface SweepRow extends SweepFacts {
  readonly path: string;
  readonly metric: string;
  readonly goal: 'minimize' | 'maximize';
  readonly trials: number;
  readonly best: { readonly trial: number; readonly value: number } | null;
}

/** Runs compared as by `compare`; those that differ only in their seed are one side. */
export interface ComparisonReport {
  readonly kind: 'comparison';
  readonly version: 1;
  readonly comparison: Comparison;
  readonly blocks: readonly Block[];
  readonly runs: readonly {
    readonly path: string;
    readonly side: string | null;
    readonly report: RunReport;
  }[];
}

interface ListedEntry {
  readonly message: string | null;
}

export interface ListedRun extends ListedEntry, Omit<RunRow, 'state' | 'sparkline'> {
  readonly kind: 'run';
  readonly state: RunRow['state'] | 'damaged';
  readonly sparkline: null;
}

export interface ListedSweep extends ListedEntry, Omit<SweepRow, 'state' | 'states' | 'goal'> {
  readonly kind: 'sweep';
  readonly state: SweepRow['state'] | 'damaged';
  readonly planned_trials: number | null;
  readonly running: number;
}

export type Listed = ListedRun | ListedSweep;

export interface ListDocument {
  readonly version: 1;
  readonly root: string;
  readonly exists: boolean;
  readonly depth: number;
  readonly deeper: string | null;
  readonly common_config: CommonConfig;
  readonly runs: readonly ListedRun[];
  readonly sweeps: readonly ListedSweep[];
}

/** Why the document is unavailable now; it may become available. */
export interface Trouble {
  readonly message: string;
}

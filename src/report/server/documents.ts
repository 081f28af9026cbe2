/** What the dashboard's server tells its page besides reports. Types alone, so that the browser's code can share them. */
import type { Verdict } from '../../experiment/events.js';
import type { RunState } from '../../review/run-record.js';
import type { SweepState } from '../../sweep/results/index.js';

/** A measured number, or the name of one that JSON lacks; null where nothing was measured. */
type Measured = number | 'nan' | 'inf' | '-inf' | null;

interface ListedEntry {
  /** Its folder relative to the root, with slashes: what names it everywhere. */
  readonly path: string;
  /** The experiment or the sweep. */
  readonly name: string;
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly started: string | null;
  /** Null where it goes on, or was killed. */
  readonly duration_s: number | null;
  /** What went wrong, where something did. */
  readonly message: string | null;
}

export interface ListedRun extends ListedEntry {
  readonly kind: 'run';
  /** `damaged`: a file of it cannot be read; `message` says why. */
  readonly state: RunState | 'damaged';
  readonly seed: number | null;
  readonly steps: number;
  readonly epochs: number;
  /** Newest values, such as of `test.accuracy`. */
  readonly metrics: readonly { readonly name: string; readonly value: Measured }[];
  /** The worst of its gates; null where there are none or the run has not judged them. */
  readonly gates: Verdict | null;
}

export interface ListedSweep extends ListedEntry {
  readonly kind: 'sweep';
  readonly state: SweepState | 'damaged';
  /** What is sought; empty where the plan cannot be read. */
  readonly metric: string;
  readonly trials: number;
  /** Planned at most; null where the plan does not say. */
  readonly planned_trials: number | null;
  /** Trials under way. */
  readonly running: number;
  readonly best: { readonly trial: number; readonly value: number } | null;
}

export type Listed = ListedRun | ListedSweep;

/** By name, then by id. */
export interface ListDocument {
  readonly version: 1;
  /** The folder whose runs are listed, absolute. */
  readonly root: string;
  /** Whether the folder is there. */
  readonly exists: boolean;
  readonly runs: readonly ListedRun[];
  readonly sweeps: readonly ListedSweep[];
}

/** What has become other in the list. */
export interface ListChange {
  readonly changed: readonly Listed[];
  /** Paths of those that are gone. */
  readonly removed: readonly string[];
}

/** New points of a run's curves. */
export interface RunChange {
  readonly steps: number;
  readonly epochs: number;
  readonly points: Readonly<
    Record<string, { readonly steps: readonly number[]; readonly values: readonly (number | null)[] }>
  >;
}

/** First thing on every event stream. */
export interface Hello {
  /** Another one after the server was restarted. */
  readonly server: string;
}

/** Why a document cannot be given now; it may be possible again later. */
export interface Trouble {
  readonly message: string;
}

/**
 * What the dashboard's server tells its page besides reports. Types alone, so that the browser's
 * code can share them.
 */
import type { CommonConfig, RunRow, SweepRow } from '../document.js';

interface ListedEntry {
  /** What went wrong, where something did. */
  readonly message: string | null;
}

export interface ListedRun extends ListedEntry, Omit<RunRow, 'state' | 'sparkline'> {
  readonly kind: 'run';
  /** `damaged`: a file of it cannot be read; `message` says why. */
  readonly state: RunRow['state'] | 'damaged';
  /** Thousands of logs would have to be read. */
  readonly sparkline: null;
}

export interface ListedSweep extends ListedEntry, Omit<SweepRow, 'state' | 'states' | 'goal'> {
  readonly kind: 'sweep';
  readonly state: SweepRow['state'] | 'damaged';
  /** Planned at most; null where the plan does not say. */
  readonly planned_trials: number | null;
  /** Trials under way. */
  readonly running: number;
}

export type Listed = ListedRun | ListedSweep;

/** By name, then by id. */
export interface ListDocument {
  readonly version: 1;
  /** The folder whose runs are listed, absolute. */
  readonly root: string;
  /** Whether the folder is there. */
  readonly exists: boolean;
  /** How many folders deep runs are looked for. */
  readonly depth: number;
  /**
   * A folder of the root, relative to it, that has runs or sweeps deeper than that; null where a
   * bounded look finds none.
   */
  readonly deeper: string | null;
  /** Of the runs whose config is read. */
  readonly common_config: CommonConfig;
  readonly runs: readonly ListedRun[];
  readonly sweeps: readonly ListedSweep[];
}

/** What has become other in the list. */
export interface ListChange {
  /** If it has become other; then `changed` has every run whose `config` is another for that. */
  readonly common_config?: CommonConfig;
  readonly changed: readonly Listed[];
  /** Paths of those that are gone. */
  readonly removed: readonly string[];
}

/** New points of a run's curves. */
export interface RunChange {
  readonly steps: number;
  readonly epochs: number;
  /** At `steps`; see `RunReport.elapsed`. */
  readonly seconds: number;
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

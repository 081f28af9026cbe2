/**
 * Documents that the server sends to its page besides reports. Only types, so that the browser's
 * code can share them.
 */
import type { CommonConfig, RunRow, SweepRow } from '../document.js';

interface ListedEntry {
  /** The error, if there was one. */
  readonly message: string | null;
}

export interface ListedRun extends ListedEntry, Omit<RunRow, 'state' | 'sparkline'> {
  readonly kind: 'run';
  /** `damaged`: one of its files cannot be read; `message` has the reason. */
  readonly state: RunRow['state'] | 'damaged';
  /** Omitted, since thousands of logs would have to be read. */
  readonly sparkline: null;
}

export interface ListedSweep extends ListedEntry, Omit<SweepRow, 'state' | 'states' | 'goal'> {
  readonly kind: 'sweep';
  readonly state: SweepRow['state'] | 'damaged';
  /** Maximum number of trials; null if the plan has none. */
  readonly planned_trials: number | null;
  /** Running trials. */
  readonly running: number;
}

export type Listed = ListedRun | ListedSweep;

/** Sorted by name, then by ID. */
export interface ListDocument {
  readonly version: 1;
  /** The folder whose runs are listed, absolute. */
  readonly root: string;
  /** Whether the folder exists. */
  readonly exists: boolean;
  /** Depth to which runs are searched. */
  readonly depth: number;
  /**
   * A folder relative to the root that contains runs or sweeps below that depth; null if a bounded
   * search finds none.
   */
  readonly deeper: string | null;
  /** The values that all configs read so far have in common. */
  readonly common_config: CommonConfig;
  readonly runs: readonly ListedRun[];
  readonly sweeps: readonly ListedSweep[];
}

/** A change of the list. */
export interface ListChange {
  /** Present if it changed; then `changed` has every run whose `config` changed with it. */
  readonly common_config?: CommonConfig;
  readonly changed: readonly Listed[];
  /** Paths of removed entries. */
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

/** The first event of every stream. */
export interface Hello {
  /** Differs after the server was restarted. */
  readonly server: string;
}

/** Why the document is unavailable now; it may become available. */
export interface Trouble {
  readonly message: string;
}

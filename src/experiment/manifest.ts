/**
 * `manifest.json`: everything needed to explain a run and to repeat it; layout in
 * schemas/manifest.schema.json.
 */
import type { Json } from './files/json.js';
import { type GitState, type Machine, machine, type Versions, versions } from './machine.js';

/**
 * scaled = (value - offset) / scale, one of each per column; null where the data are symbols or
 * classes.
 */
export interface ScalingRecord {
  readonly method: 'standard' | 'min_max';
  readonly features: { readonly offset: readonly number[]; readonly scale: readonly number[] } | null;
  readonly targets: { readonly offset: readonly number[]; readonly scale: readonly number[] } | null;
}

/** What symbols stand for; the first stands for all that are unknown. */
interface VocabularyRecord {
  /** How text is cut into symbols; null if the data list them. */
  readonly level: 'character' | 'byte' | 'word' | null;
  readonly symbols: readonly string[];
}

/** What a prediction must know of the data of a run; `DataRecord` of `data/`. */
interface DataRecord {
  readonly input:
    | { readonly kind: 'number'; readonly size: number }
    | { readonly kind: 'symbol'; readonly count: number };
  readonly sequence_length: number;
  readonly variable_length: boolean;
  readonly first_answer?: number;
  readonly output_size: number;
  readonly class_names?: readonly string[];
  readonly target_names?: readonly string[];
  readonly picture?: { readonly height: number; readonly width: number };
  readonly vocabulary?: VocabularyRecord;
  readonly series_scaling?: {
    readonly pooled: { readonly offset: readonly number[]; readonly scale: readonly number[] };
    readonly series: readonly {
      readonly name: string;
      readonly offset: readonly number[];
      readonly scale: readonly number[];
    }[];
  };
}

/** What only the run itself knows. */
export interface ManifestFacts {
  readonly run_id: string;
  readonly name: string;
  /** When the run began. */
  readonly started: Date;
  /** SHA-256 of the resolved config, hex. */
  readonly config_hash: string;
  /**
   * SHA-256 (hex) of what decides a training step, which each checkpoint has; absent in runs of
   * older versions.
   */
  readonly step_hash?: string;
  /**
   * The directory, absolute, as it was when the run began: a copy lies elsewhere. Absent likewise.
   */
  readonly directory?: string;
  /** SHA-256 of config.yaml, hex; absent in runs of versions that did not say it. */
  readonly given_config_sha256?: string;
  /** The config and the files that it extends, as named. */
  readonly config_files: readonly string[];
  /** Steps between two logged training steps; absent if an older version wrote it. */
  readonly log_every?: number;
  /**
   * `FILE:LINE:COL` or `--set` of each gate, in their order, so that a resumed run names the same
   * places; absent where older versions wrote it.
   */
  readonly gate_origins?: readonly string[];
  readonly backend: {
    readonly name: string;
    /** Why it was chosen. */
    readonly reason: string;
    /** What actually executes the kernels. */
    readonly executor: string;
    /**
     * How products are added on webasm; `null` elsewhere. The same bytes can be expected only where
     * this is the same.
     */
    readonly arithmetic: 'fused' | 'separate' | null;
    /**
     * Bits of vectors that kernels were compiled for on webasm; changes no result. `null`
     * elsewhere, absent if an older version wrote it.
     */
    readonly width?: 128 | 256 | null;
    readonly threads: number | null;
    /** The GPU as its driver names it; `null` without one. */
    readonly adapter: string | null;
  };
  readonly datasets: readonly { readonly name: string; readonly sha256: string }[];
  /** What a prediction must know of the data; absent if an older version wrote it. */
  readonly data?: DataRecord;
  /** How features and targets were scaled; absent if they were not. */
  readonly scaling?: ScalingRecord;
  /** Every seed that decides something, by what it decides. */
  readonly seeds: Readonly<Record<string, number>>;
  readonly parameters: number;
  /** The arguments after the program's name. */
  readonly command_line: readonly string[];
}

/** What a resume was allowed to change. */
export interface ManifestChange {
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Optimizer steps done before it. */
  readonly step: number;
  /** Such as `training.num_epochs`, or `backend`. */
  readonly key: string;
  readonly from: Json;
  readonly to: Json;
}

export interface Manifest extends Omit<ManifestFacts, 'started'> {
  readonly version: 1;
  /** ISO 8601, UTC. */
  readonly started: string;
  readonly versions: Versions;
  readonly git: GitState | null;
  readonly machine: Machine;
  /**
   * Those that its config had before it changed: earlier checkpoints have them. Absent if there
   * were none.
   */
  readonly earlier_step_hashes?: readonly string[];
  /** Absent where nothing was. */
  readonly changes?: readonly ManifestChange[];
}

/**
 * Completes `facts` with versions, machine and `git`, the state of the repository around the
 * config.
 */
export function describeRun(facts: ManifestFacts, git: GitState | null): Manifest {
  const { started, ...rest } = facts;
  return {
    version: 1,
    started: started.toISOString(),
    ...rest,
    versions: versions(),
    git,
    machine: machine(),
  };
}

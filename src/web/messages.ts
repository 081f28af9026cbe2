/** What a page of `web` and its trainer say to each other. */
import type { Completions } from '../config/completion.js';
import type { Diagnostic } from '../util/errors.js';
import type { RunReport } from '../view/run-report.js';

/** Start of the names of files of npm packages. */
export const PACKAGES = '@packages/';

/** A site as `web` writes it, in a script: a page of a file may read no other files. */
export interface Site {
  /** Names of the configs, of `files`. */
  readonly configs: readonly string[];
  /** The configs and what they read: sizes in bytes by name, relative to the site's `files`. */
  readonly files: Readonly<Record<string, number>>;
  /** The configs, and what they extend, by name. */
  readonly texts: Readonly<Record<string, string>>;
  readonly sliders: readonly Slider[];
  readonly version: string;
}

/** A number of the config that a slider of the page sets. */
export interface Slider {
  /** Such as `dataset.sequence_length`. */
  readonly key: string;
  readonly low: number;
  readonly high: number;
  /** Whether equal distances are equal ratios. */
  readonly isLogarithmic: boolean;
  /** Absent: the config leaves it to its default. */
  readonly value: number | undefined;
}

/** A config as edited in the page. */
export interface Edited {
  /** Its name in the site. */
  readonly config: string;
  readonly text: string;
  /** What sliders set, as by `--set`. */
  readonly set?: readonly string[];
}

export type Request =
  | { readonly kind: 'open'; readonly site: Site; readonly address: string }
  | ({ readonly kind: 'check' } & Edited)
  | ({ readonly kind: 'train'; readonly backend?: 'webasm' | 'webgpu' } & Edited)
  | { readonly kind: 'complete'; readonly text: string; readonly at: number }
  | { readonly kind: 'resume' | 'pause' | 'explain' | 'download' | 'delete' }
  /** A file that the user dropped: data by the name of a file that a config reads, or a run. */
  | { readonly kind: 'drop'; readonly name: string; readonly bytes: Uint8Array };

export interface Problem extends Diagnostic {
  /** Where it is, for people; empty if that is not known. */
  readonly place: string;
}

export type State = 'loading' | 'ready' | 'training' | 'explaining' | 'paused' | 'ended';

export type Reply =
  | {
      readonly kind: 'state';
      readonly state: State;
      /** Whether the run in the page can be continued. */
      readonly resumable: boolean;
      readonly message?: string;
    }
  | { readonly kind: 'checked'; readonly text: string; readonly problems: readonly Problem[] }
  | { readonly kind: 'completions'; readonly completions: Completions }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] }
  | {
      readonly kind: 'report';
      readonly report: RunReport;
      readonly digests: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'archive'; readonly name: string; readonly bytes: Uint8Array };

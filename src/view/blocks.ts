/**
 * What people read, as plain data: reviews and comparisons. Each format has one renderer:
 * `markdown.ts`, `junit.ts`, `github.ts`, and for terminals `cli/terminal/text.ts`.
 */
import type { Verdict } from '../run/events.js';
import type { Table } from '../util/table.js';

export type Block =
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'table'; readonly title?: string; readonly table: Table }
  | { readonly kind: 'warning'; readonly code: string; readonly text: string }
  /** The verdict on everything: the last line in a terminal, the title elsewhere. */
  | { readonly kind: 'outcome'; readonly text: string }
  | Chart
  | Subject;

export interface Chart {
  readonly kind: 'chart';
  readonly title: string;
  readonly axis: string;
  readonly lines: readonly ChartLine[];
}

export interface ChartLine {
  /** One or two letters. */
  readonly label: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Something that was judged. */
export interface Subject {
  readonly kind: 'subject';
  readonly about: string;
  readonly head: string;
  readonly isBrief: boolean;
  /**
   * The same for the same experiment and seed in every review, so that a history can be kept. Not
   * unique.
   */
  readonly identity: string;
  readonly run?: {
    readonly directory: string;
    readonly run_id: string;
    readonly started: string | null;
    readonly duration_s: number | null;
  };
  /** Absolute paths on the machine of the run, in which the gates stand. */
  readonly configFiles: readonly string[];
  readonly facts: readonly Fact[];
  readonly notes: readonly string[];
  readonly judgements: readonly Judgement[];
  readonly warnings: {
    readonly count: number;
    readonly first: readonly { readonly code: string; readonly message: string }[];
  };
}

export interface Fact {
  readonly name: string;
  readonly value: string;
  /**
   * How a terminal shows it: `head` if the head of the subject says it, `named` on a line with
   * other facts, `line` without its name on a line of its own.
   */
  readonly as: 'head' | 'named' | 'line';
}

export interface Judgement {
  readonly name: string;
  /** Includes the condition of a gate, since there may be several gates on one metric. */
  readonly id: string;
  readonly verdict: Verdict | 'not judged';
  readonly sentence: string;
  readonly isInHead: boolean;
  /** `FILE:LINE:COL` of a gate. */
  readonly origin?: string;
  /** What is compared, if no gate asks for it. */
  readonly metric?: string;
}

/**
 * What people read, as plain data: reviews, comparisons and the essentials of reports. Each format
 * has one renderer: `markdown.ts`, `junit.ts`, `github.ts`, `html.ts`, and for terminals
 * `cli/terminal/text.ts`.
 */
import type { Verdict } from '../run/events.js';
import type { Diagnostic } from '../util/errors.js';
import type { Table } from '../util/table.js';

export type Block = Heading | Paragraph | List | TableBlock | Chart | Finding | Subject | Outcome;

export interface Heading {
  readonly kind: 'heading';
  readonly text: string;
}

export interface Paragraph {
  readonly kind: 'paragraph';
  readonly text: string;
}

export interface List {
  readonly kind: 'list';
  readonly items: readonly string[];
}

export interface TableBlock {
  readonly kind: 'table';
  readonly title?: string;
  readonly table: Table;
}

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

/** Something that needs attention, besides verdicts. */
export interface Finding {
  readonly kind: 'finding';
  readonly severity: 'error' | 'warning';
  readonly diagnostic: Diagnostic;
}

/** The verdict on everything: the last line in a terminal, the title elsewhere. */
export interface Outcome {
  readonly kind: 'outcome';
  readonly text: string;
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
  readonly place?: { readonly file: string; readonly line: number; readonly col: number } | undefined;
}

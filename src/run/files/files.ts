/**
 * Types of a run's files as readers see them: numbers that JSON cannot represent are null, with
 * their names in a second key (`json.ts`).
 */
import type { Metric } from '../../config/experiment.js';
import type { EVENT_VERSION, EventFields, EventName } from '../log/events.js';
import type { BySplit, Summary } from '../summary.js';
import type { NonFinite } from './json.js';

/** A line of `log.jsonl`, discriminated by `event`; same as schemas/log-event.schema.json. */
export type LogEvent = {
  readonly [E in EventName]: LineHead & { readonly event: E } & Spelled<EventFields[E]>;
}[EventName];

/** `summary.json`; same as schemas/summary.schema.json. */
export type SummaryFile = Omit<Summary, 'metrics'> & {
  readonly metrics: BySplit<Readonly<Record<string, number | null | NonFinite>>>;
};

interface LineHead {
  readonly level: 'info' | 'warn' | 'error';
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly v: typeof EVENT_VERSION;
  /** Contiguous from 0. */
  readonly seq: number;
}

/** Measured fields, which may be not finite; all other numbers are finite. */
type Measured = Metric | 'grad_norm' | 'learning_rate' | 'samples_per_s' | 'value' | 'best';

type IsMeasured<F, K extends keyof F> = K extends Measured ? (number extends F[K] ? true : false) : false;

type Spelled<F> = {
  readonly [K in keyof F]: IsMeasured<F, K> extends true ? F[K] | null : F[K];
} & {
  readonly [K in keyof F & string as IsMeasured<F, K> extends true ? `${K}_nonfinite` : never]?: NonFinite;
};

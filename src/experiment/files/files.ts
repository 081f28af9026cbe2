/**
 * A run's files as their readers get them: numbers that JSON cannot hold are null, with their names
 * beside them (`json.ts`).
 */
import type { Metric } from '../../config/experiment.js';
import type { EVENT_VERSION, EventFields, EventName } from '../log/events.js';
import type { BySplit, Summary } from '../summary.js';
import type { NonFinite } from './json.js';

/** A line of `log.jsonl`, discriminated by `event`; schemas/log-event.schema.json says the same. */
export type LogEvent = {
  readonly [E in EventName]: LineHead & { readonly event: E } & Spelled<EventFields[E]>;
}[EventName];

/** `summary.json`; schemas/summary.schema.json says the same. */
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

/** What is measured and need not be finite; all other numbers are. */
type Measured = Metric | 'grad_norm' | 'learning_rate' | 'samples_per_s' | 'value' | 'best';

type IsMeasured<F, K extends keyof F> = K extends Measured ? (number extends F[K] ? true : false) : false;

type Spelled<F> = {
  readonly [K in keyof F]: IsMeasured<F, K> extends true ? F[K] | null : F[K];
} & {
  readonly [K in keyof F & string as IsMeasured<F, K> extends true ? `${K}_nonfinite` : never]?: NonFinite;
};

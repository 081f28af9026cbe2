/** The trivial baselines, in the order of `summary.json`; `baselines.ts` says what each predicts. */
export const BASELINE_NAMES = [
  'majority',
  'previous',
  'mean',
  'median',
  'quantiles',
  'by_symbol',
  'ngram',
  'last_value',
  'drift',
  'seasonal_naive',
  'season_mean',
] as const;

export type BaselineName = (typeof BASELINE_NAMES)[number];

/** Baselines for the targets of a split, by name; without metrics that are not finite. */
export type SplitBaselines = {
  readonly [B in BaselineName]?: Readonly<Record<string, number>>;
};

/**
 * Interface of schedules: the learning rate as a function of training progress. A schedule has no
 * state, so a resumed run continues with the same rates.
 */

/** A value of the metric that a schedule monitors. */
export interface Observation {
  /** Number of updates before it was measured. */
  readonly update: number;
  readonly value: number;
}

/** Progress of training after the warm-up, whose updates are not counted. */
export interface Progress {
  /** Number of updates before this one: 0 for the first. */
  readonly done: number;
  /** Number of planned updates. */
  readonly total: number;
  readonly updatesPerEpoch: number;
  /** Values measured before this update, in order. */
  observations(): readonly Observation[];
}

export interface Schedule<Settings> {
  /** @param base learning rate of the optimizer's settings */
  rate(base: number, settings: Settings, progress: Progress): number;
}

/** A number of updates, set as `steps` or in epochs; exactly one of them is set. */
export interface UpdatesOrEpochs {
  readonly steps?: number;
  readonly epochs?: number;
}

/** Converts to a number of updates. */
export function updatesIn(
  { steps, epochs = 0 }: UpdatesOrEpochs,
  { updatesPerEpoch }: Pick<Progress, 'updatesPerEpoch'>,
): number {
  return steps ?? epochs * updatesPerEpoch;
}

/**
 * Completed fraction of a decay, 0 to 1. It ends after `length`, or after all planned updates if
 * absent.
 */
export function shareDone(length: UpdatesOrEpochs | undefined, progress: Progress): number {
  const updates = length === undefined ? progress.total : updatesIn(length, progress);
  return Math.min(1, progress.done / updates);
}

/** Interpolates from `start` to `end` along half a cosine while `share` goes from 0 to 1. */
export function alongCosine(start: number, end: number, share: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * share))) / 2;
}

/**
 * What a schedule is: the learning rate of an update as a function of where training stands. A
 * schedule keeps no state, so a run that resumes needs nothing to go on with the same rates.
 */

/** A value of the metric that a schedule follows. */
export interface Observation {
  /** Updates that had been made when it was measured. */
  readonly update: number;
  readonly value: number;
}

/** Where training stands; the warm-up is over, and its updates are not counted. */
export interface Progress {
  /** Updates made before this one: 0 for the first. */
  readonly done: number;
  /** Planned updates. */
  readonly total: number;
  readonly updatesPerEpoch: number;
  /** What was measured before this update, in order. */
  observations(): readonly Observation[];
}

export interface Schedule<Settings> {
  /** @param base the learning rate that the optimizer's settings state */
  rate(base: number, settings: Settings, progress: Progress): number;
}

/** A number of updates, stated as such or in epochs; one of the two is there. */
export interface UpdatesOrEpochs {
  readonly steps?: number;
  readonly epochs?: number;
}

export function updatesIn(
  { steps, epochs = 0 }: UpdatesOrEpochs,
  { updatesPerEpoch }: Pick<Progress, 'updatesPerEpoch'>,
): number {
  return steps ?? epochs * updatesPerEpoch;
}

/**
 * Share of a decay that is done, 0 to 1: it ends with `length`, or with the planned updates if that
 * is absent.
 */
export function shareDone(length: UpdatesOrEpochs | undefined, progress: Progress): number {
  const updates = length === undefined ? progress.total : updatesIn(length, progress);
  return Math.min(1, progress.done / updates);
}

/** Goes from `start` to `end` along half a cosine while `share` goes from 0 to 1. */
export function alongCosine(start: number, end: number, share: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * share))) / 2;
}

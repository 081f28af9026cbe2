/**
 * Asynchronous successive halving: algorithm 2 of Li et al., "A System for Massively Parallel
 * Hyperparameter Tuning" (2018). Whenever a lane is free, the highest rung with a trial among its
 * best 1/eta that has not been promoted gives the next job, else a new point does. Whether a trial
 * is among the best is asked anew each time, so one that was passed over is promoted later once the
 * rung has filled up. Once no new points are left, what is promotable goes on until nothing is, and
 * the rest is pruned.
 */
import { isBetter, type Measured, type Pruning } from './pruning.js';

export class Asha implements Pruning {
  private readonly halvings: readonly Rung[];

  constructor(
    private readonly rungEpochs: readonly number[],
    reductionFactor: number,
  ) {
    this.halvings = rungEpochs.slice(0, -1).map(epochs => new Rung(epochs, reductionFactor));
  }

  rungs(): readonly number[] {
    return this.rungEpochs;
  }

  bracket(): undefined {
    return undefined;
  }

  judge(measured: Measured): 'pause' {
    this.rungAt(measured.epochs).add(measured);
    return 'pause';
  }

  completed(): void {}

  promotable(): number | undefined {
    return this.candidateRung()?.candidate();
  }

  promoted(trial: number): void {
    const rung = this.candidateRung();
    if (rung?.candidate() !== trial) throw new Error(`trial ${trial} is not the one to promote`);
    rung.promote();
  }

  withdrawn(trial: number): void {
    for (const rung of this.halvings) rung.withdraw(trial);
  }

  /** The highest with a candidate. */
  private candidateRung(): Rung | undefined {
    return this.halvings.findLast(rung => rung.candidate() !== undefined);
  }

  private rungAt(epochs: number): Rung {
    const rung = this.halvings.find(one => one.epochs === epochs);
    if (!rung) throw new Error(`no rung at ${epochs} epochs`);
    return rung;
  }
}

/** The trials that have reached a number of epochs. */
class Rung {
  /** All that ever came here, the best first. */
  private readonly ranking: Measured[] = [];
  /** Those of them that have not gone on. */
  private readonly waiting: Measured[] = [];

  constructor(
    readonly epochs: number,
    /** eta. */
    private readonly reductionFactor: number,
  ) {}

  add(measured: Measured): void {
    this.ranking.splice(rankIn(this.ranking, measured), 0, measured);
    this.waiting.splice(rankIn(this.waiting, measured), 0, measured);
  }

  candidate(): number | undefined {
    const [first] = this.waiting;
    if (first === undefined || first.value === null) return undefined;
    const best = Math.floor(this.ranking.length / this.reductionFactor);
    return rankIn(this.ranking, first) < best ? first.trial : undefined;
  }

  /** The candidate goes on. */
  promote(): void {
    this.waiting.shift();
  }

  /** A trial that may be waiting here waits no more. */
  withdraw(trial: number): void {
    const at = this.waiting.findIndex(one => one.trial === trial);
    if (at >= 0) this.waiting.splice(at, 1);
  }
}

/** How many of `ranking`, whose best is first, are better. */
function rankIn(ranking: readonly Measured[], measured: Measured): number {
  let [low, high] = [0, ranking.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBetter(ranking[middle], measured)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Asynchronous successive halving: algorithm 2 of Li et al., "A System for Massively Parallel
 * Hyperparameter Tuning" (2018). A free lane takes the highest rung with a trial that is among its
 * best 1/eta and not yet promoted, or a new point if there is none. The best are determined each
 * time, so a trial that was passed over may be promoted once its rung has more trials. When there
 * are no new points, promotions continue until no trial is promotable; the rest is pruned.
 */
import { integer, named, object } from '../../util/schema.js';
import { isBetter, type Measured, Pruning, pruner, prunerName } from './pruner.js';

export class Asha extends Pruning {
  private readonly halvings: readonly Rung[];

  constructor(
    private readonly rungEpochs: readonly number[],
    reductionFactor: number,
  ) {
    super();
    this.halvings = rungEpochs.slice(0, -1).map(epochs => new Rung(epochs, reductionFactor));
  }

  rungs(): readonly number[] {
    return this.rungEpochs;
  }

  judge(measured: Measured): 'pause' {
    this.rungAt(measured.epochs).add(measured);
    return 'pause';
  }

  override promotable(): number | undefined {
    return this.candidateRung()?.candidate();
  }

  override promoted(trial: number): void {
    const rung = this.candidateRung();
    if (rung?.candidate() !== trial) throw new Error(`trial ${trial} is not the one to promote`);
    rung.promote();
  }

  override withdrawn(trial: number): void {
    for (const rung of this.halvings) rung.withdraw(trial);
  }

  /** The highest rung with a candidate. */
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
  /** All trials that have reached the rung, best first. */
  private readonly ranking: Measured[] = [];
  /** The trials of them that have not continued. */
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

  /** Removes the candidate, which continues. */
  promote(): void {
    this.waiting.shift();
  }

  /** Removes a trial if it waits here. */
  withdraw(trial: number): void {
    const at = this.waiting.findIndex(one => one.trial === trial);
    if (at >= 0) this.waiting.splice(at, 1);
  }
}

/** Number of trials in `ranking` (best first) that are better. */
function rankIn(ranking: readonly Measured[], measured: Measured): number {
  let [low, high] = [0, ranking.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBetter(ranking[middle], measured)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The settings of successive halving. */
export const halving = {
  min_epochs: named(
    'min_epochs',
    integer({
      description: 'Epochs until the first rung.',
      min: 1,
      max: 1_000_000,
      default: 1,
      examples: [1],
      aliases: ['min_resource', 'grace_period'],
    }),
  ),
  reduction_factor: integer({
    description: 'Ratio of consecutive rungs. Rungs are min_epochs times its powers, and the last epoch.',
    min: 2,
    max: 1000,
    default: 4,
    examples: [3],
    aliases: ['eta', 'factor'],
  }),
};

interface HalvingSettings {
  readonly min_epochs: number;
  readonly reduction_factor: number;
}

/** min_epochs * eta^k below `epochs`, rounded down to whole epochs, followed by `epochs`. */
export function rungEpochs(
  { min_epochs, reduction_factor }: HalvingSettings,
  epochs: number,
): readonly number[] {
  if (!(min_epochs >= 1 && reduction_factor > 1))
    throw new Error(
      `rungs cannot start at ${min_epochs} epochs with a reduction factor of ${reduction_factor}`,
    );
  const rungs: number[] = [];
  for (let rung = min_epochs; rung < epochs; rung *= reduction_factor) {
    const whole = Math.floor(rung);
    // with a factor below 2, rungs may differ by less than an epoch
    if (whole !== rungs.at(-1)) rungs.push(whole);
  }
  return [...rungs, epochs];
}

export const asha = pruner({
  settings: object(
    {
      kind: prunerName(
        'asha',
        'Asynchronous successive halving (Li et al. 2018): at each rung the best 1 / reduction_factor continue, the rest wait.',
      ),
      ...halving,
    },
    { title: 'Asha' },
  ),
  firstJudged: ({ min_epochs }) => ['min_epochs', min_epochs],
  create: (settings, epochs) => new Asha(rungEpochs(settings, epochs), settings.reduction_factor),
});

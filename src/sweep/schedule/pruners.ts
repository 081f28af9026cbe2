/** Pruners: which trials stop before their last epoch. */
import { integer, like, named, object, type Shape, type TypeOf, tag, union } from '../../util/schema.js';

interface Measured {
  readonly trial: number;
  readonly epochs: number;
  /** The value to minimize; null, if there is none, is worse than any number. */
  readonly value: number | null;
}

/** A paused trial waits and may be promoted later. */
type Verdict = 'advance' | 'prune' | 'pause';

/** Decides which trials continue, in the order of virtual time: no clock, no randomness. */
export interface Pruning {
  /** Epochs after which the trial is measured, ascending; the last one is its last epoch. */
  rungs(trial: number): readonly number[];
  /** Called at each rung below the last; the verdict on a diverged trial is ignored. */
  judge(measured: Measured): Verdict;
  /** The trial's bracket, if there are brackets. */
  bracket?(trial: number): number;
  /** A trial was trained to its last epoch without diverging. */
  completed?(measured: Measured): void;
  /** The paused trial that the next free lane continues, if any. */
  promotable?(): number | undefined;
  /** A paused trial continues. */
  continued?(trial: number): void;
}

interface PrunerKind<S extends Shape = Shape> {
  readonly settings: S;
  /** The setting that decides when a trial is first judged, and that epoch; absent if none is. */
  firstJudged?(settings: TypeOf<S>): readonly [setting: keyof TypeOf<S> & string, epoch: number];
  /** @param epochs of a trial that is not pruned */
  create(settings: TypeOf<S>, epochs: number): Pruning;
}

const pruner = <S extends Shape>(kind: PrunerKind<S>): PrunerKind<S> => kind;

const none = pruner({
  settings: object(
    { kind: tag('none', { description: 'Train every trial to the end.' }) },
    { title: 'NoPruner' },
  ),
  create: (_, epochs) => ({ rungs: () => [epochs], judge: () => 'advance' }),
});

/** Numbers before null, equal values by trial, so that ties are replayed equally. */
function isBetter(a: Measured, b: Measured): boolean {
  if (a.value === b.value) return a.trial < b.trial;
  if (a.value === null || b.value === null) return b.value === null;
  return a.value < b.value;
}

/**
 * Asynchronous successive halving: algorithm 2 of Li et al., "A System for Massively Parallel
 * Hyperparameter Tuning" (2018). A free lane takes the highest rung with a trial that is among its
 * best 1/eta and not yet promoted, or a new point if there is none. The best are determined each
 * time, so a trial that was passed over may be promoted once its rung has more trials. When there
 * are no new points, promotions continue until no trial is promotable; the rest is pruned.
 */
class Asha implements Pruning {
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

  judge(measured: Measured): 'pause' {
    this.halvings.find(({ epochs }) => epochs === measured.epochs)?.add(measured);
    return 'pause';
  }

  promotable(): number | undefined {
    return this.halvings.map(rung => rung.candidate()).findLast(trial => trial !== undefined);
  }

  continued(trial: number): void {
    for (const rung of this.halvings) rung.withdraw(trial);
  }
}

/** The trials that have reached a number of epochs. */
class Rung {
  /** All trials that have reached the rung, best first. */
  private readonly ranking: Measured[] = [];
  private readonly waiting: Measured[] = [];

  constructor(
    readonly epochs: number,
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

const halving = {
  min_epochs: named(
    'min_epochs',
    integer({
      description: 'Epochs until the first rung.',
      min: 1,
      max: 1_000_000,
      default: 1,
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

/** min_epochs * eta^k below `epochs`, rounded down to whole epochs, followed by `epochs`. */
export function rungEpochs(
  { min_epochs, reduction_factor }: { readonly min_epochs: number; readonly reduction_factor: number },
  epochs: number,
): readonly number[] {
  const rungs: number[] = [];
  for (let rung = min_epochs; rung < epochs; rung *= reduction_factor) rungs.push(rung);
  return [...rungs, epochs];
}

const asha = pruner({
  settings: object(
    {
      kind: tag('asha', {
        description:
          'Asynchronous successive halving (Li et al. 2018): at each rung the best 1 / reduction_factor continue, the rest wait.',
      }),
      ...halving,
    },
    { title: 'Asha' },
  ),
  firstJudged: ({ min_epochs }) => ['min_epochs', min_epochs],
  create: (settings, epochs) => new Asha(rungEpochs(settings, epochs), settings.reduction_factor),
});

/**
 * Hyperband (Li et al., 2017) with asynchronous brackets, as in the ASHA paper (Li et al., 2018):
 * bracket b is an ASHA whose lowest rung is rung b. A trial's number determines its bracket; each
 * gets the fraction of trials of the paper's algorithm 1, as evenly as whole trials allow. At most
 * one bracket has a promotable trial: the end of a segment makes at most one promotable, and the
 * lane it frees takes that one.
 */
class Hyperband implements Pruning {
  private readonly brackets: readonly Asha[];
  /** The brackets of trials 0, 1, …, repeated. */
  private readonly deal: readonly number[];

  constructor(rungs: readonly number[], reductionFactor: number) {
    this.brackets = rungs.map((_, b) => new Asha(rungs.slice(b), reductionFactor));
    this.deal = dealOut(bracketSizes(rungs.length, reductionFactor));
  }

  bracket(trial: number): number {
    return this.deal[trial % this.deal.length];
  }

  rungs(trial: number): readonly number[] {
    return this.brackets[this.bracket(trial)].rungs();
  }

  judge(measured: Measured): 'pause' {
    return this.brackets[this.bracket(measured.trial)].judge(measured);
  }

  promotable(): number | undefined {
    return this.brackets.map(bracket => bracket.promotable()).find(trial => trial !== undefined);
  }

  continued(trial: number): void {
    this.brackets[this.bracket(trial)].continued(trial);
  }
}

/** n = ceil((s_max + 1) / (s + 1) * eta^s) trials of bracket b = s_max - s. */
export function bracketSizes(brackets: number, reductionFactor: number): readonly number[] {
  return Array.from({ length: brackets }, (_, b) => {
    const s = brackets - 1 - b;
    return Math.ceil((brackets * reductionFactor ** s) / (s + 1));
  });
}

/** Assigns each trial to the first bracket that is furthest behind its fraction. */
function dealOut(sizes: readonly number[]): readonly number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const given = sizes.map(() => 0);
  return Array.from({ length: total }, (_, i) => {
    const behind = sizes.map((size, b) => size * (i + 1) - given[b] * total);
    const next = behind.indexOf(Math.max(...behind));
    given[next] += 1;
    return next;
  });
}

export const hyperband = pruner({
  settings: object(
    {
      kind: tag('hyperband', {
        description: 'Successive halving in brackets that start at different rungs (Li et al. 2017).',
      }),
      ...halving,
      reduction_factor: like(halving.reduction_factor, { default: 3 }),
    },
    { title: 'Hyperband' },
  ),
  firstJudged: ({ min_epochs }) => ['min_epochs', min_epochs],
  create: (settings, epochs) => new Hyperband(rungEpochs(settings, epochs), settings.reduction_factor),
});

const medianSettings = object(
  {
    kind: tag('median', {
      description: 'Stop a trial that is worse than the median of the others at the same epoch.',
    }),
    n_startup_trials: integer({
      description: 'Number of trials that must finish before the first is judged.',
      min: 0,
      max: 1_000_000,
      default: 5,
    }),
    n_warmup_epochs: integer({
      description: 'Epochs before a trial is first judged.',
      min: 0,
      max: 1_000_000,
      default: 0,
      examples: [1],
      aliases: ['n_warmup_steps', 'warmup'],
    }),
    interval_epochs: integer({
      description: 'Epochs between two judgements.',
      min: 1,
      max: 1_000_000,
      default: 1,
      aliases: ['interval_steps', 'interval'],
    }),
  },
  { title: 'Median' },
);

/**
 * The median stopping rule (Golovin et al., "Google Vizier", 2017) with the defaults of Optuna's
 * MedianPruner, whose steps count from 0: its step s is s + 1 epochs. A trial stops if its best
 * value so far is worse than the median of the values of completed trials at the same epoch. Trials
 * are judged after n_warmup_epochs + 1 epochs and then every `interval_epochs`, once
 * `n_startup_trials` are completed. Only values at these epochs count.
 */
class MedianPruning implements Pruning {
  private readonly rungEpochs: readonly number[];
  /** Finite values of running trials, by trial, in the order of the epochs. */
  private readonly values = new Map<number, Measured[]>();
  /** Finite values of completed trials, by epochs. */
  private readonly completedValues = new Map<number, number[]>();
  private completedTrials = 0;

  constructor(
    private readonly options: TypeOf<typeof medianSettings>,
    epochs: number,
  ) {
    const rungs: number[] = [];
    for (let rung = options.n_warmup_epochs + 1; rung < epochs; rung += options.interval_epochs)
      rungs.push(rung);
    this.rungEpochs = [...rungs, epochs];
  }

  rungs(): readonly number[] {
    return this.rungEpochs;
  }

  judge(measured: Measured): Verdict {
    const values = this.values.get(measured.trial) ?? [];
    this.values.set(measured.trial, values);
    if (measured.value !== null) values.push(measured);
    if (this.completedTrials === 0 || this.completedTrials < this.options.n_startup_trials) return 'advance';
    if (values.length === 0) return 'prune';
    const others = this.completedValues.get(measured.epochs) ?? [];
    if (others.length === 0) return 'advance';
    const best = Math.min(...values.map(({ value }) => value as number));
    return best > middleOf(others) ? 'prune' : 'advance';
  }

  completed({ trial }: Measured): void {
    this.completedTrials += 1;
    for (const { epochs, value } of this.values.get(trial) ?? []) {
      const values = this.completedValues.get(epochs) ?? [];
      this.completedValues.set(epochs, values);
      values.push(value as number);
    }
    this.values.delete(trial);
  }
}

/** The median; for an even count the mean of the middle two, as in NumPy. */
function middleOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const median = pruner({
  settings: medianSettings,
  firstJudged: ({ n_warmup_epochs }) => ['n_warmup_epochs', n_warmup_epochs + 1],
  create: (given, epochs) => new MedianPruning(given, epochs),
});

const pruners = { none, median, asha, hyperband };

export const prunerSettings = union(
  'kind',
  Object.entries(pruners).map(([kind, { settings }]) =>
    named(kind === 'none' ? 'no_pruner' : kind, settings),
  ),
  {},
);

/** Pruners count epochs. A rung is an epoch after which a trial is judged. */
export type Pruner = TypeOf<typeof prunerSettings>;

export function prunerOf({ kind }: Pruner): PrunerKind {
  return pruners[kind] as PrunerKind;
}

/** Pruners: which trials stop before their last epoch. */
import { meanOf, momentsOf } from '../../util/numbers.js';
import {
  integer,
  like,
  named,
  number,
  type Shape,
  section,
  type TypeOf,
  tag,
  union,
} from '../../util/schema.js';

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
  /**
   * Whether a trial with these values on its first folds is not trained on the others.
   * @param best values of the best completed trial on all folds
   */
  stopsAfter?(values: readonly (number | null)[], best: readonly number[]): boolean;
  /** The trial's bracket, if there are brackets. */
  bracket?(trial: number): number;
  /** A trial was trained to its last epoch without diverging. */
  completed?(measured: Measured): void;
  /** The paused trial that the next free lane continues, if any. */
  promotable?(): number | undefined;
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
  settings: section({ kind: tag('none', { description: 'Train every trial to the end.' }) }, {}),
  create: (_, epochs) => ({ rungs: () => [epochs], judge: () => 'advance' }),
});

/**
 * A race over folds. Both trials are compared on the same folds, since some are harder than others;
 * the deviation over the folds of the best trial is a generous measure of what is chance.
 */
const folds = pruner({
  settings: section(
    {
      kind: tag('folds', {
        description:
          'Stop a trial between its folds if the mean of those so far is worse, by `margin`, than that of the best trial on the same folds.',
      }),
      margin: number({
        description:
          'How much worse the mean must be, in standard deviations of the best trial over its folds.',
        min: 0,
        max: 1e6,
        default: 1,
      }),
    },
    {},
  ),
  create: ({ margin }, epochs) => ({
    rungs: () => [epochs],
    judge: () => 'advance',
    stopsAfter(values, best) {
      const differences = values.map((value, i) => (value ?? Number.POSITIVE_INFINITY) - best[i]);
      return meanOf(differences) > margin * (momentsOf(best).spread ?? 0);
    },
  }),
});

/** Numbers before null, equal values by trial, so that ties are replayed equally. */
function isBetter(a: Measured, b: Measured): boolean {
  const [x, y] = [a, b].map(({ value }) => value ?? Number.POSITIVE_INFINITY);
  return x === y ? a.trial < b.trial : x < y;
}

/**
 * Asynchronous successive halving: algorithm 2 of Li et al., "A System for Massively Parallel
 * Hyperparameter Tuning" (2018). A free lane takes the highest rung with a trial that is among its
 * best 1/eta and not yet promoted, or a new point if there is none. The best are determined each
 * time, so a trial that was passed over may be promoted once its rung has more trials. When there
 * are no new points, promotions continue until no trial is promotable; the rest is pruned.
 */
function successiveHalving(rungs: readonly number[], reductionFactor: number) {
  /** Below the last rung: all trials that have reached one and those that wait, best first. */
  const halvings = rungs.slice(0, -1).map(epochs => {
    return { epochs, ranking: [] as Measured[], waiting: [] as Measured[] };
  });
  const candidateAt = ({ ranking, waiting: [first] }: (typeof halvings)[number]): number | undefined => {
    if (first === undefined || first.value === null) return undefined;
    return rankIn(ranking, first) < Math.floor(ranking.length / reductionFactor) ? first.trial : undefined;
  };
  return {
    rungs: () => rungs,
    judge(measured: Measured): Verdict {
      const rung = halvings.find(({ epochs }) => epochs === measured.epochs);
      for (const list of rung ? [rung.ranking, rung.waiting] : [])
        list.splice(rankIn(list, measured), 0, measured);
      return 'pause';
    },
    promotable: () => halvings.map(candidateAt).findLast(trial => trial !== undefined),
    continued(trial: number): void {
      for (const { waiting } of halvings) {
        const at = waiting.findIndex(measured => measured.trial === trial);
        if (at >= 0) waiting.splice(at, 1);
      }
    },
  };
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
  min_epochs: integer({
    name: 'min_epochs',
    description: 'Epochs until the first rung.',
    min: 1,
    max: 1e6,
    default: 1,
    aliases: ['min_resource', 'grace_period'],
  }),
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
  settings: section(
    {
      kind: tag('asha', {
        description:
          'Asynchronous successive halving (Li et al. 2018): at each rung the best 1 / reduction_factor continue, the rest wait.',
      }),
      ...halving,
    },
    {},
  ),
  firstJudged: ({ min_epochs }) => ['min_epochs', min_epochs],
  create: (settings, epochs) => successiveHalving(rungEpochs(settings, epochs), settings.reduction_factor),
});

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

/**
 * Hyperband (Li et al., 2017) with asynchronous brackets, as in the ASHA paper (Li et al., 2018):
 * bracket b is an ASHA whose lowest rung is rung b. A trial's number determines its bracket; each
 * gets the fraction of trials of the paper's algorithm 1, as evenly as whole trials allow. At most
 * one bracket has a promotable trial: the end of a segment makes at most one promotable, and the
 * lane it frees takes that one.
 */
export const hyperband = pruner({
  settings: section(
    {
      kind: tag('hyperband', {
        description: 'Successive halving in brackets that start at different rungs (Li et al. 2017).',
      }),
      ...halving,
      reduction_factor: like(halving.reduction_factor, { default: 3 }),
    },
    {},
  ),
  firstJudged: ({ min_epochs }) => ['min_epochs', min_epochs],
  create(settings, epochs) {
    const { reduction_factor } = settings;
    const rungs = rungEpochs(settings, epochs);
    const brackets = rungs.map((_, b) => successiveHalving(rungs.slice(b), reduction_factor));
    /** The brackets of trials 0, 1, …, repeated. */
    const deal = dealOut(bracketSizes(rungs.length, reduction_factor));
    const bracket = (trial: number) => deal[trial % deal.length];
    return {
      bracket,
      rungs: trial => brackets[bracket(trial)].rungs(),
      judge: measured => brackets[bracket(measured.trial)].judge(measured),
      promotable: () => brackets.map(race => race.promotable()).find(trial => trial !== undefined),
      continued: trial => brackets[bracket(trial)].continued(trial),
    };
  },
});

/** The median; for an even count the mean of the middle two, as in NumPy. */
export function middleOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The median stopping rule (Golovin et al., "Google Vizier", 2017) with the defaults of Optuna's
 * MedianPruner, whose steps count from 0: its step s is s + 1 epochs. A trial stops if its best
 * value so far is worse than the median of the values of completed trials at the same epoch. Trials
 * are judged after n_warmup_epochs + 1 epochs and then every `interval_epochs`, once
 * `n_startup_trials` are completed. Only values at these epochs count.
 */
const median = pruner({
  settings: section(
    {
      kind: tag('median', {
        description: 'Stop a trial that is worse than the median of the others at the same epoch.',
      }),
      n_startup_trials: integer({
        description: 'Number of trials that must finish before any trial is stopped.',
        min: 0,
        max: 1e6,
        default: 5,
      }),
      n_warmup_epochs: integer({
        description: 'Epochs before a trial can be stopped.',
        min: 0,
        max: 1e6,
        default: 0,
        examples: [1],
        aliases: ['n_warmup_steps', 'warmup'],
      }),
      interval_epochs: integer({
        description: 'Epochs between two decisions.',
        min: 1,
        max: 1e6,
        default: 1,
        aliases: ['interval_steps', 'interval'],
      }),
    },
    {},
  ),
  firstJudged: ({ n_warmup_epochs }) => ['n_warmup_epochs', n_warmup_epochs + 1],
  create({ n_startup_trials, n_warmup_epochs, interval_epochs }, epochs) {
    const rungs: number[] = [];
    for (let rung = n_warmup_epochs + 1; rung < epochs; rung += interval_epochs) rungs.push(rung);
    rungs.push(epochs);
    /** Finite values of running trials, by trial, in the order of the epochs. */
    const running = new Map<number, { readonly epochs: number; readonly value: number }[]>();
    /** Finite values of completed trials, by epochs. */
    const completed = new Map<number, number[]>();
    let completedTrials = 0;
    return {
      rungs: () => rungs,
      judge({ trial, epochs, value }) {
        const values = listIn(running, trial);
        if (value !== null) values.push({ epochs, value });
        if (completedTrials === 0 || completedTrials < n_startup_trials) return 'advance';
        if (values.length === 0) return 'prune';
        const others = listIn(completed, epochs);
        if (others.length === 0) return 'advance';
        return Math.min(...values.map(entry => entry.value)) > middleOf(others) ? 'prune' : 'advance';
      },
      completed({ trial }) {
        completedTrials += 1;
        for (const { epochs, value } of listIn(running, trial)) listIn(completed, epochs).push(value);
        running.delete(trial);
      },
    };
  },
});

/** The list of `key`, which is added if there is none. */
function listIn<T>(lists: Map<number, T[]>, key: number): T[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

const pruners = { none, median, asha, hyperband, folds };

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

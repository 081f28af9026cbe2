/**
 * The median stopping rule (Golovin et al., "Google Vizier", 2017) with the defaults of Optuna's
 * MedianPruner, whose steps count from 0: its step s is s + 1 epochs. A trial stops if its best
 * value so far is worse than the median of the values of completed trials at the same epoch. Trials
 * are judged after n_warmup_epochs + 1 epochs and then every `interval_epochs`, once
 * `n_startup_trials` are completed. Only values at these epochs count.
 */
import { integer, object, type TypeOf, tag } from '../../util/schema.js';
import { type Measured, type Pruning, pruner, type Verdict } from './pruner.js';

const settings = object(
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

class MedianPruning implements Pruning {
  private readonly rungEpochs: readonly number[];
  /** Finite values of running trials, by trial, in the order of the epochs. */
  private readonly values = new Map<number, Measured[]>();
  /** Finite values of completed trials, by epochs. */
  private readonly completedValues = new Map<number, number[]>();
  private completedTrials = 0;

  constructor(
    private readonly options: TypeOf<typeof settings>,
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

export const median = pruner({
  settings,
  firstJudged: ({ n_warmup_epochs }) => ['n_warmup_epochs', n_warmup_epochs + 1],
  create: (given, epochs) => new MedianPruning(given, epochs),
});

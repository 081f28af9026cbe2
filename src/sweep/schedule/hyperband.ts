/**
 * Hyperband (Li et al., 2017) with asynchronous brackets, as in the ASHA paper (Li et al., 2018):
 * bracket b is an ASHA whose lowest rung is rung b. A trial's number determines its bracket; each
 * gets the fraction of trials of the paper's algorithm 1, as evenly as whole trials allow. At most
 * one bracket has a promotable trial: the end of a segment makes at most one promotable, and the
 * lane it frees takes that one.
 */
import { like, object, tag } from '../../util/schema.js';
import { Asha, halving, rungEpochs } from './asha.js';
import { type Measured, type Pruning, pruner } from './pruner.js';

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

/** Prediction intervals and sets of classes: how many contain the target, and how wide they are. */
import { type Accumulator, ERROR, FRACTION, meanOf, metric, type Scored } from './metric.js';

/**
 * The fraction of the numbers of a target that its interval contains, or 1 if the set of classes
 * has its class; undefined without both.
 */
function covered({ interval, set, target }: Scored): number | undefined {
  if (set) return Number(set.includes(target[0]));
  return meanOver(interval, (lower, upper, i) => Number(lower <= target[i] && target[i] <= upper));
}

function meanOver(
  interval: Scored['interval'],
  score: (lower: number, upper: number, i: number) => number,
): number | undefined {
  if (interval === undefined) return undefined;
  const [lower, upper] = interval;
  let sum = 0;
  for (let i = 0; i < lower.length; i++) sum += score(lower[i], upper[i], i);
  return sum / lower.length;
}

const OF_VALUES =
  'with `intervals`, or `quantile` loss with two or more `quantiles`, whose lowest is l then and whose highest is u';
const OF_SETS = 'with `intervals`';

export const coverage = metric({
  description:
    'Fraction of the targets in their prediction interval, or set of classes. The best value is the coverage that was asked for: `intervals.coverage`, or the difference of the levels of the lowest and the highest quantile.',
  ...FRACTION,
  measures: 'intervals',
  tasks: {
    values: {
      formula: `${OF_VALUES}: (1/(N C)) sum_n sum_k of 1 if l_nk <= y_nk <= u_nk, else 0`,
      make: () => meanOf(covered),
    },
    classes: {
      formula: `${OF_SETS}: fraction of predictions whose set has y_n`,
      make: () => meanOf(covered),
    },
  },
});

/** Groups with fewer predictions are not judged: their coverage is mostly chance. */
const LEAST = 20;

/** Coverage of each group, and the mean width of its intervals or size of its sets. */
export class GroupCoverage {
  private readonly groups = new Map<string, { count: number; covered: number; width: number }>();
  /** Whether the groups are the true classes: predictions have no group of their own. */
  ofClasses = false;

  add(prediction: Scored): void {
    const found = covered(prediction);
    const { set, target, group = set && String(target[0]) } = prediction;
    if (found === undefined || group === undefined) return;
    this.ofClasses = prediction.group === undefined;
    const sums = this.groups.get(group) ?? { count: 0, covered: 0, width: 0 };
    this.groups.set(group, sums);
    sums.count++;
    sums.covered += found;
    sums.width += width(prediction) ?? Number.NaN;
  }

  /** In the order of their first predictions. */
  get all() {
    return [...this.groups].map(([group, { count, covered, width }]) => ({
      group,
      predictions: count,
      coverage: covered / count,
      width: width / count,
    }));
  }
}

function width({ interval, set }: Scored): number | undefined {
  return set?.length ?? meanOver(interval, (lower, upper) => upper - lower);
}

const lowest = (): Accumulator => {
  const groups = new GroupCoverage();
  return {
    add: prediction => groups.add(prediction),
    get value() {
      const judged = groups.all.filter(({ predictions }) => predictions >= LEAST);
      return judged.length === 0 ? undefined : Math.min(...judged.map(({ coverage }) => coverage));
    },
  };
};

const GROUPS = `of the groups with at least ${LEAST} predictions: the values of \`test.group\`, or the series of a forecast`;

export const groupCoverage = metric({
  description: 'The lowest `coverage` of a group.',
  ...FRACTION,
  measures: 'intervals',
  tasks: {
    values: { formula: `${OF_VALUES}: the lowest coverage ${GROUPS}`, make: lowest },
    classes: { formula: `${OF_SETS}: the lowest coverage ${GROUPS}; else the true classes`, make: lowest },
  },
});

export const intervalWidth = metric({
  description: 'Mean width of the prediction intervals.',
  ...ERROR,
  measures: 'intervals',
  tasks: {
    values: { formula: `${OF_VALUES}: (1/(N C)) sum_n sum_k (u_nk - l_nk)`, make: () => meanOf(width) },
  },
});

export const setSize = metric({
  description: 'Mean number of classes in the prediction sets.',
  ...ERROR,
  measures: 'intervals',
  tasks: { classes: { formula: `${OF_SETS}: mean number of classes in a set`, make: () => meanOf(width) } },
});

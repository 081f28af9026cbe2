/** The probability from which a case counts as positive, chosen for a stated aim. */
import * as s from '../../util/schema.js';

const FACTS = { effects: ['final'] } as const satisfies s.KeyFacts;

const aim = <const Kind extends string, P extends s.Fields>(kind: Kind, description: string, keys: P) =>
  s.named(
    `${kind}_threshold`,
    s.section({ for: s.literal(kind, { description, examples: [kind] }), ...keys }, { description }),
  );

const least = (description: string) =>
  s.number({ description, above: 0, max: 1, required: true, examples: [0.9] });

export const thresholdConfig = s.union(
  'for',
  [
    aim('f1', 'The largest F1 of the positive case.', {}),
    aim('recall', 'The largest recall with at least this precision.', {
      precision: least('The precision to reach.'),
    }),
    aim('precision', 'The largest precision with at least this recall.', {
      recall: least('The recall to reach.'),
    }),
    aim('cost', 'The smallest mean cost.', {
      costs: s.list(s.list(s.number({ min: -1e9, max: 1e9 }), { minItems: 2, maxItems: 2 }), {
        description:
          'Costs of a negative case and of a positive case (rows) that is predicted negative or positive (columns).',
        minItems: 2,
        maxItems: 2,
        required: true,
        examples: [
          [
            [0, 1],
            [5, 0],
          ],
        ],
      }),
    }),
  ],
  {
    description:
      'Choose the probability from which the second of two classes, or each label, is predicted, on the validation split. Without it: 0.5.',
    examples: [{ for: 'f1' }],
    aliases: ['decision_threshold', 'cutoff'],
    ...FACTS,
  },
);

export type ThresholdAim = s.TypeOf<typeof thresholdConfig>;

interface Counts {
  readonly right: number;
  readonly predicted: number;
  readonly positives: number;
  readonly all: number;
}

/**
 * The value that the best threshold maximizes, and the one that decides between equal ones. If the
 * required precision or recall is missed, the value is negative, and the closer to 0 the less is
 * missing.
 */
function valueFor(
  aim: ThresholdAim,
  { right, predicted, positives, all }: Counts,
): readonly [value: number, other: number] {
  const precision = predicted === 0 ? 0 : right / predicted;
  const recall = positives === 0 ? 0 : right / positives;
  switch (aim.for) {
    case 'f1':
      return [predicted + positives === 0 ? 0 : (2 * right) / (predicted + positives), 0];
    case 'recall':
      return [precision >= aim.precision ? recall : precision - 1, precision];
    case 'precision':
      return [recall >= aim.recall ? precision : recall - 1, recall];
    case 'cost': {
      const [[trueNegative, falsePositive], [falseNegative, truePositive]] = aim.costs;
      const missed = positives - right;
      const kept = all - predicted - missed;
      const sum = kept * trueNegative + (predicted - right) * falsePositive;
      return [-(sum + missed * falseNegative + right * truePositive) / all, 0];
    }
  }
}

/**
 * The threshold with the best value; of equally good ones that with the larger precision or recall,
 * whichever the aim leaves open, then that nearest to 0.5. It lies between the probabilities of two
 * cases, or is 0 if one has that; cases with at least this probability count as positive. `isMet`
 * is false if no threshold reaches the precision or recall that the aim asks for.
 * @param cases probability and truth of each
 */
export function chooseThreshold(
  cases: readonly (readonly [probability: number, isPositive: boolean])[],
  aim: ThresholdAim,
): { readonly threshold: number; readonly isMet: boolean } {
  const sorted = cases.toSorted(([a], [b]) => b - a);
  const positives = cases.reduce((sum, [, isPositive]) => sum + Number(isPositive), 0);
  let best = { threshold: 0.5, value: Number.NEGATIVE_INFINITY, other: 0 };
  let right = 0;
  for (let predicted = 0; predicted <= sorted.length; predicted++) {
    if (predicted > 0) right += Number(sorted[predicted - 1][1]);
    const [above, below] = [sorted[predicted - 1]?.[0] ?? 1, sorted[predicted]?.[0] ?? 0];
    // equal probabilities are on one side; none is above 1, but all are at least 0
    if (above === below && predicted < sorted.length) continue;
    const middle = (above + below) / 2;
    const threshold = middle > below ? middle : above;
    const [value, other] = valueFor(aim, { right, predicted, positives, all: sorted.length });
    const nearer = Math.abs(best.threshold - 0.5) - Math.abs(threshold - 0.5);
    if ((value - best.value || other - best.other || nearer) > 0) best = { threshold, value, other };
  }
  return { threshold: best.threshold, isMet: aim.for === 'cost' || best.value >= 0 };
}

/** `explain RUN`: measures what the predictions of a run rest on. */
import { type Explanation, OUTPUT_NAMES, type ScoreChange } from '../../run/explanation.js';
import { predictingRuns } from '../../sweep/results.js';
import { EXIT } from '../../util/errors.js';
import { formatMetric, formatNumber } from '../../util/numbers.js';
import { type Field, formatTable, tableOf } from '../../util/table.js';
import { counted } from '../../util/words.js';
import { hintingAtMovedData } from '../command/input.js';
import { count, defineVerb, json, quiet, savedModel, seed, split } from '../command/verb.js';
import { printDiagnostics } from '../terminal/diagnostics.js';
import { createProgress } from '../terminal/progress.js';
import { widthOf } from '../terminal/text.js';

export const verb = defineVerb({
  arguments: '<run>',
  options: {
    split,
    limit: count('<n>', 'sequences to measure, evenly spaced over the split').default(1000),
    repeats: count('<n>', 'permutations of each feature and part').default(5),
    sequences: count('<n>', 'sequences whose predictions are explained one by one').default(20),
    seed: seed.default(0),
    ...savedModel,
    json: json('the explanation'),
    quiet,
  },
  help: 'Writes explanation.json to the run directory; `report` shows it. Of a sweep, explains the run that `predict` uses.',
  async action([run], options, { io }) {
    const { explain } = await import('../../predict/explain.js');
    const [first, ...others] = predictingRuns([run]).runs;
    const path = others.length > 0 ? run : first;
    if (path !== run) io.err(`note: this explains the run ${path}\n`);
    const display = createProgress(io, options.quiet);
    const { explanation, warnings } = await hintingAtMovedData(() =>
      explain(path, options, (done, total) => display.evaluating({ done, total })),
    ).finally(() => display.end());
    if (options.json) io.data(`${JSON.stringify(explanation)}\n`);
    else io.out(textOfExplanation(explanation, widthOf(io)));
    printDiagnostics(warnings, 'warning', io);
    return EXIT.done;
  },
});

type Row = Readonly<{ name: string; scores: readonly ScoreChange[] }>;

function textOfExplanation(
  { split, sequences, scores, features, parts, attributions }: Explanation,
  width: number,
): string {
  const measured = scores.map(({ score, value }) => `${score} ${shown(score, value)}`).join(', ');
  return [
    `${counted(sequences, 'sequence')} of the ${split} split: ${measured}\n`,
    'How much worse the scores are if a feature or a part is that of another sequence:\n',
    tableText('feature', features, width),
    tableText('part', parts, width),
    contributionsText(attributions, width),
  ]
    .filter(text => text !== '')
    .join('\n');
}

function tableText(header: string, rows: readonly Row[], width: number): string {
  if (rows.length === 0) return '';
  const fields = rows[0].scores.flatMap(({ score }, k): Field<Row>[] => [
    { name: score, of: row => shown(score, row.scores[k].change) },
    { name: `${score} 95 %`, title: '95 %', of: row => intervalOf(row.scores[k]) },
    { name: `${score} chance`, title: 'by chance', of: row => shown(score, row.scores[k].floor) },
  ]);
  const name: Field<Row> = { name: header, of: row => row.name };
  return formatTable(tableOf([name, ...fields], rows), 'text', width);
}

function contributionsText(
  { of: output, agreement, features, parts, sequences }: Explanation['attributions'],
  width: number,
): string {
  const heading = `Mean size of the contribution to the ${OUTPUT_NAMES[output]} of a prediction, over ${counted(sequences.length, 'sequence')}, and of its change by occlusion:`;
  const fields: Field<(typeof features)[number]>[] = [
    { name: 'feature or part', of: row => row.name },
    { name: 'contribution', of: row => row.contribution, show: formatNumber },
    { name: 'occlusion', of: row => row.occlusion, show: formatNumber },
  ];
  const table = formatTable(tableOf(fields, [...features, ...parts]), 'text', width);
  const both = agreement === null ? '' : `\nThe two correlate with ${agreement.toFixed(2)}.\n`;
  return `${heading}\n\n${table}${both}`;
}

function intervalOf({ score, low, high }: ScoreChange): string {
  return low === null || high === null ? '' : `${shown(score, low)} to ${shown(score, high)}`;
}

function shown(score: string, value: number | null): string {
  return value === null ? '' : formatMetric(`test.${score}`, value);
}

/**
 * Models of symbols: predictions carry the symbols, mistakes their context, and the confusion
 * matrix of many classes shows the largest. What is expected follows from the data and from the
 * printed predictions.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import t from 'tap';
import type { ClassEvaluation } from '../../src/tasks/facts.js';
import { buildReport } from '../../src/view/report.js';
import type { RunReport } from '../../src/view/run-report.js';
import { jsonLines } from '../support/cli.js';
import { taskReportOf } from '../support/report-runs.js';
import { train } from '../support/runs.js';
import { work } from '../support/work.js';

const webasm = ['--backend', 'webasm', '--threads', '1'];

interface Sentence {
  readonly id: string;
  readonly words: readonly string[];
  readonly tags: readonly string[];
}

/** Tag `i` occurs more often than tag `i + 1`, and each word has one tag. */
function sentences(from: number, count: number, tags: number): Sentence[] {
  return Array.from({ length: count }, (_, s) => {
    const chosen = Array.from({ length: 12 }, (_, k) =>
      Math.floor(tags * (((7 * s + 13 * k) % 101) / 101) ** 3),
    );
    return {
      id: `s${from + s}`,
      words: chosen.map(tag => `word${tag}`),
      tags: chosen.map(tag => `tag${tag}`),
    };
  });
}

const TAGS = 110;
const tail: Sentence = {
  id: 'rare',
  words: Array.from({ length: TAGS }, (_, i) => `word${i}`),
  tags: Array.from({ length: TAGS }, (_, i) => `tag${i}`),
};
const lines = (records: readonly object[]) => `${records.map(one => JSON.stringify(one)).join('\n')}\n`;
const tested: readonly Sentence[] = [
  ...sentences(500, 30, TAGS),
  { id: 'new', words: ['word0', 'unheard', 'word1'], tags: ['tag0', 'tag5', 'tag1'] },
];

function tagging(kind: 'jsonl' | 'csv') {
  const asTable = (records: readonly Sentence[]) =>
    records.flatMap(({ id, words, tags }) => words.map((word, i) => `${id},${i},${word},${tags[i]}`));
  const file = (records: readonly Sentence[]) =>
    kind === 'jsonl'
      ? work.file('sentences.jsonl', lines(records))
      : work.file('sentences.csv', `id,at,words,tags\n${asTable(records).join('\n')}\n`);
  const keys =
    kind === 'jsonl'
      ? { input: 'words', id: 'id', per_step: true }
      : { features: ['words'], sequence: { group: 'id', order: 'at', per_step: true } };
  const test_path = file(tested);
  const dataset = { kind, path: file([...sentences(0, 60, TAGS), tail]), test_path, ...keys };
  return {
    input: test_path,
    config: {
      dataset: { ...dataset, target: 'tags', input_kind: 'symbol', target_kind: 'class', min_count: 2 },
      model: { cell: 'gru', hidden_size: 8, head: { from: 'every' }, embedding: { size: 8 } },
      optimizer: { kind: 'adam', learning_rate: 0.02 },
      training: { num_epochs: 2, batch_size: 10 },
    },
  };
}

const evaluationOf = (directory: string): ClassEvaluation =>
  JSON.parse(readFileSync(join(directory, 'evaluation.json'), 'utf8'));
const reportOf = (directory: string) => buildReport(directory) as RunReport;

t.test('predictions of tags carry the words, known or not, of splits and files', async t => {
  for (const kind of ['jsonl', 'csv'] as const) {
    const { config, input } = tagging(kind);
    const { directory } = (await train(work, config)).summary;
    for (const where of [[], ['--input', input]]) {
      const { stdout, code } = await work.cellrun('predict', directory, ...where, '--top', '1', ...webasm);
      t.equal(code, 0);
      const printed = jsonLines(stdout);
      t.same(
        printed.map(({ id, symbol }) => [id, symbol]),
        tested.map(({ id, words }) => [id, words]),
        `${kind} ${where}`,
      );
      const table = await work.cellrun('predict', directory, ...where, '--format', 'csv', ...webasm);
      const rows: Record<string, string>[] = parse(table.stdout, { columns: true });
      t.same(
        rows.map(({ symbol }) => symbol),
        tested.flatMap(({ words }) => words),
      );
    }
  }
});

t.test('mistakes in context, and the confusion of the largest of many classes', async t => {
  const { config } = tagging('jsonl');
  const { directory } = (await train(work, config)).summary;
  const { stdout } = await work.cellrun('predict', directory, ...webasm);
  const pairs = jsonLines(stdout).flatMap(({ label, predicted }) =>
    label.map((one: number, i: number) => [one, predicted[i]]),
  );
  const { mistakes, confusion, confusion_of_largest: largest, class_names } = evaluationOf(directory);
  t.equal(confusion, null, 'more than 100 classes');
  const cases = new Map<number, number>();
  for (const [label] of pairs) cases.set(label, (cases.get(label) ?? 0) + 1);
  const order = [...cases].toSorted(([a, m], [b, n]) => n - m || a - b).slice(0, 15);
  const classes = order.map(([label]) => label);
  t.same(largest?.classes, classes);
  const placeOf = (k: number) => (classes.includes(k) ? classes.indexOf(k) : 15);
  const counts = Array.from({ length: 16 }, (_, row) =>
    Array.from(
      { length: 16 },
      (_, k) =>
        pairs.filter(([label, predicted]) => placeOf(label) === row && placeOf(predicted) === k).length,
    ),
  );
  t.same(largest?.counts, counts);
  t.ok(mistakes.length > 0);
  for (const { id, step_in_sequence: step = 0, context } of mistakes) {
    const words = tested.find(one => one.id === id)?.words ?? [];
    const text = `${words.slice(Math.max(0, step - 8), step + 6).join(' ')}`;
    t.equal(context?.at, words[step]);
    t.equal(`${context?.before}${context?.at}${context?.after}`, text);
  }
  const report = taskReportOf(reportOf(directory), 'class');
  t.same(report.confusion?.names, [...classes.map(k => class_names?.[k]), `${TAGS - 15} others`]);
  t.equal(report.right, pairs.filter(([label, predicted]) => label === predicted).length);
});

t.test('spaces and line ends are visible; a language model tells what comes next', async t => {
  const text = 'a whale\nand a\tship ';
  const { directory } = (
    await train(work, {
      dataset: {
        kind: 'text',
        path: work.file('long.txt', text.repeat(40)),
        test_path: work.file('short.txt', text.repeat(2)),
        level: 'character',
        sequence_length: 10,
      },
      model: { cell: 'gru', hidden_size: 4, head: { from: 'every' }, embedding: { size: 4 } },
      optimizer: { kind: 'adam', learning_rate: 0.001 },
      training: { num_epochs: 1, batch_size: 10 },
    })
  ).summary;
  const { mistakes, class_names } = evaluationOf(directory);
  const stream = text.repeat(2);
  t.ok(mistakes.length > 10);
  for (const { index, step_in_sequence: step = 0, label, context } of mistakes) {
    const at = 10 * index + step + 1;
    t.equal(class_names?.[label], stream[at]);
    t.equal(context?.at, stream[at]);
    t.equal(context?.before, stream.slice(10 * index, at));
    t.equal(context?.after, stream.slice(at + 1, Math.min(10 * index + 10, stream.length - 1)));
  }
  const report = taskReportOf(reportOf(directory), 'class');
  t.same(report.names.toSorted(), [...'<unk>'.split(' '), ...new Set('awhlendsip␣↵⇥')].toSorted());
  const reported = await work.cellrun('report', directory, '--json');
  const { sample } = JSON.parse(reported.stdout) as RunReport;
  const words = ['--generate', '--length', '500', '--temperature', '0.8', '--seed', '0'];
  const generated = await work.cellrun('predict', directory, ...words, ...webasm);
  t.equal(`${sample?.text}\n`, generated.stdout, 'the report has a sample');
  t.equal(sample?.text.length, 500);
  t.notMatch(JSON.stringify(report.mistakes.map(({ context }) => context)), /\\n|\\t/);
});
